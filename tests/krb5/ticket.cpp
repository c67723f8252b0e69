// What a ticket says: time of authentication, flags, authorization data; and who does not know.
#include <gsskey/krb5/ticket.hpp>

#include <cstddef>
#include <ctime>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/handles.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {
/// AD-IF-RELEVANT with the PAC within, or the PAC.
#if defined(GSSKEY_GSS_MIT)
constexpr std::int32_t found_type = 1;
#else
constexpr std::int32_t found_type = 128;
#endif
}  // namespace

TEMPLATE_TEST_CASE("the acceptor knows when the initiator got its first ticket", "", mech::Krb5, mech::Spnego) {
  support::realm();
  const std::time_t before = std::time(nullptr);
  const auto ends = support::pair<TestType>();
  const auto time = must(authentication_time(ends.acceptor));
  CHECK(time <= before + 1);
  CHECK(time + 600 > before);  // this program's login
#if defined(GSSKEY_GSS_MIT)
  CHECK(must(authentication_time(ends.initiator)) == time);
#else
  const auto none = authentication_time(ends.initiator);
  REQUIRE_FALSE(none);
  CHECK(none.error().domain() == Domain::gss);
  CHECK(std::string{none.error().operation()} == "gsskrb5_extract_authtime_from_sec_context");
#endif
}

TEMPLATE_TEST_CASE("flags have the RFC's numbers everywhere", "", mech::Krb5, mech::Spnego) {
  const auto ends = support::pair<TestType>();
  const auto flags = must(ticket_flags(ends.acceptor));
  CAPTURE(flags.bits());
  CHECK(flags ==
        TicketFlags{TicketFlag::forwardable, TicketFlag::transited_policy_checked, TicketFlag::encrypted_pa_rep});
#if defined(GSSKEY_GSS_MIT)
  CHECK(must(ticket_flags(ends.initiator)) == flags);
#else
  CHECK(ticket_flags(ends.initiator).error().domain() == Domain::gss);
#endif
}

TEMPLATE_TEST_CASE("the KDC's data is there, other data is not, and nothing is leaked", "", mech::Krb5, mech::Spnego) {
  const auto ends = support::pair<TestType>();
  const support::Handles handles;
  {
    const auto data = must(authorization_data(ends.acceptor, found_type));
    CHECK(data.size() > 100);
#if defined(GSSKEY_GSS_MIT)
    CHECK(data.data()[0] == 0x30);  // SEQUENCE
    CHECK(authorization_data(ends.acceptor, 128).error().domain() == Domain::gss);
#else
    const unsigned char version[4] = {};  // MS-PAC section 2.3: after the number of buffers
    CHECK(ByteView{data}.subview(4, 4) == ByteView{version});
#endif
    const auto none = authorization_data(ends.acceptor, 77);
    REQUIRE_FALSE(none);
    CHECK(none.error().domain() == Domain::gss);
    CHECK(routine_error(none.error()) == RoutineError::failure);
    CHECK(std::string{none.error().operation()} == "gsskrb5_extract_authz_data_from_sec_context");
    CHECK_FALSE(authorization_data(ends.initiator, found_type));
    for (const std::int32_t type : {0, -1}) {
      CHECK(authorization_data(ends.acceptor, type).error().domain() == Domain::usage);
    }
  }
  CHECK(handles.leaked() == 0);
}

TEST_CASE("an empty context has no ticket") {
  auto ends = support::pair<mech::Krb5>();
  const auto moved = std::move(ends.acceptor);
  CHECK(authentication_time(ends.acceptor).error().domain() == Domain::usage);
  CHECK(ticket_flags(ends.acceptor).error().domain() == Domain::usage);
  CHECK(authorization_data(ends.acceptor, found_type).error().domain() == Domain::usage);
}
