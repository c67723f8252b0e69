// Contexts that are parked and claimed: by one, once, in time; and what is left when a step fails.
#include <gsskey/gss/handshake.hpp>
#include <gsskey/handoff/parked_context.hpp>
#include <gsskey/krb5/principal.hpp>

#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dlfcn.h>
#include <csignal>
#include <cstdarg>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/environment.hpp"
#include "support/openssl_memory.hpp"
#include "support/realm.hpp"
#include "support/session.hpp"
#include "support/sibling.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::Answers;
using support::Environment;
using support::eventually;
using support::must;
using support::peer_of;
using namespace std::string_view_literals;

namespace {

/// The number of the call that fails, of those that fail on purpose; 0: none.
int fails_at = 0;
int calls = 0;
bool is_killed = false;      // and the process with it
bool unlinks_count = false;  // destructors unlink too
bool fails_now() {
  if (fails_at == 0 || ++calls != fails_at) return false;
  if (is_killed) ::raise(SIGKILL);
  return true;
}

/// Of the kernel, between libkeyutils and it.
int kernel_says = EDQUOT;
bool kernel_fails_now() {
  if (!fails_now()) return false;
  errno = kernel_says;
  return true;
}

/// So many bytes are behind exported contexts: with a large PAC a token has tens of thousands.
std::size_t padding = 0;

template <class Function>
Function* library(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

key_serial_t add_key(const char* type, const char* description, const void* payload, std::size_t size,
                     key_serial_t ring) {
  if (kernel_fails_now()) return -1;
  return static_cast<key_serial_t>(::syscall(SYS_add_key, type, description, payload, size, ring));
}
long keyctl(int command, ...) {
  unsigned long arguments[4];
  std::va_list list;
  va_start(list, command);
  for (unsigned long& each : arguments) each = va_arg(list, unsigned long);
  va_end(list);
  if ((command != KEYCTL_UNLINK || unlinks_count) && kernel_fails_now()) return -1;
  return ::syscall(SYS_keyctl, command, arguments[0], arguments[1], arguments[2], arguments[3]);
}
OM_uint32 gss_export_sec_context(OM_uint32* minor, gss_ctx_id_t* context, gss_buffer_t token) {
  static auto* const next = library<decltype(gss_export_sec_context)>("gss_export_sec_context");
  if (fails_now()) return GSS_S_UNAVAILABLE;
  const OM_uint32 major = next(minor, context, token);
  if (padding == 0 || major != GSS_S_COMPLETE) return major;
  auto* const larger = static_cast<char*>(std::malloc(token->length + padding));
  std::memcpy(larger, token->value, token->length);
  std::memset(larger + token->length, 'p', padding);
  const gss_buffer_desc padded{token->length + padding, larger};
  gss_release_buffer(minor, token);
  *token = padded;
  return major;
}
OM_uint32 gss_import_sec_context(OM_uint32* minor, gss_buffer_t token, gss_ctx_id_t* context) {
  static auto* const next = library<decltype(gss_import_sec_context)>("gss_import_sec_context");
  gss_buffer_desc cut{token->length - padding, token->value};
  return next(minor, &cut, context);
}
int RAND_priv_bytes(unsigned char* out, int size) {
  static auto* const next = library<decltype(RAND_priv_bytes)>("RAND_priv_bytes");
  return fails_now() ? 0 : next(out, size);
}
int EVP_EncryptFinal_ex(EVP_CIPHER_CTX* cipher, unsigned char* out, int* size) {
  static auto* const next = library<decltype(EVP_EncryptFinal_ex)>("EVP_EncryptFinal_ex");
  return fails_now() ? 0 : next(cipher, out, size);
}

}  // extern "C"

namespace {

using support::Client;

/// What the process has anyway: a realm, and the ring of its thread.
struct Prepared {
  Prepared() {
    support::realm();
    static_cast<void>(must(Keyring::install_thread()));
  }
};
struct Session : Prepared, support::Session {};

/// Messages pass both ways.
template <Mechanism M, Mechanism N>
void talk(SecurityContext<M>& one, SecurityContext<N>& other) {
  CHECK(must(other.unwrap(must(one.wrap("there")))).text() == "there");
  CHECK(must(one.unwrap(must(other.wrap("and back")))).text() == "and back");
}

/// The key of the only context that is parked in the ring.
AnyKeyRef sealing_key(KeyringRef ring) {
  const auto box = must(ring.members())[0];
  return must(must(box.as<key_type::Keyring>()).members())[0];
}

template <class T>
std::string text_of(const Result<T>& result) {
  REQUIRE_FALSE(result);
  return std::string{result.error().text()};
}

}  // namespace

TEMPLATE_TEST_CASE("a parked context goes on where it is claimed, on either side", "", mech::Krb5, mech::Spnego) {
  const Session session;
  auto ends = support::pair<TestType>();
  talk(ends.initiator, ends.acceptor);
  auto acceptor = must(handoff::park(std::move(ends.acceptor), *session));
  CHECK_FALSE(ends.acceptor);
  CHECK(must(session->members()).size() == 1);
  CHECK(acceptor.ring() == *session);
  auto initiator = must(handoff::park(std::move(ends.initiator), *session, {.time_to_live = Seconds{10}}));
  auto claimed = must(handoff::claim<TestType>(acceptor));
  auto other = must(handoff::claim<TestType>(initiator.bytes(), *session));
  CHECK(must(session->members()).empty());
  talk(claimed, other);
  CHECK(must(must(claimed.peer()).principal()).text() == "alice@GSSKEY.TEST");
  CHECK(must(must(other.peer()).principal()).text() == "host/localhost@GSSKEY.TEST");
}

TEST_CASE("a second claim fails, of the object and of its bytes") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  const auto parked = must(handoff::park(std::move(ends.acceptor), *session));
  auto claimed = must(handoff::claim<mech::Krb5>(parked));
  const auto again = handoff::claim<mech::Krb5>(parked);
  CHECK(text_of(again).find("the parked context was claimed or given up") != std::string::npos);
  CHECK(again.error().domain() == Domain::keyring);
  CHECK_FALSE(handoff::claim<mech::Krb5>(parked.bytes(), *session));
  talk(ends.initiator, claimed);
}

