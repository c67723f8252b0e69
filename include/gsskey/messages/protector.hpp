// gsskey/messages/protector: the messages of an established Kerberos context, protected by OpenSSL: the same
// tokens, several times as fast, and sending and receiving on different threads.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include <gsskey/gss/context/in_place.hpp>
#include <gsskey/gss/context/peer.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/krb5/lucid.hpp>
#include <gsskey/messages/detail/keys.hpp>
#include <gsskey/messages/detail/protector_state.hpp>
#include <gsskey/messages/token.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// How a MessageProtector behaves.
struct ProtectorOptions {
  /// Once the ticket has ended, every call but lifetime() is refused with RoutineError::context_expired, as by
  /// ExpiringContext. By default they go on, as those of SecurityContext do.
  bool ends_with_ticket = false;
};

/// How many messages of the peer, MICs included, a context has received before it was taken over. One that its
/// negotiation may have had counts too (the mechListMIC of RFC 4178).
struct MessagesReceived {
  std::uint64_t count = 0;
};

/// Why a handshake did not become a MessageProtector.
template <Mechanism M>
struct TakeOverFailure {
  Error error;                 ///< why
  SecurityContext<M> context;  ///< what the handshake established; it may be empty
};

/// Protects the messages of a Kerberos context with keys that were taken from it: AES with SHA-1 or SHA-2, or Camellia.
/// The peer notices no difference. Made by take_over(), take_over_after() and drive() with establish_as<>()
/// (take_over.hpp, io/establish_as.hpp). A MessageContext; move-only; empty after a move.
///
/// Messages have any size that memory has; limits are those of what is at the other end, a SecurityContext, say. What
/// is an Error, and what the results mean, is as in SecurityContext, but that integrity is looked at before the order.
/// Errors: usage, for an empty one; gss: RoutineError::context_expired, where ProtectorOptions say so, and for messages
///   of the peer RoutineError::defective_token, bad_mic, or what Supplementary names; policy, with
///   ContextFlag::confidentiality, for a message that the peer did not encrypt. Of OpenSSL: system, if it has no
///   memory; policy without flags, if it fails for another reason, as without random numbers. After these two no
///   sequence number was used.
/// Threads: one may send (wrap, get_mic and their kin) while another receives (unwrap, verify_mic and theirs).
/// Fork: as of the SecurityContext. wrap() in a child takes its random numbers from the kernel: another thread may have
///   been in OpenSSL's at the fork.
/// Owner: of the keys, this object, which wipes them at its end.
/// See: RFC 4121, RFC 8009, RFC 6803.
class MessageProtector {
 public:
  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

  /// Returns IANA's name of the encryption type; "" after a move.
  [[nodiscard]] const char* encryption_type() const noexcept { return state_ ? state_->type->name : ""; }
  /// Returns names, flags and mechanism of the context.
  /// Calls: gss_duplicate_name.
  [[nodiscard]] Result<ContextInfo> inquire() const noexcept {
    if (auto usable = is_usable("MessageProtector::inquire"); !usable) return unexpected(std::move(usable).error());
    auto initiator = copy_of(state_->info.initiator);
    if (!initiator) return unexpected(std::move(initiator).error());
    auto acceptor = copy_of(state_->info.acceptor);
    if (!acceptor) return unexpected(std::move(acceptor).error());
    return ContextInfo{*std::move(initiator),  *std::move(acceptor), *lifetime(),
                       state_->info.mechanism, state_->info.flags,   state_->info.is_initiator};
  }
  /// Returns who is at the other end, as the context's peer() did.
  [[nodiscard]] Result<Peer> peer() const noexcept { return gss_detail::other_end(inquire()); }
  /// Returns how long the context is meant to be used, 0 when that is over.
  /// Errors: usage, for an empty one.
  [[nodiscard]] Result<Seconds> lifetime() const noexcept {
    if (!state_) return unexpected(empty("MessageProtector::lifetime"));
    if (state_->end == 0) return Seconds::indefinite();
    const std::int64_t now = std::time(nullptr);
    return now < state_->end ? Seconds{static_cast<std::uint32_t>(state_->end - now)} : Seconds{};
  }
  /// Returns how strong the protection is, as SASL counts it: the bits of the key.
  [[nodiscard]] Result<std::uint32_t> sasl_ssf() const noexcept {
    if (auto usable = is_usable("MessageProtector::sasl_ssf"); !usable) return unexpected(std::move(usable).error());
    return static_cast<std::uint32_t>(8 * state_->type->key_size);
  }

