// gsskey/sasl/detail/gs2_client: the client's end of GS2-KRB5 and GS2-KRB5-PLUS. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/gss/usage.hpp>
#include <gsskey/sasl/detail/gs2_message.hpp>
#include <gsskey/sasl/detail/security_layers.hpp>
#include <gsskey/sasl/line.hpp>
#include <gsskey/sasl/session.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl_detail {

template <bool IsPlus>
class Gs2Client {
  using Krb5 = mech::Krb5;

 public:
  Gs2Client(Name target, CredentialRef<Krb5, Initiate> credential, sasl::ClientOptions options) noexcept
      : target_{std::move(target)}, credential_{credential}, options_{std::move(options)} {}

  [[nodiscard]] Result<sasl::Message> step(std::optional<ByteView> challenge) noexcept {
    if (std::exchange(is_fresh_, false)) {
      if (challenge && !challenge->empty()) {
        return unexpected(
            Error::transport(operation, EPROTO, "a challenge that is not empty before the initial response"));
      }
      return begin();
    }
    if (!challenge) return unexpected(Error::usage(operation, "there is no challenge: an empty one is ByteView{}"));
    auto step = initiator_.step(*challenge);
    if (!step) return unexpected(step.error().error);
    if (step->complete) {
      auto context = std::move(initiator_).establish();
      if (!context) return unexpected(context.error());
      context_ = *std::move(context);
    }
    return message_of(step->token);
  }
  [[nodiscard]] bool is_complete() const noexcept { return static_cast<bool>(context_); }
  [[nodiscard]] Result<sasl::Session<Krb5>> establish() && noexcept {
    auto known = context_.inquire();
    if (!known) return unexpected(known.error());
    return sasl::Session<Krb5>{std::move(context_),
                               std::move(known->acceptor),
                               std::move(options_.authzid),
                               0,
                               {.protection = Protection::none}};
  }

 private:
  static constexpr const char* operation = "sasl::Client::step";

  [[nodiscard]] Result<sasl::Message> begin() noexcept {
    Gs2Channel channel;
    if (auto possible = check_options(channel); !possible) return unexpected(possible.error());
    Gs2Header header;
    header.authzid = options_.authzid;
    if constexpr (IsPlus) {
      header.flag = Gs2Flag::used;
      header.type = channel.type;
    } else {
      if (!options_.bindings.empty()) header.flag = Gs2Flag::not_offered;
      channel.data = {};
    }
    auto bindings = SecretBytes::with_size(header.size() + channel.data.size());
    if (!bindings) return unexpected(bindings.error());
    static_cast<void>(detail::append(header.write(reinterpret_cast<char*>(bindings->data())), channel.data.text()));
    bindings_ = *std::move(bindings);

    // Sequence is what Cyrus SASL's servers demand, though there is no layer.
    initiator_ = Initiator<Krb5>{std::move(target_),
                                 credential_,
                                 {.demand = ContextFlag::mutual,
                                  .request = ContextFlag::sequence,
                                  .bindings = ChannelBindings::from_application_data(bindings_)}};
    const auto step = initiator_.step();
    if (!step) return unexpected(step.error().error);
    const ByteView token = Gs2Framing::strip(step->token);
    const std::string_view unframed = token.empty() ? "F," : "";
    const ByteView rest = token.empty() ? ByteView{step->token} : token;
    auto message = SecretBytes::with_size(unframed.size() + header.size() + rest.size());
    if (!message) return unexpected(message.error());
    char* out = detail::append(reinterpret_cast<char*>(message->data()), unframed);
    static_cast<void>(detail::append(header.write(out), rest.text()));
    return sasl::Message{*std::move(message)};
  }
  [[nodiscard]] Result<void> check_options(Gs2Channel& channel) const noexcept {
    if (const char* fault = fault_of_gs2(options_, IsPlus, channel)) return unexpected(Error::usage(operation, fault));
    if (!is_utf8_text(options_.authzid)) {
      return unexpected(Error::usage(operation, "the authzid is not UTF-8 without NUL"));
    }
    if (options_.min_ssf > options_.external_ssf) return unexpected(Error::policy(operation, 0, gs2_has_no_layer));
    return {};
  }

  Name target_;
  CredentialRef<Krb5, Initiate> credential_;
  sasl::ClientOptions options_;
  SecretBytes bindings_;  // those of the initiator
  Initiator<Krb5> initiator_;
  SecurityContext<Krb5> context_;
  bool is_fresh_ = true;
};

}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
