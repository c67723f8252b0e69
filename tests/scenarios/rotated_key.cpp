// A service's key is changed at the KDC while its clients run: what they are told, and what gets them going again.
#include <gsskey/gss/credential/renewing.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/krb5/credential.hpp>
#include <gsskey/krb5/status.hpp>
#include <gsskey/testing/test_realm.hpp>

#include <filesystem>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/heimdal_root.hpp"
#include "support/must.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::must;
using Client = Credential<mech::Krb5, Initiate>;
using Server = Credential<mech::Krb5, Accept>;

namespace {

constexpr const char* service = "host/localhost";

/// The keytab has the new key alone: whoever has an old ticket is refused.
void rotate(const TestRealm& realm, Kdc kdc) {
  must(realm.kadmin((kdc == Kdc::mit ? "cpw -randkey " : "passwd --random-key ") + std::string{service}));
  std::filesystem::rename(must(realm.export_keytab(service)), realm.keytab());
}

#if defined(GSSKEY_GSS_HEIMDAL)
/// Heimdal's acceptor says nothing to whom it refuses. What MIT krb5's says: KRB-ERROR, framed (RFC 4121 section 4.1).
std::string refusal() {
  krb5_context context = nullptr;
  krb5_principal server = nullptr;
  krb5_data error{};
  REQUIRE(krb5_init_context(&context) == 0);
  REQUIRE(krb5_parse_name(context, "host/localhost@GSSKEY.TEST", &server) == 0);
  REQUIRE(krb5_mk_error(context, KRB5KRB_AP_ERR_BADKEYVER, nullptr, nullptr, nullptr, server, nullptr, nullptr,
                        &error) == 0);
  std::string token{"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x03\x00", 13};
  token.append(static_cast<const char*>(error.data), error.length);
  REQUIRE(token.size() < 128);
  krb5_data_free(&error);
  krb5_free_principal(context, server);
  krb5_free_context(context);
  return "\x60" + std::string(1, static_cast<char>(token.size())) + token;
}
#endif

/// What the initiator is told.
Result<void> log_in(const Client& client) {
  Initiator<mech::Krb5> initiator{must(Name::host_service("host", "localhost")), client};
  const auto server = must(Server::acquire_default());
  Acceptor<mech::Krb5> acceptor{server};
  auto first = initiator.step();
  if (!first) return unexpected(std::move(first).error().error);
  const auto answer = acceptor.step(first->token);
  std::string token{ByteView{answer ? answer->token : answer.error().token}.text()};
#if defined(GSSKEY_GSS_HEIMDAL)
  if (!answer && token.empty()) token = refusal();
#endif
  const auto last = initiator.step(token);
  if (!last) return unexpected(last.error().error);
  return {};
}

void forget(const std::string& cache_name) {
  krb5_context context = nullptr;
  krb5_ccache cache = nullptr;
  krb5_principal principal = nullptr;
  REQUIRE(krb5_init_context(&context) == 0);
  REQUIRE(krb5_cc_resolve(context, cache_name.c_str(), &cache) == 0);
  REQUIRE(krb5_sname_to_principal(context, "localhost", "host", KRB5_NT_SRV_HST, &principal) == 0);
  must(forget_ticket(context, cache, principal));
  must(forget_ticket(context, cache, principal));  // there is none
  krb5_free_principal(context, principal);
  krb5_cc_close(context, cache);
  krb5_free_context(context);
}

/// Each in a process of its own: Heimdal reads its configuration once. 0, or the line that was wrong.
template <class Work>
int in_realm(Kdc kdc, Work work) {
  const auto realm = must(TestRealm::start({.users = {{"alice", "secret"}}, .services = {service}, .kdc = kdc}));
  const auto cache = must(realm.login("alice"));
  return support::in_child(120, [&] {
    const auto environment = must(realm.enter(cache));
    return work(realm, cache);
  });
}

#define EXPECT(condition) \
  if (!(condition)) return __LINE__ % 128

}  // namespace

TEST_CASE("a client whose tickets are its own: a report, and the next handshake has a new one") {
  const Kdc kdc = GENERATE(Kdc::mit, Kdc::heimdal);
  if (kdc == Kdc::heimdal && !support::has_heimdal_kdc()) return support::skip("Heimdal's KDC is not there");
  CHECK(in_realm(kdc, [&](const TestRealm& realm, const std::string&) {
          RenewingCredential client{[] { return Client::acquire_with_password(must(Name::user("alice")), "secret"); }};
          auto lease = must(client.lease());
          EXPECT(log_in(*lease));
          rotate(realm, kdc);
          const auto told = log_in(*lease);
          EXPECT(!told);
          EXPECT(krb5_status(told.error()) == Krb5Status::wrong_key_version);
          EXPECT(client.report(lease, told.error()));
          lease = must(client.lease());
          EXPECT(log_in(*lease));
          return 0;
        }) == 0);
}

TEST_CASE("a client whose tickets are in a cache: the stale one has to be forgotten") {
  const Kdc kdc = GENERATE(Kdc::mit, Kdc::heimdal);
  if (kdc == Kdc::heimdal && !support::has_heimdal_kdc()) return support::skip("Heimdal's KDC is not there");
  CHECK(in_realm(kdc, [&](const TestRealm& realm, const std::string& cache) {
          RenewingCredential client{[] { return Client::acquire_default(); }};
          const auto first = must(client.lease());
          EXPECT(log_in(*first));
          rotate(realm, kdc);
          const auto told = log_in(*first);
          EXPECT(!told);
          EXPECT(client.report(first, told.error()));
          const auto second = must(client.lease());
          EXPECT(second->get() != first->get());
          EXPECT(!log_in(*second));  // it has the old ticket too
          forget(cache);
          EXPECT(log_in(*second));
          EXPECT(log_in(*first));
          const auto third = must(client.lease());
          EXPECT(third->get() == second->get());
          return 0;
        }) == 0);
}
