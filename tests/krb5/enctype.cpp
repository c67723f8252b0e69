// What needs krb5.h: encryption types, which ones are negotiated.
#include <gsskey/gss/handshake.hpp>
#include <gsskey/krb5/enctype.hpp>

#include <dlfcn.h>

#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/library_types.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Client;
using support::must;

namespace {
/// What the library says of a context in place of its own answer, if this is not empty.
std::string answer;
}  // namespace

extern "C" OM_uint32 gss_inquire_sec_context_by_oid(OM_uint32* minor, support::ConstContext context,
                                                    const gss_OID object, gss_buffer_set_t* answers) {
  if (answer.empty()) {
    static auto* const next =
        reinterpret_cast<decltype(&gss_inquire_sec_context_by_oid)>(dlsym(RTLD_NEXT, "gss_inquire_sec_context_by_oid"));
    return next(minor, context, object, answers);
  }
  gss_buffer_desc bytes{answer.size(), answer.data()};
  return gss_add_buffer_set_member(minor, &bytes, answers);
}

namespace {
/// Of the context when `credential` initiates, which both ends agree on.
Enctype negotiated(const Client& credential) {
  auto ends =
      must(support::establish(Initiator<mech::Krb5>{support::target(), credential}, support::acceptor<mech::Krb5>()));
  const auto found = must(enctype(ends.initiator));
  CHECK(must(enctype(ends.acceptor)) == found);
  return found;
}

/// With an empty cache beside the ticket-granting ticket: a ticket that is there already keeps its key.
Client fresh() { return must(Client::acquire_with_password(must(Name::user("bob")), "hunter2")); }
}  // namespace

TEST_CASE("only the types that are allowed are negotiated, and the context tells which") {
  support::realm();
  CHECK(negotiated(fresh()) == Enctype::aes256_cts_hmac_sha1_96);
  for (const Enctype one : {Enctype::aes128_cts_hmac_sha1_96, Enctype::aes256_cts_hmac_sha1_96}) {
    auto credential = fresh();
    must(set_allowable_enctypes(credential, {one}));
    CHECK(negotiated(credential) == one);
  }
}

TEMPLATE_TEST_CASE("of a negotiated context, too", "", mech::Spnego, mech::Any) {
  auto ends = support::pair<TestType>();
  CHECK(must(enctype(ends.initiator)) == Enctype::aes256_cts_hmac_sha1_96);
  CHECK(must(enctype(ends.acceptor)) == Enctype::aes256_cts_hmac_sha1_96);
}

TEST_CASE("an answer with the type before the key, one with another type, and one without") {
  const auto ends = support::pair<mech::Krb5>();
  for (const auto& [bytes, type] : {std::pair{std::string{"\0\x13key", 5}, 19}, {std::string{"\0\x17key", 5}, 23}}) {
    answer = bytes;
    CHECK(must(enctype(ends.initiator)) == static_cast<Enctype>(type));
  }
  answer = "k";
  const auto found = enctype(ends.initiator);
  answer.clear();
  REQUIRE_FALSE(found);
  CHECK(found.error().domain() == Domain::policy);
  CHECK(found.error().operation() == std::string{"gss_inquire_sec_context_by_oid"});
}

TEST_CASE("an empty context has no type") {
  const auto found = enctype(SecurityContext<mech::Krb5>{});
  REQUIRE_FALSE(found);
  CHECK(found.error().domain() == Domain::usage);
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
  CHECK(negotiated(credential) == Enctype::aes256_cts_hmac_sha1_96);
}

TEST_CASE("an empty credential has no types") {
  Client none;
  const auto set = set_allowable_enctypes(none, {Enctype::aes128_cts_hmac_sha1_96});
  REQUIRE_FALSE(set);
  CHECK(set.error().domain() == Domain::usage);
}
