// gsskey/messages/detail/cts_cipher: encryption and decryption functions of RFC 3961 section 3, with the confounder
// given.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include <gsskey/messages/detail/rfc3961.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace rfc3961 {

/// Ciphertext that its sender turned to the right by some octets (RFC 4121 section 4.2.5), read as if it were not.
class RotatedView {
 public:
  RotatedView(ByteView bytes, std::size_t rotation) noexcept
      : bytes_{bytes}, turn_{bytes.empty() ? 0 : rotation % bytes.size()} {}

  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  /// The longest piece from `offset` on, of at most `size` bytes, that lies together.
  [[nodiscard]] ByteView piece(std::size_t offset, std::size_t size) const noexcept {
    const std::size_t front = bytes_.size() - turn_;
    if (offset >= front) return bytes_.subview(offset - front, size);
    return bytes_.subview(turn_ + offset, size);
  }
  void copy(std::size_t offset, std::size_t size, unsigned char* to) const noexcept {
    while (size != 0) {
      const ByteView part = piece(offset, size);
      std::memcpy(to, part.data(), part.size());
      to += part.size();
      offset += part.size();
      size -= part.size();
    }
  }

 private:
  ByteView bytes_;
  std::size_t turn_;
};

namespace detail {
GSSKEY_HIDDEN inline constexpr unsigned char zero_block[block_size] = {};
/// Up to here a message is put together in one piece: fewer calls.
inline constexpr std::size_t small_message = 512;
/// What fits into the first cache beside OpenSSL's tables: read by the checksum, still there for the cipher.
GSSKEY_HIDDEN inline constexpr std::size_t chunk_size = 8192;

[[nodiscard]] constexpr std::size_t padded(std::size_t size) noexcept {
  return (size + block_size - 1) / block_size * block_size;
}
/// How much of a body can go through the cipher where it is: whole blocks, but neither the confounder before it nor the
/// last two, which ciphertext stealing swaps.
[[nodiscard]] constexpr std::size_t straight(std::size_t total) noexcept {
  return total <= small_message ? 0 : padded(total) - 3 * block_size;
}

/// What SealingKey and OpeningKey, each a `Key`, have in common.
template <class Key, bool encrypts>
class DerivedKeys {
 public:
  [[nodiscard]] static Result<Key> derive(const EncryptionType& type, ByteView base, std::uint32_t usage) noexcept {
    const auto encryption = derive_key(type, base, usage, Purpose::encryption);
    if (!encryption) return unexpected(encryption.error());
    const auto integrity = derive_key(type, base, usage, Purpose::integrity);
    if (!integrity) return unexpected(integrity.error());
    return with_keys(type, *encryption, *integrity);
  }
  /// With keys that are derived already.
  [[nodiscard]] static Result<Key> with_keys(const EncryptionType& type, ByteView encryption,
                                             ByteView integrity) noexcept {
    auto cipher = ChainedCipher::create(type, encryption, encrypts);
    if (!cipher) return unexpected(cipher.error());
    auto checksum = Checksum::create(type, integrity);
    if (!checksum) return unexpected(checksum.error());
    return Key{DerivedKeys{*std::move(cipher), *std::move(checksum), type.encrypts_first()}};
  }

 protected:
  [[nodiscard]] bool plaintext(ByteView bytes) noexcept { return encrypts_first_ || checksum_.update(bytes); }

  ChainedCipher cipher_;
  Checksum checksum_;
  bool encrypts_first_;

 private:
  friend Key;
  DerivedKeys(ChainedCipher&& cipher, Checksum&& checksum, bool encrypts_first) noexcept
      : cipher_{std::move(cipher)}, checksum_{std::move(checksum)}, encrypts_first_{encrypts_first} {}
};
}  // namespace detail

/// Ke and Ki of one usage, to encrypt. One thread at a time.
class SealingKey : public detail::DerivedKeys<SealingKey, true> {
 public:
  /// Encrypts confounder, body and trailer (of at most one block), and writes that and its checksum to `out`. The body
  /// is where its ciphertext will be, at out + block_size, or does not overlap. False if OpenSSL fails, for lack of
  /// memory.
  [[nodiscard]] bool seal(const unsigned char* confounder, ByteView body, ByteView trailer,
                          unsigned char* out) noexcept {
    unsigned char work[detail::small_message];
    const bool done = encrypt(confounder, body, trailer, out, work);
    if (!done) OPENSSL_cleanse(work, sizeof work);  // else it is ciphertext by now
    return done;
  }

