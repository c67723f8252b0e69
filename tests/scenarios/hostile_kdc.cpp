// A KDC that lies, and one that loses what it is asked: each time there is an Error that says why, or the credential
// that there would have been, after a bounded number of questions. With GSSKEY_EXHAUSTIVE in the environment every byte
// of every reply is changed, and not every sixteenth.
#include <gsskey/gss.hpp>
#include <gsskey/gss/credential/renewing.hpp>
#include <gsskey/krb5/status.hpp>

#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/environment.hpp"
#include "support/eventually.hpp"
#include "support/hostile_kdc.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Client;
using support::Environment;
using support::KdcAnswer;
using support::KdcManner;
using support::KdcRequest;
using support::krb_error;
using support::must;
using support::tcp_length;

namespace {

constexpr bool is_mit = capabilities.credential_store;

/// With bob, who must prove that he knows his password before the KDC answers, and clara, whose password is alice's.
support::HostileKdc& kdc() {
  static support::HostileKdc hostile{[]() -> TestRealm& {
    auto& realm = support::realm().realm;
    must(realm.kadmin("modprinc +requires_preauth bob\naddprinc -pw secret clara"));
    return realm;
  }()};
  return hostile;
}

/// What needs a KDC. Each starts from nothing.
struct Need {
  const char* what;
  const char* user;
  bool is_login;  ///< an AS exchange, or the TGS exchange behind one
  Result<Client> (*get)();
  bool tells_why = true;
};
Result<Client> with_password(const char* user, std::string_view password) {
  return Client::acquire_with_password(must(Name::user(user)), password);
}
Result<Client> with_keytab() {
  static const std::string keytab = "FILE:" + must(support::realm().realm.export_keytab("alice"));
  static int number = 0;
  const std::string cache = "MEMORY:hostile-" + std::to_string(++number);
  if constexpr (is_mit) {
    return Client::acquire_from({.ccache = cache.c_str(), .client_keytab = keytab.c_str()}, must(Name::user("alice")));
  }
  const Environment keys{"KRB5_KTNAME", keytab};  // Heimdal takes initiators' keys from there
  const Environment tickets{"KRB5CCNAME", cache};
  return Client::acquire(must(Name::user("alice")));
}
const Need by_password{"a password", "alice", true, [] { return with_password("alice", "secret"); }};
const Need by_proof{"a password, and preauthentication", "bob", true, [] { return with_password("bob", "hunter2"); }};
const Need by_keytab{"a keytab", "alice", true, with_keytab, is_mit};  // Heimdal 7.8: minor status 0
const Need for_a_service{"a ticket for a service", "alice", false, [] { return with_password("alice", "secret"); }};
const Need needs[] = {by_password, by_proof, by_keytab, for_a_service};

struct Outcome {
  bool has_credential = false;
  std::string owner;                                                            ///< in the eyes of the library
  Result<std::string> peer = unexpected(Error::usage("", "nothing was done"));  ///< whom the acceptor sees
  std::size_t requests = 0;
};
/// Then what is asked for is refused for a reason of the KDC's, or it is what an honest KDC would have given.
Outcome attempt(const Need& need, bool tcp, const KdcManner& manner) {
  kdc().behave([&need, &manner](const KdcRequest& request) {
    return request.is_login() == need.is_login ? manner(request) : KdcAnswer::honest(request);
  });
  auto outcome = kdc().ask(tcp, [&] {
    Outcome found;
    const auto credential = need.get();
    const auto info = credential ? credential->inquire() : Result<CredentialInfo>{unexpected(credential.error())};
    if (!info) {
      found.peer = unexpected(info.error());
      return found;
    }
    found.has_credential = true;
    found.owner = must(info->name.display()).text();
    const auto ends =
        support::establish(Initiator<mech::Krb5>{support::target(), *credential}, support::acceptor<mech::Krb5>());
    if (!ends) {
      found.peer = unexpected(ends.error());
    } else {
      found.peer = std::string{must(must(ends->acceptor.inquire()).initiator.display()).text()};
    }
    return found;
  });
  outcome.requests = kdc().requests();
  kdc().behave(KdcAnswer::honest);

  const std::string expected = support::realm().realm.principal(need.user);
  CAPTURE(need.what, tcp);
  if (outcome.has_credential) CHECK(outcome.owner == expected);
  if (outcome.peer) {
    CHECK(*outcome.peer == expected);
  } else {
    const Error& error = outcome.peer.error();
    CAPTURE(error.operation(), error.text());
    CHECK(error.domain() == Domain::gss);
    CHECK((error.minor_status() != 0 || !need.tells_why));
  }
  CHECK(outcome.requests <= 40);
  return outcome;
}

Krb5Status status_of(const Outcome& outcome) { return outcome.peer ? Krb5Status{} : krb5_status(outcome.peer.error()); }
constexpr Krb5Status status_of_code(int code) {
  return static_cast<Krb5Status>(0x96c73a00u + static_cast<unsigned>(code));
}
constexpr auto loop_detected = static_cast<Krb5Status>(0x96c73adf);   // KRB5_GET_IN_TKT_LOOP
constexpr auto reply_mismatch = static_cast<Krb5Status>(0x96c73a93);  // KRB5_KDCREP_MODIFIED

/// ASan takes fifty times as long: there a part of it.
#if defined(__SANITIZE_ADDRESS__)
constexpr int thinned = 5;
#else
constexpr int thinned = 1;
#endif
/// All of it, or every sixteenth.
const std::size_t stride = std::getenv("GSSKEY_EXHAUSTIVE") != nullptr ? 1 : 16 * thinned;

}  // namespace

