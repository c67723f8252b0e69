// gsskey/messages/lanes: many messages of one MessageProtector at once on one core, by libipsec-mb.
// SPDX-License-Identifier: MIT
#pragma once

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

/// A MessageBatch whose messages go side by side on each core: alone, a message in CBC mode waits for each of its
/// blocks; several fill the processor.
///
/// In lanes go messages of AES of at most 65,000 octets, where there are as many as make it pay: two under SHA-256 (to
/// decrypt and of MICs one), three under SHA-384, four under SHA-1 (of MICs six), and three under each where the
/// processor has no instructions for SHA. The others are done one after the other, and so are all where the processor
/// lacks AES-NI or AVX2, or where libipsec-mb does not give what OpenSSL gives, at which each thread looks before its
/// first message. The difference is one of time: octets, sequence numbers and errors are those of MessageProtector.
/// Threads: each thread keeps lanes of its own, 210 KB, under SHA-256 twice that, from its first call until it ends;
///   until then a plug-in stays loaded. The first get_mic or verify_mic with a MIC that is not behind its message adds
///   260 KB.
class MessageLanes : public MessageBatch {
 public:
  /// Derives the keys for both directions.
  /// Calls: alloc_mb_mgr, init_mb_mgr_auto.
  /// Errors: usage, for an empty protector or empty threads; system (ENOMEM); policy or unavailable, if OpenSSL
  ///   refuses.
  [[nodiscard]] static Result<MessageLanes> from_protector(MessageProtector& protector,
                                                           BatchThreads* threads = nullptr) noexcept {
    auto* const laned = new (std::nothrow) LanedState;
    Owner state{laned};
    if (!state) return unexpected(Error::system("MessageLanes::from_protector", ENOMEM));
    if (auto started = state->start(protector, threads); !started) return unexpected(std::move(started).error());
    if (auto derived = laned->derive(); !derived) return unexpected(std::move(derived).error());
    return MessageLanes{std::move(state)};
  }
  /// Takes the protector over, too, unless that fails: so a RecordLayer, or a stream, owns all that it needs.
  [[nodiscard]] static Result<MessageLanes> from_protector(MessageProtector&& protector,
                                                           BatchThreads* threads = nullptr) noexcept {
    auto made = from_protector(protector, threads);
    if (made) made->own(std::move(protector));
    return made;
  }

 private:
  using Lanes = rfc3961::Lanes;
  using Keys = std::optional<rfc3961::LaneKeys>;

  class LanedState final : public State {
   public:
    LanedState() noexcept : State{ways_of<LanedState>()} {}

    /// Without keys where there are no lanes.
    [[nodiscard]] Result<void> derive() noexcept {
      const gss_detail::ProtectorState& state = *protector->state_;
      if (state.type->digest == nullptr) return {};
      auto& lanes = Lanes::of_thread();
      if (auto started = lanes.start(); !started) {
        if (started.error().domain() == Domain::unavailable) return {};
        return started;
      }
      for (const bool sends : {true, false}) {
        const rfc4121::BaseKey key{state.type, state.lucid->key().bytes, sends != state.info.is_initiator};
        const auto derived = [&](bool seals, rfc3961::Purpose purpose) {
          return rfc3961::derive_key(*key.type, key.bytes, key.usage(seals), purpose);
        };
        const auto encryption = derived(true, rfc3961::Purpose::encryption);
        if (!encryption) return unexpected(encryption.error());
        const auto integrity = derived(true, rfc3961::Purpose::integrity);
        if (!integrity) return unexpected(integrity.error());
        const auto checksum = derived(false, rfc3961::Purpose::checksum);
        if (!checksum) return unexpected(checksum.error());
        auto expanded = rfc3961::LaneKeys::create(*key.type, lanes.manager(), *encryption, *integrity);
        if (!expanded) return unexpected(std::move(expanded).error());
        (sends ? sealing_ : opening_).emplace(*std::move(expanded));
        auto signs = rfc3961::LaneKeys::create(*key.type, lanes.manager(), {}, *checksum);
        if (!signs) return unexpected(std::move(signs).error());
        (sends ? signing_ : checking_).emplace(*std::move(signs));
      }
      has_lanes = true;
      return {};
    }

