// How long credentials and contexts are good for: every call that says it says the same, to the second of the ticket's
// end; and what credentials of each usage say of themselves.
#include <gsskey/gss/context/expiring.hpp>
#include <gsskey/gss/context/export.hpp>
#include <gsskey/gss/credential/add.hpp>
#include <gsskey/gss/credential/options.hpp>
#include <gsskey/gss/credential/transfer.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/krb5/credential.hpp>

#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/handles.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Client;
using support::Environment;
using support::must;
using support::Server;
using support::shown;

namespace {

/// Clients do not add the difference between the KDC's clock and theirs, a second at times, to what they see.
struct Realm {
  TestRealm realm = must(TestRealm::start({.users = {{"alice", "secret"}, {"bob", "hunter2"}},
                                           .services = {"host/localhost", "other/localhost"},
                                           .libdefaults = {"kdc_timesync = 0"}}));
  RealmEnvironment environment = must(realm.enter());
  Realm() { ::setenv("GSS_MECH_CONFIG", "/dev/null", 0); }
};
const TestRealm& realm() {
  static const Realm realm;
  return realm.realm;
}

/// A ticket of half an hour, in a cache of its own, which is the default one.
class Login {
 public:
  explicit Login(const char* user = "alice") : cache_{must(realm().login(user, {.lifetime = Seconds{1800}}))} {}

  /// The end of the ticket for `target`, the last one of those in the cache.
  [[nodiscard]] long end_of(const char* target) const {
    krb5_context context = nullptr;
    REQUIRE(krb5_init_context(&context) == 0);
    krb5_principal wanted = nullptr;
    REQUIRE(krb5_parse_name(context, target, &wanted) == 0);
    krb5_ccache cache = nullptr;
    REQUIRE(krb5_cc_resolve(context, cache_.c_str(), &cache) == 0);
    krb5_cc_cursor cursor{};
    REQUIRE(krb5_cc_start_seq_get(context, cache, &cursor) == 0);
    long end = 0;
    for (krb5_creds ticket{}; krb5_cc_next_cred(context, cache, &cursor, &ticket) == 0;) {
      if (krb5_principal_compare(context, wanted, ticket.server) != 0) end = static_cast<long>(ticket.times.endtime);
      krb5_free_cred_contents(context, &ticket);
    }
    krb5_cc_end_seq_get(context, cache, &cursor);
    krb5_cc_close(context, cache);
    krb5_free_principal(context, wanted);
    krb5_free_context(context);
    REQUIRE(end != 0);
    return end;
  }
  [[nodiscard]] long end() const { return end_of("krbtgt/GSSKEY.TEST@GSSKEY.TEST"); }

 private:
  std::string cache_;
  Environment environment_{"KRB5CCNAME", cache_};
};

/// Seconds since 1970, not later than what implementations see: this clock is the coarser one.
long earlier() { return static_cast<long>(::time(nullptr)); }
/// The same, not earlier than what they saw.
long now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return static_cast<long>(time.tv_sec);
}

/// The moment at which something ends. What calls say is left until then is compared with what was left when this was
/// made and with what is left now, so it does not matter how fast they are.
class End {
 public:
  explicit End(long end) : end_{end} {}

  void is_told_by(const char* call, Seconds left) const {
    CAPTURE(call);
    CHECK(static_cast<long>(left.count()) >= end_ - now() - lost);
    CHECK(static_cast<long>(left.count()) <= end_ - before_);
  }

 private:
  /// Heimdal asks the clock twice, for what is left and for when that is over: in between a second may begin.
#if defined(GSSKEY_GSS_HEIMDAL)
  static constexpr long lost = 1;
#else
  static constexpr long lost = 0;
#endif
  long end_;
  long before_ = earlier();
};

constexpr const char* service = "host/localhost@GSSKEY.TEST";

/// What MIT krb5 adds on acceptors.
constexpr long skew = known_faults.acceptors_outlive_tickets ? 300 : 0;

