// gsskey/messages/batch: many messages of one MessageProtector at once, on one thread or on several.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include <gsskey/gss/message.hpp>
#include <gsskey/messages/batch_threads.hpp>
#include <gsskey/messages/protector.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// A message and what the peer's get_mic made of it, and whether that is so.
/// Owner: of both, the caller.
struct BatchMic {
  ByteView message;
  ByteView mic;
  /// What MessageProtector::verify_mic() returns.
  Result<void> verified = unexpected(Error::usage("verify_mic", "the MIC has not been verified"));
};

/// Protects many messages of a protector at once: octets, sequence numbers, order and errors are those of one by one.
/// With BatchThreads they are shared among threads, where they are many enough: from 17 messages and 64 KiB on. A
/// MessageLanes is a MessageBatch that takes less time on each thread, too. Messages before, between and after may be
/// the protector's own. Move-only; empty after a move.
/// Errors: usage, for an empty one, and for a protector that is empty by now; gss, policy and system, as
///   MessageProtector.
/// Blocks: until all is done.
/// Threads: one may send (wrap, get_mic) while another receives (unwrap, verify_mic). Who sends is a sender of the
///   protector, who receives a receiver.
/// Fork: as MessageProtector, and as BatchThreads.
/// Owner: of the protector, the caller, where this has not taken it over; it must outlive this, where it is, and so
///   must the threads. Of copies of its keys, this object, which wipes them at its end.
class MessageBatch {
 public:
  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

  /// Derives keys for each thread of `threads`, if there are.
  /// Errors: usage, for an empty protector or empty threads; system (ENOMEM); policy or unavailable, if OpenSSL
  ///   refuses.
  [[nodiscard]] static Result<MessageBatch> from_protector(MessageProtector& protector,
                                                           BatchThreads* threads = nullptr) noexcept {
    Owner state{new (std::nothrow) State{State::ways_of<State>()}};
    if (!state) return unexpected(Error::system("MessageBatch::from_protector", ENOMEM));
    if (auto started = state->start(protector, threads); !started) return unexpected(std::move(started).error());
    return MessageBatch{std::move(state)};
  }
  /// Takes the protector over, too, unless that fails: so a RecordLayer, or a stream, owns all that it needs.
  [[nodiscard]] static Result<MessageBatch> from_protector(MessageProtector&& protector,
                                                           BatchThreads* threads = nullptr) noexcept {
    auto made = from_protector(protector, threads);
    if (made) made->own(std::move(protector));
    return made;
  }

  /// Returns whether messages go side by side on each core: of a MessageLanes, where the processor and libipsec-mb can.
  [[nodiscard]] bool has_lanes() const noexcept { return state_ && state_->has_lanes; }

  /// Wraps one message as MessageProtector::wrap() does.
  [[nodiscard]] Result<MessageToken> wrap(ByteView message) noexcept {
    if (!state_) return unexpected(empty("MessageBatch::wrap"));
    return state_->protector->wrap(message);
  }
  [[nodiscard]] Result<SecretBytes> unwrap(ByteView token) noexcept {
    if (!state_) return unexpected(empty("MessageBatch::unwrap"));
    return state_->protector->unwrap(token);
  }
  [[nodiscard]] Result<std::uint32_t> wrap_size_limit(std::uint32_t token_size) const noexcept {
    if (!state_) return unexpected(empty("MessageBatch::wrap_size_limit"));
    return state_->protector->wrap_size_limit(token_size);
  }
  [[nodiscard]] Result<MessageRoom> room() const noexcept {
    if (!state_) return unexpected(empty("MessageBatch::room"));
    return state_->protector->room();
  }

