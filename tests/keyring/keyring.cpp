// The rings that processes have: found, made, joined, handed on, and those that outlive them.
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/keyring.hpp>

#include <unistd.h>

#include <cstdio>
#include <string>
#include <thread>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using key_type::User;
using support::Answers;
using support::error_of;
using support::is_collected;
using support::is_usage;
using support::must;
using support::outcome;

namespace {

constexpr unsigned hang = 60;  // seconds after which a child is taken for hanging

}  // namespace

TEST_CASE("the rings that every process has") {
  const support::Session session;
  for (const uid_t user : support::users()) {
    CAPTURE(user);
    const Answers answers = support::as_user(user, [user](Answers& found) {
      found.push_back(outcome(Keyring::thread()));
      found.push_back(outcome(Keyring::process()));
      const auto name_of = [](KeyringRef ring) { return std::string{must(ring.describe()).description()}; };
      const auto own = std::to_string(user);
      found.push_back(name_of(must(Keyring::session())) == "_ses");
      found.push_back(name_of(must(Keyring::user())) == "_uid." + own);
      found.push_back(name_of(must(Keyring::user_session())) == "_uid_ses." + own);
      const auto thread_ring = must(Keyring::install_thread());
      const auto process_ring = must(Keyring::install_process());
      found.push_back(name_of(thread_ring) == "_tid");
      found.push_back(name_of(process_ring) == "_pid");
      found.push_back(must(Keyring::install_thread()) == thread_ring);
      found.push_back(must(Keyring::thread()) == thread_ring);
      found.push_back(must(Keyring::install_process()) == process_ring);
      // Another thread has a thread ring of its own, and the same process ring.
      long checks = 0;
      std::thread{[&] {
        checks += must(Keyring::thread()) == thread_ring ? 0 : 1;
        checks += must(Keyring::process()) == process_ring ? 2 : 0;
        checks += must(Keyring::session()) == must(Keyring::session()) ? 4 : 0;
      }}.join();
      found.push_back(checks);
      // A child has neither.
      found.push_back(support::as_user(user, [](Answers& inner) {
                        inner.push_back(outcome(Keyring::thread()));
                        inner.push_back(outcome(Keyring::process()));
                      }) == Answers{ENOKEY, ENOKEY});
    });
    CHECK(answers == Answers{ENOKEY, ENOKEY, 1, 1, 1, 1, 1, 1, 1, 1, 7, 1});
  }
}

TEST_CASE("a process ring is not installed beside other threads") {
  const support::Session session;
  const Answers answers = support::as_user(::geteuid(), [](Answers& found) {
    int ends[2];
    if (::pipe(ends) != 0) return;
    std::thread other{[&] {
      char byte = 0;
      static_cast<void>(::read(ends[0], &byte, 1));  // there until the other end is closed
    }};
    found.push_back(outcome(Keyring::install_process()));
    ::close(ends[1]);
    other.join();
    ::close(ends[0]);
    // The thread is joined before its folder is gone.
    found.push_back(support::eventually([] { return outcome(Keyring::install_process()) == 0; }));
  });
  CHECK(answers == Answers{-1, 1});
}

TEST_CASE("join_session: an anonymous ring, a named one, and names that are refused") {
  const support::Session session;
  for (const uid_t user : support::users()) {
    CAPTURE(user);
    const Answers answers = support::as_user(user, [](Answers& found) {
      const auto name = "qwerty of process " + std::to_string(::getpid());
      const auto before = must(Keyring::session());
      const auto anonymous = must(Keyring::join_session());
      found.push_back(anonymous == before);
      found.push_back(must(Keyring::session()) == anonymous);
      found.push_back(must(anonymous.describe()).description() == "_ses");

      const auto named = must(Keyring::join_session(name));
      const auto info = must(named.describe());
      found.push_back(info.description() == name);
      found.push_back(info.permissions().bits());
      found.push_back(must(Keyring::session()) == named);

      // Something has to hold it while another is joined.
      const auto holder = must(Keyring::install_thread());
      must(holder.link(named));
      const auto second = must(Keyring::join_session(name));
      found.push_back(second == named);  // another of the same name: nobody may search for the first
      must(holder.unlink(named));
      must(holder.link(second));
      must(second.set_permissions(Permissions{}.possessor(all_rights).user(all_rights)));
      must(Keyring::join_session());
      found.push_back(must(Keyring::join_session(name)) == second);

      found.push_back(must(Keyring::join_session(name)) == second);  // that it is in already

      found.push_back(outcome(Keyring::join_session(".qwerty")));
      found.push_back(outcome(Keyring::join_session(std::string{})));
      const std::string longest(4095, 'a');
      found.push_back(outcome(Keyring::join_session(longest + "a")));
      found.push_back(must(Keyring::session()) == second);
      found.push_back(outcome(Keyring::join_session(longest)));
      found.push_back(must(must(Keyring::session()).describe()).description() == longest);
    });
    CHECK(answers == Answers{0, 1, 1, 1, 0x3f130000, 1, 0, 1, 1, EPERM, -1, EINVAL, 1, 0, 1});
  }
}

