// gsskey/sasl/detail/spnego_server: the server's end of GSS-SPNEGO. Internal.
// SPDX-License-Identifier: MIT
#pragma once

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
#include <gsskey/sasl/detail/granted_layer.hpp>
#include <gsskey/sasl/detail/security_layers.hpp>
#include <gsskey/sasl/line.hpp>
#include <gsskey/sasl/session.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl_detail {

/// A template, so that an implementation without SPNEGO has the header.
template <Mechanism Gss>
class SpnegoServer {
 public:
  SpnegoServer(CredentialRef<Gss, Accept> credential, sasl::ServerOptions options) noexcept
      : needed_{NeededStrength::of(options.min_ssf, options.max_ssf, options.external_ssf)},
        acceptor_{credential, {.demand = demand(needed_), .bindings = options.bindings}},
        options_{std::move(options)} {}

  [[nodiscard]] Result<sasl::Message> step(std::optional<ByteView> response) {
    const bool is_first = std::exchange(is_fresh_, false);
    if (!response) {
      if (is_first) return sasl::Message{SecretBytes{}};  // the client goes first
      return unexpected(Error::usage(operation, "there is no response: an empty one is ByteView{}"));
    }
    if (const char* fault =
            fault_of_strength(options_.min_ssf, options_.max_ssf, options_.external_ssf, options_.max_buffer)) {
      return unexpected(Error::usage(operation, fault));
    }
    auto step = acceptor_.step(*response);
    if (!step) return unexpected(step.error().error);
    if (!step->complete) return message_of(step->token);
    if (auto accepted = accept(); !accepted) return unexpected(accepted.error());
    if (step->token.empty()) return sasl::Message{};
    return message_of(step->token);
  }
  [[nodiscard]] bool is_complete() const noexcept { return static_cast<bool>(context_); }
  [[nodiscard]] Result<sasl::Session<Gss>> establish() && noexcept {
    return sasl::Session<Gss>{std::move(context_), std::move(peer_), std::move(authzid_), layer_.ssf,
                              layer_.record_options(options_.max_buffer)};
  }

 private:
  static constexpr const char* operation = "sasl::Server::step";

  [[nodiscard]] static ContextDemand demand(NeededStrength needed) noexcept {
    ContextFlags flags;
    if (needed.least >= 1) flags = flags | ContextFlag::integrity | ContextFlag::sequence;
    if (needed.least > 1) flags = flags | ContextFlag::confidentiality;
    return flags;
  }
  [[nodiscard]] Result<void> accept() {
    auto accepted = std::move(acceptor_).accept();
    if (!accepted) return unexpected(accepted.error());
    auto layer = GrantedLayer::of(operation, accepted->context, needed_);
    if (!layer) return unexpected(layer.error());
    if (auto room = check_room(accepted->context, layer->protection, options_.max_buffer); !room) {
      return unexpected(room.error());
    }
    auto name = authorize(operation, options_, accepted->peer, {});
    if (!name) return unexpected(name.error());
    authzid_ = *std::move(name);
    context_ = std::move(accepted->context);
    peer_ = std::move(accepted->peer);
    layer_ = *layer;
    return {};
  }

  NeededStrength needed_;
  Acceptor<Gss> acceptor_;
  sasl::ServerOptions options_;
  SecurityContext<Gss> context_;
  Name peer_;
  std::string authzid_;
  GrantedLayer layer_;
  bool is_fresh_ = true;
};

}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
