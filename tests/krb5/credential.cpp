// Credentials from handles of libkrb5, and back into them.
#include <gsskey/krb5/credential.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/handles.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

/// libkrb5's side of a test.
struct Krb5 {
  krb5_context context = nullptr;

  Krb5() {
    support::realm();
    REQUIRE(krb5_init_context(&context) == 0);
  }
  Krb5(const Krb5&) = delete;
  Krb5& operator=(const Krb5&) = delete;
  ~Krb5() { krb5_free_context(context); }

  krb5_ccache cache(const std::string& name) const {
    krb5_ccache cache = nullptr;
    REQUIRE(krb5_cc_resolve(context, name.c_str(), &cache) == 0);
    return cache;
  }
  krb5_keytab keytab(const std::string& name) const {
    krb5_keytab keytab = nullptr;
    REQUIRE(krb5_kt_resolve(context, name.c_str(), &keytab) == 0);
    return keytab;
  }
  krb5_principal principal(const std::string& name) const {
    krb5_principal principal = nullptr;
    REQUIRE(krb5_parse_name(context, name.c_str(), &principal) == 0);
    return principal;
  }
};

std::string read(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}
void write(const std::string& path, const std::string& bytes) { std::ofstream{path, std::ios::binary} << bytes; }

template <Usage A>
std::string accepts(const Credential<mech::Krb5, Initiate>& initiator, const Credential<mech::Krb5, A>& acceptor,
                    const char* service = "host") {
  auto ends = support::establish(Initiator<mech::Krb5>{must(Name::host_service(service, "localhost")), initiator},
                                 Acceptor<mech::Krb5>{acceptor});
  if (!ends) return {};
  return std::string{must(must(ends->acceptor.inquire()).initiator.display()).text()};
}

}  // namespace

TEST_CASE("a cache and a keytab that are open here establish a context, though closed meanwhile") {
  const Krb5 krb5;
  static_cast<void>(support::pair<mech::Krb5>());
  const support::Handles handles;
  {
    const auto cache = krb5.cache(support::realm().alice);
    const auto initiator = must(import_cache(cache));
    krb5_cc_close(krb5.context, cache);
    const auto keytab = krb5.keytab(support::realm().realm.keytab());
    const auto acceptor = must(import_keytab(keytab));
    krb5_kt_close(krb5.context, keytab);
    CHECK(accepts(initiator, acceptor) == "alice@GSSKEY.TEST");
    CHECK(accepts(initiator, acceptor, "other") == "alice@GSSKEY.TEST");
  }
  CHECK(handles.leaked() == 0);
}

TEST_CASE("a keytab for one principal accepts for no other") {
  const Krb5 krb5;
  const auto keytab = krb5.keytab(support::realm().realm.keytab());
  const auto principal = krb5.principal("other/localhost@GSSKEY.TEST");
  const auto acceptor = must(import_keytab(keytab, principal));
  krb5_free_principal(krb5.context, principal);
  krb5_kt_close(krb5.context, keytab);
  const auto& initiator = support::initiator_credential<mech::Krb5>();
  CHECK(accepts(initiator, acceptor, "other") == "alice@GSSKEY.TEST");
  CHECK(accepts(initiator, acceptor, "host").empty());
}

TEST_CASE("an imported keytab is read in each handshake, and the default one is not") {
  const Krb5 krb5;
  const std::string normal = support::realm().realm.keytab();
  const std::string own = must(support::realm().realm.export_keytab("host/localhost@GSSKEY.TEST"));
  const auto keytab = krb5.keytab(own);
  const auto acceptor = must(import_keytab(keytab));
  krb5_kt_close(krb5.context, keytab);
  const auto& initiator = support::initiator_credential<mech::Krb5>();
  const auto whole = read(normal);
  write(normal, "\5\2 and then a text");
  const auto accepted = accepts(initiator, acceptor);
  write(normal, whole);
  CHECK(accepted == "alice@GSSKEY.TEST");
  write(own.substr(own.find('/')), "\5\2 and then a text");
  CHECK(accepts(initiator, acceptor).empty());
}

TEST_CASE("one credential for both directions, of who has a ticket and the keys") {
  const Krb5 krb5;
  const auto cache = krb5.cache(support::realm().alice);
  const auto keytab = krb5.keytab(must(support::realm().realm.export_keytab("alice@GSSKEY.TEST")));
  const auto alice = must(import_cache_and_keytab(cache, keytab));
  krb5_cc_close(krb5.context, cache);
  krb5_kt_close(krb5.context, keytab);
  const auto ends =
      must(support::establish(Initiator<mech::Krb5>{must(Name::user("alice")), alice}, Acceptor<mech::Krb5>{alice}));
  const auto info = must(ends.acceptor.inquire());
  CHECK(must(info.initiator.display()).text() == "alice@GSSKEY.TEST");
  CHECK(must(info.acceptor.display()).text() == "alice@GSSKEY.TEST");
  CHECK(accepts(support::initiator_credential<mech::Krb5>(), alice).empty());  // of host/localhost it has no keys
}

TEST_CASE("a cache without tickets is refused, at the latest when it is used") {
  const Krb5 krb5;
  const auto cache = krb5.cache("MEMORY:nothing-in-it");
  const auto initiator = import_cache(cache);
  if (initiator) {
    CHECK(accepts(*initiator, support::acceptor_credential<mech::Krb5>()).empty());
  } else {
    CHECK(initiator.error().domain() == Domain::gss);
    CHECK(std::string{initiator.error().operation()} == "gss_krb5_import_cred");
  }
  krb5_cc_close(krb5.context, cache);
}

TEST_CASE("a copy works like the credential that it was made of, which stays") {
  const Krb5 krb5;
  const auto bob = must(Credential<mech::Krb5, Initiate>::acquire_with_password(must(Name::user("bob")), "hunter2"));
  const auto cache = krb5.cache("MEMORY:copy");
  const auto principal = krb5.principal("bob@GSSKEY.TEST");
  REQUIRE(krb5_cc_initialize(krb5.context, cache, principal) == 0);
  krb5_free_principal(krb5.context, principal);
  must(copy_to_cache(bob, cache));
  const auto& acceptor = support::acceptor_credential<mech::Krb5>();
  {
    const auto copy = must(import_cache(cache));
    CHECK(accepts(copy, acceptor) == "bob@GSSKEY.TEST");
  }
  CHECK(accepts(bob, acceptor) == "bob@GSSKEY.TEST");
  krb5_cc_destroy(krb5.context, cache);
}

TEST_CASE("what is missing is a misuse") {
  const Krb5 krb5;
  const Credential<mech::Krb5, Initiate> none;
  const auto cache = krb5.cache(support::realm().alice);
  CHECK(import_cache(nullptr).error().domain() == Domain::usage);
  CHECK(import_keytab(nullptr).error().domain() == Domain::usage);
  CHECK(import_cache_and_keytab(cache, nullptr).error().domain() == Domain::usage);
  CHECK(import_cache_and_keytab(nullptr, nullptr).error().domain() == Domain::usage);
  CHECK(copy_to_cache(none, cache).error().domain() == Domain::usage);
  CHECK(copy_to_cache(support::initiator_credential<mech::Krb5>(), nullptr).error().domain() == Domain::usage);
  krb5_cc_close(krb5.context, cache);
}
