// gsskey/messages/detail/lanes: many messages side by side on one core, by libipsec-mb. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include <gsskey/core/unique_handle.hpp>
#include <gsskey/messages/detail/cts_cipher.hpp>
#include <gsskey/messages/detail/lane_keys.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace rfc3961 {

/// The lanes of one thread: a manager of libipsec-mb, 200 KB that take up to a millisecond to make, and the jobs for
/// it. The library leaves neither keys nor plaintext in there: one that was built otherwise is not used.
class Lanes {
 public:
  static constexpr std::size_t width = 64;           ///< of so many messages at most, the caller's part
  static constexpr std::size_t max_message = 65000;  ///< the library counts octets in 16 bits

  Lanes() noexcept = default;

  [[nodiscard]] static Lanes& of_thread() noexcept;

  /// Makes the manager, if there is none yet. Errors: system (ENOMEM); unavailable, if the processor or the library
  /// lacks something.
  [[nodiscard]] Result<void> start() noexcept {
    if (manager_) return {};
    work_.reset(new (std::nothrow) Work);
    auto made = UniqueHandle<Traits>::adopt(work_ ? ::alloc_mb_mgr(0) : nullptr);
    if (!made) return unexpected(Error::system("alloc_mb_mgr", ENOMEM));
    IMB_ARCH ignored{};
    ::init_mb_mgr_auto(made.get(), &ignored);
    // Without AES-NI it would look keys up in tables, without AVX2 it takes longer for SHA-384 than OpenSSL does.
    constexpr std::uint64_t needed = IMB_FEATURE_AESNI | IMB_FEATURE_AVX2 | IMB_FEATURE_SAFE_DATA |
                                     IMB_FEATURE_SAFE_PARAM | IMB_FEATURE_SELF_TEST_PASS;
    if (::imb_get_errno(made.get()) != 0 || (made.get()->features & needed) != needed) {
      return unexpected(
          Error::unavailable("init_mb_mgr_auto", "the processor lacks AES-NI or AVX2, or libipsec-mb leaves secrets"));
    }
    manager_ = std::move(made);
    return {};
  }
  /// After start().
  [[nodiscard]] IMB_MGR& manager() noexcept { return *manager_.get(); }
  /// nullptr where there is none.
  [[nodiscard]] IMB_MGR* manager_for_few() noexcept { return few_.get(); }

  /// Whether there are lanes that do with this type what OpenSSL does, which is looked at before the first message.
  [[nodiscard]] bool serve(const EncryptionType& type) noexcept {
    const unsigned bit = 1u << type.number;  // its address is another in each library of a process
    if (!start()) return false;
    if ((checked_ & bit) == 0) {
      const auto verdict = start_few(type) ? check(type) : Opened::failed;
      if (verdict == Opened::failed) {  // OpenSSL has no memory now, and nobody asks why
        static_cast<void>(gsskey::detail::take_openssl_cause());
        return false;
      }
      checked_ |= bit;
      if (verdict == Opened::whole) agreed_ |= bit;
    }
    return (agreed_ & bit) != 0;
  }

  /// Encrypts at most `width` texts where they are, and writes their checksums. False if the library refuses.
  [[nodiscard]] bool seal(const LaneKeys& keys, std::span<LaneText> texts) noexcept {
    const LaneKeys::State& key = *keys.state_;
    const bool encrypts_first = key.type.encrypts_first();
    if (!encrypts_first && !checksums(key, texts, &into_token)) return false;
    std::size_t count = 0;
    for (const LaneText& text : texts) {
      put(count++, key, text.bytes, text.bytes, text.size / block_size * block_size);
    }
    bool done = run(count, key, IMB_DIR_ENCRYPT);
    count = 0;
    for (const LaneText& text : texts) {
      const std::size_t tail = text.size % block_size;
      unsigned char* const end = text.bytes + text.size - tail;
      if (tail == 0) {
        detail::swap_blocks(end - 2 * block_size);
        continue;
      }
      unsigned char* const last = work_->blocks[count];  // the last block of plaintext, filled up with zeros
      std::memcpy(last, end - block_size, block_size);
      detail::exclusive_or(last, end, tail);
      std::memcpy(end, end - block_size, tail);
      put(count++, key, last, end - block_size, block_size);
    }
    done = done && run(count, key, IMB_DIR_ENCRYPT);
    OPENSSL_cleanse(work_->blocks, count * block_size);
    return done && (!encrypts_first || checksums(key, texts, &into_token));
  }