  /// Wraps each message as MessageProtector's wrap_into() does, with sequence numbers in their order.
  /// Errors: those of the class; usage, for memory that is too small: then nothing has been done. After another one no
  ///   token may be used, the peer finds a gap, and messages that were at their places may be wiped.
  [[nodiscard]] Result<void> wrap(std::span<const BatchMessage> messages) noexcept {
    constexpr const char* operation = "MessageBatch::wrap";
    if (auto usable = is_usable(operation); !usable) return usable;
    const MessageRoom room = state_->protector->around();
    for (const BatchMessage& each : messages) {
      const std::size_t around = room.header + room.trailer;
      if (each.memory.size() < around || each.memory.size() - around < each.message.size()) {
        return unexpected(Error::usage(operation, "the memory has no room for the token"));
      }
    }
    return send(operation, messages, [](State& state, rfc4121::Sender& sender, std::uint64_t sequence, auto group) {
      return state.ways.seal(state, sender, sequence, group);
    });
  }
  /// Writes what MessageProtector::get_mic() returns of each message to its memory, room().trailer octets, with
  /// sequence numbers in their order. That takes least time where the memory begins right behind the message. Errors:
  /// those of the class; usage, for memory that is too small: then nothing has been done. After another one no
  ///   MIC may be used, and the peer finds a gap.
  [[nodiscard]] Result<void> get_mic(std::span<const BatchMessage> messages) noexcept {
    constexpr const char* operation = "MessageBatch::get_mic";
    if (auto usable = is_usable(operation); !usable) return usable;
    for (const BatchMessage& each : messages) {
      if (each.memory.size() < state_->protector->around().trailer) {
        return unexpected(Error::usage(operation, "the memory has no room for the MIC"));
      }
    }
    return send(operation, messages, [](State& state, rfc4121::Sender& sender, std::uint64_t sequence, auto group) {
      return state.ways.sign(state, sender, sequence, group);
    });
  }
  /// Unwraps each token as MessageProtector's unwrap_in_place() does, one after the other, and writes to its `message`
  /// what became of it. Tokens do not overlap.
  void unwrap(std::span<BatchToken> tokens) noexcept {
    if (auto usable = is_usable(State::unwraps); !usable) {
      for (BatchToken& each : tokens) each.message = unexpected(usable.error());
      return;
    }
    std::size_t octets = 0;
    for (const BatchToken& each : tokens) octets += each.token.size();
    state_->in_groups(tokens.size(), octets, [&](unsigned index, std::size_t first, std::size_t count) {
      state_->ways.open(*state_, state_->receiver(index), tokens.subspan(first, count));
    });
    for (BatchToken& each : tokens) state_->settle(each);
  }
  /// Looks at each MIC as MessageProtector::verify_mic() does, one after the other, and writes to its `verified` what
  /// came of it.
  void verify_mic(std::span<BatchMic> mics) noexcept {
    if (auto usable = is_usable(State::verifies); !usable) {
      for (BatchMic& each : mics) each.verified = unexpected(usable.error());
      return;
    }
    std::size_t octets = 0;
    for (const BatchMic& each : mics) octets += each.message.size();
    state_->in_groups(mics.size(), octets, [&](unsigned index, std::size_t first, std::size_t count) {
      state_->ways.check(*state_, state_->receiver(index), mics.subspan(first, count));
    });
    for (BatchMic& each : mics) state_->settle(each);
  }

 protected:
  /// What does the work on groups of messages, on several threads at once: here one message after the other.
  class State {
   public:
    static constexpr const char* unwraps = "MessageBatch::unwrap";
    static constexpr const char* verifies = "MessageBatch::verify_mic";

    /// The functions of one kind of state. Not virtual ones: a library that uses this would export their tables.
    struct Ways {
      bool (*seal)(State&, rfc4121::Sender&, std::uint64_t, std::span<const BatchMessage>) noexcept;  ///< wraps
      bool (*sign)(State&, rfc4121::Sender&, std::uint64_t, std::span<const BatchMessage>) noexcept;  ///< makes MICs
      void (*open)(State&, rfc4121::Receiver&, std::span<BatchToken>) noexcept;                       ///< unwraps
      void (*check)(State&, rfc4121::Receiver&, std::span<BatchMic>) noexcept;                        ///< verifies MICs
      void (*destroy)(State*) noexcept;                                                               ///< deletes it
    };
    template <class S>
    [[nodiscard]] static Ways ways_of() noexcept {
      using Messages = std::span<const BatchMessage>;
      return {[](State& state, rfc4121::Sender& sender, std::uint64_t sequence, Messages group) noexcept {
                return static_cast<S&>(state).seal(sender, sequence, group);
              },
              [](State& state, rfc4121::Sender& sender, std::uint64_t sequence, Messages group) noexcept {
                return static_cast<S&>(state).sign(sender, sequence, group);
              },
              [](State& state, rfc4121::Receiver& receiver, std::span<BatchToken> group) noexcept {
                static_cast<S&>(state).open(receiver, group);
              },
              [](State& state, rfc4121::Receiver& receiver, std::span<BatchMic> group) noexcept {
                static_cast<S&>(state).check(receiver, group);
              },
              [](State* state) noexcept { delete static_cast<S*>(state); }};
    }