TEST_CASE("a revoked session refuses everything until another is joined") {
  const support::Session session;
  const Answers answers = support::as_user(::geteuid(), [](Answers& found) {
    const auto ring = must(Keyring::session());
    must(ring.upsert(User{"lizard"}, "gizzard"));
    must(ring.revoke());
    found.push_back(outcome(Keyring::session()));
    found.push_back(outcome(ring.members()));
    found.push_back(outcome(ring.upsert(User{"lizard"}, "gizzard")));
    found.push_back(outcome(request_key<User>("lizard")));
    found.push_back(outcome(Keyring::join_session()));
    found.push_back(outcome(must(Keyring::session()).upsert(User{"lizard"}, "gizzard")));
  });
  CHECK(answers == Answers{EKEYREVOKED, EKEYREVOKED, EKEYREVOKED, ENOKEY, 0, 0});
}

TEST_CASE("joining a session is a matter of the thread") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  int on_other_thread = 0;
  std::thread{[&] {
    must(Keyring::join_session());
    on_other_thread = error_of(key.read());
  }}.join();
  CHECK(on_other_thread == EACCES);
  CHECK(must(key.read()).text() == "gizzard");
  CHECK(must(Keyring::session()) == *session);
}

TEST_CASE("session_to_parent: a child gives its parent another session") {
  const support::Session session;
  for (const uid_t user : support::users()) {
    CAPTURE(user);
    const Answers answers = support::as_user(user, [](Answers& found) {
      const auto first = must(Keyring::session());
      found.push_back(support::in_child(hang, [] {
        must(Keyring::join_session());
        return static_cast<int>(outcome(Keyring::session_to_parent()));
      }));
      const auto second = must(Keyring::session());
      found.push_back(second == first);
      found.push_back(must(second.describe()).description() == "_ses");
      found.push_back(support::in_child(hang, [] {
        const auto named = must(Keyring::join_session("lizard"));
        must(named.upsert(User{"from the child"}, "gizzard"));
        return static_cast<int>(outcome(Keyring::session_to_parent()));
      }));
      const auto third = must(Keyring::session());
      found.push_back(third == second);
      found.push_back(must(third.describe()).description() == "lizard");
      found.push_back(must(must(third.search<User>("from the child")).read()).text() == "gizzard");
      // Its own session back to it: nothing happens.
      found.push_back(support::in_child(hang, [] { return static_cast<int>(outcome(Keyring::session_to_parent())); }));
      found.push_back(must(Keyring::session()) == third);
    });
    CHECK(answers == Answers{0, 0, 1, 0, 0, 1, 1, 0, 1});
  }
}

TEST_CASE("session_to_parent: refused by a ring without the right to link, other credentials, threads") {
  const support::Session session;
  if (::geteuid() != 0) return support::skip("only root becomes another user");
  const Answers answers = support::as_user(0, [](Answers& found) {
    const auto before = must(Keyring::session());
    found.push_back(support::in_child(hang, [] {
      const auto ring = must(Keyring::join_session());
      must(ring.set_permissions(Permissions{}.possessor(all_rights.without(Right::link))));
      return static_cast<int>(outcome(Keyring::session_to_parent()));
    }));
    found.push_back(support::in_child(hang, [] {
      if (::setresuid(support::nobody, support::nobody, support::nobody) != 0) return 99;
      must(Keyring::join_session());
      return static_cast<int>(outcome(Keyring::session_to_parent()));
    }));
    int ends[2];
    if (::pipe(ends) != 0) return;
    std::thread other{[&] {
      char byte = 0;
      static_cast<void>(::read(ends[0], &byte, 1));  // there until the other end is closed
    }};
    found.push_back(support::in_child(hang, [] {
      must(Keyring::join_session());
      return static_cast<int>(outcome(Keyring::session_to_parent()));
    }));
    ::close(ends[1]);
    other.join();
    ::close(ends[0]);
    found.push_back(must(Keyring::session()) == before);
  });
  CHECK(answers == Answers{EACCES, EPERM, EPERM, 1});
}

