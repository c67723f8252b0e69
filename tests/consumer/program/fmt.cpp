// A program of component fmt.
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <chrono>

#include <gsskey/text/fmt.hpp>

int main() { return fmt::format("{:>4}", gsskey::Seconds{std::chrono::minutes{1}}) == " 60s" ? 0 : 1; }
