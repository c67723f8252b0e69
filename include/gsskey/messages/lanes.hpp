// gsskey/messages/lanes: many messages of one MessageProtector at once on one core, by libipsec-mb.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include <gsskey/gss/message.hpp>
#include <gsskey/messages/batch.hpp>
#include <gsskey/messages/detail/lanes.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Wraps and unwraps many messages of a protector side by side on one core: alone, a message in CBC mode waits for each
/// of its blocks; several fill the processor. Messages before, between and after may be the protector's own. Move-only;
/// empty after a move.
///
/// In lanes go encrypted messages of AES of at most 65,000 octets, if there are four or more. The others are done one
/// after the other, and so are all where the processor lacks AES-NI or AVX2, or where libipsec-mb does not give what
/// OpenSSL gives, at which each thread looks before its first message. The difference is one of time: octets, sequence
/// numbers and errors are those of MessageProtector.
/// Errors: usage, for an empty one, and for a protector that is empty by now; gss, policy and system, as
///   MessageProtector.
/// Threads: one may wrap while another unwraps. Who wraps is a sender of the protector, who unwraps a receiver. Each
///   thread keeps lanes of its own, 210 KB, from its first call until it ends; until then a plug-in stays loaded.
/// Fork: as MessageProtector.
/// Owner: of the protector, the caller, where this has not taken it over; it must outlive this, where it is. Of a copy
///   of its keys, this object, which wipes them at its end.
class MessageLanes {
 public:
  [[nodiscard]] explicit operator bool() const noexcept { return keys_ != nullptr; }

  /// Derives the keys for both directions.
  /// Calls: alloc_mb_mgr, init_mb_mgr_auto.
  /// Errors: usage, for an empty protector; system (ENOMEM); policy or unavailable, if OpenSSL refuses.
  [[nodiscard]] static Result<MessageLanes> from_protector(MessageProtector& protector) noexcept {
    constexpr const char* operation = "MessageLanes::from_protector";
    if (!protector) return unexpected(MessageProtector::empty(operation));
    MessageLanes made{protector};
    if (!made.keys_) return unexpected(Error::system(operation, ENOMEM));
    const gss_detail::ProtectorState& state = *protector.state_;
    if (state.type->digest == nullptr) return made;
    auto& lanes = rfc3961::Lanes::of_thread();
    if (auto started = lanes.start(); !started) {
      if (started.error().domain() == Domain::unavailable) return made;
      return unexpected(std::move(started).error());
    }
    const ByteView base = state.lucid->key().bytes;
    for (const bool sends : {true, false}) {
      const rfc4121::BaseKey key{state.type, base, sends != state.info.is_initiator};
      const auto encryption = rfc3961::derive_key(*key.type, base, key.usage(true), rfc3961::Purpose::encryption);
      if (!encryption) return unexpected(encryption.error());
      const auto integrity = rfc3961::derive_key(*key.type, base, key.usage(true), rfc3961::Purpose::integrity);
      if (!integrity) return unexpected(integrity.error());
      auto expanded = rfc3961::LaneKeys::create(*key.type, lanes.manager(), *encryption, *integrity);
      if (!expanded) return unexpected(std::move(expanded).error());
      (sends ? made.keys_->sealing : made.keys_->opening).emplace(*std::move(expanded));
    }
    return made;
  }
  /// Takes the protector over, too, unless that fails: so a RecordLayer, or a stream, owns all that it needs.
  [[nodiscard]] static Result<MessageLanes> from_protector(MessageProtector&& protector) noexcept {
    auto made = from_protector(protector);
    if (made) made->protector_ = &made->keys_->owned.emplace(std::move(protector));
    return made;
  }

