// gsskey/core/detail/krb_error: an error code is told where a KRB-ERROR tells it, and nowhere else.
// SPDX-License-Identifier: MIT
#include <gsskey/core/detail/krb_error.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/spnego_token.hpp"

using gsskey::ByteView;
using gsskey::detail::is_krb_error;
using support::der;

namespace {

/// A KRB-ERROR (RFC 4120 section 5.9.1), with `extra` behind what it must have.
std::string krb_error(int code, const std::string& extra = {}) {
  const auto number = [](int value) { return der(0x02, std::string(1, static_cast<char>(value))); };
  const std::string name = der(0x30, der(0xa0, number(2)) + der(0xa1, der(0x30, der(0x1b, "krbtgt"))));
  return der(0x7e, der(0x30, der(0xa0, number(5)) + der(0xa1, number(30)) + der(0xa4, der(0x18, "20260101000000Z")) +
                                 der(0xa5, number(0)) + der(0xa6, number(code)) + der(0xa9, der(0x1b, "REALM")) +
                                 der(0xaa, name) + extra));
}

}  // namespace

TEST_CASE("the code of a KRB-ERROR, whatever else is in it") {
  for (const int code : {0, 25, 29, 52, 127}) {
    CAPTURE(code);
    for (const auto& message : {krb_error(code), krb_error(code, der(0xac, der(0x04, std::string(300, 'x'))))}) {
      CHECK(is_krb_error(message, static_cast<unsigned char>(code)));
      CHECK_FALSE(is_krb_error(message, static_cast<unsigned char>(code + 1)));
    }
  }
}

TEST_CASE("what is cut, goes on, or has the code elsewhere tells none") {
  const std::string whole = krb_error(29);
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(is_krb_error(ByteView{whole.data(), size}, 29));
  CHECK_FALSE(is_krb_error(whole + '\0', 29));
  const std::string code = der(0xa6, der(0x02, "\x1d"));
  CHECK(is_krb_error(der(0x7e, der(0x30, code)), 29));
  CHECK(is_krb_error(der(0x7e, der(0x30, der(0xa5, code) + code)), 29));
  for (const auto& other :
       {der(0x6b, der(0x30, code)), der(0x7e, code), der(0x7e, der(0x31, code)), der(0x7e, der(0x30, code) + code),
        der(0x7e, der(0x30, der(0xa5, code))), der(0x7e, der(0x30, der(0xa7, der(0x02, "\x1d")))),
        der(0x7e, der(0x30, der(0xa6, der(0x0a, "\x1d")))), der(0x7e, der(0x30, der(0xa6, ""))),
        der(0x7e, der(0x30, der(0xa6, der(0x02, "")))), der(0x7e, der(0x30, der(0xa6, der(0x02, "\x1d\x1d")))),
        der(0x7e, der(0x30, der(0xa6, der(0x02, "\x01")) + code)), std::string{"\x7e\x80\x30\x00", 4}}) {
    CHECK_FALSE(is_krb_error(other, 29));
  }
}
