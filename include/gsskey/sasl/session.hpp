// gsskey/sasl/session: what the ends of a SASL exchange may ask for, and what they have when it is over.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/channel_bindings.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/io/record_layer.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl {

/// What a client may ask for. Strengths are in the bits of a key; 0 is no protection, 1 integrity without encryption.
struct ClientOptions {
  std::uint32_t min_ssf = 1;       ///< the least that layer and channel may have together
  std::uint32_t max_ssf = 256;     ///< the most that they shall have: 1 keeps a layer from encrypting
  std::uint32_t external_ssf = 0;  ///< what the channel below has: the bits of the cipher of TLS
  /// The longest token of a layer that is taken, 0xFFFFFF at most; GssSpnego has more to say of it.
  /// Units: bytes.
  std::uint32_t max_buffer = 65536;
  /// Takes a server that offers no layer and has a buffer for it all the same: those of Dovecot, Java (a broker of
  /// Kafka) and GNU SASL. RFC 4752 has it refused.
  bool ignore_unused_buffer = false;
  /// Who the client wants to act as, in the form of the protocol ("dn:..." and "u:..." of LDAP), in UTF-8; empty: as
  /// who they are. GSS-SPNEGO has none.
  std::string authzid{};
  /// The TLS connection below, for GS2-KRB5-PLUS; what GS2-KRB5 has them for is said there. RFC 4752 says that GSSAPI
  /// has none: for peers that want them all the same (Active Directory, tls-server-end-point).
  ChannelBindings bindings{};
};

/// What a server may ask for; the members of the same names are those of ClientOptions.
struct ServerOptions {
  std::uint32_t min_ssf = 1;
  std::uint32_t max_ssf = 256;
  std::uint32_t external_ssf = 0;
  std::uint32_t max_buffer = 65536;
  /// Takes a client that chooses no layer and has a buffer for it all the same: GNU SASL's, where layers are offered.
  bool ignore_unused_buffer = false;
  /// Decides whether `peer` may act as the authzid that it asks for, which is UTF-8, without NUL, and not empty.
  /// Without it nobody may act as another: only the peer itself, as Principal::text() has it, is taken.
  std::function<Result<void>(const Name& peer, std::string_view authzid)> authorize{};
  ChannelBindings bindings{};
  /// What is taken for the buffer of a client that chooses a layer and says that it takes tokens of 0 bytes; 0: such
  /// clients are refused.
  /// Units: bytes.
  std::uint32_t buffer_of_silent_clients = 0;
};

/// What both ends have when an exchange has succeeded. The layer begins with the first byte behind the outcome:
/// `SecureFdStream{fd, std::move(session.context), session.layer}`.
template <Mechanism M>
struct Session {
  SecurityContext<M> context;
  Name peer;  ///< of a client, the server; else who has logged in
  /// Whom a server is to take the peer for: never empty there, without a wish of the peer's its Principal::text(). Of a
  /// client, what it asked for.
  std::string authzid;
  std::uint32_t ssf = 0;  ///< of the layer alone
  RecordOptions layer;    ///< for the RecordLayer; with Protection::none, messages go as they are
};

}  // namespace sasl

namespace sasl_detail {

/// How far an end is. One that was moved from is over.
class Progress {
 public:
  enum class Phase : unsigned char { underway, complete, over };

  Progress() noexcept = default;
  Progress(Progress&& other) noexcept : phase_{std::exchange(other.phase_, Phase::over)} {}
  Progress& operator=(Progress&& other) noexcept {
    phase_ = std::exchange(other.phase_, Phase::over);
    return *this;
  }
  ~Progress() = default;

  [[nodiscard]] Phase get() const noexcept { return phase_; }
  void set(Phase phase) noexcept { phase_ = phase; }

  /// Of step(): an Error unless it is underway.
  [[nodiscard]] Result<void> check_step(const char* operation) const noexcept {
    if (phase_ == Phase::underway) return {};
    return unexpected(Error::usage(operation, phase_ == Phase::complete
                                                  ? "a message after the last of the exchange"
                                                  : "the exchange is over: failed, established, or moved from"));
  }
  /// Of establish(): an Error unless it is complete.
  [[nodiscard]] Result<void> check_establish(const char* operation) const noexcept {
    if (phase_ == Phase::complete) return {};
    return unexpected(Error::usage(operation, phase_ == Phase::underway
                                                  ? "the exchange is not complete"
                                                  : "the exchange is over: failed, established, or moved from"));
  }

 private:
  Phase phase_ = Phase::underway;
};

/// The end of a mechanism's own; each mechanism specialises these.
template <class Mech>
struct ClientOf;
template <class Mech>
struct ServerOf;

}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
