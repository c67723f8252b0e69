// Peers who say nothing of who they are, with real anonymous tickets (kinit -n) of MIT's and Heimdal's KDC.
#include <gsskey/gss/handshake.hpp>
#include <gsskey/krb5/authorize.hpp>
#include <gsskey/krb5/principal.hpp>

#include <future>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/handles.hpp"
#include "support/pkinit_realm.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::must;

namespace {

constexpr const char* nobody = "WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS";

/// One realm for each KDC.
template <Kdc kdc>
const support::PkinitRealm& pkinit_realm() {
  support::realm();  // its variables are there for the whole program
  static const support::PkinitRealm realm{{.users = {{"alice", "secret"}}, .services = {"host/localhost"}, .kdc = kdc}};
  return realm;
}

template <Kdc kdc_, class M>
struct Cell {
  static constexpr Kdc kdc = kdc_;
  using Mechanism = M;
};
using MitKrb5 = Cell<Kdc::mit, mech::Krb5>;
using MitSpnego = Cell<Kdc::mit, mech::Spnego>;
using HeimdalKrb5 = Cell<Kdc::heimdal, mech::Krb5>;
using HeimdalSpnego = Cell<Kdc::heimdal, mech::Spnego>;

/// Runs `body` inside a realm, with a cache. Heimdal reads its configuration once per thread.
template <class Body>
void in(const support::PkinitRealm& realm, const std::string& cache, Body body) {
  const auto environment = must(realm->enter(cache));
  std::async(std::launch::async, std::move(body)).get();
}

/// A complete handshake of whoever is logged in; both ends are still to be established.
template <Mechanism M>
struct Complete {
  Credential<M, Initiate> own = must(Credential<M, Initiate>::acquire_default());
  Credential<M, Accept> service = must(Credential<M, Accept>::acquire_default());
  Initiator<M> initiator;
  Acceptor<M> acceptor;

  explicit Complete(AcceptorOptions<M> options = {}) : initiator{support::target(), own}, acceptor{service, options} {
    must(support::step_all(initiator, acceptor));
  }
};

}  // namespace

TEMPLATE_TEST_CASE("an anonymous peer is refused unless it is allowed", "", MitKrb5, MitSpnego, HeimdalKrb5,
                   HeimdalSpnego) {
  using M = typename TestType::Mechanism;
  if (const char* missing = support::missing_for_pkinit(TestType::kdc)) return support::skip(missing);
  const auto& realm = pkinit_realm<TestType::kdc>();
  in(realm, must(realm->login_anonymously()), [] {
    const support::Handles handles;
    {
      Complete<M> ends{{.keep_delegated = true}};
      const auto shown = must(ends.acceptor.peer_name().display());
      CHECK(shown.text() == nobody);
#if defined(GSSKEY_GSS_MIT)
      CHECK(shown.type == name_type::anonymous);
#else
      CHECK(shown.type == name_type::krb5_principal);
#endif
      CHECK(ends.acceptor.peer_name().is_anonymous().yes());
      const auto refused = std::move(ends.acceptor).accept();
      REQUIRE_FALSE(refused);
      CHECK(refused.error().domain() == Domain::policy);
      CHECK(refused.error().minor_status() == static_cast<unsigned>(ContextFlag::anonymous));
      CHECK(refused.error().text().find("anonymous") != std::string_view::npos);
      CHECK(std::move(ends.acceptor).establish().error().domain() == Domain::usage);  // and over
    }
    CHECK(handles.leaked() == 0);
    {
      Complete<M> ends{{.allow_anonymous = true}};
      auto ours = must(std::move(ends.initiator).establish());
      const auto theirs = must(std::move(ends.acceptor).establish());
      const auto info = must(theirs.inquire());
      CHECK(must(info.initiator.display()).text() == nobody);
      CHECK_FALSE(info.flags.contains(ContextFlag::anonymous));  // why the name is looked at
      const auto peer = must(theirs.peer());
      CHECK(peer.is_anonymous().yes());
      CHECK(must(peer.principal()).is_anonymous());
      CHECK(must(peer.principal()).text() == nobody);
      const auto unauthorized = authorize(theirs, {.any_principal = true});
      REQUIRE_FALSE(unauthorized);
      CHECK(unauthorized.error().text().starts_with("the peer is anonymous"));
    }
    CHECK(handles.leaked() == 0);
  });
}

TEMPLATE_TEST_CASE("a peer with a name is let in where anonymous ones could be", "", MitKrb5, HeimdalKrb5) {
  using M = typename TestType::Mechanism;
  if (const char* missing = support::missing_for_pkinit(TestType::kdc)) return support::skip(missing);
  const auto& realm = pkinit_realm<TestType::kdc>();
  const bool allow = GENERATE(false, true);
  in(realm, must(realm->login("alice")), [&] {
    Complete<M> ends{{.allow_anonymous = allow}};
    CHECK(ends.acceptor.peer_name().is_anonymous().no());
    const auto context = must(std::move(ends.acceptor).establish());
    CHECK(must(must(context.inquire()).initiator.display()).text() == realm->principal("alice"));
  });
}

TEST_CASE("an anonymous ticket that tells its realm is as anonymous") {
  if (const char* missing = support::missing_for_pkinit(Kdc::heimdal)) return support::skip(missing);
  support::realm();
  const support::PkinitRealm realm{
      {.services = {"host/localhost"}, .kdc = Kdc::heimdal, .kdc_settings = {"historical_anon_realm = yes"}}};
  in(realm, must(realm->login_anonymously()), [&] {
    Complete<mech::Krb5> ends;
    CHECK(must(ends.acceptor.peer_name().display()).text() == realm->principal("WELLKNOWN/ANONYMOUS"));
    const auto refused = std::move(ends.acceptor).establish();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().domain() == Domain::policy);
  });
}

TEST_CASE("a KDC without a certificate, or that does not allow it, gives no anonymous ticket") {
  const auto plain = support::realm().realm.login_anonymously();
  REQUIRE_FALSE(plain);
  CHECK(std::string{plain.error().operation()} == "kinit");
}

TEST_CASE("names that nobody has are anonymous, others are not") {
  support::realm();
  CHECK(must(Name::user("alice")).is_anonymous().no());
  CHECK(must(Name::principal("WELLKNOWN/ANONYMOUS/x@GSSKEY.TEST")).is_anonymous().no());
  CHECK(must(Name::principal("ANONYMOUS@WELLKNOWN:ANONYMOUS")).is_anonymous().no());
  CHECK(must(must(Name::principal(nobody)).canonicalize<mech::Krb5>()).is_anonymous().yes());
#if defined(GSSKEY_GSS_MIT)
  CHECK(must(Name::import_name<name_type::anonymous>({})).is_anonymous().yes());
#endif
  CHECK(Name{}.is_anonymous().error().domain() == Domain::usage);
}
