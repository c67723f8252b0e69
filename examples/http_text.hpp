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
/// between them (RFC 9110 section 5.3). Empty if there is none.
inline std::string field_in(std::string_view head, std::string_view name) {
  std::string values;
  for (std::size_t at = head.find("\r\n"); at + 2 < head.size(); at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
    if (line.size() > name.size() && line[name.size()] == ':' &&
        std::equal(name.begin(), name.end(), line.begin(), same)) {
      values.append(values.empty() ? "" : ",").append(line.substr(name.size() + 1));
    }
  }
  return values;
}

inline std::string request(const std::string& host, const std::string& authorization) {
  std::string text = "GET / HTTP/1.1\r\nHost: " + host + "\r\n";
  if (!authorization.empty()) text += "Authorization: " + authorization + "\r\n";
  return text + "\r\n";
}

inline std::string response(const char* status, const std::string& www_authenticate, const std::string& body) {
  std::string text = "HTTP/1.1 " + std::string{status} + "\r\nContent-Type: text/plain\r\n";
  if (!www_authenticate.empty()) text += "WWW-Authenticate: " + www_authenticate + "\r\n";
  return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// Of a response.
inline std::string_view status_of(std::string_view head) { return head.substr(0, head.find("\r\n")).substr(9, 3); }
inline std::size_t body_size(std::string_view head) {
  return std::strtoul(field_in(head, "Content-Length").c_str(), nullptr, 10);
}

}  // namespace example