TEST_CASE("an honest KDC at the same place") {
  for (const Need& need : needs) {
    for (const bool tcp : {false, true}) {
      const Outcome outcome = attempt(need, tcp, KdcAnswer::honest);
      CHECK(outcome.peer);
      CHECK(outcome.requests == (&need == &needs[1] ? 3 : 2));
    }
  }
}

TEST_CASE("replies of which one byte is changed") {
  std::size_t altered = 0;
  std::size_t refused = 0;
  std::size_t useless = 0;
  std::size_t turn = 0;
  for (const Need& need : needs) {
    // Of two replies the first, which asks for the proof, is signed by nobody.
    const bool is_signed = &need != &needs[1];
    std::size_t size = stride;
    for (std::size_t at = turn++ % stride; at < size; at += stride) {
      std::size_t ticket_ends = 0;
      bool is_altered = false;  // the next reply may be a byte shorter
      const Outcome outcome = attempt(need, (at / stride) % 2 == 0, [&](const KdcRequest& request) {
        std::string reply = request.honest();
        if (need.is_login && request.number != 0) return KdcAnswer::message(std::move(reply));
        size = reply.size();
        // RFC 4120 section 5.4.2: what is encrypted for the client comes last.
        const auto fields = support::find(support::element(reply).content, 0x30);
        if (const auto sealed = support::find(fields, 0xa6); !sealed.empty()) ticket_ends = size - sealed.size();
        is_altered = at < size;
        if (is_altered) reply[at] = static_cast<char>(reply[at] ^ (1 << (at % 8)));
        return KdcAnswer::message(std::move(reply));
      });
      CAPTURE(need.what, at, ticket_ends);
      if (!is_altered) continue;
      ++altered;
      if (!outcome.peer) ++refused;
      if (!outcome.peer && outcome.has_credential && need.is_login) ++useless;
      if (is_signed && ticket_ends != 0 && at > ticket_ends + 40) CHECK_FALSE(outcome.peer);
      if (is_signed && need.is_login && ticket_ends != 0 && at > ticket_ends + 40) CHECK_FALSE(outcome.has_credential);
    }
    CHECK(size > 200);
  }
  std::cout << altered << " replies with a changed byte: " << refused << " led to nothing, of these " << useless
            << " to a ticket that the KDC refused later\n";
  CHECK(refused > altered / 2);
}

TEST_CASE("errors that anybody can make") {
  for (int code = 0; code < 128; code += thinned) {
    if (known_faults.spins_on_unavailable_kdc && code == 29) continue;  // its own test case
    const Need& need = needs[code % 4];
    CAPTURE(need.what, code);
    const Outcome always = attempt(need, code % 8 < 4, [&](const KdcRequest&) {
      if (code == 29) support::HostileKdc::poll_speed() = 20;  // it waits before it asks again
      return KdcAnswer::message(krb_error(code));
    });
    REQUIRE_FALSE(always.peer);
    const bool is_repeated = is_mit && code == 90 && need.is_login;
    if (need.tells_why) CHECK(status_of(always) == (is_repeated ? loop_detected : status_of_code(code)));
    // And only once, so that a second attempt gets its answer.
    const Outcome once = attempt(need, code % 8 < 4, [&](const KdcRequest& request) {
      if (code == 29) support::HostileKdc::poll_speed() = 20;
      return request.number == 0 ? KdcAnswer::message(krb_error(code)) : KdcAnswer::honest(request);
    });
    if (code == 52) CHECK(once.peer);
  }
}

