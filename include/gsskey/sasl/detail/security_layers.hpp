// gsskey/sasl/detail/security_layers: the four octets by which GSSAPI's ends choose a security layer. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/big_endian.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/context/options.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/io/framing.hpp>
#include <gsskey/io/record_layer.hpp>
#include <gsskey/sasl/line.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl_detail {

/// A buffer is named in three octets.
inline constexpr std::uint32_t max_buffer = 0xFFFFFF;

/// Layers, as a set of bits.
using Layers = unsigned char;
[[nodiscard]] constexpr Layers bit_of(Protection layer) noexcept { return static_cast<Layers>(layer); }
inline constexpr Layers no_layer = bit_of(Protection::none);
inline constexpr Layers known_layers = no_layer | bit_of(Protection::integrity) | bit_of(Protection::encrypted);

/// The strongest of a set that is not empty.
[[nodiscard]] constexpr Protection strongest_of(Layers layers) noexcept {
  if ((layers & bit_of(Protection::encrypted)) != 0) return Protection::encrypted;
  return (layers & bit_of(Protection::integrity)) != 0 ? Protection::integrity : Protection::none;
}

/// What an offer says, and a reply.
struct LayerMessage {
  Layers layers = 0;  // without those that nobody knows
  std::uint32_t buffer = 0;
  ByteView rest;

  [[nodiscard]] static bool read(ByteView bytes, LayerMessage& message) noexcept {
    detail::Reader in{bytes};
    LayerMessage read;
    if (!in.take_byte(read.layers) || !in.take_big_endian<std::uint32_t, 3>(read.buffer)) return false;
    read.layers &= known_layers;
    read.rest = in.rest();
    message = read;
    return true;
  }
};
/// The octets before the authorization identity, if any.
inline void write_layers(Layers layers, std::uint32_t buffer, unsigned char* out) noexcept {
  out[0] = layers;
  detail::to_big_endian(buffer, out + 1, 3);
}

/// What a layer has to add to the strength of what is below it.
struct NeededStrength {
  std::uint32_t least = 0;
  std::uint32_t greatest = 0;

  [[nodiscard]] static constexpr NeededStrength of(std::uint32_t min_ssf, std::uint32_t max_ssf,
                                                   std::uint32_t external_ssf) noexcept {
    return {min_ssf > external_ssf ? min_ssf - external_ssf : 0, max_ssf > external_ssf ? max_ssf - external_ssf : 0};
  }
  [[nodiscard]] constexpr bool wants_layer() const noexcept { return greatest >= 1; }
  [[nodiscard]] constexpr bool wants_encryption() const noexcept { return greatest > 1; }
  /// The layers that will do, of a context with these flags whose encryption has this strength.
  [[nodiscard]] constexpr Layers layers(ContextFlags flags, std::uint32_t encryption) const noexcept {
    Layers layers = least == 0 ? no_layer : Layers{0};
    if (!flags.contains(ContextFlag::integrity) || !flags.contains(ContextFlag::sequence)) return layers;
    if (least <= 1 && greatest >= 1) layers |= bit_of(Protection::integrity);
    const bool encrypts = flags.contains(ContextFlag::confidentiality) && encryption > 1;  // 0: it was not asked for
    if (encrypts && least <= encryption && greatest >= encryption) {
      layers |= bit_of(Protection::encrypted);
    }
    return layers;
  }
};

/// The strength of a context's encryption. Where the implementation does not tell it, it is the length of the key.
template <Mechanism M>
[[nodiscard]] inline Result<std::uint32_t> encryption_strength(const SecurityContext<M>& context) noexcept {
  if constexpr (capabilities.sasl_ssf) {
    return context.sasl_ssf();
  } else {
    const auto session = session_key(context);
    if (!session) return unexpected(session.error());
    return static_cast<std::uint32_t>(session->key.size() * 8);
  }
}

/// nullptr, or why options cannot be.
[[nodiscard]] constexpr const char* fault_of_strength(std::uint32_t min_ssf, std::uint32_t max_ssf,
                                                      std::uint32_t external_ssf, std::uint32_t buffer) noexcept {
  if (min_ssf > max_ssf) return "min_ssf is more than max_ssf";
  if (buffer > max_buffer) return "max_buffer is more than 0xFFFFFF";
  const bool wants_layer = NeededStrength::of(min_ssf, max_ssf, external_ssf).wants_layer();
  return wants_layer && buffer == 0 ? "max_buffer is 0, and a layer is wanted" : nullptr;
}

/// What a RecordLayer needs to know; it counts the four octets of length in.
[[nodiscard]] inline RecordOptions record_options(Protection layer, std::uint32_t theirs, std::uint32_t ours) noexcept {
  if (layer == Protection::none) return {.protection = layer};
  return {.max_sent = theirs + static_cast<std::uint32_t>(FrameHeader::size),
          .max_received = ours + static_cast<std::uint32_t>(FrameHeader::size),
          .protection = layer};
}
/// An Error, if the peer's buffer has no room for one byte of a message.
template <Mechanism M>
[[nodiscard]] inline Result<void> check_room(const SecurityContext<M>& context, Protection layer,
                                             std::uint32_t buffer) noexcept {
  if (layer == Protection::none) return {};
  const auto limit =
      layer == Protection::encrypted ? context.wrap_size_limit(buffer) : context.wrap_unencrypted_size_limit(buffer);
  if (!limit) return unexpected(limit.error());
  return {};
}

[[nodiscard]] inline Result<sasl::Message> message_of(ByteView bytes) noexcept {
  auto copy = SecretBytes::copy_of(bytes);
  if (!copy) return unexpected(copy.error());
  return sasl::Message{*std::move(copy)};
}

/// Whether text is UTF-8 (RFC 3629) without NUL.
[[nodiscard]] inline bool is_utf8_text(ByteView text) noexcept {
  detail::Reader in{text};
  for (unsigned char first = 0; in.take_byte(first);) {
    if (first == 0) return false;
    if (first < 0x80) continue;
    const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC2 || first > 0xF4) return false;
    std::uint32_t point = first & (0x3Fu >> more);
    for (std::size_t at = 0; at < more; ++at) {
      unsigned char next = 0;
      if (!in.take_byte(next) || (next & 0xC0) != 0x80) return false;
      point = point << 6 | (next & 0x3Fu);
    }
    const bool is_long = (more == 2 && point < 0x800) || (more == 3 && point < 0x10000);
    if (is_long || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
  }
  return true;
}

}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
