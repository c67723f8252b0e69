// Credentials as bytes, and stored in caches: what comes out is used in a handshake.
#include <gsskey/gss/credential/transfer.hpp>
#include <gsskey/gss/handshake.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Client;
using support::delegated;
using support::Environment;
using support::must;
using support::peer_of;
using support::Server;
using support::shown;
using Negotiated = mech::Negotiate<mech::Krb5>;

namespace {

std::string new_path() {
  static int count = 0;
  return support::realm().realm.folder() + "/stored-" + std::to_string(++count);
}

}  // namespace

TEST_CASE("an exported credential is good again after import, and the original still is") {
  auto& realm = support::realm().realm;
  const auto check = [](const Client& original, const std::string& owner) {
    const SecretBytes token = must(export_credential(original));
    const auto copy = must(import_credential<mech::Krb5, Initiate>(token));
    CHECK(copy.get() != original.get());
    CHECK(peer_of(copy) == owner);
    CHECK(peer_of(original) == owner);
  };
  SECTION("of a cache") { check(support::initiator_credential<mech::Krb5>(), realm.principal("alice")); }
  SECTION("delegated") { check(delegated(), realm.principal("alice")); }
  SECTION("made with a password") {
    check(must(Client::acquire_with_password(must(Name::user("bob")), "hunter2")), realm.principal("bob"));
  }
}

TEST_CASE("a token names the file of a cache, and holds the tickets of one in memory") {
  support::realm();
  const SecretBytes by_name = must(export_credential(support::initiator_credential<mech::Krb5>()));
  CHECK(by_name.text().find("krbtgt") == std::string_view::npos);
  const SecretBytes whole = must(export_credential(delegated()));
  CHECK(whole.text().find("krbtgt") != std::string_view::npos);
}

TEST_CASE("a credential with tickets in memory survives the end of the original in its token") {
  SecretBytes token;
  {
    const Client short_lived = delegated();
    token = must(export_credential(short_lived));
  }
  CHECK(peer_of(must(import_credential<mech::Krb5, Initiate>(token))) == support::realm().realm.principal("alice"));
}

TEST_CASE("acceptors' credentials are exported where the implementation does it") {
  auto& server = support::acceptor_credential<mech::Krb5>();
  auto token = export_credential(server);
#if defined(GSSKEY_GSS_HEIMDAL)
  REQUIRE_FALSE(token);
  CHECK(routine_error(token.error()) == RoutineError::failure);
#else
  const auto copy = must(import_credential<mech::Krb5, Accept>(must(std::move(token))));
  must(support::establish(support::initiator<mech::Krb5>(), Acceptor<mech::Krb5>{copy}));
#endif
}

TEST_CASE("what is imported is of the mechanism and for the side that the type says") {
  support::realm();
  const auto refused = [](const auto& result) {
    REQUIRE_FALSE(result);
    CHECK(result.error().domain() == Domain::policy);
    CHECK(std::string{result.error().operation()} == "gss_import_cred");
  };
  const SecretBytes kerberos = must(export_credential(support::initiator_credential<mech::Krb5>()));
  refused(import_credential<mech::Spnego, Initiate>(kerberos));
  refused(import_credential<mech::Krb5, Accept>(kerberos));
  refused(import_credential<mech::Krb5, Both>(kerberos));

  const SecretBytes negotiating = must(export_credential(support::initiator_credential<Negotiated>()));
#if defined(GSSKEY_GSS_HEIMDAL)  // which exports the Kerberos part
  refused(import_credential<Negotiated, Initiate>(negotiating));
  CHECK(peer_of(must(import_credential<mech::Krb5, Initiate>(negotiating))) ==
        support::realm().realm.principal("alice"));
#else
  refused(import_credential<mech::Krb5, Initiate>(negotiating));
  CHECK(peer_of(must(import_credential<Negotiated, Initiate>(negotiating))) ==
        support::realm().realm.principal("alice"));
#endif
}

TEST_CASE("what is no token is refused, cut off or not") {
  const SecretBytes token = must(export_credential(delegated()));
  const auto check = [](ByteView bytes) {
    const auto result = import_credential<mech::Krb5, Initiate>(bytes);
    REQUIRE_FALSE(result);
    CHECK(result.error().domain() == Domain::gss);
    CHECK(std::string{result.error().operation()} == "gss_import_cred");
#if defined(GSSKEY_GSS_MIT)
    CHECK(routine_error(result.error()) == RoutineError::defective_token);
#endif
  };
  check({});
  check("garbage");
  check(ByteView{token}.subview(0, 3));
  check(ByteView{token}.subview(0, token.size() / 2));
}

TEST_CASE("an empty credential is neither exported nor stored") {
  support::realm();
  const Client none;
  CHECK(export_credential(none).error().domain() == Domain::usage);
  const auto stored = store_credential(none);
  REQUIRE_FALSE(stored);
  CHECK(stored.error().domain() == (known_faults.store_destroys_credential ? Domain::unavailable : Domain::usage));
  const auto stored_into = store_credential_into(none, {.ccache = "MEMORY:none"});
  REQUIRE_FALSE(stored_into);
  CHECK(stored_into.error().domain() == (capabilities.store_into ? Domain::usage : Domain::unavailable));
}

#if defined(GSSKEY_GSS_HEIMDAL)