  /// Returns what a token of wrap() has before and after the message.
  [[nodiscard]] Result<MessageRoom> room() const noexcept {
    if (auto usable = is_usable("MessageProtector::room"); !usable) return unexpected(std::move(usable).error());
    return around();
  }
  /// Returns the length of the longest message whose wrap() token has at most `token_size` bytes.
  /// Errors: those of the class; policy, if there is none.
  [[nodiscard]] Result<std::uint32_t> wrap_size_limit(std::uint32_t token_size) const noexcept {
    return size_limit("MessageProtector::wrap_size_limit", token_size, rfc3961::block_size + rfc4121::header_size);
  }
  /// Returns the length of the longest message whose wrap_unencrypted() token has at most `token_size` bytes.
  [[nodiscard]] Result<std::uint32_t> wrap_unencrypted_size_limit(std::uint32_t token_size) const noexcept {
    return size_limit("MessageProtector::wrap_unencrypted_size_limit", token_size, 0);
  }

  /// Encrypts and authenticates a message.
  [[nodiscard]] Result<MessageToken> wrap(ByteView message) noexcept {
    constexpr const char* operation = "MessageProtector::wrap";
    if (auto usable = is_usable(operation); !usable) return unexpected(std::move(usable).error());
    auto token = MessageToken::with_size(around().header + message.size() + around().trailer);
    if (!token) return token;
    if (!state_->sender.wrap(message, token->data())) return unexpected(failed(operation));
    return token;
  }
  /// Authenticates a message, which everybody on the way can read.
  [[nodiscard]] Result<MessageToken> wrap_unencrypted(ByteView message) noexcept {
    constexpr const char* operation = "MessageProtector::wrap_unencrypted";
    if (auto usable = is_usable(operation); !usable) return unexpected(std::move(usable).error());
    auto token = MessageToken::with_size(rfc4121::header_size + message.size() + state_->type->mac_size);
    if (!token) return token;
    if (!state_->sender.wrap_unencrypted(message, token->data())) return unexpected(failed(operation));
    return token;
  }
  /// Encrypts and authenticates several pieces, one after the other, into memory that does not overlap with them.
  /// Returns the token inside it.
  /// Errors: those of the class; usage, if the memory is too small.
  [[nodiscard]] friend Result<std::span<unsigned char>> wrap_into(MessageProtector& self,
                                                                  std::span<const ByteView> pieces,
                                                                  std::span<unsigned char> memory) noexcept {
    constexpr const char* operation = "MessageProtector::wrap_into";
    if (auto usable = self.is_usable(operation); !usable) return unexpected(std::move(usable).error());
    const MessageRoom room = self.around();
    const std::size_t around = room.header + room.trailer;
    std::size_t size = 0;
    bool fits = memory.size() >= around;
    for (const ByteView piece : pieces) {  // the sum of their sizes may be more than a size can say
      fits = fits && piece.size() <= memory.size() - around - size;
      if (fits) size += piece.size();
    }
    if (!fits) return unexpected(Error::usage(operation, "the memory has no room for the token"));
    unsigned char* const body = memory.data() + room.header;
    const bool is_one = pieces.size() == 1;
    unsigned char* to = body;
    for (const ByteView piece : pieces) {
      if (!is_one && !piece.empty()) std::memcpy(to, piece.data(), piece.size());
      to += piece.size();
    }
    if (self.state_->sender.wrap(is_one ? pieces[0] : ByteView{body, size}, memory.data())) {
      return memory.first(around + size);
    }
    if (!is_one) OPENSSL_cleanse(body, size);  // programs do not wipe tokens
    return unexpected(failed(operation));
  }
  [[nodiscard]] friend Result<std::span<unsigned char>> wrap_into(MessageProtector& self, ByteView message,
                                                                  std::span<unsigned char> memory) noexcept {
    return wrap_into(self, std::span<const ByteView>{&message, 1}, memory);
  }
  /// Encrypts a message where it is. Returns the token around it, inside the block.
  /// Errors: those of the class; usage, if the block lacks the room.
  [[nodiscard]] friend Result<std::span<unsigned char>> wrap_in_place(MessageProtector& self,
                                                                      MessageBlock message) noexcept {
    constexpr const char* operation = "MessageProtector::wrap_in_place";
    if (auto usable = self.is_usable(operation); !usable) return unexpected(std::move(usable).error());
    const MessageRoom room = self.around();
    auto token = gss_detail::token_around(operation, message, room);
    if (!token) return token;
    if (!self.state_->sender.wrap({token->data() + room.header, message.size}, token->data())) {
      return unexpected(failed(operation));
    }
    return token;
  }

