// gsskey/io/establish_as: drive() that ends in something else than a SecurityContext.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <utility>

#include <gsskey/io/co_drive.hpp>
#include <gsskey/io/drive.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Names what drive() is to establish: the handshake's own context, or a type that take_over(handshake&&) makes.
template <class Context>
struct EstablishAs {};
template <class Context>
GSSKEY_HIDDEN inline constexpr EstablishAs<Context> establish_as{};

/// A handshake that ends in `Result`: for drive() and the like, which need not know.
template <SteppedHandshake H, class Established>
class HandshakeAs {
 public:
  using Context = Established;
  static constexpr bool starts = H::starts;

  explicit HandshakeAs(H handshake) noexcept : handshake_{std::move(handshake)} {}

  [[nodiscard]] expected<Step, StepFailure> step(ByteView token = {}) { return handshake_.step(token); }
  /// On failure the context is gone, too: who wants to keep it calls take_over() instead.
  [[nodiscard]] Result<Context> establish() && {
    if constexpr (std::same_as<Context, typename H::Context>) {
      return std::move(handshake_).establish();
    } else {
      auto taken = take_over(std::move(handshake_));
      if (!taken) return unexpected(std::move(taken).error().error);
      return *std::move(taken);
    }
  }

 private:
  H handshake_;
};

/// `drive(std::move(handshake), wire, establish_as<MessageProtector>)`. Errors: as of drive() and take_over().
template <SteppedHandshake H, BlockingTransport T, class Context>
[[nodiscard]] inline Result<Context> drive(H handshake, T&& wire, EstablishAs<Context>, DriveOptions options = {}) {
  return drive(HandshakeAs<H, Context>{std::move(handshake)}, wire, options);
}
/// `drive<Task>(std::move(handshake), wire, establish_as<MessageProtector>, offload)`: that of co_drive.hpp.
template <template <class...> class Task, SteppedHandshake H, AwaitableTransport T, class Context,
          class Offload = Inline>
[[nodiscard]] inline Task<Result<Context>> drive(H handshake, T& wire, EstablishAs<Context>, Offload offload = {},
                                                 DriveOptions options = {}) {
  return drive<Task>(HandshakeAs<H, Context>{std::move(handshake)}, wire, std::move(offload), options);
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
