// Name attributes: the PAC that this KDC puts into every ticket, what cannot be changed, and composite names.
#include <gsskey/gss/name/attributes.hpp>

#include <dlfcn.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/exported_names.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

/// alice as an acceptor has authenticated her.
template <Mechanism M = mech::Krb5>
Name peer() {
  const auto ends = support::pair<M>();
  return std::move(must(ends.acceptor.inquire()).initiator);
}

/// The error of every call that takes an attribute.
std::vector<Error> errors_of(Name& name, ByteView attribute) {
  return {name_attribute(name, attribute).error(), set_name_attribute(name, attribute, "x").error(),
          delete_name_attribute(name, attribute).error()};
}

}  // namespace

#if defined(GSSKEY_GSS_MIT)
namespace {

Name alice() {
  support::realm();
  return must(must(Name::user("alice")).canonicalize<mech::Krb5>());
}

std::vector<std::string> values_of(const Name& name, ByteView attribute) {
  std::vector<std::string> values;
  const auto count = must(for_each_attribute_value(name, attribute, [&values](AttributeValue&& value) {
    CHECK(value.is_authenticated);
    CHECK(value.is_complete);
    CHECK(value.display.empty());
    values.emplace_back(value.value.text());
  }));
  CHECK(count == values.size());
  return values;
}

/// "a" as MS-PAC writes it: UTF-16.
std::string utf16(const std::string& text) {
  std::string wide;
  for (const char letter : text) wide.append({letter, '\0'});
  return wide;
}

/// By how many values gss_get_name_attribute is made to say that there are more; -1: not at all.
int more_values = -1;
/// Whether gss_get_name_attribute is made to vouch for nothing.
bool vouches_for_nothing = false;

}  // namespace

extern "C" OM_uint32 gss_get_name_attribute(OM_uint32* minor, gss_name_t name, gss_buffer_t attribute,
                                            int* authenticated, int* complete, gss_buffer_t value, gss_buffer_t display,
                                            int* more) {
  static auto* const library =
      reinterpret_cast<decltype(&gss_get_name_attribute)>(dlsym(RTLD_NEXT, "gss_get_name_attribute"));
  int first = -1;  // each time
  const OM_uint32 major =
      library(minor, name, attribute, authenticated, complete, value, display, more_values < 0 ? more : &first);
  if (more_values > 0)
    *more = more_values--;
  else if (more_values == 0)
    *more = 0;
  if (vouches_for_nothing) *authenticated = 0;
  return major;
}

TEMPLATE_TEST_CASE("the peer's name has the PAC of its ticket", "", mech::Krb5, mech::Spnego) {
  const Name name = peer<TestType>();
  const auto info = must(inquire_name(name));
  CHECK(info.is_mechanism_name);
  CHECK(info.mechanism == TestType::oid);
  for (const auto* attribute : {"urn:mspac:", "urn:mspac:client-info", "urn:mspac:server-checksum"}) {
    CAPTURE(attribute);
    CHECK(info.attributes.contains(std::string_view{attribute}));
  }
  const auto pac = values_of(name, "urn:mspac:");
  const auto client = values_of(name, "urn:mspac:client-info");
  REQUIRE(pac.size() == 1);
  REQUIRE(client.size() == 1);
  CHECK(client[0].substr(10) == utf16("alice"));  // MS-PAC 2.7: time, length, name
  CHECK(pac[0].find(client[0]) != std::string::npos);
  CHECK(must(name_attribute(name, "urn:mspac:")).value.text() == pac[0]);
}