TEST_CASE("a context that nobody claims goes with its object; a released one can be claimed") {
  const Session session;
  auto one = support::pair<mech::Krb5>();
  SecretBytes bytes;
  {
    const auto parked = must(handoff::park(std::move(one.acceptor), *session));
    bytes = must(SecretBytes::copy_of(parked.bytes()));
    CHECK(must(session->members()).size() == 1);
  }
  CHECK(must(session->members()).empty());
  CHECK(text_of(handoff::claim<mech::Krb5>(bytes, *session)).find("given up") != std::string::npos);

  auto two = support::pair<mech::Krb5>();
  {
    auto parked = must(handoff::park(std::move(two.acceptor), *session));
    bytes = std::move(parked).release();
    CHECK_FALSE(parked);
  }
  auto claimed = must(handoff::claim<mech::Krb5>(bytes, *session));
  talk(two.initiator, claimed);
}

TEST_CASE("the key has a name, a mask that nobody can change, and a timeout") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  const auto parked = must(handoff::park(std::move(ends.acceptor), *session));
  const auto key = sealing_key(*session);
  const auto info = must(key.describe());
  CHECK(info.type() == "user");
  CHECK(info.description().starts_with("gsskey-parked:"));
  CHECK(must(key.read()).size() == SealKey::size);
  CHECK(support::error_of(key.set_timeout(Seconds{3600})) == EACCES);
  CHECK(support::error_of(session->link(key)) == EACCES);
  CHECK(support::error_of(KeyRef<key_type::User>::from_serial(key.serial()).update("x", no_timeout)) == EACCES);
  bool has_timeout = false;
  must(ProcKeys::acquire()).for_each([&](const ProcKey& each) {
    if (each.key.serial() == key.serial())
      has_timeout = each.timeout == "29s" || each.timeout == "30s" || each.timeout == "28s";
  });
  CHECK(has_timeout);
  auto claimed = must(handoff::claim<mech::Krb5>(parked));
}

