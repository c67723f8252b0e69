// gsskey/sasl/detail/gssapi_server: the server's end of GSSAPI. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/gss/usage.hpp>
#include <gsskey/sasl/detail/authorize.hpp>
#include <gsskey/sasl/detail/security_layers.hpp>
#include <gsskey/sasl/line.hpp>
#include <gsskey/sasl/session.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl_detail {

class GssapiServer {
  using Krb5 = mech::Krb5;

 public:
  GssapiServer(CredentialRef<Krb5, Accept> credential, sasl::ServerOptions options) noexcept
      : needed_{NeededStrength::of(options.min_ssf, options.max_ssf, options.external_ssf)},
        acceptor_{credential, {.demand = demand(needed_), .bindings = options.bindings}},
        options_{std::move(options)} {}

  [[nodiscard]] Result<sasl::Message> step(std::optional<ByteView> response) {
    if (!response) {
      if (stage_ == Stage::fresh) return ask();
      return unexpected(Error::usage(operation, "there is no response: an empty one is ByteView{}"));
    }
    switch (stage_) {
      case Stage::fresh:
      case Stage::handshake:
        return handshake(*response);
      case Stage::before_offer:
        if (!response->empty()) return malformed("the response to the last token is not empty");
        return offer();
      default:
        return conclude(*response);
    }
  }
  [[nodiscard]] bool is_complete() const noexcept { return stage_ == Stage::complete; }
  [[nodiscard]] Result<sasl::Session<Krb5>> establish() && noexcept {
    return sasl::Session<Krb5>{std::move(context_), std::move(peer_), std::move(authzid_), ssf_,
                               record_options(layer_, their_buffer_, options_.max_buffer)};
  }

 private:
  enum class Stage : unsigned char { fresh, handshake, before_offer, reply, complete };
  static constexpr const char* operation = "sasl::Server::step";

  [[nodiscard]] static ContextDemand demand(NeededStrength needed) noexcept {
    ContextFlags flags = ContextFlag::integrity;
    if (needed.least >= 1) flags = flags | ContextFlag::sequence;
    if (needed.least > 1) flags = flags | ContextFlag::confidentiality;
    return flags;
  }
  [[nodiscard]] static unexpected<Error> malformed(const char* why) noexcept {
    return unexpected(Error::transport(operation, EPROTO, why));
  }

  /// The client goes first.
  [[nodiscard]] Result<sasl::Message> ask() noexcept {
    stage_ = Stage::handshake;
    return sasl::Message{SecretBytes{}};
  }
  [[nodiscard]] Result<sasl::Message> handshake(ByteView response) noexcept {
    if (const char* fault =
            fault_of_strength(options_.min_ssf, options_.max_ssf, options_.external_ssf, options_.max_buffer)) {
      return unexpected(Error::usage(operation, fault));
    }
    stage_ = Stage::handshake;
    auto step = acceptor_.step(response);
    if (!step) return unexpected(step.error().error);
    if (!step->complete) return message_of(step->token);
    auto accepted = std::move(acceptor_).accept();
    if (!accepted) return unexpected(accepted.error());
    context_ = std::move(accepted->context);
    peer_ = std::move(accepted->peer);
    stage_ = Stage::before_offer;
    // Clients that want no mutual authentication, as Java's by default, get no token, and wait for the offer.
    return step->token.empty() ? offer() : message_of(step->token);
  }
  [[nodiscard]] Result<sasl::Message> offer() noexcept {
    const auto known = context_.inquire();
    if (!known) return unexpected(known.error());
    if (needed_.wants_encryption() && known->flags.contains(ContextFlag::confidentiality)) {
      const auto strength = encryption_strength(context_);
      if (!strength) return unexpected(strength.error());
      encryption_ = *strength;
    }
    offered_ = needed_.layers(known->flags, encryption_);
    if (offered_ == 0) {
      return unexpected(
          Error::policy(operation, 0, "no layer is as strong as it must be, and no stronger than it may be"));
    }
    unsigned char octets[4];
    write_layers(offered_, offered_ == no_layer ? 0 : options_.max_buffer, octets);
    auto token = context_.wrap_unencrypted({octets, sizeof octets});
    if (!token) return unexpected(token.error());
    stage_ = Stage::reply;
    return message_of(*token);
  }

  [[nodiscard]] Result<sasl::Message> conclude(ByteView response) {
    const auto unwrapped = context_.unwrap_unencrypted(response);
    if (!unwrapped) return unexpected(unwrapped.error());
    LayerMessage reply;
    if (!LayerMessage::read(unwrapped->message, reply)) return malformed("a choice of a layer has four octets");
    // One is to be chosen. Samba's clients name all that they can: then it is the strongest that was offered.
    const Layers layers = reply.layers & offered_;
    if (layers == 0) return unexpected(Error::policy(operation, 0, "the client chooses no layer that was offered"));
    layer_ = strongest_of(layers);
    their_buffer_ = reply.buffer;
    if (layer_ == Protection::none) {
      if (reply.buffer != 0 && !options_.ignore_unused_buffer) {
        return malformed("the client chooses no layer, and a buffer: ignore_unused_buffer would take it");
      }
    } else if (reply.buffer == 0) {
      their_buffer_ = options_.buffer_of_silent_clients;
      if (their_buffer_ == 0) return malformed("the client chooses a layer, and takes no token of it");
    }
    if (auto room = check_room(context_, layer_, their_buffer_); !room) return unexpected(room.error());
    if (!is_utf8_text(reply.rest)) return malformed("the authzid is not UTF-8 without NUL");
    auto allowed = authorize(operation, options_, peer_, reply.rest.text());
    if (!allowed) return unexpected(allowed.error());
    authzid_ = *std::move(allowed);
    ssf_ = layer_ == Protection::encrypted ? encryption_ : layer_ == Protection::integrity ? 1 : 0;
    stage_ = Stage::complete;
    return sasl::Message{};
  }

  NeededStrength needed_;
  Acceptor<Krb5> acceptor_;
  sasl::ServerOptions options_;
  SecurityContext<Krb5> context_;
  Name peer_;
  std::string authzid_;
  std::uint32_t their_buffer_ = 0;
  std::uint32_t encryption_ = 0;
  std::uint32_t ssf_ = 0;
  Protection layer_ = Protection::none;
  Layers offered_ = 0;
  Stage stage_ = Stage::fresh;
};

}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