TEST_CASE("authentication indicators: how the peer got its ticket, as the KDC says") {
  support::realm();
  const auto realm = must(TestRealm::start({.users = {{"alice", "secret"}},
                                            .services = {"host/localhost", "vault/localhost"},
                                            .kdc_settings = {"encrypted_challenge_indicator = hardened"}}));
  must(realm.kadmin("modprinc +requires_preauth alice\nsetstr vault/localhost require_auth hardened"));
  const auto plain = must(realm.login("alice"));
  const auto armored = must(realm.login("alice", {.armor = plain}));
  const auto reach = [&](const std::string& cache, const char* service) -> Result<Name> {
    const auto environment = must(realm.enter(cache));
    auto ends = support::establish(Initiator<mech::Krb5>{must(Name::host_service(service, "localhost"))},
                                   Acceptor<mech::Krb5>{});
    if (!ends) return unexpected(ends.error());
    return std::move(must(ends->acceptor.inquire()).initiator);
  };
  const Name hardened = must(reach(armored, "host"));
  CHECK(must(inquire_name(hardened)).attributes.contains("auth-indicators"));
  CHECK(values_of(hardened, "auth-indicators") == std::vector<std::string>{"hardened"});
  const std::string composite{must(export_name_composite(hardened)).text()};
  const auto imported = must(Name::import_name<name_type::composite_export>(composite));
  CHECK(values_of(imported, "auth-indicators") == std::vector<std::string>{"hardened"});
  CHECK(support::survives(composite, [](const std::string& bytes) {
          static_cast<void>(Name::import_name<name_type::composite_export>(bytes));
        }) == 0);
  CHECK(values_of(must(reach(armored, "vault")), "auth-indicators") == std::vector<std::string>{"hardened"});

  const Name weak = must(reach(plain, "host"));
  CHECK_FALSE(must(inquire_name(weak)).attributes.contains("auth-indicators"));
  CHECK(routine_error(name_attribute(weak, "auth-indicators").error()) == RoutineError::unavailable);
  const auto refused = reach(plain, "vault");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text().find("KDC policy rejects request") != std::string_view::npos);
}

TEST_CASE("a name that nobody authenticated has no attributes") {
  const auto info = must(inquire_name(alice()));
  CHECK(info.is_mechanism_name);
  CHECK(info.mechanism == mech::Krb5::oid);
  CHECK(info.attributes.size() == 0);
  const auto given = must(inquire_name(must(Name::user("alice"))));
  CHECK_FALSE(given.is_mechanism_name);
  CHECK(given.mechanism.empty());
  CHECK(given.attributes.size() == 0);
}

TEST_CASE("what the KDC says of a name can be neither changed nor deleted") {
  Name name = peer();
  const auto before = values_of(name, "urn:mspac:");
  const auto set = set_name_attribute(name, "urn:mspac:", "x");
  REQUIRE_FALSE(set);
  CHECK(set.error().domain() == Domain::gss);
  CHECK(routine_error(set.error()) == RoutineError::failure);
  CHECK(std::string{set.error().operation()} == "gss_set_name_attribute");
  const auto deleted = delete_name_attribute(name, "urn:mspac:");
  REQUIRE_FALSE(deleted);
  CHECK(routine_error(deleted.error()) == RoutineError::unavailable);
  CHECK(std::string{deleted.error().operation()} == "gss_delete_name_attribute");
  CHECK(values_of(name, "urn:mspac:") == before);
}

TEST_CASE("an attribute that the name does not have is an error of every call") {
  Name name = peer();
  for (const Error& error : errors_of(name, "urn:gsskey:none")) {
    CAPTURE(error.operation());
    CHECK(error.domain() == Domain::gss);
    CHECK(routine_error(error) == RoutineError::unavailable);
  }
}

TEST_CASE("several values: all are visited, none is taken for the only one") {
  const Name name = peer();
  more_values = 2;
  CHECK(must(for_each_attribute_value(name, "urn:mspac:", [](AttributeValue&&) {})) == 3);
  more_values = 1;
  const auto only = name_attribute(name, "urn:mspac:");
  REQUIRE_FALSE(only);
  CHECK(only.error().domain() == Domain::policy);
  more_values = -1;
  CHECK(name_attribute(name, "urn:mspac:"));
}