TEST_CASE("when its time to live is over nobody can claim it, and the kernel takes the key away") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  const auto bytes = must(handoff::park(std::move(ends.acceptor), *session, {.time_to_live = Seconds{1}})).release();
  const auto key = sealing_key(*session);
  REQUIRE(eventually([&] { return support::error_of(key.read()) != 0; }));
  const auto late = handoff::claim<mech::Krb5>(bytes, *session);
  CHECK(text_of(late).find("the time to live of the parked context is over") != std::string::npos);
  CHECK(late.error().minor_status() == static_cast<std::uint32_t>(EKEYEXPIRED));
  must(session->clear());  // the kernel keeps an expired key for five minutes
}

TEST_CASE("a sibling that links whatever it finds claims none a second time, and none that was given up") {
  const Session session;
  const auto theirs = must(session->create(key_type::Keyring{"gsskey:theirs"}));
  const int rounds = support::has_large_quota() ? 100 : 20;
  support::RestlessSibling sibling{[&] {
    const auto members = session->members();
    if (!members) return true;
    for (const AnyKeyRef box : *members) {
      if (box.serial() == theirs.serial()) continue;
      static_cast<void>(theirs.link(box));
      const auto inside = KeyringRef::from_serial(box.serial()).members();
      if (!inside) continue;
      for (const AnyKeyRef key : *inside) {
        if (theirs.link(key)) return false;
      }
    }
    return true;
  }};
  int opened_twice = 0;
  int opened_after = 0;
  auto pair = support::pair<mech::Krb5>();
  for (int round = 0; round < rounds; ++round) {
    SecretBytes bytes;
    {
      const auto parked =
          must(wait_for_quota(Seconds{10}, [&] { return handoff::park(std::move(pair.acceptor), *session); }));
      bytes = must(SecretBytes::copy_of(parked.bytes()));
      if (round == 0) REQUIRE(support::eventually([&] { return !must(theirs.members()).empty(); }));
    }
    if (handoff::claim<mech::Krb5>(bytes, *session)) ++opened_after;  // its object is gone: given up
    if (handoff::claim<mech::Krb5>(bytes, theirs)) ++opened_after;
    pair = support::pair<mech::Krb5>();
    const auto kept =
        must(wait_for_quota(Seconds{10}, [&] { return handoff::park(std::move(pair.acceptor), *session); }));
    pair.acceptor = must(handoff::claim<mech::Krb5>(kept.bytes(), *session));
    if (handoff::claim<mech::Krb5>(kept.bytes(), theirs)) ++opened_twice;
    if (handoff::claim<mech::Krb5>(kept.bytes(), *session)) ++opened_twice;
  }
  CHECK(sibling.ends_well());  // no sealing key could be linked
  CHECK(opened_twice == 0);
  CHECK(opened_after == 0);
  talk(pair.initiator, pair.acceptor);
  must(theirs.clear());
  must(session->clear());
}

TEST_CASE("whatever a sibling does to the keys of a parked context, it is claimed once or not at all") {
  const Session session;
  int done = 0;
  for (const auto& deed : support::deeds()) {
    for (const bool to_ring : {false, true}) {
      CAPTURE(deed.name, to_ring);
      auto ends = support::pair<mech::Krb5>();
      {
        const auto parked = must(handoff::park(std::move(ends.acceptor), *session));
        const AnyKeyRef box = must(session->members())[0];
        const AnyKeyRef key = sealing_key(*session);
        const auto theirs = must(session->create(key_type::Keyring{"gsskey:theirs"}));
        const bool is_done = support::Sibling{[&] {
                               return to_ring ? deed.to(box, *session, theirs)
                                              : deed.to(key, KeyringRef::from_serial(box.serial()), theirs);
                             }}.succeeds();
        done += is_done;
        // The ring may be linked and moved: who finds it can claim. The key can only be taken away.
        const std::string name = deed.name;
        const bool is_harmless = to_ring && (name == "linked elsewhere" || name == "moved elsewhere");
        auto context = handoff::claim<mech::Krb5>(parked);
        CHECK(context.has_value() == (!is_done || is_harmless));
        if (context) {
          talk(ends.initiator, *context);
        } else {
          CHECK((context.error().domain() == Domain::keyring || name == "replaced"));
        }
        CHECK_FALSE(handoff::claim<mech::Krb5>(parked));
        CHECK_FALSE(handoff::claim<mech::Krb5>(parked.bytes(), theirs));
      }
      static_cast<void>(session->clear());
    }
  }
  CHECK(done == 12);  // the others the kernel refuses: the key says who may
}

