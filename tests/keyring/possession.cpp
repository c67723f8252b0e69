// Possession and diagnosis, held against what the kernel answers to every operation.
#include <gsskey/keyring.hpp>

#include <grp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/sibling.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using key_type::User;
using support::Answers;
using support::error_of;
using support::must;
using support::outcome;

namespace {
long calls = 0;  // of keyctl(2)
}

extern "C" long keyctl(int command, ...) {
  unsigned long arguments[4];
  std::va_list list;
  va_start(list, command);
  for (unsigned long& each : arguments) each = va_arg(list, unsigned long);
  va_end(list);
  ++calls;
  return ::syscall(SYS_keyctl, command, arguments[0], arguments[1], arguments[2], arguments[3]);
}

namespace {

constexpr gid_t some_group = 4711;
constexpr Risks every_risk = Risks::from_bits(0xffffffff);

/// Masks that grant much and little, to possessor, user, group and other in turn, and some as they come.
std::vector<Permissions> masks() {
  std::vector<Permissions> all;
  const auto add = [&](std::uint32_t bits) { all.push_back(Permissions::from_bits(bits).accepting(every_risk)); };
  for (const std::uint32_t bits :
       {0x3f010000U, 0x3f3f0000U, 0x003f0000U, 0x3f000000U, 0x01080000U, 0x08010000U, 0x01090000U,
        0x0b0b0000U, 0x3f3f3f3fU, 0x3f000b00U, 0x3f00000bU, 0x3f0b003fU, 0x003f3f00U, 0x00003f3fU,
        0x010a0a0aU, 0x0008003fU, 0x3f08003fU, 0x3f013f00U, 0x1f1f0000U, 0x00000000U}) {
    add(bits);
  }
  std::uint32_t state = 20261126;
  for (int at = 0; at < 24; ++at) {
    state = state * 1664525 + 1013904223;
    add(state >> 2 & 0x3f3f3f3f);
  }
  return all;
}

/// One key in the eyes of this process: the number of answers that differ from the kernel's. `is_reached`: a ring of
/// this thread leads to it; `own`: the rights of user, group or other, whichever this process is.
long differences(KeyRef<User> key, Permissions mask, Rights own, bool is_reached) {
  const bool possessed = is_reached && (mask.possessor() | own).contains(Right::search);
  const Rights granted = possessed ? own | mask.possessor() : own;
  const auto found = diagnose(key);
  const long seen = outcome(key.describe());
  const long searched = keyctl_get_keyring_ID(key.serial(), 0) >= 0 ? 0 : errno;
  const long read = outcome(key.read());
  const long linked = outcome(must(Keyring::thread()).link(key));
  if (linked == 0) must(must(Keyring::thread()).unlink(key));
  const long updated = outcome(key.update("new", no_timeout));
  const long timed = outcome(key.set_timeout(no_timeout));
  const auto is = [](long answer, bool right) { return answer == (right ? 0 : EACCES); };
  long wrong = 0;
  // That the constructed case is what it was meant to be.
  if (!is(seen, granted.contains(Right::view))) ++wrong;
  if (!is(searched, granted.contains(Right::search))) ++wrong;
  if (!is(read, possessed || granted.contains(Right::read))) ++wrong;
  if (!is(updated, granted.contains(Right::write))) ++wrong;
  if (!is(linked, granted.contains(Right::link))) ++wrong;
  if (!is(timed, granted.contains(Right::set_attributes))) ++wrong;
  // And what we say of it.
  if (is_possessed(key) != possessed) ++wrong;
  if (found.contains(Finding::key_is_not_possessed) == possessed) ++wrong;
  if (found.contains(Finding::key_is_not_viewable) != (seen == EACCES)) ++wrong;
  for (const Finding dead : {Finding::key_is_gone, Finding::key_is_revoked, Finding::key_is_negative}) {
    if (found.contains(dead)) ++wrong;
  }
  if (wrong != 0) {
    std::fprintf(stderr, "mask %08x, own %02x, reached %d: possessed %d; %ld %ld %ld %ld %ld %ld\n", mask.bits(),
                 own.bits(), is_reached, is_possessed(key), seen, searched, read, updated, linked, timed);
  }
  return wrong;
}

/// As `user`, who is of `some_group` too if `with_group`, in a session of his own or this one.
Answers as(uid_t user, bool with_group, bool inherited, const std::vector<KeyRef<User>>& keys,
           Rights (*own)(Permissions mask)) {
  const auto work = [&](Answers& found) {
    must(Keyring::install_thread());
    const auto all = masks();
    for (std::size_t at = 0; at < all.size(); ++at)
      found.push_back(differences(keys[at], all[at], own(all[at]), inherited));
  };
  if (with_group) {  // before it is no longer root
    const ::gid_t group = some_group;
    return support::as_user(
        ::geteuid(),
        [&](Answers& found) {
          if (::setgroups(1, &group) != 0 || ::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0)
            return;
          if (!inherited) must(Keyring::join_session());
          work(found);
        },
        support::ChildSession::inherited);
  }
  return support::as_user(user, work, inherited ? support::ChildSession::inherited : support::ChildSession::own);
}

}  // namespace

