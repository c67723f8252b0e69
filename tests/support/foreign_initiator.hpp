// tests/support/foreign_initiator: one that would rather have a mechanism which nobody has, and then takes Kerberos.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/gss.hpp>

#include <optional>
#include <string>
#include <utility>

#include "support/realm.hpp"
#include "support/spnego_token.hpp"

namespace support {

/// As Initiator has it, by hand: RFC 4178 for a mechanism that needs one token, signed on both ends (section 5).
class ForeignInitiator {
 public:
  using Context = SecurityContext<mech::Krb5>;
  struct Token {
    std::string bytes;
    [[nodiscard]] const std::string& text() const { return bytes; }
  };
  struct Step {
    Token token;
    bool complete = false;
  };
  struct Failure {
    Error error;
    Token token;
  };

  [[nodiscard]] expected<Step, Failure> step(ByteView input) {
    if (phase_ == 0) {
      SpnegoToken token;
      token.is_init = true;
      token.mechanisms = {oid(Oid{"1.2.3.4"}), oid(mech::Krb5::oid)};
      token.token = "a token of the unknown mechanism";
      list_ = token.mech_types();
      return next(token.write(), false);
    }
    const auto answer = SpnegoToken::parse(input.text());
    if (!answer || answer->is_init || answer->state == SpnegoToken::rejected) return failed("no answer");
    if (phase_ == 1) {
      if (answer->mechanism != oid(mech::Krb5::oid)) return failed("not Kerberos");
      auto inner = initiator<mech::Krb5>(
          {.demand = ContextFlag::confidentiality | ContextFlag::integrity | ContextFlag::replay});
      SpnegoToken token;
      token.token = must(inner.step()).token.text();
      context_ = must(std::move(inner).establish());
      token.mic = must(context_->get_mic(list_)).text();
      return next(token.write(), false);
    }
    if (!answer->mic || !context_->verify_mic(list_, *answer->mic)) return failed("not signed");
    return next({}, true);
  }

  [[nodiscard]] bool is_complete() const { return phase_ == 3; }
  [[nodiscard]] bool peer_signed_negotiation() const { return is_complete(); }
  [[nodiscard]] Result<Context> establish() && {
    if (!is_complete()) return unexpected(Error::usage("establish", "the handshake is not complete"));
    return *std::move(context_);
  }

 private:
  [[nodiscard]] Step next(std::string token, bool complete) {
    ++phase_;
    return {{std::move(token)}, complete};
  }
  [[nodiscard]] unexpected<Failure> failed(const char* why) {
    phase_ = 4;
    return unexpected(Failure{Error::policy("ForeignInitiator", 0, why), {}});
  }

  int phase_ = 0;
  std::string list_;
  std::optional<Context> context_;
};

}  // namespace support