TEST_CASE("whoever linked the ring of a parked context can claim it, once all the same") {
  const Session session;
  const auto theirs = must(session->create(key_type::Keyring{"gsskey:theirs"}));
  auto ends = support::pair<mech::Krb5>();
  const auto parked = must(handoff::park(std::move(ends.acceptor), *session));
  for (const AnyKeyRef member : must(session->members())) {
    if (member.serial() != theirs.serial()) REQUIRE(theirs.link(member));
  }
  auto claimed = must(handoff::claim<mech::Krb5>(parked.bytes(), theirs));
  CHECK_FALSE(handoff::claim<mech::Krb5>(parked));
  CHECK_FALSE(handoff::claim<mech::Krb5>(parked.bytes(), theirs));
  talk(ends.initiator, claimed);
}

TEST_CASE("a ring that is not possessed, a default session and another user's ring are refused, and nothing is lost") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  const auto intact = [&] { talk(ends.initiator, ends.acceptor); };

  // Writable and viewable by its user, not linked into this session.
  const auto parked =
      handoff::park(std::move(ends.acceptor), must(Keyring::user()), {.in_ring_of_all_processes = true});
  REQUIRE_FALSE(parked);
  CHECK(parked.error().minor_status() == static_cast<std::uint32_t>(EACCES));
  CHECK(text_of(parked).find("does not possess the ring") != std::string::npos);
  intact();
  bool is_left = false;
  for (const AnyKeyRef member : must(must(Keyring::user()).members())) {
    const auto info = member.describe();
    is_left = is_left || (info && info->description().starts_with("gsskey-parked:"));
  }
  CHECK_FALSE(is_left);

  const auto refused = [&](KeyringRef ring) {
    const auto result = handoff::park(std::move(ends.acceptor), ring);
    REQUIRE_FALSE(result);
    CHECK(result.error().domain() == Domain::policy);
    intact();
  };
  refused(must(Keyring::user()));
  refused(must(Keyring::user_session()));
  const auto in_session = must(session->create(key_type::Keyring{"gsskey:ring"}));
  REQUIRE(session->link(must(Keyring::user_session())));
  {
    const auto told = must(
        handoff::park(std::move(ends.acceptor), must(Keyring::user_session()), {.in_ring_of_all_processes = true}));
    ends.acceptor = must(handoff::claim<mech::Krb5>(told));
  }
  REQUIRE(session->unlink(must(Keyring::user_session())));
  if (::geteuid() == 0) {
    REQUIRE(in_session.set_owner(support::nobody));
    refused(in_session);
    const auto told = must(handoff::park(std::move(ends.acceptor), in_session, {.in_ring_of_another_user = true}));
    ends.acceptor = must(handoff::claim<mech::Krb5>(told));
    REQUIRE(in_session.set_owner(0));
    REQUIRE(session->set_owner(support::nobody));
    refused(*session);
    refused(in_session);  // one's own, in another user's session
    REQUIRE(session->set_owner(0));
  }
  intact();
}

TEST_CASE("who became another user parks nothing in the session that he was left with, unless that is meant") {
  if (::geteuid() != 0) return support::skip("needs root, to become another user");
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  const auto& realm = support::realm().realm;  // libkrb5 reads its configuration
  REQUIRE(::chmod(realm.folder().c_str(), 0711) == 0);
  REQUIRE(::chmod(realm.krb5_conf().c_str(), 0644) == 0);
  const auto answers = support::as_user(
      support::nobody,
      [&](Answers& found) {
        const auto refused = handoff::park(std::move(ends.acceptor), *session);
        found.push_back(!refused && refused.error().domain() == Domain::policy);
        {
          const auto told = handoff::park(std::move(ends.acceptor), *session, {.in_ring_of_another_user = true});
          found.push_back(told.has_value());
          if (told) ends.acceptor = must(handoff::claim<mech::Krb5>(*told));
        }
        const auto own = handoff::park(std::move(ends.acceptor), must(Keyring::join_session()));
        found.push_back(own && handoff::claim<mech::Krb5>(*own));
      },
      support::ChildSession::inherited);
  CHECK(answers == Answers{1, 1, 1});
}

