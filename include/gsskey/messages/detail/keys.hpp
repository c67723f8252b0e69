// gsskey/messages/detail/keys: the derived keys of one end, and what they do to a message: RFC 4121 section 4.2.4.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <gsskey/messages/detail/confounders.hpp>
#include <gsskey/messages/detail/rfc4121.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace rfc4121 {

/// The base key of a context, and who it is for.
struct BaseKey {
  const rfc3961::EncryptionType* type;
  ByteView bytes;
  bool sender_is_acceptor;

  [[nodiscard]] std::uint32_t usage(bool seals) const noexcept {
    const KeyUsage usage = sender_is_acceptor ? (seals ? KeyUsage::acceptor_seal : KeyUsage::acceptor_sign)
                                              : (seals ? KeyUsage::initiator_seal : KeyUsage::initiator_sign);
    return static_cast<std::uint32_t>(usage);
  }
  [[nodiscard]] Result<rfc3961::Checksum> checksum(bool seals) const noexcept {
    const auto key = rfc3961::derive_key(*type, bytes, usage(seals), rfc3961::Purpose::checksum);
    if (!key) return unexpected(key.error());
    return rfc3961::Checksum::create(*type, *key);
  }
};

/// Makes tokens. One thread at a time. A call that returns false, because OpenSSL has no memory or no random numbers,
/// has used no sequence number.
class Sender {
 public:
  [[nodiscard]] static Result<Sender> create(const BaseKey& base) noexcept {
    auto key = rfc3961::SealingKey::derive(*base.type, base.bytes, base.usage(true));
    if (!key) return unexpected(key.error());
    auto wrap_checksum = base.checksum(true);
    if (!wrap_checksum) return unexpected(wrap_checksum.error());
    auto mic_checksum = base.checksum(false);
    if (!mic_checksum) return unexpected(mic_checksum.error());
    auto confounders = rfc3961::Confounders::create();
    if (!confounders) return unexpected(confounders.error());
    return Sender{*std::move(key), *std::move(wrap_checksum), *std::move(mic_checksum), *std::move(confounders),
                  base.sender_is_acceptor ? sent_by_acceptor : 0};
  }
  /// Before the first message. `with_subkey`: the base key is the acceptor's subkey. `sequence`: of the first message.
  void start(bool with_subkey, std::uint64_t sequence) noexcept {
    if (with_subkey) flags_ |= acceptor_subkey;
    sequence_ = sequence;
  }

  /// The next `count` sequence numbers, for whoever makes the messages; the first of them.
  [[nodiscard]] std::uint64_t reserve(std::uint64_t count) noexcept {
    return std::exchange(sequence_, sequence_ + count);
  }
  [[nodiscard]] bool wrap_at(std::uint64_t sequence, ByteView message, unsigned char* to) noexcept {
    const std::uint64_t kept = std::exchange(sequence_, sequence);
    const bool done = wrap(message, to);
    sequence_ = kept;
    return done;
  }
  [[nodiscard]] bool get_mic_at(std::uint64_t sequence, ByteView message, unsigned char* to) noexcept {
    const std::uint64_t kept = std::exchange(sequence_, sequence);
    const bool done = get_mic(message, to);
    sequence_ = kept;
    return done;
  }
  /// Writes the header of the MIC of that number.
  void begin_mic(std::uint64_t sequence, unsigned char* to) const noexcept {
    Header{.flags = flags_, .sequence = sequence}.write(to);
  }
  /// Writes what is around the message in the token of that number, not yet encrypted: header, confounder, and behind
  /// it the header again; and the message, if it is not there already.
  [[nodiscard]] bool enclose(std::uint64_t sequence, ByteView message, unsigned char* to) noexcept {
    unsigned char* const place = to + header_size + rfc3961::block_size;
    if (!message.empty() && message.data() != place) std::memcpy(place, message.data(), message.size());
    Header{.is_wrap = true, .flags = flags_ | sealed, .sequence = sequence}.write(to);
    std::memcpy(place + message.size(), to, header_size);
    return confounders_.take(to + header_size);
  }

  /// Writes header_size + block_size before the message's place, and header_size and the checksum behind it. The
  /// message is at that place or does not overlap.
  [[nodiscard]] bool wrap(ByteView message, unsigned char* to) noexcept {
    unsigned char confounder[rfc3961::Confounders::size];
    Header{.is_wrap = true, .flags = flags_ | sealed, .sequence = sequence_}.write(to);
    if (!confounders_.take(confounder) || !key_.seal(confounder, message, {to, header_size}, to + header_size)) {
      return false;
    }
    ++sequence_;
    return true;
  }
  /// Writes the header, the message if it is not there already, and the checksum.
  [[nodiscard]] bool wrap_unencrypted(ByteView message, unsigned char* to) noexcept {
    Header header{.is_wrap = true, .flags = flags_, .sequence = sequence_};
    header.write(to);  // without extra count, as it is checksummed
    if (!message.empty() && message.data() != to + header_size) {
      std::memcpy(to + header_size, message.data(), message.size());
    }
    if (!wrap_checksum_.start() || !wrap_checksum_.update(message) || !wrap_checksum_.update({to, header_size}) ||
        !wrap_checksum_.finish(to + header_size + message.size())) {
      return false;
    }
    header.extra_count = static_cast<std::uint16_t>(wrap_checksum_.size());
    header.write(to);
    ++sequence_;
    return true;
  }
  /// Writes header and checksum.
  [[nodiscard]] bool get_mic(ByteView message, unsigned char* to) noexcept {
    Header{.flags = flags_, .sequence = sequence_}.write(to);
    if (!mic_checksum_.start() || !mic_checksum_.update(message) || !mic_checksum_.update({to, header_size}) ||
        !mic_checksum_.finish(to + header_size)) {
      return false;
    }
    ++sequence_;
    return true;
  }

