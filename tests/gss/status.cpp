// Status codes in words: our own table for majors, bounded loops for minors, text that was captured at the failure.
#include <gsskey/gss/status.hpp>

#include <dlfcn.h>

#include <string>
#include <thread>

#include "support/catch.hpp"

using namespace gsskey;

namespace {
/// What the gss_display_status of this program does instead of the library's.
enum class Display { library, never_ends, fails, counts_its_nul, maps } display = Display::library;
int display_calls = 0;
int buffers_out = 0;
}  // namespace

extern "C" OM_uint32 gss_display_status(OM_uint32* minor, OM_uint32 status, int type, const gss_OID mechanism,
                                        OM_uint32* context, gss_buffer_t text) {
  ++display_calls;
  if (display == Display::library) {
    static auto* const original =
        reinterpret_cast<decltype(&gss_display_status)>(dlsym(RTLD_NEXT, "gss_display_status"));
    return original(minor, status, type, mechanism, context, text);
  }
  *minor = 0;
  if (display == Display::fails) return GSS_S_BAD_STATUS;
  if (display == Display::maps && status != 100'005 && status != 0x96c73a22 && status != 100'006) {
    return GSS_S_BAD_STATUS;
  }
  static char part[] = "part";
  static char other[] = "other";
  if (display == Display::maps && status == 100'006) {
    *text = {sizeof other - 1, other};
    ++buffers_out;
    return GSS_S_COMPLETE;
  }
  *text = {display == Display::counts_its_nul ? sizeof part : sizeof part - 1, part};
  ++buffers_out;
  *context = display == Display::never_ends ? 1 : 0;
  return GSS_S_COMPLETE;
}

extern "C" OM_uint32 gss_release_buffer(OM_uint32* minor, gss_buffer_t buffer) {
  if (display != Display::library) {
    if (buffer->value != nullptr) --buffers_out;
    *buffer = {0, nullptr};
    return GSS_S_COMPLETE;
  }
  static auto* const original = reinterpret_cast<decltype(&gss_release_buffer)>(dlsym(RTLD_NEXT, "gss_release_buffer"));
  return original(minor, buffer);
}

TEST_CASE("every routine error, calling error and supplementary bit has its own words") {
  std::vector<std::string> seen;
  const auto text_of = [&](OM_uint32 major) {
    const Error error = gss_detail::failed_call("gss_wrap", major, 0);
    std::string text{error.text()};
    CHECK_FALSE(text.empty());
    CHECK(std::find(seen.begin(), seen.end(), text) == seen.end());
    seen.push_back(text);
  };
  for (OM_uint32 code = 1; code <= 19; ++code) text_of(code << 16);
  for (OM_uint32 code = 1; code <= 3; ++code) text_of(code << 24);
  for (OM_uint32 bit = 0; bit < 5; ++bit) text_of(1u << bit);
  CHECK(gss_detail::failed_call("gss_wrap", 200u << 16, 0).text() == "unknown routine error");
  CHECK(gss_detail::failed_call("gss_wrap", 9u << 24, 0).text() == "unknown calling error");
}

TEST_CASE("a major status of several parts is printed whole") {
  const Error error = gss_detail::failed_call("gss_unwrap", GSS_S_BAD_MIC | GSS_S_GAP_TOKEN, 0);
  CHECK(error.text() == "the MIC does not match; a token before it is missing");
  CHECK(routine_error(error) == RoutineError::bad_mic);
  CHECK(calling_error(error) == CallingError::none);
  CHECK(has(error, Supplementary::gap_token));
  CHECK_FALSE(has(error, Supplementary::old_token));

  // Heimdal 7.8 hides the routine error behind a supplementary bit; the table does not
  const Error both = gss_detail::failed_call("x", GSS_S_FAILURE | GSS_S_OLD_TOKEN | GSS_S_CALL_BAD_STRUCTURE, 0);
  CHECK(both.text() == "failure; a parameter is malformed; the token is too old to judge");
  CHECK(calling_error(both) == CallingError::bad_structure);
}

TEST_CASE("errors of other domains have no major status") {
  CHECK(routine_error(Error::system("open", 2)) == RoutineError::none);
  CHECK_FALSE(has(Error::usage("x", "y"), Supplementary::gap_token));
}

TEST_CASE("the loop over a minor status ends though the library never says so") {
  display = Display::never_ends;
  display_calls = 0;
  buffers_out = 0;
  const Error error = gss_detail::failed_call("gss_wrap", GSS_S_FAILURE, 7);
  display = Display::library;
  CHECK(display_calls == 8);
  CHECK(buffers_out == 0);
  CHECK(error.text() == "failure; part; part; part; part; part; part; part; part");
}

TEST_CASE("a minor status that cannot be displayed leaves the major's words") {
  display = Display::fails;
  display_calls = 0;
  const Error error = gss_detail::failed_call("gss_wrap", GSS_S_FAILURE, 7);
  display = Display::library;
  CHECK(display_calls == 1);
  CHECK(error.text() == "failure");
}

TEST_CASE("a NUL that the library counts is no part of the text") {
  display = Display::counts_its_nul;
  const Error error = gss_detail::failed_call("gss_wrap", GSS_S_FAILURE, 7);
  display = Display::library;
  CHECK(error.text() == "failure; part");
}

TEST_CASE("a minor status that is mapped is Kerberos' of the same words") {
  display = Display::maps;
  buffers_out = 0;
  const Error mapped = gss_detail::failed_call("gss_wrap", GSS_S_FAILURE, 100'005);
  const Error of_another = gss_detail::failed_call("gss_wrap", GSS_S_FAILURE, 100'006);
  const Error unknown = gss_detail::failed_call("gss_wrap", GSS_S_FAILURE, 100'007);
  display_calls = 0;
  const Error itself = gss_detail::failed_call("gss_wrap", GSS_S_FAILURE, 0x96c73a22);
  display = Display::library;
  CHECK(mapped.minor_status() == (known_faults.minor_codes_are_mapped ? 0x96c73a22 : 100'005));
  CHECK(mapped.text() == "failure; part");
  CHECK(of_another.minor_status() == 100'006);
  CHECK(of_another.text() == "failure; other");
  CHECK(unknown.minor_status() == 100'007);
  CHECK(itself.minor_status() == 0x96c73a22);
  CHECK(display_calls == 1);
  CHECK(buffers_out == 0);
}

TEST_CASE("a minor status of 0 is not asked for") {
  display_calls = 0;
  const Error error = gss_detail::failed_call("gss_wrap", GSS_S_FAILURE, 0);
  CHECK(display_calls == 0);
  CHECK(error.text() == "failure");
}

TEST_CASE("an error carries what names it") {
  const Error error = gss_detail::failed_call("gss_wrap", GSS_S_NO_CONTEXT, 0, GSS_C_NO_OID, "krb5");
  CHECK(error.domain() == Domain::gss);
  CHECK(std::string{error.operation()} == "gss_wrap");
  CHECK(std::string{error.mechanism()} == "krb5");
  CHECK(error.major_status() == GSS_S_NO_CONTEXT);
  CHECK(error.minor_status() == 0);
}