TEST_CASE("possession and diagnosis agree with every operation, whoever asks") {
  const support::Session session;
  const auto all = masks();
  long cases = 0;
  const auto check = [&](bool in_a_nest, uid_t user, bool with_group, bool inherited, Rights (*own)(Permissions)) {
    CAPTURE(in_a_nest, user, with_group, inherited);
    const auto ring = must(session->create(key_type::Keyring{"gsskey:nest"}));
    std::vector<KeyRef<User>> keys;
    for (std::size_t at = 0; at < all.size(); ++at) {
      const auto key = must(
          (in_a_nest ? KeyringRef{ring} : *session).upsert(User{"gsskey:possession-" + std::to_string(at)}, "old"));
      if (::geteuid() == 0) must(key.set_group(some_group));
      must(key.set_permissions(all[at]));
      keys.push_back(key);
    }
    const auto answers = as(user, with_group, inherited, keys, own);
    CHECK(answers == Answers(all.size(), 0));
    cases += static_cast<long>(answers.size());
    must(session->clear());
  };
  const auto user_of = [](Permissions mask) { return mask.user(); };
  const auto other_of = [](Permissions mask) { return mask.other(); };
  const auto group_of = [](Permissions mask) { return mask.group() == Rights{} ? mask.other() : mask.group(); };
  check(false, ::geteuid(), false, true, user_of);
  check(true, ::geteuid(), false, true, user_of);
  check(false, ::geteuid(), false, false, user_of);
  CHECK(cases >= 60);
  if (::geteuid() != 0) return support::skip("needs root, to become another user");
  check(false, support::nobody, false, true, other_of);
  check(false, support::nobody, false, false, other_of);
  check(true, support::nobody, true, true, group_of);
  check(false, support::nobody, true, false, group_of);
}

TEST_CASE("a key that another of its name hides is found, and one that is not there is not") {
  const support::Session session;
  const auto everything = Permissions{}.possessor(all_rights).user(all_rights);  // so that no right tells
  const auto first = must(session->create(key_type::Keyring{"gsskey:first"}));
  const auto second = must(session->create(key_type::Keyring{"gsskey:second"}));
  const auto one = must(first.create(User{"gsskey:name"}, "x", {.permissions = everything}));
  const auto other = must(second.create(User{"gsskey:name"}, "x", {.permissions = everything}));
  CHECK(is_possessed(one));
  CHECK(is_possessed(other));
  const auto elsewhere = support::as_user(::geteuid(), [&](Answers& found) {
    found.push_back(is_possessed(one));
    const auto mine = must(must(Keyring::session()).create(User{"gsskey:name"}, "x"));
    found.push_back(is_possessed(one));
    found.push_back(is_possessed(mine));
    found.push_back(diagnose(other).contains(Finding::key_is_not_possessed));
  });
  CHECK(elsewhere == Answers{0, 0, 1, 1});
}

