// gsskey/sasl/client: Client<Mech>, the client's end of a SASL exchange, without I/O.
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/usage.hpp>
#include <gsskey/sasl/line.hpp>
#include <gsskey/sasl/session.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl {

/// Logs a client in by mechanism Mech: call step() without a challenge for the initial response, then with each
/// challenge, and establish() when the server says that the login has succeeded. Move-only.
/// Errors: usage, for one that was moved from, has failed or is established.
/// Threads: one at a time, not always the same one.
/// Owner: of the target; the credential is borrowed until establish().
/// See: RFC 4422 section 3.
template <class Mech>
class Client {
  using Progress = sasl_detail::Progress;

 public:
  using Mechanism = Mech;

  /// Takes the target, the service of the protocol ("ldap", "imap") at the server's host, and who logs in.
  Client(Name target, CredentialRef<typename Mech::Gss, Initiate> credential GSSKEY_LIFETIMEBOUND,
         ClientOptions options = {}) noexcept
      : end_{std::move(target), credential, std::move(options)} {}

  /// Answers the server. The first step has no challenge, or an empty one where the protocol has no initial response.
  /// A response may be empty, and is to be sent then too. What the server sends with its success is a challenge as
  /// well, whose response is not sent. A failure ends the exchange: programs cancel it.
  /// Errors: those of the class; usage too, for options that cannot be, and a missing challenge; transport (EPROTO),
  ///   for what is no message of the mechanism; policy, if the server offers no layer that will do; those of
  ///   Initiator::step(), Initiator::establish(), SecurityContext and session_key(); system (ENOMEM).
  /// Blocks: as Initiator::step() does.
  [[nodiscard]] Result<Message> step(std::optional<ByteView> challenge = std::nullopt) noexcept {
    if (auto usable = progress_.check_step("sasl::Client::step"); !usable) return unexpected(usable.error());
    auto response = end_.step(challenge);
    if (!response) {
      progress_.set(Progress::Phase::over);
    } else if (end_.is_complete()) {
      progress_.set(Progress::Phase::complete);
    }
    return response;
  }
  /// Says whether the last response was made: what comes next is the outcome. Before that, a success is not believed.
  [[nodiscard]] bool is_complete() const noexcept { return progress_.get() == Progress::Phase::complete; }

  /// Returns what the exchange has made. The program calls it when the server has said that the login has succeeded.
  /// Errors: those of the class; usage too, before is_complete(): nothing is lost; those of SecurityContext::inquire().
  [[nodiscard]] Result<Session<typename Mech::Gss>> establish() && noexcept {
    if (auto usable = progress_.check_establish("sasl::Client::establish"); !usable) return unexpected(usable.error());
    progress_.set(Progress::Phase::over);
    return std::move(end_).establish();
  }

 private:
  typename sasl_detail::ClientOf<Mech>::type end_;
  Progress progress_;
};

}  // namespace sasl
GSSKEY_END_GSS_ABI
}  // namespace gsskey
