// gsskey/sasl/detail/gssapi_client: the client's end of GSSAPI. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
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
#include <gsskey/sasl/detail/security_layers.hpp>
#include <gsskey/sasl/line.hpp>
#include <gsskey/sasl/session.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl_detail {

class GssapiClient {
  using Krb5 = mech::Krb5;

 public:
  GssapiClient(Name target, CredentialRef<Krb5, Initiate> credential, sasl::ClientOptions options) noexcept
      : needed_{NeededStrength::of(options.min_ssf, options.max_ssf, options.external_ssf)},
        initiator_{std::move(target), credential, {.demand = demand(needed_), .bindings = options.bindings}},
        options_{std::move(options)} {}

  [[nodiscard]] Result<sasl::Message> step(std::optional<ByteView> challenge) noexcept {
    if (stage_ != Stage::fresh && !challenge) {
      return unexpected(Error::usage(operation, "there is no challenge: an empty one is ByteView{}"));
    }
    return stage_ == Stage::offer ? reply(*challenge) : handshake(challenge.value_or(ByteView{}));
  }
  [[nodiscard]] bool is_complete() const noexcept { return stage_ == Stage::complete; }
  [[nodiscard]] Result<sasl::Session<Krb5>> establish() && noexcept {
    auto known = context_.inquire();
    if (!known) return unexpected(known.error());
    return sasl::Session<Krb5>{std::move(context_), std::move(known->acceptor), std::move(options_.authzid), ssf_,
                               record_options(layer_, their_buffer_, options_.max_buffer)};
  }

 private:
  enum class Stage : unsigned char { fresh, handshake, offer, complete };
  static constexpr const char* operation = "sasl::Client::step";

  [[nodiscard]] static ContextFlags demand(NeededStrength needed) noexcept {
    ContextFlags flags = ContextFlag::integrity;
    if (needed.wants_layer()) flags = flags | ContextFlag::mutual | ContextFlag::sequence;
    if (needed.wants_encryption()) flags = flags | ContextFlag::confidentiality;
    return flags;
  }
  [[nodiscard]] static unexpected<Error> malformed(const char* why) noexcept {
    return unexpected(Error::transport(operation, EPROTO, why));
  }

  [[nodiscard]] Result<sasl::Message> handshake(ByteView challenge) noexcept {
    const bool is_first = stage_ == Stage::fresh;
    if (is_first) {
      if (const char* fault =
              fault_of_strength(options_.min_ssf, options_.max_ssf, options_.external_ssf, options_.max_buffer)) {
        return unexpected(Error::usage(operation, fault));
      }
      if (!is_utf8_text(options_.authzid)) {
        return unexpected(Error::usage(operation, "the authzid is not UTF-8 without NUL"));
      }
      if (!challenge.empty()) return malformed("a challenge that is not empty before the initial response");
      stage_ = Stage::handshake;
    }
    auto step = initiator_.step(challenge);
    if (!step) return unexpected(step.error().error);
    if (step->complete) {
      auto context = std::move(initiator_).establish();
      if (!context) return unexpected(context.error());
      context_ = *std::move(context);
      stage_ = Stage::offer;
      may_be_empty_ = is_first;
    }
    // Without a token an empty response is owed: the server waits for it.
    return message_of(step->token);
  }

  [[nodiscard]] Result<sasl::Message> reply(ByteView challenge) noexcept {
    // A server without a token to answer with sends the offer; Samba's sends nothing, and waits for nothing in return.
    if (std::exchange(may_be_empty_, false) && challenge.empty()) return sasl::Message{SecretBytes{}};
    const auto unwrapped = context_.unwrap_unencrypted(challenge);
    if (!unwrapped) return unexpected(unwrapped.error());
    LayerMessage offer;
    if (!LayerMessage::read(unwrapped->message, offer) || !offer.rest.empty()) {
      return malformed("an offer of layers has four octets");
    }
    if (offer.layers == 0) return malformed("the server offers no layer that there is, and not to have none");
    if (offer.layers == no_layer && offer.buffer != 0 && !options_.ignore_unused_buffer) {
      return malformed("the server offers no layer, and a buffer: ignore_unused_buffer would take it");
    }
    auto chosen = choose(offer);
    if (!chosen) return unexpected(chosen.error());
    layer_ = *chosen;
    their_buffer_ = offer.buffer;

    auto message = SecretBytes::with_size(4 + options_.authzid.size());
    if (!message) return unexpected(message.error());
    write_layers(bit_of(layer_), layer_ == Protection::none ? 0 : options_.max_buffer, message->data());
    std::memcpy(message->data() + 4, options_.authzid.data(), options_.authzid.size());
    auto token = context_.wrap_unencrypted(*message);
    if (!token) return unexpected(token.error());
    stage_ = Stage::complete;
    return message_of(*token);
  }

  [[nodiscard]] Result<Protection> choose(const LayerMessage& offer) noexcept {
    std::uint32_t encryption = 0;
    if (needed_.wants_encryption()) {
      const auto strength = encryption_strength(context_);
      if (!strength) return unexpected(strength.error());
      encryption = *strength;
    }
    Layers layers = offer.layers & needed_.layers(demand(needed_), encryption);  // all that was demanded was granted
    if (offer.buffer == 0) layers &= no_layer;                                   // nothing could be sent
    if (layers == 0) {
      return unexpected(Error::policy(operation, 0,
                                      "the server offers no layer that is as strong as it must be, and no "
                                      "stronger than it may be"));
    }
    const Protection layer = strongest_of(layers);
    if (auto room = check_room(context_, layer, offer.buffer); !room) return unexpected(room.error());
    ssf_ = layer == Protection::encrypted ? encryption : layer == Protection::integrity ? 1 : 0;
    return layer;
  }

  NeededStrength needed_;
  Initiator<Krb5> initiator_;
  sasl::ClientOptions options_;
  SecurityContext<Krb5> context_;
  std::uint32_t their_buffer_ = 0;
  std::uint32_t ssf_ = 0;
  Protection layer_ = Protection::none;
  Stage stage_ = Stage::fresh;
  bool may_be_empty_ = false;
};

}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