TEST_CASE("what a sibling has done to a key is diagnosed") {
  const support::Session session;
  const auto everything = Permissions{}.possessor(all_rights).user(all_rights);
  for (const auto& deed : support::deeds()) {
    CAPTURE(deed.name);
    const auto ring = must(session->create(key_type::Keyring{"gsskey:ring"}));
    const auto key = must(KeyringRef{ring}.upsert(User{"gsskey:sibling"}, "x"));
    must(key.set_permissions(everything));
    {  // where the sibling's ring goes, so does what is nowhere else
      const auto theirs = must(session->create(key_type::Keyring{"gsskey:theirs"}));
      support::elsewhere([&] { return deed.to(AnyKeyRef::from_serial(key.serial()), ring, theirs); });
    }
    const auto found = diagnose(key);
    const std::string name = deed.name;
    const bool is_held = name == "linked elsewhere" || name == "filled with something else";
    CHECK(is_possessed(key) == is_held);
    CHECK(found.contains(Finding::key_is_revoked) == (name == "revoked"));
    CHECK(found.contains(Finding::key_is_gone) == (name == "invalidated"));
    const bool is_dead = name == "revoked" || name == "invalidated";
    CHECK(found.contains(Finding::key_is_not_possessed) == (!is_held && !is_dead));
    must(session->clear());
  }
}

TEST_CASE("six rings below, and no deeper") {
  const support::Session session;
  const auto everything = Permissions{}.possessor(all_rights).user(all_rights);
  const auto shadow = must(session->create(User{"gsskey:name"}, "x"));
  std::vector<Key<key_type::Keyring>> nest;
  for (int depth = 1; depth <= 7; ++depth) {
    auto ring = must(session->create(key_type::Keyring{"gsskey:" + std::to_string(depth)}));
    auto key = must(ring.create(User{"gsskey:name"}, "x", {.permissions = everything}));
    if (!nest.empty()) must(ring.move_to(nest.back()));
    // The user may all; whether it is possessed shows when the user may nothing.
    const bool possessed = is_possessed(key);
    must(key.set_permissions(Permissions{}.possessor(all_rights).accepting(every_risk)));
    CAPTURE(depth);
    CHECK(possessed == (error_of(key.read()) == 0));
    CHECK(possessed == (depth <= 6));
    CHECK(is_possessed(key) == possessed);
    static_cast<void>(std::move(key).release());
    nest.push_back(std::move(ring));
  }
  while (!nest.empty()) nest.pop_back();
}

TEST_CASE("any graph of rings is walked once, however large and however linked") {
  if (!support::has_large_quota()) return support::skip("root's quota is needed");
  const support::Session session;
  const auto everything = Permissions{}.possessor(all_rights).user(all_rights);
  const auto shadow = must(session->create(User{"gsskey:name"}, "x"));
  SECTION("fifty rings of three hundred keys, all in all") {
    std::vector<KeyringRef> rings;
    std::vector<KeyRef<User>> keys;
    for (int at = 0; at < 50; ++at) {
      rings.push_back(must(session->create(key_type::Keyring{"gsskey:ring-" + std::to_string(at)})).release());
    }
    for (int at = 0; at < 300; ++at)
      keys.push_back(must(rings[0].upsert(User{"gsskey:key-" + std::to_string(at)}, "x")));
    for (std::size_t at = 0; at < rings.size(); ++at) {
      for (const auto key : keys) must(rings[at].link(key));
      for (std::size_t later = at + 1; later < rings.size() && later < at + 5; ++later)
        must(rings[at].link(rings[later]));
    }
    const auto deep = must(rings.back().create(User{"gsskey:name"}, "x", {.permissions = everything}));
    calls = 0;
    CHECK(is_possessed(deep));
    CHECK(calls < 5000);
    const auto lone = must(must(Keyring::user()).upsert(User{"gsskey:name"}, "x"));
    must(lone.describe());
    calls = 0;
    CHECK_FALSE(is_possessed(lone));
    CHECK(calls < 5000);
    must(must(Keyring::user()).unlink(lone));
  }
  SECTION("one thousand and two hundred rings") {
    const auto last = must(session->create(key_type::Keyring{"gsskey:last"}));
    const auto hidden = must(last.create(User{"gsskey:name"}, "x", {.permissions = everything}));
    for (int at = 0; at < 1200; ++at) {
      static_cast<void>(must(session->create(key_type::Keyring{"gsskey:ring-" + std::to_string(at)})).release());
    }
    CHECK(is_possessed(hidden));
  }
  must(session->clear());
}