  /// Wraps one message as MessageProtector::wrap() does.
  [[nodiscard]] Result<MessageToken> wrap(ByteView message) noexcept {
    if (!keys_) return unexpected(empty("MessageLanes::wrap"));
    return protector_->wrap(message);
  }
  [[nodiscard]] Result<SecretBytes> unwrap(ByteView token) noexcept {
    if (!keys_) return unexpected(empty("MessageLanes::unwrap"));
    return protector_->unwrap(token);
  }
  [[nodiscard]] Result<std::uint32_t> wrap_size_limit(std::uint32_t token_size) const noexcept {
    if (!keys_) return unexpected(empty("MessageLanes::wrap_size_limit"));
    return protector_->wrap_size_limit(token_size);
  }
  [[nodiscard]] Result<MessageRoom> room() const noexcept {
    if (!keys_) return unexpected(empty("MessageLanes::room"));
    return protector_->room();
  }

  /// Wraps each message as MessageProtector::wrap_into() does, with sequence numbers in their order.
  /// Errors: those of the class; usage, for memory that is too small: then nothing has been done. After another one no
  ///   token may be used, the peer finds a gap, and messages that were at their places may be wiped.
  [[nodiscard]] Result<void> wrap(std::span<const BatchMessage> messages) noexcept {
    constexpr const char* operation = "MessageLanes::wrap";
    if (!keys_) return unexpected(empty(operation));
    if (auto usable = protector_->is_usable(operation); !usable) return usable;
    const MessageRoom room = protector_->around();
    for (const BatchMessage& each : messages) {
      const std::size_t around = room.header + room.trailer;
      if (each.memory.size() < around || each.memory.size() - around < each.message.size()) {
        return unexpected(Error::usage(operation, "the memory has no room for the token"));
      }
    }
    std::uint64_t sequence = protector_->state_->sender.reserve(messages.size());
    while (!messages.empty()) {
      const auto group = messages.first(std::min(messages.size(), std::size_t{rfc3961::Lanes::width}));
      if (!wrap_group(sequence, group)) return unexpected(MessageProtector::failed(operation));
      sequence += group.size();
      messages = messages.subspan(group.size());
    }
    return {};
  }

  /// Unwraps each token as MessageProtector's unwrap_in_place() does, one after the other, and writes to its `message`
  /// what became of it. Tokens do not overlap.
  void unwrap(std::span<BatchToken> tokens) noexcept {
    while (!tokens.empty()) {
      const auto group = tokens.first(std::min(tokens.size(), std::size_t{rfc3961::Lanes::width}));
      if (keys_) {
        unwrap_group(group);
      } else {
        for (BatchToken& each : group) each.message = unexpected(empty("MessageLanes::unwrap"));
      }
      tokens = tokens.subspan(group.size());
    }
  }

 private:
  struct Keys {
    std::optional<rfc3961::LaneKeys> sealing;
    std::optional<rfc3961::LaneKeys> opening;
    std::optional<MessageProtector> owned;
  };

  explicit MessageLanes(MessageProtector& protector) noexcept : protector_{&protector}, keys_{new(std::nothrow) Keys} {}

  [[nodiscard]] static Error empty(const char* operation) noexcept {
    return Error::usage(operation, "the lanes are empty: moved from");
  }
  /// Whether so many messages of this key are to go in lanes.
  [[nodiscard]] bool in_lanes(const std::optional<rfc3961::LaneKeys>& key, std::size_t count) const noexcept {
    return key && count >= rfc3961::Lanes::least && *protector_ &&
           rfc3961::Lanes::of_thread().serve(*protector_->state_->type);
  }