    explicit State(Ways its_ways) noexcept : ways{its_ways} {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() = default;

    /// Before all else.
    [[nodiscard]] Result<void> start(MessageProtector& of, BatchThreads* with) noexcept {
      constexpr const char* operation = "MessageBatch::from_protector";
      if (!of) return unexpected(MessageProtector::empty(operation));
      protector = &of;
      if (with == nullptr) return {};
      if (!*with) return unexpected(Error::usage(operation, "the threads are empty: moved from"));
      helpers_.reset(new (std::nothrow) Helper[with->state_->count]);
      if (!helpers_) return unexpected(Error::system(operation, ENOMEM));
      const gss_detail::ProtectorState& state = *of.state_;
      for (unsigned at = 0; at < with->state_->count; ++at) {
        auto sender = rfc4121::Sender::create({state.type, state.lucid->key().bytes, !state.info.is_initiator});
        if (!sender) return unexpected(std::move(sender).error());
        sender->start(state.lucid->has_acceptor_subkey(), 0);
        helpers_[at].sender.emplace(*std::move(sender));
        auto receiver = rfc4121::Receiver::create({state.type, state.lucid->key().bytes, state.info.is_initiator});
        if (!receiver) return unexpected(std::move(receiver).error());
        helpers_[at].receiver.emplace(*std::move(receiver));
      }
      threads_ = with->state_.get();
      return {};
    }

    /// False if OpenSSL fails, with its cause in this thread's queue.
    [[nodiscard]] bool seal(rfc4121::Sender& sender, std::uint64_t sequence,
                            std::span<const BatchMessage> group) noexcept {
      for (const BatchMessage& each : group) {
        if (!sender.wrap_at(sequence++, each.message, each.memory.data())) return false;
      }
      return true;
    }
    [[nodiscard]] bool sign(rfc4121::Sender& sender, std::uint64_t sequence,
                            std::span<const BatchMessage> group) noexcept {
      for (const BatchMessage& each : group) {
        if (!sender.get_mic_at(sequence++, each.message, each.memory.data())) return false;
      }
      return true;
    }
    /// Decrypts those that are read(), and says whether they are whole; settle() does the rest.
    void open(rfc4121::Receiver& receiver, std::span<BatchToken> group) noexcept {
      for (BatchToken& each : group) {
        rfc4121::WrapToken wrap;
        if (read(each.token, wrap)) open_one(receiver, each, wrap);
      }
    }
    void check(rfc4121::Receiver& receiver, std::span<BatchMic> group) noexcept {
      for (BatchMic& each : group) {
        rfc4121::Header header;
        if (read(each.mic, header)) {
          each.verified = MessageProtector::is_whole(verifies, receiver.check(each.message, each.mic));
        }
      }
    }

    /// The order, on one thread, and what is not read(), as the protector has it.
    void settle(BatchToken& each) noexcept {
      rfc4121::WrapToken wrap;
      if (!read(each.token, wrap)) {
        each.message = unwrap_in_place(*protector, each.token);
        return;
      }
      if (!each.message) return;
      if (auto verdict = in_order(unwraps, wrap.header); !verdict) {
        OPENSSL_cleanse(each.token.data() + rfc4121::header_size, each.token.size() - rfc4121::header_size);
        each.message = unexpected(std::move(verdict).error());
      }
    }
    void settle(BatchMic& each) noexcept {
      rfc4121::Header header;
      if (!read(each.mic, header)) {
        each.verified = protector->verify_mic(each.message, each.mic);
      } else if (each.verified) {
        each.verified = in_order(verifies, header);
      }
    }

    /// Calls `work` with an index for sender() and receiver(), and where a group of all begins and how many it has; on
    /// all threads.
    template <class F>
    void in_groups(std::size_t count, std::size_t octets, F work) noexcept {
      const std::size_t share = threads_ == nullptr ? most : count / (4 * (std::size_t{threads_->count} + 1));
      struct Shared {
        F& work;
        std::size_t count;
        std::size_t group;
        std::atomic<std::size_t> next{0};
      } shared{work, count, share < least ? least : share > most ? most : share};
      const auto run = [](void* of, unsigned index) noexcept {
        auto& all = *static_cast<Shared*>(of);
        for (std::size_t at = 0; (at = all.next.fetch_add(all.group)) < all.count;) {
          all.work(index, at, std::min(all.group, all.count - at));
        }
      };
      if (threads_ == nullptr || count <= shared.group || octets < worth_waking) return run(&shared, 0);
      threads_->run(run, &shared);
    }
    [[nodiscard]] rfc4121::Sender& sender(unsigned index) noexcept {
      return index == 0 ? protector->state_->sender : *helpers_[index - 1].sender;
    }
    [[nodiscard]] rfc4121::Receiver& receiver(unsigned index) noexcept {
      return index == 0 ? protector->state_->receiver : *helpers_[index - 1].receiver;
    }

    const Ways ways;
    bool has_lanes = false;
    MessageProtector* protector = nullptr;
    std::optional<MessageProtector> owned;

   protected:
    static constexpr std::size_t most = 64;  ///< messages of a group

    /// Whether a token is encrypted and its lengths fit, and the peer sent it under the key that it uses: what others
    /// are, the protector says.
    [[nodiscard]] bool read(std::span<const unsigned char> token, rfc4121::WrapToken& wrap) const noexcept {
      const ByteView bytes{token.data(), token.size()};
      return wrap.header.read(bytes, true) && is_usual(wrap.header) && wrap.read_rest(bytes, mac_size()) &&
             wrap.is_sealed();
    }
    [[nodiscard]] bool read(ByteView mic, rfc4121::Header& header) const noexcept {
      return header.read(mic, false) && is_usual(header) && mic.size() == rfc4121::header_size + mac_size();
    }
    void open_one(rfc4121::Receiver& receiver, BatchToken& each, rfc4121::WrapToken& wrap) const noexcept {
      const auto rest = turned_back(each.token, wrap);
      unsigned char* const body = rest.data() + rfc3961::block_size;
      auto whole =
          MessageProtector::is_whole(unwraps, receiver.open(wrap, {each.token.data(), each.token.size()}, body));
      if (!whole) {
        each.message = unexpected(std::move(whole).error());
      } else {
        each.message = std::span{body, wrap.message_size};
      }
    }
    /// What is behind the header, as if its sender had not turned it.
    [[nodiscard]] static std::span<unsigned char> turned_back(std::span<unsigned char> token,
                                                              rfc4121::WrapToken& wrap) noexcept {
      const auto rest = token.subspan(rfc4121::header_size);
      std::ranges::rotate(rest, rest.begin() + static_cast<std::ptrdiff_t>(wrap.header.rotation % rest.size()));
      wrap.rest = {{rest.data(), rest.size()}, 0};
      return rest;
    }

   private:
    static constexpr std::size_t least = 16;  // messages of a group: as many as there are lanes
    static constexpr std::size_t worth_waking = std::size_t{64} << 10;  // octets: less take as long as to wake a thread

    struct alignas(64) Helper {
      std::optional<rfc4121::Sender> sender;
      std::optional<rfc4121::Receiver> receiver;
    };

    [[nodiscard]] std::size_t mac_size() const noexcept { return protector->state_->type->mac_size; }
    [[nodiscard]] bool is_usual(const rfc4121::Header& header) const noexcept {
      const gss_detail::ProtectorState& state = *protector->state_;
      return ((header.flags & rfc4121::sent_by_acceptor) != 0) == state.info.is_initiator &&
             ((header.flags & rfc4121::acceptor_subkey) != 0 || !state.lucid->has_acceptor_subkey());
    }
    [[nodiscard]] Result<void> in_order(const char* operation, const rfc4121::Header& header) noexcept {
      return MessageProtector::in_order(operation, protector->state_->window.accept(header.sequence));
    }

    BatchThreads::State* threads_ = nullptr;
    std::unique_ptr<Helper[]> helpers_;
  };

