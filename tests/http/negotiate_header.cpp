// The grammar of the headers of HTTP Negotiate.
#include <gsskey/http/negotiate_header.hpp>

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

namespace {

using Headers = std::vector<std::string_view>;

/// What the table says of a header.
constexpr std::string_view absent = "absent";
constexpr std::string_view malformed = "malformed";

std::string outcome(const Result<NegotiateHeader>& header) {
  if (!header) return header.error().minor_status() == EPROTO ? "malformed" : "another error";
  if (!header->is_present) return "absent";
  return header->token.empty() ? "" : "token " + std::string{header->token.text()};
}

}  // namespace

TEST_CASE("WWW-Authenticate") {
  const struct {
    Headers values;
    std::string_view expected;
  } table[] = {
      {{}, absent},
      {{""}, absent},
      {{"Negotiate"}, ""},
      {{"negotiate"}, ""},
      {{"NEGOTIATE Zm9v"}, "token foo"},
      {{"Negotiate   Zm9vYg=="}, "token foob"},
      {{" Negotiate Zm8= "}, "token fo"},
      {{"Basic realm=\"a\""}, absent},
      {{"Negotiates"}, absent},
      {{"Negotiate, Basic realm=\"a\""}, ""},
      {{"Basic realm=\"a\", Negotiate"}, ""},
      {{"Basic realm=\"a\", charset=\"UTF-8\",Negotiate Zm9v , NTLM"}, "token foo"},
      {{"Digest realm=\"a\", qop=\"auth, auth-int\", nonce = \"b\", Negotiate"}, ""},
      {{"Basic realm=\"Negotiate Zm9v, Negotiate Zm9v\""}, absent},
      {{"Basic realm=\"\\\", Negotiate Zm9v\""}, absent},
      {{"NTLM TlRMTVNTUAAC, Negotiate Zm9v"}, "token foo"},
      {{"Bearer", "Negotiate Zm9v"}, "token foo"},
      {{"Negotiate", "NTLM", "Basic realm=x"}, ""},
      {{",, Negotiate ,,"}, ""},
      {{"Negotiate", "Negotiate"}, ""},
      {{"Negotiate Zm9v", "Negotiate"}, malformed},
      {{"Negotiate Zm9v, Negotiate Zm8="}, malformed},
      {{"Negotiate Zm9v Zm9v"}, malformed},
      {{"Negotiate Zm9v=="}, malformed},
      {{"Negotiate Zm"}, malformed},
      {{"Negotiate Zm9v\n"}, malformed},
      {{"Negotiate Zm-_"}, malformed},
      {{"Negotiate realm=\"a\""}, malformed},
      {{"Negotiate, realm=\"a\""}, malformed},
      {{"Negotiate \"Zm9v\""}, malformed},
      {{"Negotiate=Zm9v"}, malformed},
      {{"realm=\"a\""}, malformed},
      {{"Basic realm=\"a"}, malformed},
      {{"Basic realm="}, absent},  // that is a token: Basic's affair
      {{"Basic realm=, Negotiate"}, ""},
      {{"Basic realm==\"a\""}, malformed},
      {{"Basic realm=\"a\" Negotiate"}, malformed},
      {{"Basic realm=\"a\", charset="}, malformed},
      {{"Basic realm=\"a\"", "charset=x"}, malformed},
      {{"@Negotiate"}, malformed},
      {{"\xc3\xa4"}, malformed},
      {{std::string_view{"Negotiate\0", 10}}, malformed},
  };
  for (const auto& [values, expected] : table) {
    CAPTURE(values, expected);
    CHECK(outcome(parse_www_authenticate(values)) == expected);
  }
}

TEST_CASE("Authorization") {
  const struct {
    std::string_view value, expected;
  } table[] = {
      {"", absent},
      {"Basic YWxpY2U6c2VjcmV0", absent},
      {"AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;range", absent},
      {"Negotiate Zm9v", "token foo"},
      {"nEGOTIATE  Zm9v", "token foo"},
      {" Negotiate Zm9v ", "token foo"},
      {"Negotiate", malformed},
      {"Negotiate ", malformed},
      {"Negotiate Zm9v,", malformed},
      {"Negotiate Zm9v, Negotiate Zm9v", malformed},
      {"Negotiate Zm9v Zm9v", malformed},
      {"Negotiate\tZm9v", malformed},
      {"Negotiate Zm9", malformed},
      {"Negotiate Zh==", malformed},
      {"Negotiate ====", malformed},
      {"Negotiate realm=\"a\"", malformed},
  };
  for (const auto& [value, expected] : table) {
    CAPTURE(value);
    CHECK(outcome(parse_authorization(value)) == expected);
  }
}

TEST_CASE("tokens of 64 KiB pass, longer ones do not unless they may") {
  for (const std::size_t size : {std::size_t{65536}, std::size_t{65537}, std::size_t{65538}, std::size_t{1'000'000}}) {
    const auto value = negotiate_header(std::string(size, 't'));
    const auto request = parse_authorization(value);
    const auto response = parse_www_authenticate(value);
    CAPTURE(size);
    if (size == max_http_token_size) {
      CHECK(must(parse_authorization(value)).token.size() == size);
      CHECK(must(parse_www_authenticate(value)).token.size() == size);
    } else {
      CHECK(request.error().minor_status() == EMSGSIZE);
      CHECK(response.error().minor_status() == EMSGSIZE);
    }
    CHECK(must(parse_authorization(value, size)).token.size() == size);
  }
}

TEST_CASE("what is built is parsed again") {
  CHECK(negotiate_header({}) == "Negotiate");
  CHECK(negotiate_header("foobar") == "Negotiate Zm9vYmFy");
}