TEST_CASE("no time at all, and a context without any left") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  CHECK(handoff::park(std::move(ends.acceptor), *session, {.time_to_live = Seconds{}}).error().domain() ==
        Domain::usage);
  const auto ended =
      handoff::park(std::move(ends.acceptor), *session, {.acceptor_skew = must(ends.acceptor.lifetime())});
  if (known_faults.acceptors_outlive_tickets) {
    REQUIRE_FALSE(ended);
    CHECK(routine_error(ended.error()) == RoutineError::context_expired);
    talk(ends.initiator, ends.acceptor);
  } else {
    CHECK(ended);
  }
  CHECK(handoff::park(std::move(ends.initiator), KeyringRef{}).error().domain() == Domain::usage);
  CHECK(ends.initiator);
  const auto moved = std::move(ends.initiator);
  CHECK(handoff::park(std::move(ends.initiator), *session).error().domain() == Domain::usage);
}

TEST_CASE("what is no seal, an altered one, and one of another mechanism do not open") {
  const Session session;
  const auto claim_of = [&](auto change) {
    auto ends = support::pair<mech::Krb5>();
    const auto parked = must(handoff::park(std::move(ends.acceptor), *session));
    std::string bytes{parked.bytes().text()};
    change(bytes);
    const auto claimed = handoff::claim<mech::Krb5>(bytes, *session);
    REQUIRE_FALSE(claimed);
    return seal_fault(claimed.error());
  };
  CHECK(claim_of([](std::string& bytes) { bytes[0] ^= 1; }) == SealFault::not_a_seal);
  CHECK(claim_of([](std::string& bytes) { bytes.pop_back(); }) == SealFault::wrong_size);
  CHECK(claim_of([](std::string& bytes) { bytes.back() ^= 1; }) == SealFault::altered);
  CHECK(claim_of([](std::string& bytes) { bytes[100] ^= 1; }) == SealFault::altered);
  CHECK(claim_of([](std::string& bytes) { bytes[5] ^= 1; }) == SealFault::altered);
  CHECK(claim_of([](std::string& bytes) { bytes[34] ^= 1; }) == SealFault::none);  // no key of that name
  CHECK(must(session->members()).empty());

  auto ends = support::pair<mech::Krb5>();
  const auto parked = must(handoff::park(std::move(ends.acceptor), *session));
  const auto other = handoff::claim<mech::Ntlmssp>(parked);
  REQUIRE_FALSE(other);
  CHECK(seal_fault(other.error()) == SealFault::other_mechanism);
  CHECK_FALSE(handoff::claim<mech::Krb5>(parked));  // it has been taken
}

TEST_CASE("a key of the same name with other bytes in it opens nothing") {
  const Session session;
  const auto key = must(SealKey::generate());
  const auto sealed = must(seal(key, "no context", mech::Krb5::oid, Seconds{60}));
  const handoff_detail::KeyName name{key.id()};
  const auto place = must(session->create(key_type::Keyring{name}));
  const auto other = must(place.create(key_type::User{name}, must(SealKey::generate()).bytes()));
  const auto foreign = handoff::claim<mech::Krb5>(sealed, *session);
  REQUIRE_FALSE(foreign);
  CHECK(seal_fault(foreign.error()) == SealFault::foreign_key);
  const auto box = must(session->create(key_type::Keyring{name}));
  const auto shorter = must(box.create(key_type::User{name}, "short"));
  CHECK(handoff::claim<mech::Krb5>(sealed, *session).error().domain() == Domain::usage);
  const auto again = must(session->create(key_type::Keyring{name}));
  const auto right = must(again.create(key_type::User{name}, key.bytes()));
  const auto empty = handoff::claim<mech::Krb5>(sealed, *session);
  REQUIRE_FALSE(empty);
  CHECK(empty.error().operation() == "gss_import_sec_context"sv);
}