  struct Destroy {
    void operator()(State* state) const noexcept { state->ways.destroy(state); }
  };
  using Owner = std::unique_ptr<State, Destroy>;

  explicit MessageBatch(Owner state) noexcept : state_{std::move(state)} {}

  void own(MessageProtector&& protector) noexcept { state_->protector = &state_->owned.emplace(std::move(protector)); }

 private:
  [[nodiscard]] static Error empty(const char* operation) noexcept {
    return Error::usage(operation, "the batch is empty: moved from");
  }
  [[nodiscard]] Result<void> is_usable(const char* operation) const noexcept {
    if (!state_) return unexpected(empty(operation));
    return state_->protector->is_usable(operation);
  }
  template <class F>
  [[nodiscard]] Result<void> send(const char* operation, std::span<const BatchMessage> messages, F work) noexcept {
    std::size_t octets = 0;
    for (const BatchMessage& each : messages) octets += each.message.size();
    const std::uint64_t sequence = state_->protector->state_->sender.reserve(messages.size());
    std::atomic<bool> has_failed{false};
    std::optional<Error> failure;
    state_->in_groups(messages.size(), octets, [&](unsigned index, std::size_t first, std::size_t count) {
      if (has_failed || work(*state_, state_->sender(index), sequence + first, messages.subspan(first, count))) return;
      if (!has_failed.exchange(true)) failure = MessageProtector::failed(operation);
    });
    if (failure) return unexpected(*std::move(failure));
    return {};
  }

  Owner state_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
