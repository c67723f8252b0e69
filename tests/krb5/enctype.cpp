// What needs krb5.h: encryption types, seen in the size of the session key.
#include <gsskey/gss/buffer_set.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/krb5/enctype.hpp>

#include <cstddef>
#include <string>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Client;
using support::must;

namespace {
/// GSS_C_INQ_SSPI_SESSION_KEY
constexpr Oid session_key{"1.2.840.113554.1.2.2.5.5"};

/// Of the session key when `credential` initiates.
std::size_t key_size(const Client& credential) {
  auto ends =
      must(support::establish(Initiator<mech::Krb5>{support::target(), credential}, support::acceptor<mech::Krb5>()));
  OM_uint32 minor = 0;
  BufferSet answers;
  REQUIRE(gss_inquire_sec_context_by_oid(&minor, ends.initiator.get(), gss_detail::raw_oid<session_key>(),
                                         answers.put()) == GSS_S_COMPLETE);
  REQUIRE(answers.size() >= 1);
  return answers[0].size();
}

/// With an empty cache beside the ticket-granting ticket: a ticket that is there already keeps its key.
Client fresh() { return must(Client::acquire_with_password(must(Name::user("bob")), "hunter2")); }
}  // namespace

TEST_CASE("only the types that are allowed are negotiated") {
  support::realm();
  CHECK(key_size(fresh()) == 32);
  auto small = fresh();
  must(set_allowable_enctypes(small, {Enctype::aes128_cts_hmac_sha1_96}));
  CHECK(key_size(small) == 16);
  auto large = fresh();
  must(set_allowable_enctypes(large, {Enctype::aes256_cts_hmac_sha1_96}));
  CHECK(key_size(large) == 32);
}

TEST_CASE("no type, an unknown one and too many are misuses, and nothing changes") {
  support::realm();
  auto credential = fresh();
  const auto refused = [&](std::initializer_list<Enctype> enctypes) {
    const auto set = set_allowable_enctypes(credential, enctypes);
    REQUIRE_FALSE(set);
    CHECK(set.error().domain() == Domain::usage);
    CHECK(std::string{set.error().operation()} == "gss_krb5_set_allowable_enctypes");
  };
  constexpr auto small = Enctype::aes128_cts_hmac_sha1_96;
  refused({});
  refused({small, static_cast<Enctype>(23)});  // RC4
  refused({static_cast<Enctype>(0)});
  refused({small, small, small, small, small});
  CHECK(key_size(credential) == 32);
}

TEST_CASE("an empty credential has no types") {
  Client none;
  const auto set = set_allowable_enctypes(none, {Enctype::aes128_cts_hmac_sha1_96});
  REQUIRE_FALSE(set);
  CHECK(set.error().domain() == Domain::usage);
}
