// gsskey/messages/batch: many messages of one MessageProtector encrypted at once, on several threads.
// SPDX-License-Identifier: MIT
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include <gsskey/gss/message.hpp>
#include <gsskey/messages/protector.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Keys for several threads, derived once, that send for one protector. Move-only; empty after a move.
/// Errors: usage, for an empty one, and for memory that is too small: then nothing has been done; gss,
///   RoutineError::context_expired, as MessageProtector; system or policy, as MessageProtector: then no token may be
///   used, and the peer finds a gap.
/// Threads: one at a time calls, and none calls the protector's wrap or get_mic meanwhile; it may receive.
/// Owner: of the protector, the caller; it must outlive this.
class MessageBatch {
 public:
  /// Derives keys for `threads` threads, the caller's among them. wrap() starts the others.
  /// Errors: usage, for an empty protector or no thread; system (ENOMEM); policy or unavailable, if OpenSSL refuses.
  [[nodiscard]] static Result<MessageBatch> from_protector(MessageProtector& protector, unsigned threads) noexcept {
    constexpr const char* operation = "MessageBatch::from_protector";
    if (!protector) return unexpected(MessageProtector::empty(operation));
    if (threads == 0) return unexpected(Error::usage(operation, "at least one thread is needed"));
    MessageBatch batch{protector.state_.get(), threads - 1};
    if (!batch.helpers_) return unexpected(Error::system(operation, ENOMEM));
    const LucidContext& lucid = *batch.state_->lucid;
    for (std::size_t at = 0; at < batch.count_; ++at) {
      auto sender = rfc4121::Sender::create({batch.state_->type, lucid.key().bytes, !batch.state_->info.is_initiator});
      if (!sender) return unexpected(std::move(sender).error());
      sender->start(lucid.has_acceptor_subkey(), 0);
      batch.helpers_[at].sender.emplace(*std::move(sender));
    }
    return batch;
  }

  /// Wraps each message as MessageProtector::wrap_into() does, with sequence numbers in their order. Threads that
  /// cannot be started are done without.
  /// Calls: pthread_create, pthread_join.
  /// Blocks: until all is done.
  [[nodiscard]] Result<void> wrap(std::span<const BatchMessage> messages) noexcept {
    constexpr const char* operation = "MessageBatch::wrap";
    if (!helpers_) return unexpected(Error::usage(operation, "the batch is empty: moved from"));
    if (state_->ends_with_ticket && MessageProtector::has_ended(*state_)) {
      return unexpected(MessageProtector::refused(operation, GSS_S_CONTEXT_EXPIRED));
    }
    const std::size_t around = 2 * rfc4121::header_size + rfc3961::block_size + state_->type->mac_size;
    for (const BatchMessage& each : messages) {
      if (each.memory.size() < around || each.memory.size() - around < each.message.size()) {
        return unexpected(Error::usage(operation, "the memory has no room for the token"));
      }
    }
    Work work{messages, state_->sender.reserve(messages.size())};
    for (std::size_t at = 0; at < count_; ++at) {
      helpers_[at].work = &work;
      helpers_[at].runs = ::pthread_create(&helpers_[at].thread, nullptr, &help, &helpers_[at]) == 0;
    }
    work.run(state_->sender);
    for (std::size_t at = 0; at < count_; ++at) {
      if (helpers_[at].runs) ::pthread_join(helpers_[at].thread, nullptr);
    }
    if (work.failed) return unexpected(MessageProtector::failed(operation));
    return {};
  }

 private:
  /// Whoever is free takes the next one.
  struct Work {
    std::span<const BatchMessage> messages;
    std::uint64_t first;
    std::atomic<std::size_t> next{0};
    std::atomic<bool> failed{false};

    void run(rfc4121::Sender& sender) noexcept {
      for (std::size_t at = next++; at < messages.size(); at = next++) {
        if (!sender.wrap_at(first + at, messages[at].message, messages[at].memory.data())) failed = true;
      }
    }
  };
  struct alignas(64) Helper {
    std::optional<rfc4121::Sender> sender;
    Work* work = nullptr;
    ::pthread_t thread{};  // std::thread cannot say that it could not be started, but throws, or ends the program
    bool runs = false;
  };
  [[nodiscard]] static void* help(void* helper) noexcept {
    auto* const self = static_cast<Helper*>(helper);
    self->work->run(*self->sender);
    return nullptr;
  }

  MessageBatch(gss_detail::ProtectorState* state, std::size_t count) noexcept
      : state_{state}, helpers_{new(std::nothrow) Helper[count]}, count_{count} {}

  gss_detail::ProtectorState* state_;
  std::unique_ptr<Helper[]> helpers_;
  std::size_t count_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