  /// Decrypts where they are those of at most `width` texts that are whole. What is in the others is undefined, and may
  /// be plaintext. False if the library refuses: then none is.
  [[nodiscard]] bool open(const LaneKeys& keys, std::span<LaneText> texts) noexcept {
    const LaneKeys::State& key = *keys.state_;
    const bool encrypts_first = key.type.encrypts_first();
    for (LaneText& text : texts) text.is_whole = true;
    bool done = !encrypts_first || verify(key, texts);
    std::size_t count = 0;
    for (const LaneText& text : texts) {
      if (text.is_whole && text.size % block_size != 0) {
        put(count, key, text.bytes + text.size / block_size * block_size - block_size, work_->blocks[count],
            block_size);
        ++count;
      }
    }
    done = done && run(count, key, IMB_DIR_DECRYPT);
    std::size_t taken = 0;
    count = 0;
    for (const LaneText& text : texts) {
      if (!text.is_whole) continue;
      const std::size_t tail = text.size % block_size;
      unsigned char* const end = text.bytes + text.size - tail;
      if (tail == 0) {
        detail::swap_blocks(end - 2 * block_size);
      } else {  // what was stolen comes back, and the end of the plaintext with it
        unsigned char* const last = work_->blocks[taken++];
        std::memcpy(end - block_size, end, tail);
        std::memcpy(end - block_size + tail, last + tail, block_size - tail);
        detail::exclusive_or(end, last, tail);
      }
      put(count++, key, text.bytes, text.bytes, text.size - tail);
    }
    OPENSSL_cleanse(work_->blocks, taken * block_size);
    done = done && run(count, key, IMB_DIR_DECRYPT) && (encrypts_first || verify(key, texts));
    if (!done) {
      for (LaneText& text : texts) text.is_whole = false;
    }
    return done;
  }

  /// Whether a MIC is for sign(): so that there are enough lanes, longer messages are not copied.
  [[nodiscard]] bool takes(const LaneMic& mic) noexcept {
    if (mic.lies_together()) return mic.message.size() <= max_message;
    if (!copies_) copies_.reset(new (std::nothrow) unsigned char[copies_size]);
    return copies_ && mic.message.size() <= max_copied;
  }
  /// Writes the checksums of at most `width` MICs. Messages that do not lie before their header are copied. False if
  /// the library refuses.
  [[nodiscard]] bool sign(const LaneKeys& keys, std::span<const LaneMic> mics) noexcept {
    while (!mics.empty()) {
      std::size_t count = 0;
      std::size_t used = 0;
      for (const LaneMic& each : mics) {
        const unsigned char* from = each.message.data();
        const std::size_t size = each.message.size() + LaneMic::header_size;
        if (!each.lies_together()) {
          if (copies_size - used < size) break;
          unsigned char* const to = copies_.get() + used;
          if (!each.message.empty()) std::memcpy(to, from, each.message.size());
          std::memcpy(to + each.message.size(), each.header, LaneMic::header_size);
          from = to;
          used += size;
        }
        hash(count++, *keys.state_, from, size, each.checksum);
      }
      if (!run_hashes(count, *keys.state_)) return false;
      mics = mics.subspan(count);
    }
    return true;
  }

 private:
  static constexpr std::size_t wide = 16;  // so many lanes has SHA-256 with AVX-512
  static constexpr std::size_t max_copied = 16384;
  static constexpr std::size_t copies_size = 16 * (max_copied + LaneMic::header_size);  // of as many as there are lanes