TEST_CASE("a negative key is told as one") {
  const support::Session session;
  // No handler answers: the kernel remembers that, in the ring that was named.
  CHECK(error_of(request_key<User>("gsskey-nobody-answers:key", "", *session)) != 0);
  const auto members = must(session->members());
  if (members.empty()) return support::skip("this kernel remembers no refusal");
  const auto key = members[0];
  CHECK(error_of(key.describe()) == 0);
  CHECK(error_of(key.read()) != 0);
  CHECK(diagnose(key).contains(Finding::key_is_negative));
  CHECK_FALSE(diagnose(key).contains(Finding::key_is_gone));
  CHECK(is_possessed(key));
  must(session->unlink(key));
  CHECK_FALSE(is_possessed(key));
}

TEST_CASE("a quota is full when there is no room for create()") {
  if (::geteuid() != 0) return support::skip("needs root, to become a user whose quota is small");
  const auto full = [] { return diagnose().contains(Finding::quota_is_full); };
  const auto create = [] { return outcome(must(Keyring::session()).create(User{"k"}, "x")); };
  const auto keys = support::as_user(4246, [&](Answers& found) {
    const auto session = must(Keyring::session());
    static_cast<void>(Keyring::user_session());
    const auto quota = [] { return must(key_quota(::geteuid())); };
    for (int at = 0; quota().keys + 2 < quota().max_keys; ++at) {
      must(session.upsert(User{"gsskey:" + std::to_string(at)}, "x"));
    }
    found.push_back(full());
    found.push_back(create());
    support::eventually([&] { return quota().keys + 2 == quota().max_keys; });  // its scratch ring is collected
    must(session.upsert(User{"gsskey:last"}, "x"));
    found.push_back(full());
    found.push_back(create());
  });
  CHECK(keys == Answers{0, 0, 1, EDQUOT});
  const auto bytes = support::as_user(4247, [&](Answers& found) {
    const auto session = must(Keyring::session());
    static_cast<void>(Keyring::user_session());
    const auto quota = must(key_quota(::geteuid()));
    const auto left = quota.max_bytes - quota.bytes;
    const auto payload = [](std::size_t size) { return std::string(size, 'x'); };
    // Its description, NUL, and link.
    must(session.upsert(User{"f"}, payload(left - 60 - 6)));
    found.push_back(full());
    found.push_back(create());
    must(session.upsert(User{"f"}, payload(left - 40 - 6)));
    found.push_back(full());
    found.push_back(create());
  });
  CHECK(bytes == Answers{0, 0, 1, EDQUOT});
}

TEST_CASE("a session that belongs to another user") {
  if (::geteuid() != 0) return support::skip("needs root, to become another user");
  const support::Session session;
  CHECK_FALSE(diagnose().contains(Finding::session_is_another_users));
  const auto answers = support::as_user(
      support::nobody,
      [&](Answers& found) {
        found.push_back(diagnose().contains(Finding::session_is_another_users));
        must(Keyring::join_session());
        found.push_back(diagnose().contains(Finding::session_is_another_users));
      },
      support::ChildSession::inherited);
  CHECK(answers == Answers{1, 0});

  const auto set_uid = support::as_user(
      0,
      [&](Answers& found) {  // the real user stays, as in a set-uid program
        must(session->set_owner(support::nobody));
        if (::setresuid(support::nobody, 0, 0) == 0) {
          found.push_back(diagnose().contains(Finding::session_is_another_users));
        }
      },
      support::ChildSession::inherited);
  CHECK(set_uid == Answers{1});
  must(session->set_owner(0));
}
