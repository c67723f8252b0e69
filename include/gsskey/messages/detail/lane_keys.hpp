// gsskey/messages/detail/lane_keys: messages that go side by side, and their keys, as libipsec-mb takes them. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#ifndef NO_COMPAT_IMB_API_053
#define NO_COMPAT_IMB_API_053  // no macros with names as SHA1, MD5 and CBC, which OpenSSL has, too
#endif
#include <intel-ipsec-mb.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <new>

#include <gsskey/messages/detail/rfc3961.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace rfc3961 {

/// One message in its token: confounder, body and trailer, or what they were encrypted to. They may be written to, as
/// the block_size octets before, which are left as they were, and those of the checksum behind.
struct LaneText {
  unsigned char* bytes;
  std::size_t size;
  bool is_whole;  ///< after Lanes::open(), whether the checksum says so
};

/// A message, the header of its MIC, which is read, and where the checksum over both goes.
struct LaneMic {
  static constexpr std::size_t header_size = 16;

  ByteView message;
  const unsigned char* header;
  unsigned char* checksum;

  [[nodiscard]] bool lies_together() const noexcept { return message.data() + message.size() == header; }
};

/// Ke and Ki as the lanes take them, or Kc, which encrypts nothing. Read only, so by any number of threads at once.
class LaneKeys {
 public:
  /// Errors: system (ENOMEM).
  [[nodiscard]] static Result<LaneKeys> create(const EncryptionType& type, IMB_MGR& manager, ByteView encryption,
                                               ByteView integrity) noexcept {
    LaneKeys made;
    made.state_.reset(new (std::nothrow) State{type, (manager.features & IMB_FEATURE_SHANI) != 0});
    if (!made.state_) return unexpected(Error::system("LaneKeys::create", ENOMEM));
    State& state = *made.state_;
    state.encrypts = !encryption.empty();
    if (state.encrypts && type.key_size == 16) {
      IMB_AES_KEYEXP_128(&manager, encryption.data(), state.encrypting, state.decrypting);
    } else if (state.encrypts) {
      IMB_AES_KEYEXP_256(&manager, encryption.data(), state.encrypting, state.decrypting);
    }
    state.after_pad(manager, integrity, 0x36, state.inner);
    state.after_pad(manager, integrity, 0x5c, state.outer);
    return made;
  }

  /// Fewer messages are done sooner one after the other. Measured with AVX-512 and AVX2, with and without instructions
  /// for SHA, 64 B to 16 KiB: what is `least` takes 0.5 to 1.03 of OpenSSL's time, one less up to 1.6 times it. For
  /// SHA-1 OpenSSL uses these instructions and libipsec-mb does not; for SHA-256 both do (see Lanes::start_few()).
  [[nodiscard]] std::size_t least(bool opens = false) const noexcept {
    const State& state = *state_;
    if (!state.has_sha || state.hash() == IMB_AUTH_HMAC_SHA_384) return 3;
    if (state.hash() == IMB_AUTH_HMAC_SHA_256) return state.encrypts && !opens ? 2 : 1;
    return state.encrypts ? 4 : 6;
  }

 private:
  friend class Lanes;
  struct State {
    const EncryptionType& type;
    bool has_sha;  // the processor has instructions for SHA-1 and SHA-256
    bool encrypts = false;
    alignas(64) unsigned char encrypting[15 * block_size] = {};  // as many round keys as AES-256 has
    alignas(64) unsigned char decrypting[15 * block_size] = {};
    alignas(64) unsigned char inner[64] = {};  // the states of HMAC after its two pads
    alignas(64) unsigned char outer[64] = {};

    ~State() {
      OPENSSL_cleanse(encrypting, sizeof encrypting);
      OPENSSL_cleanse(decrypting, sizeof decrypting);
      OPENSSL_cleanse(inner, sizeof inner);
      OPENSSL_cleanse(outer, sizeof outer);
    }
    [[nodiscard]] IMB_HASH_ALG hash() const noexcept {
      return type.mac_size == 12 ? IMB_AUTH_HMAC_SHA_1
                                 : (type.mac_size == 16 ? IMB_AUTH_HMAC_SHA_256 : IMB_AUTH_HMAC_SHA_384);
    }
    void after_pad(IMB_MGR& manager, ByteView key, unsigned octet_of_pad, unsigned char* to) const noexcept {
      unsigned char pad[128];  // a block of SHA-384; the others have 64
      for (std::size_t at = 0; at < sizeof pad; ++at) {
        pad[at] = static_cast<unsigned char>((at < key.size() ? key[at] : 0u) ^ octet_of_pad);
      }
      if (hash() == IMB_AUTH_HMAC_SHA_1) {
        IMB_SHA1_ONE_BLOCK(&manager, pad, to);
      } else if (hash() == IMB_AUTH_HMAC_SHA_256) {
        IMB_SHA256_ONE_BLOCK(&manager, pad, to);
      } else {
        IMB_SHA384_ONE_BLOCK(&manager, pad, to);
      }
      OPENSSL_cleanse(pad, sizeof pad);
    }
  };

  LaneKeys() noexcept = default;

  std::unique_ptr<State> state_;
};

}  // namespace rfc3961
GSSKEY_END_ABI
}  // namespace gsskey