 private:
  friend DerivedKeys;
  explicit SealingKey(DerivedKeys&& keys) noexcept : DerivedKeys{std::move(keys)} {}

  [[nodiscard]] bool encrypt(const unsigned char* confounder, ByteView body, ByteView trailer, unsigned char* out,
                             unsigned char* work) noexcept {
    const std::size_t total = block_size + body.size() + trailer.size();
    const std::size_t straight = detail::straight(total);
    if (!cipher_.start() || !checksum_.start()) return false;
    if (encrypts_first_ && !checksum_.update(detail::zero_block)) return false;  // the cipher state before
    std::memcpy(work, confounder, block_size);
    std::size_t filled = block_size;
    unsigned char* end = out;
    if (straight != 0) {
      if (!first(work, filled) || !cipher_.update(work, filled, out) || !ciphertext({out, block_size})) return false;
      end += block_size;
      for (std::size_t done = 0; done < straight;) {
        const ByteView chunk = body.subview(done, std::min(detail::chunk_size, straight - done));
        if (!plaintext(chunk) || !cipher_.update(chunk.data(), chunk.size(), end) || !ciphertext({end, chunk.size()})) {
          return false;
        }
        end += chunk.size();
        done += chunk.size();
      }
      filled = 0;
    }
    filled += append(work + filled, body.subview(straight));
    filled += append(work + filled, trailer);
    if (!(straight != 0 ? plaintext({work, filled}) : first(work, filled))) return false;
    const std::size_t whole = detail::padded(filled);
    std::memset(work + filled, 0, whole - filled);
    if (!cipher_.update(work, whole, work)) return false;
    cipher_.end(work + whole - block_size);
    if (whole == block_size) {
      std::memcpy(end, work, block_size);
    } else {  // the last two blocks swapped, and what is last then cut off
      const std::size_t front = whole - 2 * block_size;
      std::memcpy(end, work, front);
      std::memcpy(end + front, work + front + block_size, block_size);
      std::memcpy(end + front + block_size, work + front, filled - front - block_size);
    }
    return ciphertext({end, filled}) && checksum_.finish(end + filled);
  }
  [[nodiscard]] static std::size_t append(unsigned char* to, ByteView bytes) noexcept {
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    return bytes.size();
  }
  [[nodiscard]] bool ciphertext(ByteView bytes) noexcept { return !encrypts_first_ || checksum_.update(bytes); }
  /// The beginning of the plaintext: checksummed, then made ready for a cipher that chains.
  [[nodiscard]] bool first(unsigned char* bytes, std::size_t size) noexcept {
    if (!plaintext({bytes, size})) return false;
    detail::exclusive_or(bytes, cipher_.chained());
    return true;
  }
};

/// Ke and Ki of one usage, to decrypt. One thread at a time.
class OpeningKey : public detail::DerivedKeys<OpeningKey, false> {
 public:
  /// Decrypts what seal() made: `body_size` bytes to `body`, the rest, of at most one block, to `trailer`. `body` is
  /// where its ciphertext is, if that lies together, or does not overlap. What was written is wiped unless
  /// Opened::whole.
  [[nodiscard]] Opened open(RotatedView sealed, unsigned char* body, std::size_t body_size,
                            unsigned char* trailer) noexcept {
    const std::size_t total = sealed.size() - checksum_.size();
    unsigned char mac[max_mac_size];
    sealed.copy(total, checksum_.size(), mac);
    if (!cipher_.start() || !checksum_.start()) return Opened::failed;
    if (encrypts_first_) {
      if (!checksum_.update(detail::zero_block)) return Opened::failed;
      for (std::size_t done = 0; done < total;) {
        const ByteView part = sealed.piece(done, total - done);
        if (!checksum_.update(part)) return Opened::failed;
        done += part.size();
      }
      if (const auto verdict = checksum_.verify(mac); verdict != Opened::whole) return verdict;
    }
    unsigned char work[detail::small_message];
    const bool decrypted = decrypt(sealed, total, body, body_size, trailer, work);
    OPENSSL_cleanse(work, total <= sizeof work ? total : 2 * block_size);
    auto verdict = Opened::failed;
    if (decrypted) verdict = encrypts_first_ ? Opened::whole : checksum_.verify(mac);
    if (verdict != Opened::whole && body_size != 0) OPENSSL_cleanse(body, body_size);
    return verdict;
  }