template <Mechanism M>
void are_told(const support::Ends<M>& ends, long ticket_end) {
  const End end{ticket_end};
  const End acceptors_end{ticket_end + skew};
  end.is_told_by("initiator, gss_context_time", must(ends.initiator.lifetime()));
  end.is_told_by("initiator, gss_inquire_context", must(ends.initiator.inquire()).lifetime);
  acceptors_end.is_told_by("acceptor, gss_context_time", must(ends.acceptor.lifetime()));
  acceptors_end.is_told_by("acceptor, gss_inquire_context", must(ends.acceptor.inquire()).lifetime);
}

template <Mechanism M>
support::Ends<M> handshake(const Credential<M, Initiate>& credential, InitiatorOptions options = {}) {
  const auto acceptor = must(Credential<M, Accept>::acquire_default());
  return must(support::establish(Initiator<M>{support::target(), credential, options}, Acceptor<M>{acceptor}));
}

}  // namespace

TEMPLATE_TEST_CASE("credential and contexts end with the ticket", "", mech::Krb5, mech::Spnego,
                   mech::Negotiate<mech::Krb5>) {
  const Login login;
  const End end{login.end()};
  const auto credential = must(Credential<TestType, Initiate>::acquire_default());
  end.is_told_by("lifetime()", must(credential.lifetime()));
  end.is_told_by("inquire()", must(credential.inquire()).lifetime);
  if constexpr (!TestType::negotiates) {
    const auto use = must(inquire_use(credential));
    end.is_told_by("inquire_use()", use.initiator_lifetime);
    CHECK(use.acceptor_lifetime == Seconds{});
  }
  auto ends = handshake<TestType>(credential);
  REQUIRE(login.end_of(service) == login.end());
  are_told(ends, login.end());
  end.is_told_by("ExpiringContext, initiator",
                 must(must(ExpiringContext<TestType>::from_context(std::move(ends.initiator))).lifetime()));
  end.is_told_by("ExpiringContext, acceptor",
                 must(must(ExpiringContext<TestType>::from_context(std::move(ends.acceptor))).lifetime()));
}

TEST_CASE("the C calls that tell it on the way tell the same") {
  const Login login;
  const End end{login.end()};
  const End acceptors_end{login.end() + skew};
  const support::Handles handles;
  {
    const auto acquire = [](gss_cred_usage_t usage, OM_uint32& lifetime) {
      OM_uint32 minor = 0;
      gss_cred_id_t raw = GSS_C_NO_CREDENTIAL;
      CHECK(gss_acquire_cred(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, gss_detail::desired_mechs<mech::Krb5>(), usage,
                             &raw, nullptr, &lifetime) == GSS_S_COMPLETE);
      return raw;
    };
    OM_uint32 lifetime = 0;
    const auto client = Client::adopt(acquire(GSS_C_INITIATE, lifetime));
    end.is_told_by("gss_acquire_cred", Seconds{lifetime});
    end.is_told_by("gss_inquire_cred", must(client.lifetime()));
    const auto server = Server::adopt(acquire(GSS_C_ACCEPT, lifetime));
    CHECK(Seconds{lifetime}.is_indefinite());
    CHECK(must(server.lifetime()).is_indefinite());

    OM_uint32 minor = 0;
    const auto target = support::target();
    gss_ctx_id_t raw_initiator = GSS_C_NO_CONTEXT;
    gss_ctx_id_t raw_acceptor = GSS_C_NO_CONTEXT;
    Buffer request;
    Buffer reply;
    const auto initiate = [&](gss_buffer_t in) {
      return gss_init_sec_context(&minor, client.get(), &raw_initiator, target.get(),
                                  gss_detail::raw_oid<mech::Krb5::oid>(), GSS_C_MUTUAL_FLAG, GSS_C_INDEFINITE,
                                  GSS_C_NO_CHANNEL_BINDINGS, in, nullptr, request.put(), nullptr, &lifetime);
    };
    REQUIRE(initiate(GSS_C_NO_BUFFER) == GSS_S_CONTINUE_NEEDED);
    gss_buffer_desc token = gss_detail::borrow(request);
    REQUIRE(gss_accept_sec_context(&minor, &raw_acceptor, server.get(), &token, GSS_C_NO_CHANNEL_BINDINGS, nullptr,
                                   nullptr, reply.put(), nullptr, &lifetime, nullptr) == GSS_S_COMPLETE);
    acceptors_end.is_told_by("gss_accept_sec_context", Seconds{lifetime});
    token = gss_detail::borrow(reply);
    REQUIRE(initiate(&token) == GSS_S_COMPLETE);
    end.is_told_by("gss_init_sec_context", Seconds{lifetime});
    are_told(support::Ends<mech::Krb5>{SecurityContext<mech::Krb5>::adopt(raw_initiator),
                                       SecurityContext<mech::Krb5>::adopt(raw_acceptor)},
             login.end());
  }
  CHECK(handles.leaked() == 0);
}