TEST_CASE("whichever step of parking fails, the context still works and no key is left") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  std::vector<std::string> operations;
  int at = 1;
  for (;; ++at) {
    CAPTURE(at);
    fails_at = at;
    calls = 0;
    auto parked = handoff::park(std::move(ends.acceptor), *session);
    fails_at = 0;
    if (parked) {
      CHECK(calls < at);
      ends.acceptor = must(handoff::claim<mech::Krb5>(*parked));
      break;
    }
    operations.emplace_back(parked.error().operation());
    CAPTURE(operations.back());
    CHECK(must(session->members()).empty());
    CHECK(must(must(Keyring::thread()).members()).empty());
    REQUIRE(ends.acceptor);
    talk(ends.initiator, ends.acceptor);
  }
  CHECK(operations == std::vector<std::string>{"keyctl_describe", "keyctl_get_keyring_ID",  // whose ring
                                               "RAND_priv_bytes", "keyctl_get_keyring_ID", "add_key",
                                               "keyctl_set_timeout",  // its box
                                               "add_key", "keyctl_set_timeout", "keyctl_setperm", "keyctl_move",
                                               "keyctl_move",  // asked first
                                               "keyctl_describe", "gss_export_sec_context", "EVP_EncryptFinal_ex"});
  talk(ends.initiator, ends.acceptor);
}

TEST_CASE("OpenSSL short of memory: said so, parking and claiming work again, and no key is left") {
  namespace memory = support::openssl_memory;
  memory::begin();
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  const auto is_short = [](const Error& error) {
    CAPTURE(error.operation(), error.text());
    CHECK(error.domain() == Domain::system);
    CHECK(error.minor_status() == static_cast<std::uint32_t>(ENOMEM));
  };
  long failed = 0;
  memory::has_failed = true;
  for (long at = 0; memory::has_failed && at < 500; ++at) {
    CAPTURE(at);
    memory::fail(at, true);
    auto parked = handoff::park(std::move(ends.acceptor), *session);
    memory::recover();
    if (memory::has_failed && !parked) {
      ++failed;
      is_short(parked.error());
      CHECK(must(session->members()).empty());
      REQUIRE(ends.acceptor);
      talk(ends.initiator, ends.acceptor);
      parked = handoff::park(std::move(ends.acceptor), *session);
    }
    ends.acceptor = must(handoff::claim<mech::Krb5>(must(std::move(parked))));
  }
  CHECK(failed > 0);
  memory::has_failed = true;
  for (long at = 0; memory::has_failed && at < 500; ++at) {
    CAPTURE(at);
    auto others = support::pair<mech::Krb5>();
    const auto parked = must(handoff::park(std::move(others.acceptor), *session));
    memory::fail(at, true);
    auto claimed = handoff::claim<mech::Krb5>(parked);
    memory::recover();
    if (memory::has_failed && !claimed) {
      ++failed;
      is_short(claimed.error());
      claimed = handoff::claim<mech::Krb5>(parked);  // it waits still
    }
    others.acceptor = must(std::move(claimed));
    talk(others.initiator, others.acceptor);
  }
  CHECK(failed > 5);
  talk(ends.initiator, ends.acceptor);
}

TEST_CASE("at whichever step a process is killed that parks, it leaves nothing that outlives its timeout") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  int steps = 0;
  for (bool was_killed = true; was_killed;) {
    fails_at = ++steps;
    calls = 0;
    is_killed = true;
    const ::pid_t child = ::fork();
    if (child == 0) {
      const auto parked = handoff::park(std::move(ends.acceptor), *session);
      ::_exit(parked ? 0 : 1);  // no destructors
    }
    fails_at = 0;
    is_killed = false;
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    was_killed = WIFSIGNALED(status);
    CHECK((was_killed || status == 0));
    const auto left = must(session->members());
    must(ProcKeys::acquire()).for_each([&](const ProcKey& each) {
      if (left.contains(each.key)) CHECK_FALSE(each.timeout == "perm");
    });
    must(session->clear());
  }
  CHECK(steps == 15);
}

