// Caches that a program owns: in memory they end with their owner, by name they stay.
#include <gsskey/krb5/ticket_cache.hpp>

#include <cstring>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

/// All that the realm's alice has.
void fill(const TicketCache& cache) {
  const auto alice = must(TicketCache::resolve(support::realm().alice.c_str()));
  krb5_principal principal = nullptr;
  REQUIRE(krb5_cc_get_principal(cache.context(), alice.get(), &principal) == 0);
  REQUIRE(krb5_cc_initialize(cache.context(), cache.get(), principal) == 0);
  krb5_free_principal(cache.context(), principal);
  must(copy_to_cache(must(alice.credential()), cache.get()));
}

}  // namespace

TEST_CASE("a cache in memory is nobody else's, and its credential has tickets as long as it is there") {
  auto cache = must(TicketCache::in_memory());
  fill(cache);
  const std::string name = std::string{"MEMORY:"} + krb5_cc_get_name(cache.context(), cache.get());
  const auto credential = must(cache.credential());
  CHECK(support::peer_of(credential) == "alice@GSSKEY.TEST");

  const auto other = must(TicketCache::in_memory());
  CHECK(std::strcmp(krb5_cc_get_name(other.context(), other.get()), krb5_cc_get_name(cache.context(), cache.get())) !=
        0);
  const auto empty = other.credential();
  CHECK_FALSE((empty && empty->lifetime()));

  cache = {};
  CHECK_FALSE(cache);
  CHECK_FALSE(
      support::establish(Initiator<mech::Krb5>{support::target(), credential}, support::acceptor<mech::Krb5>()));
  const auto again = must(TicketCache::resolve(name.c_str()));  // made anew, of the same name
  krb5_principal nobody = nullptr;
  CHECK(krb5_cc_get_principal(again.context(), again.get(), &nobody) != 0);
}

TEST_CASE("a cache with a name stays") {
  const std::string name = "FILE:" + support::realm().realm.folder() + "/kept";
  fill(must(TicketCache::resolve(name.c_str())));
  auto cache = must(TicketCache::resolve(name.c_str()));
  CHECK(support::peer_of(must(cache.credential())) == "alice@GSSKEY.TEST");
}

TEST_CASE("a ticket of a cache that is not there cannot be forgotten, and the Error says which cache") {
  const auto cache = must(TicketCache::resolve("FILE:/nonexistent/tickets"));
  krb5_principal service = nullptr;
  REQUIRE(krb5_parse_name(cache.context(), "host/localhost@GSSKEY.TEST", &service) == 0);
  const auto forgotten = forget_ticket(cache.context(), cache.get(), service);
  krb5_free_principal(cache.context(), service);
  REQUIRE_FALSE(forgotten);
  CHECK(std::string{forgotten.error().text()}.find("/nonexistent/tickets") != std::string::npos);
}

TEST_CASE("caches without a name, of no type, and without an owner") {
  for (const char* const name : {static_cast<const char*>(nullptr), ""}) {
    CHECK(TicketCache::resolve(name).error().domain() == Domain::usage);
  }
  const auto unknown = TicketCache::resolve("NOSUCHTYPE:x");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().domain() == Domain::gss);
  CHECK(std::string{unknown.error().operation()} == "krb5_cc_resolve");
  CHECK(unknown.error().minor_status() != 0);
  CHECK(TicketCache{}.credential().error().domain() == Domain::usage);
}
