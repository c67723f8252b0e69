// examples/http_text: as much of HTTP/1.1 as examples/http_server and http_client need.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

namespace example {

/// The value of a header field, of the head of a request or response; of several with this name, all, with commas
/// between them (RFC 9110 section 5.3), or with semicolons if it is "Cookie". Empty if there is none.
inline std::string field_in(std::string_view head, std::string_view name) {
  const char* const between = name == "Cookie" ? ";" : ",";
  std::string values;
  for (std::size_t at = head.find("\r\n"); at + 2 < head.size(); at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
    if (line.size() > name.size() && line[name.size()] == ':' &&
        std::equal(name.begin(), name.end(), line.begin(), same)) {
      values.append(values.empty() ? "" : between).append(line.substr(name.size() + 1));
    }
  }
  return values;
}

/// Whether one of `values`, between which there are commas, is `word`, in whatever case.
inline bool lists(std::string_view values, std::string_view word) {
  while (!values.empty()) {
    std::string_view one = values.substr(0, values.find(','));
    values.remove_prefix(std::min(values.size(), one.size() + 1));
    one.remove_prefix(std::min(one.size(), one.find_first_not_of(" \t")));
    one = one.substr(0, one.find_last_not_of(" \t\r") + 1);
    const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
    if (std::equal(one.begin(), one.end(), word.begin(), word.end(), same)) return true;
  }
  return false;
}
/// Whether another request may come over the connection (RFC 9112 section 9.3). Not after one with a body, which is not
/// read here and would be taken for the next request; nor after HEAD, for the page of its response would be taken for
/// the next response.
inline bool goes_on_after(std::string_view head) {
  if (head.starts_with("HEAD ")) return false;
  const std::string lengths = field_in(head, "Content-Length");
  const bool has_body = lengths.find_first_not_of("0, \t\r") != std::string::npos;
  if (has_body || !field_in(head, "Transfer-Encoding").empty()) return false;
  const std::string options = field_in(head, "Connection");
  if (lists(options, "close")) return false;
  return head.substr(0, head.find("\r\n")).ends_with(" HTTP/1.1") || lists(options, "keep-alive");
}

inline std::string request(const std::string& host, const std::string& authorization) {
  std::string text = "GET / HTTP/1.1\r\nHost: " + host + "\r\n";
  if (!authorization.empty()) text += "Authorization: " + authorization + "\r\n";
  return text + "\r\n";
}

inline std::string response(const char* status, const std::string& www_authenticate, bool goes_on,
                            const std::string& body, const std::string& set_cookie = {}) {
  std::string text = "HTTP/1.1 " + std::string{status} + "\r\nContent-Type: text/plain\r\n";
  if (!www_authenticate.empty()) text += "WWW-Authenticate: " + www_authenticate + "\r\n";
  if (!set_cookie.empty()) text += "Set-Cookie: " + set_cookie + "\r\n";
  text += goes_on ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
  return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// Of a response.
inline std::string_view status_of(std::string_view head) { return head.substr(0, head.find("\r\n")).substr(9, 3); }
inline std::size_t body_size(std::string_view head) {
  return std::strtoul(field_in(head, "Content-Length").c_str(), nullptr, 10);
}

}  // namespace example
