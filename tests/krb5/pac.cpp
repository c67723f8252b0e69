// The PAC of tickets of MIT's KDC, which has no logon; what nobody vouches for; and who has none. That of Active
// Directory: scenarios/active_directory, krb5/pac_info.
#include <gsskey/gss/context/export.hpp>
#include <gsskey/krb5/pac.hpp>

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"
#if defined(GSSKEY_GSS_MIT)
#include "support/large_ticket.hpp"
#include "support/pac_of_alice.hpp"
#endif

using namespace gsskey;
using support::must;

#if defined(GSSKEY_GSS_MIT)
namespace {
/// Whether gss_get_name_attribute is made to vouch for nothing.
bool vouches_for_nothing = false;
/// What it says in place of its own value, if this is not empty.
std::string value;
}  // namespace

extern "C" OM_uint32 gss_get_name_attribute(OM_uint32* minor, gss_name_t name, gss_buffer_t attribute,
                                            int* authenticated, int* complete, gss_buffer_t found, gss_buffer_t display,
                                            int* more) {
  static auto* const library =
      reinterpret_cast<decltype(&gss_get_name_attribute)>(dlsym(RTLD_NEXT, "gss_get_name_attribute"));
  const OM_uint32 major = library(minor, name, attribute, authenticated, complete, found, display, more);
  if (vouches_for_nothing) *authenticated = 0;
  if (!value.empty()) std::memcpy(found->value, value.data(), found->length = std::min(found->length, value.size()));
  return major;
}

TEMPLATE_TEST_CASE("the small PAC of MIT's KDC: whom the ticket is for, and checksums", "", mech::Krb5, mech::Spnego) {
  auto ends = support::pair<TestType>();
  const auto check = [](const Pac& pac) {
    CHECK(static_cast<bool>(pac));
    CHECK(pac.logon() == nullptr);
    CHECK(pac.upn() == nullptr);
    CHECK(pac.requestor().empty());
    CHECK_FALSE(pac.attributes());
    REQUIRE(pac.client() != nullptr);
    CHECK(pac.client()->name == "alice");
    CHECK(pac.client()->authenticated);
    REQUIRE(pac.checksums().size() == 3);
    for (const PacChecksum& checksum : pac.checksums()) {
      CHECK(checksum.is_verified == (checksum.type == PacChecksumType::server));
    }
    const Answer answer = pac.is_member_of(Sid{"S-1-5-21-1-2-3-4"});
    CHECK(answer.failed());
    CHECK(answer.error().domain() == Domain::policy);
  };
  check(must(Pac::from(ends.acceptor)));
  check(must(Pac::from(must(ends.acceptor.inquire()).initiator)));
  const auto exported = must(export_context(std::move(ends.acceptor)));
  check(must(Pac::from(must(import_context<TestType>(exported)))));
}

TEST_CASE("a PAC that nobody vouches for, and one that is none, are refused") {
  const auto ends = support::pair<mech::Krb5>();
  vouches_for_nothing = true;
  const auto doubtful = Pac::from(ends.acceptor);
  vouches_for_nothing = false;
  REQUIRE_FALSE(doubtful);
  CHECK(doubtful.error().domain() == Domain::policy);
  value.assign(64, '\xff');
  const auto malformed = Pac::from(ends.acceptor);
  value.clear();
  REQUIRE_FALSE(malformed);
  CHECK(malformed.error().domain() == Domain::policy);
  CHECK(std::string{malformed.error().operation()} == "Pac::from");
  CHECK(Pac::from(ends.acceptor));
}

namespace {

using Octets = std::vector<krb5_octet>;

/// The logon of Samba's alice, who is in the group "engineers", with these attributes.
std::string logon_of_alice(char attributes = 7) {
  std::string logon = support::pac_of_alice().substr(0x78, 0x1f8);
  const auto engineers = logon.find(std::string{"\x52\4\0\0\7", 5});
  REQUIRE(engineers != std::string::npos);
  logon[engineers + 4] = attributes;
  return logon;
}
/// A PAC with that logon, of `user`, and checksums under `key`.
Octets signed_pac(krb5_context context, const krb5_keyblock& key, krb5_const_principal user, krb5_timestamp authtime,
                  std::string logon) {
  krb5_data part{0, static_cast<unsigned>(logon.size()), logon.data()};
  krb5_pac pac = nullptr;
  krb5_data made{};
  REQUIRE(krb5_pac_init(context, &pac) == 0);
  REQUIRE(krb5_pac_add_buffer(context, pac, KRB5_PAC_LOGON_INFO, &part) == 0);
  REQUIRE(krb5_pac_sign(context, pac, authtime, user, &key, &key, &made) == 0);
  const Octets bytes(made.data, made.data + made.length);
  krb5_free_data_contents(context, &made);
  krb5_pac_free(context, pac);
  return bytes;
}

Octets signed_pac(krb5_context context, const krb5_keyblock& key, krb5_const_principal user, krb5_timestamp authtime) {
  return signed_pac(context, key, user, authtime, logon_of_alice());
}

/// What an acceptor finds in a ticket of alice's with the PAC that `make` makes.
template <class Make>
Result<Pac> found_in_ticket(Make make) {
  const std::string cache = "FILE:" + support::realm().realm.folder() + "/with-pac";
  support::store_ticket_with(cache, "alice", "host/localhost", 128, make);
  const auto credential = must(support::Client::acquire_from({.ccache = cache.c_str()}));
  const auto ends =
      must(support::establish(Initiator<mech::Krb5>{support::target(), credential}, support::acceptor<mech::Krb5>()));
  return Pac::from(ends.acceptor);
}

}  // namespace