TEST_CASE("a program that is executed keeps the session, and no other ring") {
  const support::Session session;
  const Answers answers = support::as_user(::geteuid(), [](Answers& found) {
    const auto only_possessor = Permissions{}.possessor(all_rights);
    const auto in_session = must(must(Keyring::session()).create(User{"kept"}, "x", {only_possessor, no_timeout}));
    const auto in_thread =
        must(must(Keyring::install_thread()).create(User{"lost"}, "x", {only_possessor, no_timeout}));
    const auto in_process =
        must(must(Keyring::install_process()).create(User{"left"}, "x", {only_possessor, no_timeout}));
    // The program sees what it possesses: nobody else has the right to view.
    ::FILE* const pipe = ::popen("cat /proc/keys", "r");
    std::string seen;
    for (int byte = std::fgetc(pipe); byte != EOF; byte = std::fgetc(pipe)) seen += static_cast<char>(byte);
    found.push_back(::pclose(pipe));
    auto bytes = must(SecretBytes::copy_of(seen));
    const ProcKeys keys{std::move(bytes)};
    for (const key_serial_t serial : {in_session.serial(), in_thread.serial(), in_process.serial()}) {
      found.push_back(outcome(keys.find(AnyKeyRef::from_serial(serial))));
    }
  });
  CHECK(answers == Answers{0, 0, ENOKEY, ENOKEY});
}

TEST_CASE("persistent rings: one's own, and another user's for root") {
  const support::Session session;
  const auto capabilities = must(keyring_capabilities());
  if (!capabilities.contains(KeyringCapability::persistent_rings)) {
    std::fprintf(stderr, "this kernel has no persistent rings\n");
    CHECK(error_of(Keyring::persistent(*session)) == EOPNOTSUPP);
    return;
  }
  CHECK(is_usage(Keyring::persistent(KeyringRef{})));
  const auto not_a_ring = must(session->create(User{"lizard"}, "gizzard"));
  CHECK(error_of(Keyring::persistent(KeyringRef::from_serial(not_a_ring.serial()))) == ENOTDIR);
  const auto into = must(session->create(key_type::Keyring{"into"}));
  const bool had_own = support::has_persistent_ring();
  const auto own = must(Keyring::persistent(into));
  CHECK(must(own.describe()).description() == "_persistent." + std::to_string(::geteuid()));
  CHECK(must(Keyring::persistent(into, ::geteuid())) == own);
  CHECK(must(into.members()).contains(own));
  CHECK(support::has_persistent_ring());
  if (!had_own) REQUIRE(own.invalidate());
  REQUIRE(into.clear());
  REQUIRE(into.set_permissions(Permissions{}.possessor(all_rights.without(Right::write))));
  CHECK(error_of(Keyring::persistent(into)) == EACCES);  // before the ring is made
  CHECK(support::eventually([&] { return support::has_persistent_ring() == had_own; }));

  if (::geteuid() != 0) return support::skip("only root becomes another user");
  const auto others = must(Keyring::persistent(*session, support::nobody));
  const auto info = must(others.describe());
  CHECK(info.description() == "_persistent.65534");
  CHECK(info.user() == support::nobody);
  CHECK(info.permissions().bits() == 0x1f030000);
  {
    const auto keys = must(ProcKeys::acquire());
    CHECK(must(keys.find(others)).timeout.ends_with('d'));  // days
  }
  const auto key = must(others.upsert(User{"lizard"}, "gizzard"));
  // That user has it too, and what is in it; and no other user's.
  const Answers answers = support::as_user(support::nobody, [&](Answers& found) {
    const auto ring = must(Keyring::session());
    found.push_back(must(Keyring::persistent(ring)) == others);
    found.push_back(must(Keyring::persistent(ring, support::nobody)) == others);
    found.push_back(must(ring.search<User>("lizard")) == key);
    found.push_back(outcome(Keyring::persistent(ring, 0)));
    found.push_back(outcome(Keyring::persistent(ring, 4242)));
    found.push_back(outcome(others.set_timeout(Seconds{1})));  // without the right to set attributes
  });
  CHECK(answers == Answers{1, 1, 1, EPERM, EPERM, EACCES});
  REQUIRE(others.invalidate());  // it would be there for days
  CHECK(is_collected(key));
}