TEST_CASE("a context that was exported ends when it did before") {
  const Login login;
  auto ends = handshake<mech::Krb5>(must(Client::acquire_default()));
  const auto moved = [](SecurityContext<mech::Krb5>& context) {
    return must(import_context<mech::Krb5>(must(export_context(std::move(context)))));
  };
  are_told(support::Ends<mech::Krb5>{moved(ends.initiator), moved(ends.acceptor)}, login.end());
}

TEST_CASE("a credential that was exported ends when it did before, or does not tell") {
  const Login login;
  const auto check = [](Result<Client> result) {
    const auto credential = must(std::move(result));
    const auto before = must(credential.lifetime());
    const auto copy = must(import_credential<mech::Krb5, Initiate>(must(export_credential(credential))));
    const auto left = must(copy.lifetime());
#if defined(GSSKEY_GSS_HEIMDAL)
    CHECK(left.is_indefinite());
    CHECK_FALSE(before.is_indefinite());
#else
    CHECK(left <= before);
    CHECK(left >= must(credential.lifetime()));
#endif
  };
  check(Client::acquire_default());
  check(Client::acquire_with_password(must(Name::user("bob")), "hunter2"));
}

TEST_CASE("a shorter life of a context may be asked for") {
  const Login login;
  const End credentials_end{login.end()};
  const auto credential = must(Client::acquire_default());
  const long before = earlier();
  const auto shorter = handshake<mech::Krb5>(credential, {.lifetime = Seconds{600}});
  const long first_end = login.end_of(service);
  CHECK(first_end >= before + 600);
  CHECK(first_end <= now() + 600);
  are_told(shorter, first_end);
  credentials_end.is_told_by("the credential", must(credential.lifetime()));

  // A ticket in the cache serves those who ask for less, or for nothing; on Heimdal those who ask for more, too.
  are_told(handshake<mech::Krb5>(credential, {.lifetime = Seconds{300}}), first_end);
  are_told(handshake<mech::Krb5>(credential), first_end);
  are_told(handshake<mech::Krb5>(credential, {.lifetime = Seconds::indefinite()}), first_end);
  const auto longer = handshake<mech::Krb5>(credential, {.lifetime = Seconds{1200}});
  const long end = login.end_of(service);
  are_told(longer, end);
#if defined(GSSKEY_GSS_MIT)
  CHECK(end >= before + 1200);
#else
  CHECK(end == first_end);
#endif
}

TEST_CASE("no context outlives the initiator's ticket, whatever is asked for") {
  const Login login;
  const auto credential = must(Client::acquire_default());
  are_told(handshake<mech::Krb5>(credential, {.lifetime = GENERATE(Seconds{7200}, Seconds::indefinite())}),
           login.end());
}

TEST_CASE("what was added to a credential does not change its end") {
  if (known_faults.add_cred_is_unusable) return;
  const Login login;
  const End end{login.end()};
  const auto client = must(add_credential<mech::Spnego>(must(Client::acquire_default())));
  end.is_told_by("initiator", must(client.lifetime()));
  const auto server = must(add_credential<mech::Spnego>(must(Server::acquire_default())));
  CHECK(must(server.lifetime()).is_indefinite());
}