TEST_CASE("storing is refused, and the credential stays good") {
  const Client credential = delegated();
  const std::string path = new_path();
  {
    const Environment cache{"KRB5CCNAME", "FILE:" + path};
    const auto check = [](const Result<void>& stored, const char* operation) {
      REQUIRE_FALSE(stored);
      CHECK(stored.error().domain() == Domain::unavailable);
      CHECK(std::string{stored.error().operation()} == operation);
      CHECK(stored.error().text().find(GSSKEY_GSS_NAME) != std::string_view::npos);
    };
    check(store_credential(credential, {.overwrite = true}), "gss_store_cred");
    check(store_credential_into(credential, {.ccache = path.c_str()}), "gss_store_cred_into");
  }
  CHECK(::access(path.c_str(), F_OK) != 0);
  CHECK(peer_of(credential) == support::realm().realm.principal("alice"));
}

TEST_CASE("why storing is refused: gss_store_cred reports success and leaves the credential empty") {
  const Client credential = delegated();
  const std::string path = new_path();
  {
    const Environment cache{"KRB5CCNAME", "FILE:" + path};
    OM_uint32 minor = 0;
    REQUIRE(gss_store_cred(&minor, credential.get(), GSS_C_INITIATE, gss_detail::raw_oid<mech::Krb5::oid>(), 1, 1,
                           nullptr, nullptr) == GSS_S_COMPLETE);
  }
  CHECK(::access(path.c_str(), F_OK) != 0);
  Initiator<mech::Krb5> initiator{support::target(), credential};
  CHECK_FALSE(initiator.step());
}

#else

namespace {
/// Not by the environment, which MIT krb5 looks at when the credential is used first.
Client of_bob() { return must(Client::acquire_from({.ccache = must(support::realm().realm.login("bob")).c_str()})); }

/// Whose tickets `cache` has.
std::string owner_of(const std::string& cache) {
  const Environment environment{"KRB5CCNAME", cache};
  return peer_of(must(Client::acquire_default()));
}
}  // namespace

TEST_CASE("a delegated credential in a FILE cache is used from there") {
  auto& realm = support::realm().realm;
  const std::string cache = "FILE:" + new_path();
  must(store_credential_into(delegated(), {.ccache = cache.c_str()}));
  CHECK(peer_of(must(Client::acquire_from({.ccache = cache.c_str()}))) == realm.principal("alice"));
  CHECK(owner_of(cache) == realm.principal("alice"));
}

TEST_CASE("what is there is replaced only when told so, whoever's it is") {
  auto& realm = support::realm().realm;
  const std::string cache = "FILE:" + new_path();
  const Client bob = of_bob();
  const auto into = [&](const Client& credential, const StoreOptions& options) {
    return store_credential_into(credential, {.ccache = cache.c_str()}, options);
  };
  const auto by_environment = [&](const Client& credential, const StoreOptions& options) {
    const Environment environment{"KRB5CCNAME", cache};
    return store_credential(credential, options);
  };
  const auto check = [&](auto store, const char* operation) {
    must(store(delegated(), {}));
    for (const bool make_default : {false, true}) {
      const auto again = store(bob, {.make_default = make_default});
      REQUIRE_FALSE(again);
      CHECK(routine_error(again.error()) == RoutineError::duplicate_element);
      CHECK(std::string{again.error().operation()} == operation);
      CHECK(owner_of(cache) == realm.principal("alice"));
    }
    must(store(bob, {.overwrite = true}));
    CHECK(owner_of(cache) == realm.principal("bob"));
    must(store(delegated(), {.overwrite = true, .make_default = true}));
    CHECK(owner_of(cache) == realm.principal("alice"));
  };
  SECTION("named") { check(into, "gss_store_cred_into"); }
  SECTION("of the environment") { check(by_environment, "gss_store_cred"); }
}

TEST_CASE("a collection keeps one cache per principal, and the default is chosen") {
  auto& realm = support::realm().realm;
  const std::string folder = new_path();
  REQUIRE(::mkdir(folder.c_str(), 0700) == 0);
  const std::string collection = "DIR:" + folder;
  const Client bob = of_bob();
  const Client alice = delegated();
  const auto store = [&](const Client& credential, const StoreOptions& options) {
    const Environment environment{"KRB5CCNAME", collection};
    return store_credential(credential, options);
  };
  must(store(alice, {.make_default = true}));
  must(store(bob, {}));
  CHECK(owner_of(collection) == realm.principal("alice"));
  CHECK(routine_error(store(bob, {}).error()) == RoutineError::duplicate_element);
  must(store(bob, {.overwrite = true, .make_default = true}));
  CHECK(owner_of(collection) == realm.principal("bob"));
  {
    const Environment environment{"KRB5CCNAME", collection};
    CHECK(peer_of(must(Client::acquire(must(Name::user("alice"))))) == realm.principal("alice"));
  }
}

TEST_CASE("a store that names no cache is refused: the environment's would be taken") {
  const std::string path = new_path();
  const Environment cache{"KRB5CCNAME", "FILE:" + path};
  const auto stored = store_credential_into(of_bob(), {.keytab = "FILE:/nonexistent"}, {.overwrite = true});
  REQUIRE_FALSE(stored);
  CHECK(stored.error().domain() == Domain::usage);
  CHECK(::access(path.c_str(), F_OK) != 0);
}

#endif