  /// Returns the plaintext of a token from the peer's wrap: encrypted, in order, and not there before; else an Error.
  [[nodiscard]] Result<SecretBytes> unwrap(ByteView token) noexcept {
    auto message = receive("MessageProtector::unwrap", token);
    if (!message) return unexpected(std::move(message).error());
    return std::move(message->plaintext);
  }
  /// Returns the message as unwrap() does, encrypted or not; `confidential` says which.
  [[nodiscard]] Result<Unwrapped> unwrap_unencrypted(ByteView token) noexcept {
    auto message = receive("MessageProtector::unwrap_unencrypted", token, Demand::order);
    if (!message) return unexpected(std::move(message).error());
    return Unwrapped{std::move(message->plaintext), message->sealed};
  }
  /// Returns the plaintext as unwrap() does, in order or not; `ordering` says which. All of it was encrypted by the
  /// peer.
  [[nodiscard]] Result<OrderedMessage> unwrap_with_ordering(ByteView token) noexcept {
    auto message = receive("MessageProtector::unwrap_with_ordering", token, Demand::confidentiality);
    if (!message) return unexpected(std::move(message).error());
    return OrderedMessage{std::move(message->plaintext), message->ordering};
  }
  /// Writes the plaintext, as of unwrap(), into memory that does not overlap with the token; token.size() is always
  /// enough. Returns the plaintext inside it.
  /// Errors: those of the class; usage, if the memory is too small.
  [[nodiscard]] friend Result<std::span<unsigned char>> unwrap_into(MessageProtector& self, ByteView token,
                                                                    std::span<unsigned char> memory) noexcept {
    constexpr const char* operation = "MessageProtector::unwrap_into";
    auto found = self.read(operation, token);
    if (!found) return unexpected(std::move(found).error());
    if (memory.size() < found->wrap.body_size) {
      return unexpected(Error::usage(operation, "the memory has no room for the message"));
    }
    if (auto taken = self.take(operation, *found, token, memory.data(), Demand::both); !taken) {
      return unexpected(std::move(taken).error());
    }
    return memory.first(found->wrap.message_size);
  }
  /// Decrypts a token, as unwrap(), where it is. Returns the plaintext inside it. What else is in `token` is undefined
  /// then. After an Error nothing is left of a plaintext.
  [[nodiscard]] friend Result<std::span<unsigned char>> unwrap_in_place(MessageProtector& self,
                                                                        std::span<unsigned char> token) noexcept {
    constexpr const char* operation = "MessageProtector::unwrap_in_place";
    auto found = self.read(operation, {token.data(), token.size()});
    if (!found) return unexpected(std::move(found).error());
    rfc4121::WrapToken& wrap = found->wrap;
    const std::span<unsigned char> rest = token.subspan(rfc4121::header_size);
    std::size_t place = wrap.is_sealed() ? rfc3961::block_size : 0;
    std::size_t turn = wrap.header.rotation % rest.size();
    if (turn + place < rest.size() && turn + place + wrap.body_size > rest.size()) {  // the body does not lie together
      std::ranges::rotate(rest, rest.begin() + static_cast<std::ptrdiff_t>(turn));
      turn = 0;
      wrap.rest = {{rest.data(), rest.size()}, 0};
    }
    place = (place + turn) % rest.size();
    auto taken = self.take(operation, *found, {token.data(), token.size()}, rest.data() + place, Demand::both);
    if (!taken) return unexpected(std::move(taken).error());
    return rest.subspan(place, wrap.message_size);
  }