 private:
  Sender(rfc3961::SealingKey&& key, rfc3961::Checksum&& wrap_checksum, rfc3961::Checksum&& mic_checksum,
         rfc3961::Confounders&& confounders, unsigned flags) noexcept
      : key_{std::move(key)},
        wrap_checksum_{std::move(wrap_checksum)},
        mic_checksum_{std::move(mic_checksum)},
        confounders_{std::move(confounders)},
        flags_{flags} {}

  rfc3961::SealingKey key_;
  rfc3961::Checksum wrap_checksum_;  // of what is not encrypted
  rfc3961::Checksum mic_checksum_;
  rfc3961::Confounders confounders_;
  unsigned flags_;
  std::uint64_t sequence_ = 0;
};

/// Checks the integrity of tokens and decrypts them. One thread at a time. It knows nothing of sequence numbers.
class Receiver {
 public:
  [[nodiscard]] static Result<Receiver> create(const BaseKey& base) noexcept {
    auto key = rfc3961::OpeningKey::derive(*base.type, base.bytes, base.usage(true));
    if (!key) return unexpected(key.error());
    auto wrap_checksum = base.checksum(true);
    if (!wrap_checksum) return unexpected(wrap_checksum.error());
    auto mic_checksum = base.checksum(false);
    if (!mic_checksum) return unexpected(mic_checksum.error());
    return Receiver{*std::move(key), *std::move(wrap_checksum), *std::move(mic_checksum)};
  }

  [[nodiscard]] std::size_t mac_size() const noexcept { return mic_checksum_.size(); }

  /// `token` is what `wrap` was read from, and has its header still. Writes body_size bytes to `body`, which is where
  /// they are in the token, if they lie together there, or does not overlap. What was written is wiped unless
  /// Opened::whole.
  [[nodiscard]] rfc3961::Opened open(const WrapToken& wrap, ByteView token, unsigned char* body) noexcept {
    unsigned char header[header_size];
    Header covered = wrap.header;
    covered.rotation = 0;
    if (!wrap.is_sealed()) covered.extra_count = 0;
    std::memcpy(header, token.data(), header_size);
    covered.write(header);
    if (!wrap.is_sealed()) return copy(wrap, header, body);
    unsigned char inner[header_size];
    const auto opened = key_.open(wrap.rest, body, wrap.body_size, inner);
    if (opened != rfc3961::Opened::whole) return opened;
    // The rotation count was written after the checksum was made: it may be anything.
    std::memset(inner + 6, 0, 2);
    if (CRYPTO_memcmp(inner, header, header_size) == 0) return rfc3961::Opened::whole;
    if (wrap.body_size != 0) OPENSSL_cleanse(body, wrap.body_size);
    return rfc3961::Opened::forged;
  }
  /// `mic`: header and checksum; the header was read.
  [[nodiscard]] rfc3961::Opened check(ByteView message, ByteView mic) noexcept {
    if (!mic_checksum_.start() || !mic_checksum_.update(message) ||
        !mic_checksum_.update(mic.subview(0, header_size))) {
      return rfc3961::Opened::failed;
    }
    return mic_checksum_.verify(mic.data() + header_size);
  }

 private:
  Receiver(rfc3961::OpeningKey&& key, rfc3961::Checksum&& wrap_checksum, rfc3961::Checksum&& mic_checksum) noexcept
      : key_{std::move(key)}, wrap_checksum_{std::move(wrap_checksum)}, mic_checksum_{std::move(mic_checksum)} {}

  /// What was not encrypted.
  [[nodiscard]] rfc3961::Opened copy(const WrapToken& wrap, const unsigned char* header, unsigned char* body) noexcept {
    unsigned char expected[rfc3961::max_mac_size];
    wrap.rest.copy(wrap.body_size, wrap_checksum_.size(), expected);
    const auto opened = copied(wrap, header, body) ? wrap_checksum_.verify(expected) : rfc3961::Opened::failed;
    if (opened != rfc3961::Opened::whole && wrap.body_size != 0) OPENSSL_cleanse(body, wrap.body_size);
    return opened;
  }
  [[nodiscard]] bool copied(const WrapToken& wrap, const unsigned char* header, unsigned char* body) noexcept {
    if (!wrap_checksum_.start()) return false;
    for (std::size_t done = 0; done < wrap.body_size;) {
      const ByteView piece = wrap.rest.piece(done, wrap.body_size - done);
      if (!wrap_checksum_.update(piece)) return false;
      if (piece.data() != body + done) std::memcpy(body + done, piece.data(), piece.size());
      done += piece.size();
    }
    return wrap_checksum_.update({header, header_size});
  }

  rfc3961::OpeningKey key_;
  rfc3961::Checksum wrap_checksum_;
  rfc3961::Checksum mic_checksum_;
};

}  // namespace rfc4121
GSSKEY_END_ABI
}  // namespace gsskey
