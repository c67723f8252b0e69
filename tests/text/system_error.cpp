// Errors as std::error_code: which category each domain is of, what programs compare with, and the words.
#include <gsskey/gss/name.hpp>
#include <gsskey/text/system_error.hpp>

#include <cerrno>
#include <string>
#include <system_error>

#include "support/catch.hpp"

using namespace gsskey;

namespace {
Error gss(RoutineError major, std::uint32_t minor) {
  return gss_detail::failed_call("gss_x", static_cast<std::uint32_t>(major), minor, GSS_C_NO_OID, "krb5");
}
}  // namespace

TEST_CASE("what came from errno is of the generic category, and never 0") {
  for (const Error& error :
       {Error::keyring("keyctl_read", EACCES, 7), Error::system("open", EACCES), Error::transport("send", EACCES)}) {
    CHECK(make_error_code(error) == std::errc::permission_denied);
    CHECK(make_error_code(error).category() == std::generic_category());
  }
  CHECK(make_error_code(Error::system("x", 0)) == std::errc::io_error);
}

TEST_CASE("a reason of Kerberos is the code where there is one, else the major status") {
  const auto skew = make_error_code(gss(RoutineError::failure, 0x96c73a25));
  CHECK(skew == Krb5Status::clock_skew);
  CHECK(skew != Krb5Status::replay);
  CHECK(skew == std::errc::permission_denied);
  CHECK(std::string{skew.category().name()} == "krb5");
  CHECK(skew.message() == "the clocks differ too much");
  CHECK(make_error_code(gss(RoutineError::failure, 0x96c73a3c)).message() == "reason 60 of Kerberos");
  CHECK(make_error_code(gss(RoutineError::no_cred, 0x025ea101)) == Krb5Status::no_key_of_that_name);
  CHECK(make_error_code(gss(RoutineError::failure, 0x96c73a9c)) == std::errc::host_unreachable);
  CHECK(make_error_code(gss(RoutineError::no_cred, 0x96c73ac3)) == std::errc::no_such_file_or_directory);

  const auto expired = make_error_code(gss(RoutineError::context_expired, 0));
  CHECK(expired == RoutineError::context_expired);
  CHECK(expired == std::errc::permission_denied);
  CHECK(std::string{expired.category().name()} == "gss");
  CHECK(expired.message() == "the context has expired");
  CHECK(make_error_code(gss(RoutineError::bad_mic, 100001)) == std::errc::bad_message);
  CHECK(make_error_code(gss(RoutineError::bad_mech, 0)) == std::errc::not_supported);
  CHECK(make_error_code(gss(RoutineError::failure, 0)) == RoutineError::failure);
}

TEST_CASE("a supplementary status stays beside the routine error") {
  const auto code = make_error_code(Error::gss("gss_unwrap", GSS_S_GAP_TOKEN, 0, "krb5"));
  CHECK(code.value() == GSS_S_GAP_TOKEN);
  CHECK(code.message() == "a token before it is missing");
}

TEST_CASE("refusals of our own are conditions that programs know") {
  CHECK(make_error_code(Error::usage("x", "y")) == std::errc::invalid_argument);
  CHECK(make_error_code(Error::policy("x", 2, "y")) == std::errc::permission_denied);
  CHECK(make_error_code(Error::unavailable("x", "y")) == std::errc::function_not_supported);
  CHECK(make_error_code(Error::seal("x", 5, "y")) == std::errc::bad_message);
  const auto usage = make_error_code(Error::usage("x", "y"));
  CHECK(std::string{usage.category().name()} == "gsskey");
  CHECK_FALSE(usage.message().empty());
  CHECK(usage != make_error_code(Error::policy("x", 0, "y")));
}

TEST_CASE("the enumerators are codes themselves, and can be thrown") {
  const std::error_code code = RoutineError::no_cred;
  CHECK(code == RoutineError::no_cred);
  CHECK(std::error_code{Krb5Status::replay} == Krb5Status::replay);
  const auto refused = Name::user("");
  REQUIRE_FALSE(refused);
  CHECK(std::system_error{make_error_code(refused.error())}.code() == std::errc::invalid_argument);
}