TEST_CASE("too big for a datagram: the same again over TCP") {
  for (const Need& need : needs) {
    bool was_tcp = false;
    const Outcome outcome = attempt(need, false, [&](const KdcRequest& request) {
      was_tcp = request.is_tcp;
      return request.is_tcp ? KdcAnswer::honest(request) : KdcAnswer::message(krb_error(52));
    });
    CHECK(outcome.peer);
    CHECK(was_tcp);
  }
}

TEST_CASE("what is no reply") {
  const struct {
    const char* what;
    KdcManner manner;
  } manners[] = {
      {"noise", [](const KdcRequest&) { return KdcAnswer::message("noise"); }},
      {"nothing, and the connection closed", [](const KdcRequest&) { return KdcAnswer::raw(""); }},
      {"an empty message", [](const KdcRequest&) { return KdcAnswer::message(""); }},
      {"one byte", [](const KdcRequest&) { return KdcAnswer::message("\x6b"); }},
      {"the request", [](const KdcRequest& request) { return KdcAnswer::message(request.bytes); }},
      {"half of the reply",
       [](const KdcRequest& request) {
         const std::string reply = request.honest();
         return KdcAnswer::message(reply.substr(0, reply.size() / 2));
       }},
      {"a reply that ends early",
       [](const KdcRequest& request) {
         const std::string reply = request.honest();
         return KdcAnswer::raw(tcp_length(reply.size()) + reply.substr(0, 100));
       }},
      {"a length and nothing", [](const KdcRequest&) { return KdcAnswer::raw(tcp_length(1000)); }},
      {"half of a length", [](const KdcRequest&) { return KdcAnswer::raw(std::string{"\0\0", 2}); }},
      {"a length of 100000",
       [](const KdcRequest& request) { return KdcAnswer::raw(tcp_length(100000) + request.honest()); }},
      {"a length of 2^31 - 1",
       [](const KdcRequest& request) { return KdcAnswer::raw(tcp_length(0x7fffffff) + request.honest()); }},
      {"a length of 2^32 - 1",
       [](const KdcRequest& request) { return KdcAnswer::raw(tcp_length(0xffffffff) + request.honest()); }},
  };
  for (const auto& [what, manner] : manners) {
    for (const Need& need : needs) {
      for (const bool tcp : {false, true}) {
        CAPTURE(what, need.what, tcp);
        CHECK_FALSE(attempt(need, tcp, manner).peer);
      }
    }
  }
}

TEST_CASE("nothing at all") {
  const auto silent = [](const KdcRequest&) { return KdcAnswer::silence(); };
  for (const Need* need : {&needs[0], &needs[3]}) {
    for (const bool tcp : {false, true}) {
      if (!is_mit && !tcp) continue;  // it waits 4 s
      CHECK(status_of(attempt(*need, tcp, silent)) == Krb5Status::kdc_unreachable);
    }
  }
}

TEST_CASE("every second datagram is lost") {
  for (const Need& need : needs) {
    std::size_t asked = 0;
    const Outcome outcome = attempt(need, false, [&](const KdcRequest& request) {
      return asked++ % 2 == 0 ? KdcAnswer::lost() : KdcAnswer::honest(request);
    });
    CAPTURE(need.what);
    CHECK(outcome.peer);
    CHECK(asked >= 2);
  }
}

TEST_CASE("an answer that comes when the question was asked again") {
  std::string late;
  const Outcome outcome = attempt(by_password, false, [&](const KdcRequest& request) {
    if (request.number == 0) {
      late = request.honest();
      return KdcAnswer::lost();
    }
    return KdcAnswer::message(request.number == 1 ? late : request.honest());
  });
  CHECK(outcome.peer);
}

