// gsskey/gss/limits: the most that goes into one call of a GSS library: what every one of them gets right.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// The most that goes into one C call. More is refused, with an Error of Domain::usage, and not read.
/// Units: bytes.
struct Limit {
  std::size_t size;
  const char* exceeded;  ///< the words of that Error
  /// Returns whether so many bytes may go in.
  [[nodiscard]] constexpr bool admits(std::size_t wanted) const noexcept { return wanted <= size; }
};

/// The sizes that every implementation gets right: one table, so that a size which works goes on working with another
/// library. Tried, and read in the sources, with MIT krb5 1.20.1 and Heimdal 7.8.
struct Limits {
  /// What wrap, get_mic and their kin protect, all pieces together. From 2^29 bytes on SHA-1 and SHA-256 of Heimdal
  /// (lib/hcrypto) and SHA-256 of MIT (lib/crypto/builtin/sha2) count their bits wrong: every other peer finds the
  /// message altered. MIT takes no token back that has more than 2^31 bytes, and writes past an allocation from
  /// 2^32 - 16 on (krb5_data counts in unsigned int); Heimdal aborts at 2^32. MessageProtector has no such limit.
  Limit message;
  /// One token, of any such message or of a handshake; an exported context or credential; the value of an option.
  Limit token;
  /// A name of any type, an attribute's too. MIT's KDC reads requests of 1 MiB (lib/apputils/net-server.c); a name of
  /// 2^29 bytes takes either library a minute and up to 8 GiB.
  Limit name;
  /// Heimdal hashes a long password anew in each of the 4,096 rounds of the key derivation: at 2^29 bytes, for hours.
  Limit password;
  /// What goes into the pseudo-random function, and what comes out: the time that it takes is their product.
  Limit pseudo_random;
};
/// The limits of all calls.
GSSKEY_HIDDEN inline constexpr Limits limits{
    .message = {(std::size_t{1} << 29) - 1024, "the message is longer than limits.message, 536869888 bytes"},
    .token = {(std::size_t{1} << 29) - 1, "the token is longer than limits.token, 536870911 bytes"},
    .name = {std::size_t{1} << 20, "the name is longer than limits.name, 1048576 bytes"},
    .password = {std::size_t{1} << 12, "the password is longer than limits.password, 4096 bytes"},
    .pseudo_random = {std::size_t{1} << 16, "input or output is longer than limits.pseudo_random, 65536 bytes"}};

GSSKEY_END_ABI
}  // namespace gsskey
