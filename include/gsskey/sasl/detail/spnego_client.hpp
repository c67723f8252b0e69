// gsskey/sasl/detail/spnego_client: the client's end of GSS-SPNEGO. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <optional>
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
#include <gsskey/sasl/detail/granted_layer.hpp>
#include <gsskey/sasl/detail/security_layers.hpp>
#include <gsskey/sasl/line.hpp>
#include <gsskey/sasl/session.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl_detail {

/// A template, so that an implementation without SPNEGO has the header.
template <Mechanism Gss>
class SpnegoClient {
 public:
  SpnegoClient(Name target, CredentialRef<Gss, Initiate> credential, sasl::ClientOptions options) noexcept
      : needed_{NeededStrength::of(options.min_ssf, options.max_ssf, options.external_ssf)},
        initiator_{std::move(target), credential, {.demand = demand(needed_), .bindings = options.bindings}},
        options_{std::move(options)} {}

  [[nodiscard]] Result<sasl::Message> step(std::optional<ByteView> challenge) noexcept {
    if (is_fresh_) {
      if (auto possible = check_options(); !possible) return unexpected(possible.error());
      if (challenge && !challenge->empty()) {
        return unexpected(
            Error::transport(operation, EPROTO, "a challenge that is not empty before the initial response"));
      }
      is_fresh_ = false;
    } else if (!challenge) {
      return unexpected(Error::usage(operation, "there is no challenge: an empty one is ByteView{}"));
    }
    auto step = initiator_.step(challenge.value_or(ByteView{}));
    if (!step) return unexpected(step.error().error);
    if (step->complete) {
      auto context = std::move(initiator_).establish();
      if (!context) return unexpected(context.error());
      auto layer = GrantedLayer::of(operation, *context, needed_);
      if (!layer) return unexpected(layer.error());
      if (auto room = check_room(*context, layer->protection, options_.max_buffer); !room) {
        return unexpected(room.error());
      }
      context_ = *std::move(context);
      layer_ = *layer;
    }
    return message_of(step->token);
  }
  [[nodiscard]] bool is_complete() const noexcept { return static_cast<bool>(context_); }
  [[nodiscard]] Result<sasl::Session<Gss>> establish() && noexcept {
    auto known = context_.inquire();
    if (!known) return unexpected(known.error());
    return sasl::Session<Gss>{
        std::move(context_), std::move(known->acceptor), {}, layer_.ssf, layer_.record_options(options_.max_buffer)};
  }

 private:
  static constexpr const char* operation = "sasl::Client::step";

  /// Always mutual: without an offer nothing else proves who the server is. And always with order, which a layer needs:
  /// Kerberos may grant one that was not asked for.
  [[nodiscard]] static ContextFlags demand(NeededStrength needed) noexcept {
    ContextFlags flags = ContextFlag::mutual | ContextFlag::sequence;
    if (needed.wants_layer()) flags = flags | ContextFlag::integrity;
    if (needed.wants_encryption()) flags = flags | ContextFlag::confidentiality;
    return flags;
  }
  [[nodiscard]] Result<void> check_options() const noexcept {
    if (const char* fault =
            fault_of_strength(options_.min_ssf, options_.max_ssf, options_.external_ssf, options_.max_buffer)) {
      return unexpected(Error::usage(operation, fault));
    }
    if (options_.authzid.empty()) return {};
    return unexpected(Error::usage(operation, "GSS-SPNEGO has no authzid"));
  }

  NeededStrength needed_;
  Initiator<Gss> initiator_;
  sasl::ClientOptions options_;
  SecurityContext<Gss> context_;
  GrantedLayer layer_;
  bool is_fresh_ = true;
};

}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
