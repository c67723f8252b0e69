// gsskey/sasl/detail/gs2_server: the server's end of GS2-KRB5 and GS2-KRB5-PLUS. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/channel_bindings.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/gss/status.hpp>
#include <gsskey/gss/usage.hpp>
#include <gsskey/sasl/detail/authorize.hpp>
#include <gsskey/sasl/detail/gs2_message.hpp>
#include <gsskey/sasl/detail/security_layers.hpp>
#include <gsskey/sasl/line.hpp>
#include <gsskey/sasl/session.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl_detail {

template <bool IsPlus>
class Gs2Server {
  using Krb5 = mech::Krb5;

 public:
  Gs2Server(CredentialRef<Krb5, Accept> credential, sasl::ServerOptions options) noexcept
      : credential_{credential}, options_{std::move(options)} {}

  [[nodiscard]] Result<sasl::Message> step(std::optional<ByteView> response) {
    const bool is_first = std::exchange(is_fresh_, false);
    if (!response) {
      if (is_first) return sasl::Message{SecretBytes{}};  // the client goes first
      return unexpected(Error::usage(operation, "there is no response: an empty one is ByteView{}"));
    }
    return acceptor_ ? go_on(*response) : begin(*response);
  }
  [[nodiscard]] bool is_complete() const noexcept { return static_cast<bool>(context_); }
  [[nodiscard]] Result<sasl::Session<Krb5>> establish() && noexcept {
    return sasl::Session<Krb5>{
        std::move(context_), std::move(peer_), std::move(authzid_), 0, {.protection = Protection::none}};
  }

 private:
  static constexpr const char* operation = "sasl::Server::step";

  [[nodiscard]] Result<sasl::Message> begin(ByteView response) {
    Gs2Channel channel;
    if (const char* fault = fault_of_gs2(options_, IsPlus, channel)) return unexpected(Error::usage(operation, fault));
    if (options_.min_ssf > options_.external_ssf) return unexpected(Error::policy(operation, 0, gs2_has_no_layer));
    Gs2Message message;
    if (const char* fault = Gs2Message::read(response, message)) {
      return unexpected(Error::transport(operation, EPROTO, fault));
    }
    if (const char* why = refusal_of(message, channel)) return unexpected(Error::policy(operation, 0, why));
    authzid_ = Gs2Message::unescaped(message.authzid);

    const std::string_view data = IsPlus ? channel.data.text() : std::string_view{};
    auto bindings = SecretBytes::with_size(message.header.size() + data.size());
    if (!bindings) return unexpected(bindings.error());
    char* const out = reinterpret_cast<char*>(bindings->data());
    static_cast<void>(detail::append(detail::append(out, message.header.text()), data));
    bindings_ = *std::move(bindings);
    auto token = message.is_framed ? Gs2Framing::restore(message.token) : SecretBytes::copy_of(message.token);
    if (!token) return unexpected(token.error());

    ContextFlags flags = ContextFlag::mutual;
    if constexpr (capabilities.channel_bound_flag) {
      flags = flags | ContextFlag::channel_bound;
    } else if (auto bound = check_bound(*token); !bound) {
      return unexpected(bound.error());
    }
    acceptor_.emplace(credential_, AcceptorOptions<Krb5>{
                                       .demand = flags, .bindings = ChannelBindings::from_application_data(bindings_)});
    return go_on(*token);
  }
  /// nullptr, or why a header that is one will not do.
  [[nodiscard]] const char* refusal_of(const Gs2Message& message, const Gs2Channel& channel) const noexcept {
    if constexpr (IsPlus) {
      if (message.flag != Gs2Flag::used) return "the client chooses -PLUS, and does not bind its channel";
      if (message.type != channel.type) return "the client binds its channel by a type that the server has not";
    } else {
      if (message.flag == Gs2Flag::used) return "the client binds its channel, and does not choose -PLUS";
      if (message.flag == Gs2Flag::not_offered && !options_.bindings.empty()) {
        return "the client was not offered -PLUS: somebody has struck it from the list";
      }
    }
    return nullptr;
  }
  /// Tokens without bindings are taken with any. The header would be anybody's then: a token of another mechanism,
  /// behind the header of whoever has caught it, would log that one in. Where the implementation does not tell, it has
  /// to refuse the token with other bindings.
  [[nodiscard]] Result<void> check_bound(ByteView token) const noexcept {
    Acceptor<Krb5> other{credential_, {.demand = {}, .bindings = ChannelBindings::from_application_data("other")}};
    const auto step = other.step(token);
    if (step) return unexpected(Error::policy(operation, 0, "the client's token has no channel bindings"));
    if (routine_error(step.error().error) == RoutineError::bad_bindings) return {};
    return unexpected(step.error().error);
  }

  [[nodiscard]] Result<sasl::Message> go_on(ByteView token) {
    auto step = acceptor_->step(token);
    if (!step) return unexpected(step.error().error);
    if (!step->complete) return message_of(step->token);
    auto accepted = std::move(*acceptor_).accept();
    if (!accepted) return unexpected(accepted.error());
    auto allowed = authorize(operation, options_, accepted->peer, authzid_);
    if (!allowed) return unexpected(allowed.error());
    authzid_ = *std::move(allowed);
    context_ = std::move(accepted->context);
    peer_ = std::move(accepted->peer);
    return message_of(step->token);
  }

  CredentialRef<Krb5, Accept> credential_;
  sasl::ServerOptions options_;
  SecretBytes bindings_;  // those of the acceptor
  std::optional<Acceptor<Krb5>> acceptor_;
  SecurityContext<Krb5> context_;
  Name peer_;
  std::string authzid_;  // whom the client asks to be, then whom it is
  bool is_fresh_ = true;
};

}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