  /// Makes a checksum over `message`, to be sent beside it.
  [[nodiscard]] Result<MessageMic> get_mic(ByteView message) noexcept {
    constexpr const char* operation = "MessageProtector::get_mic";
    if (auto usable = is_usable(operation); !usable) return unexpected(std::move(usable).error());
    MessageMic mic{rfc4121::header_size + state_->type->mac_size};
    if (!state_->sender.get_mic(message, mic.data())) return unexpected(failed(operation));
    return mic;
  }
  /// Checks what the peer's get_mic made of `message`.
  [[nodiscard]] Result<void> verify_mic(ByteView message, ByteView mic) noexcept {
    constexpr const char* operation = "MessageProtector::verify_mic";
    if (auto usable = is_usable(operation); !usable) return unexpected(std::move(usable).error());
    rfc4121::Header header;
    if (!header.read(mic, false)) return unexpected(refused(operation, GSS_S_DEFECTIVE_TOKEN));
    auto receiver = receiver_of(operation, header.flags);
    if (!receiver) return unexpected(std::move(receiver).error());
    if (mic.size() != rfc4121::header_size + (*receiver)->mac_size()) {
      return unexpected(refused(operation, GSS_S_DEFECTIVE_TOKEN));
    }
    if (auto whole = is_whole(operation, (*receiver)->check(message, mic)); !whole) return whole;
    return in_order(operation, state_->window.accept(header.sequence));
  }

 private:
  friend class MessageBatch;
  friend class MessageLanes;
  friend struct gss_detail::ProtectorMaker;
  enum class Demand : unsigned char { order = 1, confidentiality = 2, both = 3 };

  explicit MessageProtector(std::unique_ptr<gss_detail::ProtectorState> state) noexcept : state_{std::move(state)} {}

  [[nodiscard]] static bool demands(Demand demand, Demand what) noexcept {
    return (static_cast<unsigned>(demand) & static_cast<unsigned>(what)) != 0;
  }
  [[nodiscard]] static Error empty(const char* operation) noexcept {
    return Error::usage(operation, "the protector is empty: moved from");
  }
  [[nodiscard, gnu::cold]] static Error failed(const char* operation) noexcept {
    return gsskey::detail::openssl_failure(
        Error::policy(operation, 0, "OpenSSL fails: it has no random numbers, or its provider is in error"));
  }
  [[nodiscard, gnu::cold, gnu::noinline]] static Error refused(const char* operation, OM_uint32 major) noexcept {
    return gss_detail::failed_call(operation, major, 0, GSS_C_NO_OID, mech::Krb5::name);
  }
  [[nodiscard]] static bool has_ended(const gss_detail::ProtectorState& state) noexcept {
    return state.end != 0 && std::time(nullptr) >= state.end;
  }
  [[nodiscard]] Result<void> is_usable(const char* operation) const noexcept {
    if (!state_) [[unlikely]] {
      return unexpected(empty(operation));
    }
    if (state_->ends_with_ticket && has_ended(*state_)) [[unlikely]] {
      return unexpected(refused(operation, GSS_S_CONTEXT_EXPIRED));
    }
    return {};
  }

  /// Of a protector that is not empty.
  [[nodiscard]] MessageRoom around() const noexcept {
    return {rfc4121::header_size + rfc3961::block_size, rfc4121::header_size + state_->type->mac_size};
  }
  [[nodiscard]] Result<std::uint32_t> size_limit(const char* operation, std::uint32_t token_size,
                                                 std::size_t of_encryption) const noexcept {
    if (auto usable = is_usable(operation); !usable) return unexpected(std::move(usable).error());
    const auto taken = static_cast<std::uint32_t>(rfc4121::header_size + state_->type->mac_size + of_encryption);
    if (token_size > taken) return token_size - taken;
    return unexpected(Error::policy(operation, 0, "no message fits into a token that small"));
  }
  [[nodiscard]] static Result<Name> copy_of(const Name& name) noexcept { return name ? name.duplicate() : Name{}; }

  [[nodiscard]] static Result<void> is_whole(const char* operation, rfc3961::Opened opened) noexcept {
    if (opened == rfc3961::Opened::whole) return {};
    if (opened == rfc3961::Opened::failed) return unexpected(failed(operation));
    return unexpected(refused(operation, GSS_S_BAD_MIC));
  }
  [[nodiscard]] static Result<void> in_order(const char* operation, Ordering ordering) noexcept {
    switch (ordering) {
      case Ordering::in_order:
        return {};
      case Ordering::gap:
        return unexpected(refused(operation, GSS_S_GAP_TOKEN));
      case Ordering::unsequenced:
        return unexpected(refused(operation, GSS_S_UNSEQ_TOKEN));
      case Ordering::duplicate:
        return unexpected(refused(operation, GSS_S_DUPLICATE_TOKEN));
      case Ordering::old:
        break;
    }
    return unexpected(refused(operation, GSS_S_OLD_TOKEN));
  }