TEST_CASE("who is in a group that is not enabled, or for denying only, is no member of it") {
  for (const auto& [attributes, is_member] :
       {std::pair{'\x07', true}, {'\x04', true}, {'\x03', false}, {'\x17', false}}) {
    CAPTURE(attributes);
    const char each = attributes;
    const auto pac =
        must(found_in_ticket([each](auto&&... ticket) { return signed_pac(ticket..., logon_of_alice(each)); }));
    CHECK(pac.is_member_of(Sid{"S-1-5-21-684182061-3079177308-3259334775-1106"}).yes() == is_member);
  }
}

TEST_CASE(
    "a PAC is taken with its checksum, and refused changed, under another key, of another, or of another ticket") {
  const Pac pac = must(found_in_ticket([](auto&&... ticket) { return signed_pac(ticket...); }));
  REQUIRE(pac.logon() != nullptr);
  CHECK(pac.logon()->name == "alice");
  CHECK(pac.is_member_of(Sid{"S-1-5-21-684182061-3079177308-3259334775-1106"}).yes());
  CHECK(pac.is_member_of(Sid{"S-1-5-21-684182061-3079177308-3259334775-512"}).no());

  const auto refused = [](auto make) {  // MIT krb5 gives the name none then
    const auto found = found_in_ticket(make);
    return !found && routine_error(found.error()) == RoutineError::unavailable;
  };
  CHECK(refused([](krb5_context context, const krb5_keyblock& key, krb5_principal user, krb5_timestamp authtime) {
    Octets bytes = signed_pac(context, key, user, authtime);
    const unsigned char engineers[] = {0x52, 4, 0, 0};
    const unsigned char domain_admins[] = {0, 2, 0, 0};
    const auto at = std::search(bytes.begin(), bytes.end(), std::begin(engineers), std::end(engineers));
    REQUIRE(at != bytes.end());
    std::copy(std::begin(domain_admins), std::end(domain_admins), at);
    return bytes;
  }));
  CHECK(refused([](krb5_context context, const krb5_keyblock& key, krb5_principal user, krb5_timestamp authtime) {
    krb5_keyblock other{};
    REQUIRE(krb5_c_make_random_key(context, key.enctype, &other) == 0);
    Octets bytes = signed_pac(context, other, user, authtime);
    krb5_free_keyblock_contents(context, &other);
    return bytes;
  }));
  CHECK(refused([](krb5_context context, const krb5_keyblock& key, krb5_principal, krb5_timestamp authtime) {
    krb5_principal bob = nullptr;
    REQUIRE(krb5_parse_name(context, "bob", &bob) == 0);
    Octets bytes = signed_pac(context, key, bob, authtime);
    krb5_free_principal(context, bob);
    return bytes;
  }));
  CHECK(refused([](krb5_context context, const krb5_keyblock& key, krb5_principal user, krb5_timestamp authtime) {
    return signed_pac(context, key, user, authtime - 1);
  }));
  CHECK(refused([](auto&&...) {
    const std::string samba = support::pac_of_alice();
    return Octets(samba.begin(), samba.end());
  }));
}

TEST_CASE("an initiator has no PAC, nor has a name that nobody authenticated") {
  const auto ends = support::pair<mech::Krb5>();
  CHECK(routine_error(Pac::from(ends.initiator).error()) == RoutineError::unavailable);
  CHECK(routine_error(Pac::from(must(Name::user("alice"))).error()) == RoutineError::unavailable);
}
#else
TEMPLATE_TEST_CASE("the small PAC of MIT's KDC: whom the ticket is for, and checksums", "", mech::Krb5, mech::Spnego) {
  auto ends = support::pair<TestType>();
  const Pac pac = must(Pac::from(ends.acceptor));
  CHECK(pac.logon() == nullptr);
  REQUIRE(pac.client() != nullptr);
  CHECK(pac.client()->name == "alice");
  CHECK(pac.checksums().size() == 3);
  const auto of_name = Pac::from(must(ends.acceptor.inquire()).initiator);
  REQUIRE_FALSE(of_name);
  CHECK(of_name.error().domain() == Domain::unavailable);
  CHECK(Pac::from(ends.initiator).error().domain() == Domain::gss);
}

TEST_CASE("where krb5.conf turns the verification off, there is no PAC") {
  const auto ends = support::pair<mech::Krb5>();
  const std::string other = support::realm().realm.folder() + "/unchecked.conf";
  const auto configure = [&](const char* line) {
    must(test_detail::write_file(other, std::string{"[libdefaults]\n"} + line));
    const support::Environment config{"KRB5_CONFIG", other};
    return Pac::from(ends.acceptor);
  };
  for (const auto* line : {"check_pac = false\n", "check_pac = no\n", "check_pac = 0\n"}) {
    CAPTURE(line);
    const auto pac = configure(line);
    REQUIRE_FALSE(pac);
    CHECK(pac.error().domain() == Domain::unavailable);
    CHECK(pac.error().text().find("check_pac") != std::string_view::npos);
  }
  for (const auto* line : {"", "check_pac = true\n"}) CHECK(configure(line));
}
#endif

TEST_CASE("of nothing there is no PAC, and an empty one makes nobody a member") {
  const auto domain = known_faults.pac_check_is_optional ? Domain::unavailable : Domain::usage;
  CHECK(Pac::from(SecurityContext<mech::Krb5>{}).error().domain() == Domain::usage);
  CHECK(Pac::from(Name{}).error().domain() == domain);
  const Pac none;
  CHECK_FALSE(static_cast<bool>(none));
  CHECK(none.logon() == nullptr);
  CHECK(none.client() == nullptr);
  CHECK(none.upn() == nullptr);
  CHECK(none.checksums().empty());
  const Answer answer = none.is_member_of(Sid{});
  CHECK(answer.failed());
  CHECK(answer.error().domain() == Domain::usage);
}
