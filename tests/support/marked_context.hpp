// tests/support/marked_context: WrapsMessages without a GSS library: two octets, a mark and a sequence number,
// before the message, whose bits are turned over where it is "encrypted". SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace support {

class MarkedContext {
 public:
  static constexpr unsigned char encrypted = 0x5a;
  static constexpr unsigned char in_the_clear = 0x5b;
  static constexpr std::size_t overhead = 2;
  struct Unwrapped {
    gsskey::SecretBytes message;
    bool confidential;
  };

  gsskey::Result<gsskey::SecretBytes> wrap(gsskey::ByteView message) { return sealed(encrypted, message); }
  gsskey::Result<gsskey::SecretBytes> wrap_unencrypted(gsskey::ByteView message) {
    return sealed(in_the_clear, message);
  }
  gsskey::Result<gsskey::SecretBytes> unwrap(gsskey::ByteView token) {
    auto unwrapped = unwrap_unencrypted(token);
    if (!unwrapped) return gsskey::unexpected(unwrapped.error());
    if (!unwrapped->confidential) {
      return gsskey::unexpected(gsskey::Error::policy("unwrap", 0, "the peer did not encrypt the message"));
    }
    return std::move(unwrapped->message);
  }
  gsskey::Result<Unwrapped> unwrap_unencrypted(gsskey::ByteView token) {
    if (token.size() < overhead || (token[0] != encrypted && token[0] != in_the_clear) || token[1] != received_) {
      return gsskey::unexpected(gsskey::Error::policy("unwrap", 0, "not one of ours"));
    }
    ++received_;
    auto message = gsskey::SecretBytes::copy_of(token.subview(overhead));
    if (!message) return gsskey::unexpected(message.error());
    turn(token[0], message->data(), message->size());
    return Unwrapped{*std::move(message), token[0] == encrypted};
  }
  gsskey::Result<gsskey::SecretBytes> get_mic(gsskey::ByteView message) { return wrap(message); }
  gsskey::Result<void> verify_mic(gsskey::ByteView, gsskey::ByteView) { return {}; }
  [[nodiscard]] gsskey::Result<std::uint32_t> wrap_size_limit(std::uint32_t size) const {
    if (size <= overhead) return gsskey::unexpected(gsskey::Error::policy("wrap_size_limit", 0, "too small"));
    return size - static_cast<std::uint32_t>(overhead);
  }

 private:
  static void turn(unsigned char mark, unsigned char* data, std::size_t size) {
    for (std::size_t at = 0; mark == encrypted && at < size; ++at) data[at] ^= 0xff;
  }
  gsskey::Result<gsskey::SecretBytes> sealed(unsigned char mark, gsskey::ByteView message) {
    auto token = gsskey::SecretBytes::with_size(message.size() + overhead);
    if (!token) return token;
    token->data()[0] = mark;
    token->data()[1] = sent_++;
    std::copy(message.begin(), message.end(), token->data() + overhead);
    turn(mark, token->data() + overhead, message.size());
    return token;
  }

  unsigned char sent_ = 0;
  unsigned char received_ = 0;
};
static_assert(gsskey::WrapsMessages<MarkedContext> && !gsskey::WrapsManyMessages<MarkedContext>);

/// The same, several at once.
class ManyMarked : public MarkedContext {
 public:
  using MarkedContext::unwrap;
  using MarkedContext::wrap;

  gsskey::Result<void> wrap(std::span<const gsskey::BatchMessage> messages) {
    most = std::max(most, messages.size());
    for (const gsskey::BatchMessage& each : messages) {
      std::copy(each.message.begin(), each.message.end(), each.memory.begin() + overhead);
      if (fails) return gsskey::unexpected(gsskey::Error::policy("wrap", 0, "it fails"));
      const auto token = wrap(each.message);
      if (!token) return gsskey::unexpected(token.error());
      std::copy(token->begin(), token->end(), each.memory.begin());
    }
    return {};
  }
  void unwrap(std::span<gsskey::BatchToken> tokens) {
    most = std::max(most, tokens.size());
    for (gsskey::BatchToken& each : tokens) {
      const auto plain = unwrap(gsskey::ByteView{each.token});
      if (!plain) {
        each.message = gsskey::unexpected(plain.error());
        continue;
      }
      std::copy(plain->begin(), plain->end(), each.token.begin() + overhead);
      each.message = each.token.subspan(overhead);
    }
  }
  [[nodiscard]] gsskey::Result<gsskey::MessageRoom> room() const { return gsskey::MessageRoom{overhead, 0}; }
  [[nodiscard]] bool has_lanes() const { return laned; }

  bool laned = true;
  std::size_t most = 0;  // of which it had to do at once
  bool fails = false;
};
static_assert(gsskey::WrapsManyMessages<ManyMarked>);

}  // namespace support