 private:
  friend DerivedKeys;
  explicit OpeningKey(DerivedKeys&& keys) noexcept : DerivedKeys{std::move(keys)} {}

  [[nodiscard]] bool decrypt(RotatedView sealed, std::size_t total, unsigned char* body, std::size_t body_size,
                             unsigned char* trailer, unsigned char* work) noexcept {
    const std::size_t straight = detail::straight(total);
    unsigned char before[block_size];  // the ciphertext block before what is decrypted next
    std::memcpy(before, cipher_.chained(), block_size);
    std::size_t done = 0;
    if (straight != 0) {
      unsigned char confounder[block_size];
      sealed.copy(0, block_size, before);
      if (!cipher_.update(before, block_size, confounder)) return false;
      detail::exclusive_or(confounder, cipher_.chained());
      if (!plaintext(confounder)) return false;
      for (done = block_size; done < block_size + straight;) {
        ByteView part = sealed.piece(done, std::min(detail::chunk_size, block_size + straight - done));
        unsigned char across[block_size];  // of a block where two pieces meet
        if (part.size() < block_size) {
          sealed.copy(done, block_size, across);
          part = across;
        } else {
          part = part.subview(0, part.size() / block_size * block_size);
        }
        unsigned char* const to = body + done - block_size;
        std::memcpy(before, part.end() - block_size, block_size);
        if (!cipher_.update(part.data(), part.size(), to) || !plaintext({to, part.size()})) return false;
        done += part.size();
      }
    }
    const std::size_t rest = total - done;
    sealed.copy(done, rest, work);
    if (!decrypt_end(work, rest, before, straight == 0) || !plaintext({work, rest})) return false;
    // The body may be where the ciphertext is, which has been read by now.
    const std::size_t skipped = straight == 0 ? block_size : 0;
    const std::size_t body_rest = body_size - straight;
    if (body_rest != 0) std::memcpy(body + straight, work + skipped, body_rest);
    std::memcpy(trailer, work + skipped + body_rest, rest - skipped - body_rest);
    return true;
  }

  /// The end of a message, or all of it, in place: ciphertext stealing undone. `before`: the block that the cipher
  /// chains to.
  [[nodiscard]] bool decrypt_end(unsigned char* bytes, std::size_t size, unsigned char* before, bool is_all) noexcept {
    unsigned char chained[block_size];
    std::memcpy(chained, before, block_size);
    const std::size_t front = size <= block_size ? size : detail::padded(size) - 2 * block_size;
    unsigned char last[block_size];
    if (front != 0) {
      std::memcpy(before, bytes + front - block_size, block_size);
      if (!cipher_.update(bytes, front, bytes)) return false;
      if (is_all) detail::exclusive_or(bytes, chained);
    }
    std::memcpy(last, before, block_size);
    if (size > block_size) {
      // The block that was encrypted last comes first; under it is the end of the one before.
      unsigned char* const swapped = bytes + front;
      const std::size_t tail = size - front - block_size;
      unsigned char encrypted_last[block_size];
      std::memcpy(encrypted_last, swapped, block_size);
      if (!cipher_.update(encrypted_last, block_size, swapped)) return false;
      detail::exclusive_or(swapped, before);
      std::memcpy(last, swapped + block_size, tail);
      std::memcpy(last + tail, swapped + tail, block_size - tail);
      std::memcpy(swapped + block_size, swapped, tail);
      detail::exclusive_or(swapped + block_size, last, tail);
      if (!cipher_.update(last, block_size, swapped)) return false;
      detail::exclusive_or(swapped, encrypted_last);
      if (front != 0 || !is_all) detail::exclusive_or(swapped, before);
    }
    cipher_.end(last);
    return true;
  }
};

}  // namespace rfc3961
GSSKEY_END_ABI
}  // namespace gsskey