  struct Traits {
    using Handle = IMB_MGR*;
    static constexpr Handle none = nullptr;
    static void close(Handle manager) noexcept { ::free_mb_mgr(manager); }
  };
  struct Work {
    IMB_JOB jobs[width] = {};  // pointers and lengths
    unsigned char blocks[width][block_size] = {};
    unsigned char before[width][block_size] = {};
    unsigned char checksums[width][max_mac_size] = {};
  };

  /// With AVX-512 libipsec-mb does not use the processor's instructions for SHA-256, with AVX2 it does, for two
  /// messages at a time: until all `wide` lanes are taken that is up to three times as fast. False if there is no
  /// memory.
  [[nodiscard]] bool start_few(const EncryptionType& type) noexcept {
    const bool pays =
        type.mac_size == 16 && manager().used_arch == IMB_ARCH_AVX512 && (manager().features & IMB_FEATURE_SHANI) != 0;
    if (!pays || few_) return true;
    auto made = UniqueHandle<Traits>::adopt(::alloc_mb_mgr(0));
    if (!made) return false;
    ::init_mb_mgr_avx2(made.get());
    if (::imb_get_errno(made.get()) == 0) few_ = std::move(made);
    return true;
  }
  void put(std::size_t at, const LaneKeys::State& key, const unsigned char* from, unsigned char* to,
           std::size_t size) noexcept {
    IMB_JOB& job = work_->jobs[at];
    job.enc_keys = key.encrypting;
    job.dec_keys = key.decrypting;
    job.key_len_in_bytes = key.type.key_size;
    job.src = from;
    job.dst = to;
    job.cipher_start_src_offset_in_bytes = 0;
    job.msg_len_to_cipher_in_bytes = size;
    job.iv = detail::zero_block;
    job.iv_len_in_bytes = block_size;
  }
  [[nodiscard]] bool run(std::size_t count, const LaneKeys::State& key, IMB_CIPHER_DIRECTION direction) noexcept {
    const auto jobs = static_cast<std::uint32_t>(count);
    return count == 0 ||
           IMB_SUBMIT_CIPHER_BURST(manager_.get(), work_->jobs, jobs, IMB_CIPHER_CBC, direction,
                                   key.type.key_size == 16 ? IMB_KEY_128_BYTES : IMB_KEY_256_BYTES) == jobs;
  }

  void hash(std::size_t at, const LaneKeys::State& key, const unsigned char* from, std::size_t size,
            unsigned char* to) noexcept {
    IMB_JOB& job = work_->jobs[at];
    job.src = from;
    job.hash_start_src_offset_in_bytes = 0;
    job.msg_len_to_hash_in_bytes = size;
    job.auth_tag_output = to;
    job.auth_tag_output_len_in_bytes = key.type.mac_size;
    job.u.HMAC._hashed_auth_key_xor_ipad = key.inner;
    job.u.HMAC._hashed_auth_key_xor_opad = key.outer;
  }
  [[nodiscard]] bool run_hashes(std::size_t count, const LaneKeys::State& key) noexcept {
    const auto jobs = static_cast<std::uint32_t>(count);
    const bool are_few = few_ && key.hash() == IMB_AUTH_HMAC_SHA_256 && count < wide;
    return IMB_SUBMIT_HASH_BURST((are_few ? few_ : manager_).get(), work_->jobs, jobs, key.hash()) == jobs;
  }