    /// If it fails, the plaintext is wiped that lies in the memory of tokens.
    [[nodiscard]] bool seal(rfc4121::Sender& sender, std::uint64_t sequence,
                            std::span<const BatchMessage> group) noexcept {
      const bool laned = in_lanes(sealing_, group.size());
      rfc3961::LaneText texts[most];
      std::size_t count = 0;
      bool done = true;
      for (const BatchMessage& each : group) {
        unsigned char* const token = each.memory.data();
        if (laned && each.message.size() <= Lanes::max_message) {
          texts[count++] = {token + rfc4121::header_size, each.message.size() + 2 * rfc3961::block_size, false};
          done = sender.enclose(sequence, each.message, token);
        } else {
          done = sender.wrap_at(sequence, each.message, token);
        }
        if (!done) break;
        ++sequence;
      }
      done = done && (count == 0 || Lanes::of_thread().seal(*sealing_, {texts, count}));
      for (std::size_t at = 0; !done && at < count; ++at) OPENSSL_cleanse(texts[at].bytes, texts[at].size);
      return done;
    }
    void open(rfc4121::Receiver& receiver, std::span<BatchToken> group) noexcept {
      if (!in_lanes(opening_, group.size(), true)) return State::open(receiver, group);
      rfc3961::LaneText texts[most];
      rfc4121::WrapToken wraps[most];
      BatchToken* tokens[most];
      std::size_t count = 0;
      for (BatchToken& each : group) {
        rfc4121::WrapToken& wrap = wraps[count];
        if (!read(each.token, wrap)) continue;
        if (wrap.body_size > Lanes::max_message) {
          open_one(receiver, each, wrap);
          continue;
        }
        tokens[count] = &each;
        texts[count++] = {turned_back(each.token, wrap).data(), wrap.body_size + 2 * rfc3961::block_size, false};
      }
      const bool done = count == 0 || Lanes::of_thread().open(*opening_, {texts, count});
      for (std::size_t at = 0; at < count; ++at) {
        const rfc3961::LaneText& text = texts[at];
        auto opened = done ? rfc3961::Opened::forged : rfc3961::Opened::failed;
        if (text.is_whole && is_of(text, tokens[at]->token)) opened = rfc3961::Opened::whole;
        if (auto whole = MessageProtector::is_whole(unwraps, opened); !whole) {
          OPENSSL_cleanse(text.bytes, text.size);
          tokens[at]->message = unexpected(std::move(whole).error());
        } else {
          tokens[at]->message = std::span{text.bytes + rfc3961::block_size, wraps[at].message_size};
        }
      }
    }
    [[nodiscard]] bool sign(rfc4121::Sender& sender, std::uint64_t sequence,
                            std::span<const BatchMessage> group) noexcept {
      const bool laned = in_lanes(signing_, group.size());
      rfc3961::LaneMic mics[most];
      std::size_t count = 0;
      for (const BatchMessage& each : group) {
        unsigned char* const header = each.memory.data();
        mics[count] = {each.message, header, header + rfc4121::header_size};
        if (laned && Lanes::of_thread().takes(mics[count])) {
          sender.begin_mic(sequence, header);
          ++count;
        } else if (!sender.get_mic_at(sequence, each.message, header)) {
          return false;
        }
        ++sequence;
      }
      return count == 0 || Lanes::of_thread().sign(*signing_, {mics, count});
    }
    void check(rfc4121::Receiver& receiver, std::span<BatchMic> group) noexcept {
      if (!in_lanes(checking_, group.size())) return State::check(receiver, group);
      unsigned char checksums[most][rfc3961::max_mac_size];
      rfc3961::LaneMic mics[most];
      BatchMic* asked[most];
      std::size_t count = 0;
      for (BatchMic& each : group) {
        mics[count] = {each.message, each.mic.data(), checksums[count]};
        rfc4121::Header header;
        if (!Lanes::of_thread().takes(mics[count])) {
          State::check(receiver, {&each, 1});
        } else if (read(each.mic, header)) {
          asked[count++] = &each;
        }
      }
      const bool done = count == 0 || Lanes::of_thread().sign(*checking_, {mics, count});
      for (std::size_t at = 0; at < count; ++at) {
        const ByteView expected = asked[at]->mic.subview(rfc4121::header_size);
        auto opened = done ? rfc3961::Opened::forged : rfc3961::Opened::failed;
        if (done && CRYPTO_memcmp(checksums[at], expected.data(), expected.size()) == 0)
          opened = rfc3961::Opened::whole;
        asked[at]->verified = MessageProtector::is_whole(verifies, opened);
      }
    }

   private:
    static_assert(most == Lanes::width);

    /// Whether so many messages are to go in lanes.
    [[nodiscard]] bool in_lanes(const Keys& key, std::size_t count, bool opens = false) const noexcept {
      return key && count >= key->least(opens) && Lanes::of_thread().serve(*protector->state_->type);
    }
    /// Whether the header within, which nobody can change, is the one outside: but for the rotation count.
    [[nodiscard]] static bool is_of(const rfc3961::LaneText& text, std::span<unsigned char> token) noexcept {
      unsigned char* const inner = text.bytes + text.size - rfc4121::header_size;
      std::memset(inner + 6, 0, 2);
      std::memset(token.data() + 6, 0, 2);
      return CRYPTO_memcmp(inner, token.data(), rfc4121::header_size) == 0;
    }

    Keys sealing_;
    Keys opening_;
    Keys signing_;
    Keys checking_;
  };

  explicit MessageLanes(Owner state) noexcept : MessageBatch{std::move(state)} {}
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