  /// A token that was looked at, and what can say whether it is the peer's.
  struct Read {
    rfc4121::WrapToken wrap;
    rfc4121::Receiver* receiver;
  };
  /// Header, direction and lengths.
  [[nodiscard]] Result<Read> read(const char* operation, ByteView token) noexcept {
    if (auto usable = is_usable(operation); !usable) return unexpected(std::move(usable).error());
    Read found{};
    if (!found.wrap.header.read(token, true)) [[unlikely]] {
      return unexpected(refused(operation, GSS_S_DEFECTIVE_TOKEN));
    }
    auto receiver = receiver_of(operation, found.wrap.header.flags);
    if (!receiver) return unexpected(std::move(receiver).error());
    found.receiver = *receiver;
    if (!found.wrap.read_rest(token, found.receiver->mac_size())) [[unlikely]] {
      return unexpected(refused(operation, GSS_S_DEFECTIVE_TOKEN));
    }
    return found;
  }
  /// Direction, and the key that the flags name (RFC 4121 section 4.2.2).
  [[nodiscard]] Result<rfc4121::Receiver*> receiver_of(const char* operation, unsigned flags) noexcept {
    const bool from_acceptor = (flags & rfc4121::sent_by_acceptor) != 0;
    if (from_acceptor != state_->info.is_initiator) [[unlikely]] {
      return unexpected(refused(operation, GSS_S_BAD_MIC));
    }
    const LucidContext& lucid = *state_->lucid;
    if ((flags & rfc4121::acceptor_subkey) != 0 || !lucid.has_acceptor_subkey()) return &state_->receiver;
    if (!state_->other_receiver) {
      const LucidKey key = lucid.context_key();
      const auto* const type = rfc3961::find_encryption_type(static_cast<std::int32_t>(key.type));
      if (type == nullptr) return unexpected(refused(operation, GSS_S_BAD_MIC));
      auto made = rfc4121::Receiver::create({type, key.bytes, from_acceptor});
      if (!made) return unexpected(made.error());
      state_->other_receiver.emplace(*std::move(made));
    }
    return &*state_->other_receiver;
  }
  /// Integrity, then order, then confidentiality. The body is wiped unless all that was demanded holds.
  [[nodiscard]] Result<Ordering> take(const char* operation, const Read& found, ByteView token, unsigned char* body,
                                      Demand demand) noexcept {
    const rfc4121::WrapToken& wrap = found.wrap;
    auto verdict = is_whole(operation, found.receiver->open(wrap, token, body));
    if (!verdict) return unexpected(std::move(verdict).error());
    const Ordering ordering = state_->window.accept(wrap.header.sequence);
    if (demands(demand, Demand::order)) verdict = in_order(operation, ordering);
    if (verdict && demands(demand, Demand::confidentiality) && !wrap.is_sealed()) {
      verdict = unexpected(gss_detail::peer_did_not_encrypt(operation));
    }
    if (verdict) return ordering;
    if (wrap.body_size != 0) OPENSSL_cleanse(body, wrap.body_size);
    return unexpected(std::move(verdict).error());
  }
  struct Received {
    SecretBytes plaintext;
    Ordering ordering;
    bool sealed;
  };
  [[nodiscard]] Result<Received> receive(const char* operation, ByteView token, Demand demand = Demand::both) noexcept {
    auto found = read(operation, token);
    if (!found) return unexpected(std::move(found).error());
    auto body = MessageToken::with_size(found->wrap.body_size);
    if (!body) return unexpected(body.error());
    auto ordering = take(operation, *found, token, body->data(), demand);
    if (!ordering) return unexpected(std::move(ordering).error());
    return Received{std::move(*body).to_secret(found->wrap.message_size), *ordering, found->wrap.is_sealed()};
  }

  std::unique_ptr<gss_detail::ProtectorState> state_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