TEST_CASE("what killed processes leave of parked contexts goes with their sessions, and does not become more") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  const auto before = support::in_quota();
  const int times = std::getenv("GSSKEY_TEST_EVERYTHING") != nullptr ? 1000 : 20;
  int killed = 0;
  for (int i = 0; i < times; ++i) {
    killed += support::in_child(60, [&] {
                const auto own = must(wait_for_quota(Seconds{10}, [] { return Keyring::join_session(); }));
                const auto parked =
                    must(wait_for_quota(Seconds{10}, [&] { return handoff::park(std::move(ends.acceptor), own); }));
                ::raise(SIGKILL);
                return 0;
              }) == 128 + SIGKILL;
  }
  CHECK(killed == times);
  CHECK(must(session->members()).empty());
  CHECK(support::eventually([&] { return support::is_within(support::in_quota(), before); }));
}

TEST_CASE("where the user's quota is used up nothing is parked, and the context goes on and is parked later") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  support::let_others_read_configuration();
  const auto answers = support::as_user(support::nobody, [&](support::Answers& found) {
    const auto own = must(Keyring::session());
    const auto fill = must(own.create(key_type::Keyring{"fill"}));
    support::use_up_quota(fill);
    const auto refused = handoff::park(std::move(ends.acceptor), own);
    found.push_back(support::outcome(refused));
    found.push_back(refused ? 0 : refused.error().domain() == Domain::keyring);
    found.push_back(static_cast<long>(must(own.members()).size()));
    found.push_back(must(ends.initiator.unwrap(must(ends.acceptor.wrap("message")))).text() == "message");
    must(fill.clear());
    const auto parked = must(wait_for_quota(Seconds{10}, [&] { return handoff::park(std::move(ends.acceptor), own); }));
    auto claimed = must(wait_for_quota(Seconds{10}, [&] { return handoff::claim<mech::Krb5>(parked); }));
    found.push_back(must(ends.initiator.unwrap(must(claimed.wrap("claimed")))).text() == "claimed");
  });
  CHECK(answers == support::Answers{EDQUOT, 1, 1, 1, 1});
}

TEST_CASE("a forked child that drops its copy of a parked context leaves it to be claimed") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  auto parked = must(handoff::park(std::move(ends.acceptor), *session));
  support::elsewhere([&] {
    const auto copy = std::move(parked);
    return true;
  });
  CHECK(handoff::claim<mech::Krb5>(parked));
}

TEST_CASE("a claim that fails before the key was taken can be repeated") {
  const Session session;
  std::vector<std::string> operations;
  for (int at = 1;; ++at) {
    CAPTURE(at);
    auto ends = support::pair<mech::Krb5>();
    const auto parked = must(handoff::park(std::move(ends.acceptor), *session));
    fails_at = at;
    calls = 0;
    unlinks_count = true;
    auto claimed = handoff::claim<mech::Krb5>(parked);
    fails_at = 0;
    unlinks_count = false;
    if (claimed) break;
    operations.emplace_back(claimed.error().operation());
    CHECK(must(session->members()).size() == 1);
    auto again = must(handoff::claim<mech::Krb5>(parked));
    talk(ends.initiator, again);
  }
  CHECK(operations == std::vector<std::string>{"keyctl_search", "keyctl_search", "keyctl_read", "keyctl_unlink"});
}

TEST_CASE("what the kernel overlooks, as it does while rings change beside it, is looked for again") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  const auto overlooked = [&](int error, int at, auto work) {
    kernel_says = error;
    fails_at = at;
    calls = 0;
    unlinks_count = true;
    auto result = work();
    fails_at = 0;
    unlinks_count = false;
    kernel_says = EDQUOT;
    CHECK(calls > at);
    return must(std::move(result));
  };
  for (const int error : {EACCES, ENOKEY}) {
    for (int at = 1; at <= 4; ++at) {  // as in the case before this one
      CAPTURE(error, at);
      const int seen = 12;  // whether this thread possesses what it parked, of the calls of park()
      const auto parked = overlooked(error, seen, [&] { return handoff::park(std::move(ends.acceptor), *session); });
      ends.acceptor = overlooked(error, at, [&] { return handoff::claim<mech::Krb5>(parked); });
    }
  }
  CHECK(must(session->members()).empty());
  talk(ends.initiator, ends.acceptor);
}

