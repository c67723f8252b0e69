// gsskey/sasl/server: Server<Mech>, the server's end of a SASL exchange, without I/O.
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/usage.hpp>
#include <gsskey/sasl/line.hpp>
#include <gsskey/sasl/session.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl {

/// Lets a client log in by mechanism Mech: call step() with its initial response, or without one, then with each
/// response, until is_complete(); say that the login has succeeded, and call establish(). Move-only.
/// Errors: usage, for one that was moved from, has failed or is established.
/// Threads: one at a time, not always the same one.
/// Owner: the credential is borrowed until establish().
/// See: RFC 4422 section 3.
template <class Mech>
class Server {
  using Progress = sasl_detail::Progress;

 public:
  using Mechanism = Mech;

  /// Takes the credential of the service.
  explicit Server(CredentialRef<typename Mech::Gss, Accept> credential GSSKEY_LIFETIMEBOUND,
                  ServerOptions options = {}) noexcept
      : end_{credential, std::move(options)} {}

  /// Returns the next challenge, which may be empty and is to be sent then too. When the client has logged in there is
  /// none, or, of GSS-SPNEGO and GS2, what goes with the success; a protocol whose success takes nothing along sends it
  /// as a challenge, and waits for the empty response. A failure ends the exchange: the client is told that it has
  /// failed, and nothing else.
  /// Errors: those of the class; usage too, for options that cannot be, and a missing response; transport (EPROTO), for
  ///   what is no message of the mechanism; policy, if the client wants less protection than it must have, or a layer
  ///   that was not offered; that of ServerOptions::authorize, or policy; those of Acceptor::step(),
  ///   Acceptor::accept(), SecurityContext and session_key(); system (ENOMEM). Throws std::bad_alloc, and what
  ///   authorize throws: the exchange is over then.
  /// Blocks: as Acceptor::step() does.
  [[nodiscard]] Result<Message> step(std::optional<ByteView> response) {
    if (auto usable = progress_.check_step("sasl::Server::step"); !usable) return unexpected(usable.error());
    progress_.set(Progress::Phase::over);
    auto challenge = end_.step(response);
    if (challenge) progress_.set(end_.is_complete() ? Progress::Phase::complete : Progress::Phase::underway);
    return challenge;
  }
  /// Says whether the client has logged in.
  [[nodiscard]] bool is_complete() const noexcept { return progress_.get() == Progress::Phase::complete; }

  /// Returns what the exchange has made.
  /// Errors: those of the class; usage too, before is_complete(): nothing is lost.
  [[nodiscard]] Result<Session<typename Mech::Gss>> establish() && noexcept {
    if (auto usable = progress_.check_establish("sasl::Server::establish"); !usable) return unexpected(usable.error());
    progress_.set(Progress::Phase::over);
    return std::move(end_).establish();
  }

 private:
  typename sasl_detail::ServerOf<Mech>::type end_;
  Progress progress_;
};

}  // namespace sasl
GSSKEY_END_GSS_ABI
}  // namespace gsskey
