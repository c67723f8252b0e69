// tests/support/hostile_http: servers that lie to an HTTP client that logs in, and clients that lie to a server.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/base64.hpp>
#include <gsskey/http/negotiate.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/alterations.hpp"
#include "support/realm.hpp"

namespace support {

/// What a server says to one request.
struct HttpReply {
  int status = 401;
  std::vector<std::string> www_authenticate;
  [[nodiscard]] std::vector<std::string_view> values() const {
    return {www_authenticate.begin(), www_authenticate.end()};
  }
};
/// `honest` is what an honest server would have said to this request; `round`: 0 for the first.
struct HttpLie {
  std::string name;
  bool is_harmless = false;  ///< the client logs in all the same
  std::function<HttpReply(HttpReply honest, std::size_t round, const std::string& authorization)> answer;
};

inline std::string negotiate(std::string_view base64) { return "Negotiate " + std::string{base64}; }

/// The answer to a request: what acceptors say.
inline HttpReply http_reply(gsskey::HttpAcceptor<gsskey::mech::Spnego>& acceptor, const std::string& authorization) {
  auto answer = acceptor.step(authorization);
  HttpReply reply;
  reply.status = answer ? 200 : answer.error().status;
  const std::string& value = answer ? answer->www_authenticate : answer.error().www_authenticate;
  if (!value.empty()) reply.www_authenticate.push_back(value);
  return reply;
}

/// `proof`: the value with which another handshake ended.
inline std::vector<HttpLie> http_lies(const std::string& proof) {
  const auto says = [](int status, std::vector<std::string> values) {
    return [status, values](const HttpReply&, std::size_t round, const std::string&) {
      return round == 0 ? HttpReply{401, {"Negotiate"}} : HttpReply{status, values};
    };
  };
  // Other words around the honest ones, or in their place.
  const auto honest_but = [](auto change) {
    return [change](HttpReply honest, std::size_t, const std::string&) {
      for (auto& value : honest.www_authenticate) value = change(value);
      return honest;
    };
  };
  const std::string ntlm = gsskey::base64_encode("NTLMSSP\0\2\0\0\0\0\0\0\0");
  std::vector<HttpLie> all{
      {"mixed case", true, honest_but([](std::string value) { return "nEgOtIaTe" + value.substr(9); })},
      {"other schemes around", true, honest_but([](const std::string& value) {
         return "Basic realm=\"Negotiate bm8=, Negotiate bm8=\", " + value + ", NTLM, Digest qop=\"auth\", nonce=x";
       })},
      {"headers of other schemes", true,
       [](HttpReply honest, std::size_t, const std::string&) {
         honest.www_authenticate.insert(honest.www_authenticate.begin(), {"Bearer", "Basic realm=\"a\""});
         honest.www_authenticate.insert(honest.www_authenticate.end(), 1000, "NTLM");
         return honest;
       }},
      {"spaces and empty elements", true, honest_but([](const std::string& value) { return " ,, \t" + value + " ,"; })},
      {"the same header twice", true,
       [](HttpReply honest, std::size_t, const std::string&) {
         honest.www_authenticate.insert(honest.www_authenticate.end(), honest.www_authenticate.begin(),
                                        honest.www_authenticate.end());
         return honest;
       }},
      {"two that differ", false,
       [](HttpReply honest, std::size_t, const std::string&) {
         honest.www_authenticate.emplace_back("Negotiate bm9pc2U=");
         return honest;
       }},
      {"401 without an end", false,
       [](const HttpReply&, std::size_t, const std::string&) { return HttpReply{401, {"Negotiate"}}; }},
      {"another 401 in the place of the page", false, says(401, {"Negotiate"})},
      {"its own token back", false,
       [](const HttpReply& honest, std::size_t round, const std::string& authorization) {
         return round == 0 ? honest : HttpReply{401, {authorization}};
       }},
      {"its own token back, with the page", false,
       [](const HttpReply& honest, std::size_t round, const std::string& authorization) {
         return round == 0 ? honest : HttpReply{200, {authorization}};
       }},
      {"NTLM's challenge", false, says(401, {negotiate(ntlm)})},
      {"NTLM's challenge, with the page", false, says(200, {negotiate(ntlm)})},
      {"the page and no proof", false, says(200, {})},
      {"the page and an empty proof", false, says(200, {"Negotiate"})},
      {"the page and another's proof", false, says(200, {proof})},
      {"the page, and a signature that asks for one", false,
       [](HttpReply honest, std::size_t, const std::string&) {
         if (honest.status != 200) return honest;
         const auto header = gsskey::parse_www_authenticate(honest.www_authenticate.at(0));
         auto token = SpnegoToken::parse(header->token.text());
         token->mic = "a signature of nothing";
         honest.www_authenticate = {gsskey::negotiate_header(token->write())};
         return honest;
       }},
      {"another's proof again and again", false, says(401, {proof})},
      {"no base64", false, says(401, {"Negotiate ???"})},
      {"base64 that is cut", false, says(200, {proof.substr(0, proof.size() - 1)})},
      {"base64 of another alphabet", false, says(401, {"Negotiate Zm-_"})},
      {"a parameter behind the token", false, honest_but([](const std::string& value) { return value + " realm=x"; })},
      {"a line break", false, honest_but([](const std::string& value) { return value + "\r\nX: y"; })},
      {"a NUL", false, honest_but([](const std::string& value) { return value + '\0'; })},
      {"a quote that never ends", false, honest_but([](const std::string& value) { return "Basic realm=\"" + value; })},
      {"no Negotiate", false, says(401, {"Basic realm=\"a\"", "NTLM"})},
      {"a token of 64 KiB", false, says(401, {gsskey::negotiate_header(std::string(65536, '\x60'))})},
      {"a token of 64 KiB and a byte", false, says(401, {gsskey::negotiate_header(std::string(65537, '\x60'))})},
      {"a token of 16 MiB", false, says(200, {gsskey::negotiate_header(std::string(1 << 24, '\x60'))})},
      {"a token at once", false,
       [](const HttpReply&, std::size_t, const std::string&) { return HttpReply{401, {"Negotiate bm9pc2U="}}; }},
  };
  return all;
}

/// What a client says in one connection, of which no header may be taken for a login. `token`: of a good login that
/// nobody has seen yet.
struct HttpForgery {
  std::string name;
  std::vector<std::string> authorization;
};
inline std::vector<HttpForgery> http_forgeries(const std::string& token) {
  const std::string text = gsskey::base64_encode(token);
  std::string changed = token;
  changed[changed.size() - 20] = static_cast<char>(changed[changed.size() - 20] ^ 1);
  return {
      {"nothing", {"", "", ""}},
      {"other schemes", {"Basic YWxpY2U6c2VjcmV0", "Bearer x", "NTLM TlRMTVNTUAABAAAA", "Digest username=\"alice\""}},
      {"NTLM", {negotiate("TlRMTVNTUAABAAAA"), negotiate(gsskey::base64_encode(ntlm_negotiate()))}},
      {"a name and no token", {"Negotiate", "Negotiate ", "Negotiate ="}},
      {"two tokens",
       {negotiate(text + " " + text), negotiate(text + "," + text), negotiate(text + ", Negotiate " + text)}},
      {"no base64", {negotiate("???"), negotiate(text + "!"), negotiate(text.substr(1)), negotiate(text + "====")}},
      {"a token in quotes", {negotiate("\"" + text + "\"")}},
      {"a line break, a NUL", {negotiate(text + "\n"), negotiate(text + '\0'), negotiate(text + "\r\nX: y")}},
      {"a tab", {"Negotiate\t" + text}},
      {"a proxy's scheme", {"Proxy " + negotiate(text), "Negotiate: " + text, "Negotiates " + text}},
      {"a token changed", {negotiate(gsskey::base64_encode(changed))}},
      {"a token cut", {negotiate(gsskey::base64_encode(token.substr(0, token.size() / 2)))}},
      {"a token of noise, again and again", std::vector<std::string>(40, negotiate("bm9pc2U="))},
      {"a token of 64 KiB and a byte", {gsskey::negotiate_header(std::string(65537, '\x60'))}},
      {"a token of 16 MiB", {gsskey::negotiate_header(std::string(1 << 24, '\x60'))}},
      {"a server's token", {negotiate("oRQwEqADCgEAoQsGCSqGSIb3EgECAg=="), negotiate("oQcwBaADCgEA")}},
      {"a list of mechanisms that ends early", {negotiate(gsskey::base64_encode(token.substr(0, 40)))}},
  };
}

}  // namespace support