  /// If it fails, the plaintext is wiped that lies in the memory of tokens.
  [[nodiscard]] bool wrap_group(std::uint64_t sequence, std::span<const BatchMessage> group) noexcept {
    rfc4121::Sender& sender = protector_->state_->sender;
    const bool laned = in_lanes(keys_->sealing, group.size());
    rfc3961::LaneText texts[rfc3961::Lanes::width];
    std::size_t count = 0;
    bool done = true;
    for (const BatchMessage& each : group) {
      unsigned char* const token = each.memory.data();
      if (laned && each.message.size() <= rfc3961::Lanes::max_message) {
        texts[count++] = {token + rfc4121::header_size, each.message.size() + 2 * rfc3961::block_size, false};
        done = sender.enclose(sequence, each.message, token);
      } else {
        done = sender.wrap_at(sequence, each.message, token);
      }
      if (!done) break;
      ++sequence;
    }
    done = done && (count == 0 || rfc3961::Lanes::of_thread().seal(*keys_->sealing, {texts, count}));
    for (std::size_t at = 0; !done && at < count; ++at) OPENSSL_cleanse(texts[at].bytes, texts[at].size);
    return done;
  }

  void unwrap_group(std::span<BatchToken> group) noexcept {
    rfc4121::WrapToken wraps[rfc3961::Lanes::width];
    rfc3961::LaneText texts[rfc3961::Lanes::width];
    std::size_t count = 0;
    bool laned[rfc3961::Lanes::width] = {};
    if (in_lanes(keys_->opening, group.size())) {
      for (std::size_t at = 0; at < group.size(); ++at) {
        laned[at] = begin(group[at].token, wraps[at]);
        if (!laned[at]) continue;
        const auto text = group[at].token.subspan(rfc4121::header_size);
        texts[count++] = {text.data(), wraps[at].body_size + 2 * rfc3961::block_size, false};
      }
    }
    bool done = count == 0 || rfc3961::Lanes::of_thread().open(*keys_->opening, {texts, count});
    count = 0;
    for (std::size_t at = 0; at < group.size(); ++at) {
      if (!laned[at]) {
        group[at].message = unwrap_in_place(*protector_, group[at].token);
        continue;
      }
      const rfc3961::LaneText& text = texts[count++];
      auto opened = done ? rfc3961::Opened::forged : rfc3961::Opened::failed;
      if (text.is_whole && is_of(text, group[at].token)) opened = rfc3961::Opened::whole;
      if (auto accepted = accept(wraps[at], opened); !accepted) {
        OPENSSL_cleanse(text.bytes, text.size);
        group[at].message = unexpected(std::move(accepted).error());
      } else {
        group[at].message = std::span{text.bytes + rfc3961::block_size, wraps[at].message_size};
      }
    }
  }
  /// Whether a token is for a lane. Then it is turned back, as if its sender had not turned it.
  [[nodiscard]] bool begin(std::span<unsigned char> token, rfc4121::WrapToken& wrap) noexcept {
    const auto found = protector_->read("MessageLanes::unwrap", {token.data(), token.size()});
    if (!found || found->receiver != &protector_->state_->receiver || !found->wrap.is_sealed() ||
        found->wrap.body_size > rfc3961::Lanes::max_message) {
      return false;
    }
    wrap = found->wrap;
    const auto rest = token.subspan(rfc4121::header_size);
    std::ranges::rotate(rest, rest.begin() + static_cast<std::ptrdiff_t>(wrap.header.rotation % rest.size()));
    return true;
  }
  /// Whether the header within, which nobody can change, is the one outside: but for the rotation count.
  [[nodiscard]] static bool is_of(const rfc3961::LaneText& text, std::span<unsigned char> token) noexcept {
    unsigned char* const inner = text.bytes + text.size - rfc4121::header_size;
    std::memset(inner + 6, 0, 2);
    std::memset(token.data() + 6, 0, 2);
    return CRYPTO_memcmp(inner, token.data(), rfc4121::header_size) == 0;
  }
  [[nodiscard]] Result<void> accept(const rfc4121::WrapToken& wrap, rfc3961::Opened opened) noexcept {
    constexpr const char* operation = "MessageLanes::unwrap";
    if (auto whole = MessageProtector::is_whole(operation, opened); !whole) return whole;
    return MessageProtector::in_order(operation, protector_->state_->window.accept(wrap.header.sequence));
  }

  MessageProtector* protector_;
  std::unique_ptr<Keys> keys_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
