// gsskey/io/drive: the blocking handshake loop of RFC 7546 over an Initiator or an Acceptor and a transport.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/oversized.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/io/transport.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// What drive() needs of Initiator<M> and Acceptor<M>, and a test double must have.
template <class H>
concept SteppedHandshake = std::move_constructible<H> && requires(H& handshake, ByteView token) {
  typename H::Context;
  { H::starts } -> std::convertible_to<bool>;
  { handshake.step(token) } -> std::same_as<expected<Step, StepFailure>>;
  { std::move(handshake).establish() } -> std::same_as<Result<typename H::Context>>;
};

/// Limits what each drive() takes from the peer.
struct DriveOptions {
  /// The longest token. Tickets of Active Directory reach 64 KiB.
  /// Units: bytes.
  std::size_t max_token_size = 65536;
  /// The most tokens. Real handshakes need one or two.
  unsigned max_rounds = 16;
};

namespace gss_detail {

/// Holds what the peer sends in one handshake against DriveOptions.
class DriveCaps {
 public:
  explicit DriveCaps(DriveOptions options) noexcept : options_{options} {}

  [[nodiscard]] std::size_t max_token_size() const noexcept { return options_.max_token_size; }
  /// Before a token is taken from the peer.
  [[nodiscard]] Result<void> begin_round() noexcept {
    if (round_++ != options_.max_rounds) return {};
    return unexpected(Error::transport("drive", EPROTO, "the handshake takes more rounds than are allowed"));
  }
  /// Not all transports look at what they were asked for.
  [[nodiscard]] Result<void> check(ByteView token) const noexcept {
    if (token.size() <= options_.max_token_size) return {};
    return unexpected(detail::oversized("drive", token.size(), options_.max_token_size));
  }
  /// Before a token is given to the peer.
  void sends(ByteView token) noexcept { sent_ = token.size(); }
  /// The same error of the wire, which the peer may have closed because of the token: its limit is not known, but
  /// mostly that of whoever says nothing, or ours.
  [[nodiscard]] Error about(Error error) const noexcept {
    constexpr std::size_t usual = DriveOptions{}.max_token_size;
    const std::size_t limit = options_.max_token_size < usual ? options_.max_token_size : usual;
    if (sent_ <= limit) return error;
    const Error bare = error;
    return std::move(error).with_text(bare.text(), "; the token sent has ", detail::Decimal{sent_},
                                      " bytes, and at most ", detail::Decimal{limit}, " may be allowed");
  }

 private:
  DriveOptions options_;
  unsigned round_ = 0;
  std::size_t sent_ = 0;  // the size of the last token that was sent
};

/// Tells a handshake why it does not go on. A test double need not take it.
template <class H>
inline void abandon(H& handshake, const Error& why) noexcept {
  if constexpr (requires { handshake.abandon(why); }) handshake.abandon(why);
}

}  // namespace gss_detail

/// Runs the handshake to its end over `wire` and establishes its context. Every token is sent, also one that comes with
/// an error, so that the peer learns why, and an empty one where the handshake goes on.
/// Errors: those of step(), establish() and `wire`; transport, EMSGSIZE or EPROTO, for more than `options` allow.
/// Blocks: in `wire`, and in step(). The only limit of time is that of `wire`: FdStream::expires_after(), said once
///   before, is for the whole handshake, in whatever pieces the peer sends its tokens. It does not interrupt a step
///   that waits for a KDC, as an initiator's first may. For one silent KDC MIT krb5 1.20 waits 27 s and has no setting
///   for that, 1.22 has `request_timeout` in [libdefaults] of krb5.conf; Heimdal 7.8 waits 32 s, and 6 s with
///   `kdc_timeout = 1` there. A program that cannot wait gets the ticket in advance, or steps on another thread.
/// Owner: of `handshake`, drive(); `wire` is borrowed for the call.
/// See: RFC 7546 section 3.
template <SteppedHandshake H, BlockingTransport T>
[[nodiscard]] inline Result<typename H::Context> drive(H handshake, T&& wire, DriveOptions options = {}) {
  gss_detail::DriveCaps caps{options};
  bool complete = false;
  const auto advance = [&](ByteView token) -> Result<void> {
    auto step = handshake.step(token);
    if (!step) {
      // The failure is what counts: that the peer could not be told of it adds nothing.
      if (!step.error().token.empty()) static_cast<void>(wire.send(step.error().token));
      return unexpected(std::move(step).error().error);
    }
    complete = step->complete;
    if (complete && step->token.empty()) return {};
    caps.sends(step->token);
    auto sent = wire.send(step->token);
    if (!sent) return unexpected(caps.about(std::move(sent).error()));
    return sent;
  };

  const auto run = [&]() -> Result<void> {
    if constexpr (H::starts) {
      if (auto first = advance({}); !first) return first;
    }
    while (!complete) {
      if (auto more = caps.begin_round(); !more) return more;
      auto token = wire.receive(caps.max_token_size());
      if (!token) return unexpected(caps.about(token.error()));
      const ByteView view{*token};
      if (auto fits = caps.check(view); !fits) return fits;
      if (auto next = advance(view); !next) return next;
    }
    return {};
  };
  if (auto done = run(); !done) {
    gss_detail::abandon(handshake, done.error());
    return unexpected(std::move(done).error());
  }
  return std::move(handshake).establish();
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
