// gsskey/io/establish_as: a handshake that ends in something else than a SecurityContext.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/io/drive.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {

template <SteppedHandshake H, class Established>
class HandshakeAs {
 public:
  using Context = Established;
  static constexpr bool starts = H::starts;

  explicit HandshakeAs(H handshake) noexcept : handshake_{std::move(handshake)} {}

  [[nodiscard]] expected<Step, StepFailure> step(ByteView token = {}) { return handshake_.step(token); }
  [[nodiscard]] const Name& target() const noexcept
    requires H::starts
  {
    return handshake_.target();
  }
  [[nodiscard]] Result<Context> establish() && {
    if constexpr (requires {
                    { std::move(handshake_).accept() } -> std::same_as<Result<Context>>;
                  }) {
      return std::move(handshake_).accept();
    } else {
      auto taken = take_over(std::move(handshake_));
      if (!taken) return unexpected(std::move(taken).error().error);
      return *std::move(taken);
    }
  }
  void abandon(const Error& why) noexcept { gss_detail::abandon(handshake_, why); }

 private:
  H handshake_;
};

}  // namespace gss_detail

/// Makes a handshake end in a `Context`: that of the handshake itself; Accepted<M>, for what Acceptor::accept() gives;
/// or what take_over(std::move(handshake)) makes, a MessageProtector for one. All that runs handshakes takes it:
///     drive(establish_as<MessageProtector>(std::move(initiator)), wire)
///     drive(establish_as<Accepted<mech::Krb5>>(Acceptor<mech::Krb5>{credential, {.keep_delegated = true}}), wire)
/// Errors: of its establish(): those of take_over(). The context is gone then; call take_over() yourself to keep it.
/// Owner: of `handshake`, what is returned.
template <class Context, SteppedHandshake H>
[[nodiscard]] inline SteppedHandshake auto establish_as(H handshake) noexcept {
  if constexpr (std::same_as<Context, typename H::Context>) {
    return handshake;
  } else {
    return gss_detail::HandshakeAs<H, Context>{std::move(handshake)};
  }
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