  [[nodiscard]] static unsigned char* into_token(Work&, const LaneText& text, std::size_t) noexcept {
    return text.bytes + text.size;
  }
  [[nodiscard]] static unsigned char* aside(Work& work, const LaneText&, std::size_t at) noexcept {
    return work.checksums[at];
  }
  /// Over the ciphertext after a block of zeros, which is the cipher state before, or over the plaintext.
  template <class To>
  [[nodiscard]] bool checksums(const LaneKeys::State& key, std::span<const LaneText> texts, To to) noexcept {
    const std::size_t before = key.type.encrypts_first() ? block_size : 0;
    std::size_t count = 0;
    for (const LaneText& text : texts) {
      unsigned char* const from = text.bytes - before;
      if (before != 0) {
        std::memcpy(work_->before[count], from, block_size);
        std::memset(from, 0, block_size);
      }
      hash(count, key, from, before + text.size, to(*work_, text, count));
      ++count;
    }
    const bool done = run_hashes(count, key);
    for (std::size_t at = 0; before != 0 && at < count; ++at) {
      std::memcpy(texts[at].bytes - block_size, work_->before[at], block_size);
    }
    return done;
  }
  [[nodiscard]] bool verify(const LaneKeys::State& key, std::span<LaneText> texts) noexcept {
    if (!checksums(key, texts, &aside)) return false;
    std::size_t count = 0;
    for (LaneText& text : texts) {
      text.is_whole = CRYPTO_memcmp(work_->checksums[count++], text.bytes + text.size, key.type.mac_size) == 0;
    }
    return true;
  }

  /// Messages of all lengths modulo a block, more than there are lanes and a few, by both: are they the same?
  [[nodiscard]] Opened check(const EncryptionType& type) noexcept {
    const auto many = check(type, max_checked);
    return many == Opened::whole ? check(type, 3) : many;
  }
  static constexpr std::size_t max_checked = 19;
  static_assert(wide < max_checked && max_checked <= width);
  [[nodiscard]] Opened check(const EncryptionType& type, std::size_t count) noexcept {
    constexpr std::size_t step = 13;
    constexpr std::size_t room = block_size + block_size + max_checked * step + block_size + max_mac_size;
    const unsigned char key[32] = {'c', 'h', 'e', 'c', 'k'};
    auto sealing = SealingKey::with_keys(type, {key, type.key_size}, {key, type.mac_key_size});
    auto keys = LaneKeys::create(type, manager(), {key, type.key_size}, {key, type.mac_key_size});
    if (!sealing || !keys) return Opened::failed;
    unsigned char plain[room];
    for (std::size_t at = 0; at < room; ++at) plain[at] = static_cast<unsigned char>(at * 7 + 1);
    unsigned char memory[max_checked][room];
    LaneText all[max_checked];
    const std::span<LaneText> texts{all, count};
    for (std::size_t at = 0; at < count; ++at) {
      texts[at] = {memory[at] + block_size, 2 * block_size + at * step, false};
      std::memcpy(memory[at], plain, sizeof plain);
    }
    bool same = seal(*keys, texts);
    for (const LaneText& text : texts) {
      unsigned char expected[room];
      const ByteView whole{plain + block_size, text.size};
      if (!sealing->seal(whole.data(), whole.subview(block_size, text.size - 2 * block_size),
                         whole.subview(text.size - block_size), expected)) {
        return Opened::failed;
      }
      same = same && std::memcmp(text.bytes, expected, text.size + type.mac_size) == 0;
    }
    texts.back().bytes[0] ^= 1;
    same = same && open(*keys, texts);
    for (std::size_t at = 0; same && at < count - 1; ++at) {
      same = texts[at].is_whole && std::memcmp(texts[at].bytes, plain + block_size, texts[at].size) == 0;
    }
    return same && !texts.back().is_whole ? Opened::whole : Opened::forged;
  }

  UniqueHandle<Traits> manager_;
  UniqueHandle<Traits> few_;  // for a few messages under SHA-256
  std::unique_ptr<Work> work_;
  std::unique_ptr<unsigned char[]> copies_;  // of messages, for sign()
  unsigned checked_ = 0;                     // a bit for each type
  unsigned agreed_ = 0;
};

namespace detail {
GSSKEY_HIDDEN inline thread_local Lanes lanes_of_thread;
}  // namespace detail
inline Lanes& Lanes::of_thread() noexcept { return detail::lanes_of_thread; }

}  // namespace rfc3961
GSSKEY_END_ABI
}  // namespace gsskey