TEST_CASE("an old reply") {
  for (const Need& need : needs) {
    std::string old;
    std::size_t last = 0;
    CHECK(attempt(need, true, [&](const KdcRequest& request) {
            old = request.honest();
            last = request.number;
            return KdcAnswer::message(old);
          }).peer);
    const Outcome again = attempt(need, true, [&](const KdcRequest& request) {
      return request.number >= last ? KdcAnswer::message(old) : KdcAnswer::honest(request);
    });
    CAPTURE(need.what);
    CHECK_FALSE(again.peer);
    if (need.is_login) CHECK_FALSE(again.has_credential);
  }
}

TEST_CASE("the ticket of another user with the same password") {
  // The KDC is asked in her name, and says with which salt her key is made: MIT's client can decrypt the reply.
  const Outcome outcome = attempt(by_password, true, [](const KdcRequest& request) {
    std::string forged = request.bytes;
    const auto at = forged.find("alice");
    if (at == std::string::npos) return KdcAnswer::silence();
    return KdcAnswer::message(request.kdc(forged.replace(at, 5, "clara")));
  });
  CHECK_FALSE(outcome.has_credential);
  if (is_mit) CHECK(status_of(outcome) == reply_mismatch);
  // And a ticket for another service, in place of the one that was asked for: the KDC sees that the request is changed.
  const Outcome other = attempt(for_a_service, true, [](const KdcRequest& request) {
    std::string forged = request.bytes;
    for (auto at = forged.find("host"); at != std::string::npos; at = forged.find("host", at))
      forged.replace(at, 4, "mail");
    return KdcAnswer::message(request.kdc(forged));
  });
  CHECK_FALSE(other.peer);
}

#if !defined(__SANITIZE_ADDRESS__)  // a ticket of seconds would end before it is used
TEST_CASE(
    "a renewed credential: the old one serves while the KDC lies, to its end, and the next one when it does not") {
  must(support::realm().realm.kadmin("modprinc -maxlife 4sec bob"));
  int acquired = 0;
  RenewingCredential renewing{[&] {
                                ++acquired;
                                return kdc().ask(true, [] { return with_password("bob", "hunter2"); });
                              },
                              Seconds{2}};
  kdc().behave(KdcAnswer::honest);
  const auto first = must(renewing.lease());
  kdc().behave([](const KdcRequest& request) {
    std::string reply = request.honest();
    reply.back() ^= 1;  // of what is encrypted: the ticket itself proves nothing to a client
    return KdcAnswer::message(std::move(reply));
  });
  auto lease = renewing.lease();
  REQUIRE(support::eventually([&] {
    if (lease && (*lease)->get() != first->get()) FAIL("a credential of a forged reply");
    lease = renewing.lease();
    return !lease;
  }));
  CHECK(acquired >= 2);
  CHECK(acquired <= 5);  // at most one attempt a second
  CHECK(lease.error().domain() == Domain::gss);
  kdc().behave(KdcAnswer::honest);
  REQUIRE(support::eventually([&] {
    lease = renewing.lease();
    return lease.has_value();
  }));
  CHECK((*lease)->get() != first->get());
  CHECK(must(must((*lease)->inquire()).name.display()).text() == "bob@GSSKEY.TEST");
}
#endif

TEST_CASE("what the library itself never comes back from") {
  if (!known_faults.spins_on_unavailable_kdc) return;  // a line of the table
  kdc().behave([](const KdcRequest&) { return KdcAnswer::message(krb_error(29)); });
  const int status = kdc().ask(false, [] {
    return support::in_child(60, [] {
      const ::rlimit one_second{1, 1};
      ::setrlimit(RLIMIT_CPU, &one_second);
      OM_uint32 minor = 0;
      gss_name_t name = GSS_C_NO_NAME;
      gss_buffer_desc text{5, const_cast<char*>("alice")};
      gss_buffer_desc password{6, const_cast<char*>("secret")};
      gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
      gss_import_name(&minor, &text, GSS_C_NT_USER_NAME, &name);
      const OM_uint32 major = gss_acquire_cred_with_password(
          &minor, name, &password, GSS_C_INDEFINITE, GSS_C_NO_OID_SET, GSS_C_INITIATE, &credential, nullptr, nullptr);
      return major == GSS_S_COMPLETE ? 1 : 0;
    });
  });
  CHECK(status == 128 + SIGKILL);  // of a second of its processor
  CHECK(kdc().requests() == 1);    // and it asks nobody
}