TEST_CASE("at whichever step a process is killed that claims, another can claim until the key was taken") {
  const Session session;
  int steps = 0;
  for (bool was_killed = true; was_killed;) {
    auto ends = support::pair<mech::Krb5>();
    const auto parked = must(handoff::park(std::move(ends.acceptor), *session));
    fails_at = ++steps;
    calls = 0;
    is_killed = unlinks_count = true;
    const ::pid_t child = ::fork();
    if (child == 0) ::_exit(handoff::claim<mech::Krb5>(parked) ? 0 : 1);
    fails_at = 0;
    is_killed = unlinks_count = false;
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    was_killed = WIFSIGNALED(status);
    CHECK((was_killed || status == 0));
    CHECK(handoff::claim<mech::Krb5>(parked).has_value() == (steps <= 4));  // the fifth takes the empty ring away
    static_cast<void>(session->clear());
  }
  CHECK(steps == 6);
}

TEMPLATE_TEST_CASE("a delegated credential goes along where it is given, and is kept where all is claimed", "",
                   mech::Krb5, mech::Spnego) {
  using M = TestType;
  const Session session;
  auto ends = support::pair<M>({.request = {ContextFlag::delegate}}, {.keep_delegated = true});
  auto& delegated = ends.delegated;
  const auto check = [](Credential<M, Initiate>& credential) {
    REQUIRE(credential);
    // Heimdal's SPNEGO takes no delegated credential
    const auto kerberos = Client::adopt(credential.release());
    CHECK(peer_of(kerberos) == support::realm().realm.principal("alice"));
  };
  SECTION("given, and all claimed") {
    const auto parked = must(handoff::park(std::move(ends.acceptor), *session, {.delegated = &delegated}));
    auto claimed = must(handoff::claim_all<M>(parked));
    talk(ends.initiator, claimed.context);
    check(claimed.delegated);
    check(delegated);
  }
  SECTION("given, and the context claimed") {
    const auto parked = must(handoff::park(std::move(ends.acceptor), *session, {.delegated = &delegated}));
    auto claimed = must(handoff::claim<M>(parked));
    talk(ends.initiator, claimed);
  }
  SECTION("not given, or none there") {
    auto parked = must(handoff::park(std::move(ends.acceptor), *session));
    auto claimed = must(handoff::claim_all<M>(parked));
    CHECK_FALSE(claimed.delegated);
    talk(ends.initiator, claimed.context);
    parked = must(handoff::park(std::move(claimed.context), *session, {.delegated = &claimed.delegated}));
    claimed = must(handoff::claim_all<M>(parked));
    CHECK_FALSE(claimed.delegated);
    talk(ends.initiator, claimed.context);
  }
}

TEST_CASE("a token that no key could hold is handed over like any other") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  padding = 60000;
  const auto parked = must(handoff::park(std::move(ends.acceptor), *session));
  CHECK(parked.bytes().size() > padding);
  static_assert(key_type::User::max_payload < 60000);
  CHECK(must(sealing_key(*session).read()).size() == SealKey::size);
  auto claimed = must(handoff::claim<mech::Krb5>(parked));
  padding = 0;
  talk(ends.initiator, claimed);
}

#if defined(GSSKEY_GSS_MIT)
TEST_CASE("where gssproxy stands between, nothing is parked or claimed") {
  const Session session;
  auto ends = support::pair<mech::Krb5>();
  for (const char* const yes : {"yes", "YES", "1", "on", "true"}) {
    const Environment proxy{"GSS_USE_PROXY", yes};
    const auto parked = handoff::park(std::move(ends.acceptor), *session);
    REQUIRE_FALSE(parked);
    CHECK(parked.error().domain() == Domain::policy);
    CHECK(handoff::claim<mech::Krb5>("x", *session).error().domain() == Domain::policy);
  }
  talk(ends.initiator, ends.acceptor);
  const Environment no_proxy{"GSS_USE_PROXY", "no"};
  const auto parked = must(handoff::park(std::move(ends.acceptor), *session));
  ends.acceptor = must(handoff::claim<mech::Krb5>(parked));
}
#endif
