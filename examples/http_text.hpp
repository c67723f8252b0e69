// examples/http_text: as much of HTTP/1.1 as examples/http_server needs.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace example {

/// The value of Authorization, of a request's head; empty if there is none.
inline std::string authorization_in(std::string_view head) {
  constexpr std::string_view name = "authorization:";
  for (std::size_t at = head.find("\r\n"); at + 2 < head.size(); at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
    if (line.size() > name.size() && std::equal(name.begin(), name.end(), line.begin(), same)) {
      return std::string{line.substr(name.size())};
    }
  }
  return {};
}

inline std::string response(const char* status, const std::string& www_authenticate, const std::string& body) {
  std::string text = "HTTP/1.1 " + std::string{status} + "\r\nContent-Type: text/plain\r\n";
  if (!www_authenticate.empty()) text += "WWW-Authenticate: " + www_authenticate + "\r\n";
  return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace example