TEMPLATE_TEST_CASE("an initiator's credential says whose it is and how long", "", mech::Krb5, mech::Spnego, mech::Any) {
  using Initiating = Credential<TestType, Initiate>;
  const Login login;
  const End end{login.end()};
  const auto check = [&](Result<Initiating> credential) {
    const auto info = must(must(std::move(credential)).inquire());
    CHECK(shown(info.name) == "alice@GSSKEY.TEST");
    end.is_told_by("inquire()", info.lifetime);
    const auto& mechanism = TestType::oid.empty() ? mech::Krb5::oid : TestType::oid;
    CHECK(info.mechanisms.contains(mechanism));
  };
  check(Initiating::acquire_default());
  check(Initiating::acquire(must(Name::user("alice"))));
  check(Initiating::acquire(must(Name::principal("alice@GSSKEY.TEST"))));
}

TEMPLATE_TEST_CASE("an acceptor's credential never ends", "", mech::Krb5, mech::Spnego, mech::Any) {
  realm();
  using Accepting = Credential<TestType, Accept>;
  const auto check = [](Result<Accepting> result, const std::string& name) {
    const auto credential = must(std::move(result));
    const auto info = must(credential.inquire());
    CHECK(shown(info.name) == (known_faults.acceptor_names_crash ? std::string{} : name));
    CHECK(info.lifetime.is_indefinite());
    CHECK(must(credential.lifetime()).is_indefinite());
    const auto& mechanism = TestType::oid.empty() ? mech::Krb5::oid : TestType::oid;
    CHECK(info.mechanisms.contains(mechanism));
  };
  // Without a name MIT krb5 tells the keytab's first one.
  check(Accepting::acquire_default(), "host/localhost@GSSKEY.TEST");
  check(Accepting::acquire(must(Name::host_service("other", "localhost"))), "other/localhost@GSSKEY.TEST");
  check(Accepting::acquire(must(Name::principal("other/localhost@GSSKEY.TEST"))), "other/localhost@GSSKEY.TEST");
}

TEST_CASE("a credential for both sides ends with its ticket, as an acceptor's too") {
  using Service = Credential<mech::Krb5, Both>;
  const Login login{"bob"};
  const Environment keys{"KRB5_KTNAME", must(realm().export_keytab("bob"))};
  const End end{login.end()};
  const auto check = [&](Result<Service> result) {
    const auto credential = must(std::move(result));
    const auto info = must(credential.inquire());
    CHECK(shown(info.name) == "bob@GSSKEY.TEST");
    end.is_told_by("inquire()", info.lifetime);
    const auto use = must(inquire_use(credential));
    CHECK(use.can_initiate);
    CHECK(use.can_accept);
    end.is_told_by("inquire_use(), initiator", use.initiator_lifetime);
    end.is_told_by("inquire_use(), acceptor", use.acceptor_lifetime);
  };
  check(Service::acquire_default());
  check(Service::acquire(must(Name::user("bob"))));
}

#if defined(GSSKEY_GSS_MIT)
TEST_CASE("inquired first, a credential gets the ticket that it has a key for") {
  const std::string cache = "FILE:" + realm().folder() + "/inquired";
  const Environment in_cache{"KRB5CCNAME", cache};
  const Environment keys{"KRB5_CLIENT_KTNAME", "FILE:" + realm().keytab()};
  SECTION("an initiator's") {
    const auto info = must(must(Client::acquire_default()).inquire());
    CHECK(shown(info.name) == "host/localhost@GSSKEY.TEST");
    CHECK(info.lifetime > Seconds{9 * 3600});
  }
  SECTION("one for both sides") {
    const auto credential = must(Credential<mech::Krb5, Both>::acquire_default());
    const auto info = must(credential.inquire());
    CHECK(shown(info.name) == "host/localhost@GSSKEY.TEST");
    CHECK(info.lifetime > Seconds{9 * 3600});
    const auto ends = must(
        support::establish(Initiator<mech::Krb5>{support::target(), credential}, Acceptor<mech::Krb5>{credential}));
    CHECK(shown(must(ends.acceptor.inquire()).initiator) == "host/localhost@GSSKEY.TEST");
  }
  REQUIRE(::unlink(cache.substr(5).c_str()) == 0);
}
#endif
