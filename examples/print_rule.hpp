// examples/print_rule: the line of /etc/request-key.d that makes this program a handler.
// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <iostream>
#include <string_view>

#include <gsskey/keyring/handler/rule.hpp>

namespace example {

/// For keys whose description fits the pattern. Returns main()'s status.
inline int print_rule(std::string_view description, std::string_view type = "user") {
  char path[4096];
  const ::ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  const std::string_view program{path, size > 0 ? static_cast<std::size_t>(size) : 0};
  const auto line = gsskey::request_key_line({.type = type, .description = description, .program = program});
  if (!line) {
    std::cerr << program << ": " << line.error().text() << '\n';
    return 1;
  }
  std::cout << line->text();
  return 0;
}

}  // namespace example