TEST_CASE("a value that nobody vouches for is visited, and not taken for the attribute's") {
  const Name name = peer();
  vouches_for_nothing = true;
  const auto taken = name_attribute(name, "urn:mspac:");
  bool is_authenticated = true;
  CHECK(must(for_each_attribute_value(
            name, "urn:mspac:", [&](AttributeValue&& value) { is_authenticated = value.is_authenticated; })) == 1);
  vouches_for_nothing = false;
  REQUIRE_FALSE(taken);
  CHECK(taken.error().domain() == Domain::policy);
  CHECK_FALSE(is_authenticated);
}

TEST_CASE("a list of values that does not end is ended") {
  const Name name = peer();
  more_values = 1 << 20;
  std::size_t visited = 0;
  const auto count = for_each_attribute_value(name, "urn:mspac:", [&visited](AttributeValue&&) { ++visited; });
  more_values = -1;
  REQUIRE_FALSE(count);
  CHECK(count.error().domain() == Domain::policy);
  CHECK(visited == max_attribute_values);
}

TEST_CASE("a composite name carries its attributes; MIT krb5 calls them authenticated even when they were forged") {
  const Name name = peer();
  const auto pac = values_of(name, "urn:mspac:");
  std::string exported{must(export_name_composite(name)).text()};
  CHECK(exported.find(pac[0]) != std::string::npos);
  CHECK(exported.substr(0, 2) == "\x04\x02");  // RFC 6680 section 7.8
  const auto imported = must(Name::import_name<name_type::composite_export>(exported));
  CHECK(imported.equals(name).yes());
  CHECK(values_of(imported, "urn:mspac:") == pac);
  const auto at = exported.rfind(utf16("alice"));
  REQUIRE(at != std::string::npos);
  exported.replace(at, 10, utf16("admin"));
  const auto forged = must(Name::import_name<name_type::composite_export>(exported));
  CHECK(values_of(forged, "urn:mspac:client-info")[0].substr(10) == utf16("admin"));
}

TEST_CASE("no composite name, whatever was done to it, ends the process") {
  const auto import = [](const std::string& bytes) {
    static_cast<void>(Name::import_name<name_type::composite_export>(bytes));
    static_cast<void>(Name::import_name<name_type::exported>(bytes));
  };
  const Name name = peer();
  CHECK(support::survives(std::string{must(export_name_composite(name)).text()}, import) == 0);
  CHECK(support::survives(std::string{must(export_name_composite(peer<mech::Spnego>())).text()}, import) == 0);
  CHECK(support::survives(std::string{must(export_name_composite(alice())).text()}, import) == 0);
}

TEST_CASE("a name is shown as a name of its own type only") {
  const Name name = peer();
  CHECK(must(display_name_as<name_type::krb5_principal>(name)).text() == support::realm().realm.principal("alice"));
  CHECK(must(display_name_as<name_type::user>(must(Name::user("alice")))).text() == "alice");
  const auto shown = display_name_as<name_type::host_service>(name);
  REQUIRE_FALSE(shown);
  CHECK(routine_error(shown.error()) == RoutineError::unavailable);
}

TEST_CASE("only mechanism names have a composite form") {
  const auto exported = export_name_composite(must(Name::user("alice")));
  REQUIRE_FALSE(exported);
  CHECK(routine_error(exported.error()) == RoutineError::unavailable);
}
#else
TEST_CASE("Heimdal 7.8 has the calls, and no mechanism that answers them") {
  Name name = peer();
  auto errors = errors_of(name, "urn:mspac:");
  errors.push_back(inquire_name(name).error());
  errors.push_back(export_name_composite(name).error());
  errors.push_back(display_name_as<name_type::krb5_principal>(name).error());
  for (const Error& error : errors) {
    CAPTURE(error.operation());
    CHECK(error.domain() == Domain::gss);
    CHECK(routine_error(error) == RoutineError::unavailable);
  }
}
#endif

TEST_CASE("empty names answer") {
  support::realm();
  Name none;
  auto errors = errors_of(none, "urn:mspac:");
  errors.push_back(inquire_name(none).error());
  errors.push_back(export_name_composite(none).error());
  errors.push_back(display_name_as<name_type::user>(none).error());
  for (const Error& error : errors) CHECK(error.domain() == Domain::usage);
}
