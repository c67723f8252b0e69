// gsskey/gss/detail/export_header: what goes before an exported context, so that only a whole one is imported.
// Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// What goes before an exported context: who made it, and a checksum that tells a token which was cut or mixed up,
/// before gss_import_sec_context sees it (Heimdal 7.8 crashes on a cut one, MIT krb5 takes some). No protection against
/// an attacker: who can write an exported context owns it anyway.
class ExportHeader {
 public:
  static constexpr std::size_t size = 16;

  [[nodiscard]] static Result<SecretBytes> prepended_to(ByteView body) noexcept {
    auto token = SecretBytes::with_size(size + body.size());
    if (!token) return unexpected(token.error());
    fill(token->data(), body);
    if (!body.empty()) std::memcpy(token->data() + size, body.data(), body.size());
    return *std::move(token);
  }
  /// What follows the header; empty if the token is not whole or not ours.
  [[nodiscard]] static ByteView body_of(ByteView token) noexcept {
    detail::Reader in{token};
    ByteView header;
    if (!in.take(size, header)) return {};
    unsigned char expected_header[size];
    fill(expected_header, in.rest());
    return header == ByteView{expected_header} ? in.rest() : ByteView{};
  }

 private:
  /// "gssk", the implementation's initial, the version of this format, two zeros, a checksum of the body: FNV-1a, but
  /// of words of eight bytes, as this machine reads them, and what is left in one more.
  static void fill(unsigned char* header, ByteView body) noexcept {
    const unsigned char start[8] = {'g', 's', 's', 'k', static_cast<unsigned char>(GSSKEY_GSS_NAME[0]), 2, 0, 0};
    std::uint64_t sum = 0xcbf29ce484222325u ^ body.size();
    const auto add = [&sum](std::uint64_t word) {
      sum = (sum ^ word) * 0x100000001b3u;
      sum ^= sum >> 32;  // the product moves bits up only
    };
    const unsigned char* at = body.data();
    std::size_t left = body.size();
    for (std::uint64_t word; left >= sizeof word; at += sizeof word, left -= sizeof word) {
      std::memcpy(&word, at, sizeof word);
      add(word);
    }
    std::uint64_t last = 0;
    if (left != 0) std::memcpy(&last, at, left);
    add(last);
    std::memcpy(header, start, sizeof start);
    for (unsigned i = 0; i < 8; ++i) header[8 + i] = static_cast<unsigned char>(sum >> (8 * i));
  }
};

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
