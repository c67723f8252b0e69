// What a context answers by OID: its session key and its strength, and what it does not know.
#include <gsskey/gss/context/options.hpp>

#include <dlfcn.h>

#include <cstddef>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

inline constexpr Oid unknown{"1.2.3.4.5"};

/// Of each element of the library's next answers, this many bytes are left; -1: all.
int bytes_left = -1;

}  // namespace

extern "C" OM_uint32 gss_inquire_sec_context_by_oid(OM_uint32* minor,
#if defined(GSSKEY_GSS_HEIMDAL)
                                                    gss_const_ctx_id_t context,
#else
                                                    const gss_ctx_id_t context,
#endif
                                                    const gss_OID object, gss_buffer_set_t* answers) {
  static auto* const library =
      reinterpret_cast<decltype(&gss_inquire_sec_context_by_oid)>(dlsym(RTLD_NEXT, "gss_inquire_sec_context_by_oid"));
  const OM_uint32 major = library(minor, context, object, answers);
  if (bytes_left >= 0 && major == GSS_S_COMPLETE) (*answers)->elements[0].length = static_cast<std::size_t>(bytes_left);
  return major;
}

TEMPLATE_TEST_CASE("both ends have the same session key; MIT krb5 tells its type", "", mech::Krb5, mech::Spnego) {
  const auto ends = support::pair<TestType>();
  const auto ours = must(session_key(ends.initiator));
#if defined(GSSKEY_GSS_MIT)
  CHECK(ours.type.to_text().view() == "1.2.840.113554.1.2.2.4.18");  // aes256-cts-hmac-sha1-96
#else
  CHECK(ours.type.empty());
#endif
  CHECK(ours.key.size() == 32);
  const auto theirs = must(session_key(ends.acceptor));
  CHECK(ByteView{ours.key} == ByteView{theirs.key});
  CHECK(ours.type == theirs.type);
  const auto other = must(session_key(support::pair<TestType>().initiator));
  CHECK(ByteView{ours.key} != ByteView{other.key});
}

#if defined(GSSKEY_GSS_MIT)
TEMPLATE_TEST_CASE("AES with 256 bits counts as 256", "", mech::Krb5, mech::Spnego) {
  const auto ends = support::pair<TestType>();
  CHECK(must(ends.initiator.sasl_ssf()) == 256);
  CHECK(must(ends.acceptor.sasl_ssf()) == 256);
}

TEST_CASE("a strength that is no number of 32 bits is an error") {
  const auto ends = support::pair<mech::Krb5>();
  bytes_left = 3;
  const auto ssf = ends.initiator.sasl_ssf();
  bytes_left = -1;
  REQUIRE_FALSE(ssf);
  CHECK(ssf.error().domain() == Domain::policy);
}
#else
TEST_CASE("Heimdal 7.8 does not know how strong a context is, and says so") {
  const auto ends = support::pair<mech::Krb5>();
  const auto ssf = ends.initiator.sasl_ssf();
  REQUIRE_FALSE(ssf);
  CHECK(ssf.error().domain() == Domain::unavailable);
  CHECK_FALSE(inquire_context_object<context_object::sasl_ssf>(ends.initiator));
}
#endif

TEST_CASE("a session key of no bytes is an error") {
  const auto ends = support::pair<mech::Krb5>();
  bytes_left = 0;
  const auto key = session_key(ends.initiator);
  bytes_left = -1;
  REQUIRE_FALSE(key);
  CHECK(key.error().domain() == Domain::policy);
}

TEMPLATE_TEST_CASE("an object or an option that nobody knows is an error, and the context goes on", "", mech::Krb5,
                   mech::Spnego) {
  auto ends = support::pair<TestType>();
  const auto answers = inquire_context_object<unknown>(ends.initiator);
  REQUIRE_FALSE(answers);
  CHECK(answers.error().domain() == Domain::gss);
  CHECK(std::string{answers.error().operation()} == "gss_inquire_sec_context_by_oid");
  const auto set = set_context_option<unknown>(ends.initiator, "x");
  REQUIRE_FALSE(set);
  CHECK(set.error().domain() == Domain::gss);
  CHECK(std::string{set.error().operation()} == "gss_set_sec_context_option");
#if defined(GSSKEY_GSS_MIT)
  CHECK(routine_error(answers.error()) == RoutineError::unavailable);
  CHECK(routine_error(set.error()) == RoutineError::unavailable);
#endif
  CHECK(must(ends.acceptor.unwrap(must(ends.initiator.wrap("still here")))).text() == "still here");
}

TEST_CASE("an empty context answers") {
  auto ends = support::pair<mech::Krb5>();
  const auto moved = std::move(ends.initiator);
  for (const Error& error : {session_key(ends.initiator).error(), ends.initiator.sasl_ssf().error(),
                             inquire_context_object<unknown>(ends.initiator).error(),
                             set_context_option<unknown>(ends.initiator, "x").error()}) {
    CHECK(error.domain() == Domain::usage);
  }
  CHECK(session_key(moved));
}
