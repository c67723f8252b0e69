// gsskey/gss/handshake: the two ends of context establishment, Initiator<M> and Acceptor<M>, without any I/O.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include <gsskey/core/answer.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/expected.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/channel_bindings.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/gss/token_framing.hpp>

namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI {

/// One leg that succeeded. Send `token` if it is not empty, and if it is empty but `complete` is false, send an empty
/// one (RFC 7546 section 3.2; NTLM does that). When `complete`, send first, then call establish().
struct Step {
  Buffer token;
  bool complete = false;
};

/// One leg that failed: the handshake is over. Send `token` if it is not empty: the peer learns the reason from it.
struct StepFailure {
  Error error;
  Buffer token;
};

/// What an initiator may say beyond target and credential; fixed for all legs (RFC 7546 section 3).
struct InitiatorOptions {
  /// Must be granted, or there is no context.
  ContextFlags demand{ContextFlag::mutual, ContextFlag::confidentiality, ContextFlag::integrity, ContextFlag::replay,
                      ContextFlag::sequence};
  /// Asked for, not demanded: ContextFlag::delegate, for one.
  ContextFlags request{};
  /// 0: as the mechanism likes.
  Seconds lifetime{};
  /// The channel that the context belongs to; the acceptor is to give the same, or none.
  ChannelBindings bindings{};
};

template <Mechanism M>
struct AcceptorOptions {
  /// Must be granted, or there is no context. Sequence detection is not in it: it is the initiator's to ask for.
  ContextFlags demand = M::acceptor_demand;
  /// Where establish() puts the credential that the initiator delegated; emptied if there was none. It must live as
  /// long as the Acceptor. Without a slot such a credential is not kept.
  Credential<M, Initiate>* delegated = nullptr;
  /// The channel that the context belongs to: an initiator with others is refused, one without any is not, unless
  /// ContextFlag::channel_bound is demanded.
  ChannelBindings bindings{};
  /// Whether a peer who says nothing of who it is gets a context: ContextFlag::anonymous, which neither MIT krb5 nor
  /// Heimdal tells an acceptor of Kerberos, no name, or Name::is_anonymous(). A ticket proves only that a KDC gave it
  /// to somebody.
  bool allow_anonymous = false;
};

namespace gss_detail {

/// What both ends share: the context under construction, how far it is, and what was granted.
template <Mechanism M>
class Handshake {
 public:
  /// What step() gives: expected<Step, StepFailure>.
  using StepResult = detail::Dependent<expected<Step, StepFailure>, M>;
  /// What establish() makes.
  using Context = SecurityContext<M>;

  /// The last leg succeeded: establish() is next.
  [[nodiscard]] bool is_complete() const noexcept { return phase_ == Phase::complete; }
  /// The peer has sent a first message of the context already, to protect what was negotiated (RFC 4178 section 5).
  [[nodiscard]] bool peer_signed_negotiation() const noexcept { return peer_signed_; }

 protected:
  enum class Phase : unsigned char { fresh, underway, complete, over };

  Handshake() noexcept = default;
  Handshake(Handshake&& other) noexcept
      : context_{std::move(other.context_)},
        granted_{other.granted_},
        mechanism_{other.mechanism_},
        phase_{other.phase_},
        peer_signed_{other.peer_signed_} {
    other.phase_ = Phase::over;
  }
  Handshake& operator=(Handshake&& other) noexcept {
    context_ = std::move(other.context_);
    granted_ = other.granted_;
    mechanism_ = other.mechanism_;
    phase_ = other.phase_;
    peer_signed_ = other.peer_signed_;
    if (this != &other) other.phase_ = Phase::over;
    return *this;
  }
  ~Handshake() = default;

  [[nodiscard]] bool takes_steps() const noexcept { return phase_ == Phase::fresh || phase_ == Phase::underway; }

  [[nodiscard]] static unexpected<StepFailure> misuse(const char* operation, const char* why) noexcept {
    return unexpected(StepFailure{Error::usage(operation, why), Buffer{}});
  }
  [[nodiscard]] unexpected<StepFailure> misused(const char* operation) const noexcept {
    return misuse(operation, phase_ == Phase::complete ? "a token after the handshake was complete"
                                                       : "the handshake is over: failed, established or moved from");
  }
  /// An end without a token for the peer.
  [[nodiscard]] unexpected<StepFailure> refuse(Error error) noexcept {
    phase_ = Phase::over;
    context_.reset();
    return unexpected(StepFailure{std::move(error), Buffer{}});
  }

  /// What a C call's answer means. The context of a failed call is never used again, whether the implementation left
  /// one or not (RFC 2744 sections 5.1 and 5.19 allow both).
  [[nodiscard]] StepResult conclude(const char* operation, OM_uint32 major, OM_uint32 minor, gss_OID mechanism,
                                    OM_uint32 flags, Buffer&& token) noexcept {
    if (major != GSS_S_COMPLETE && major != GSS_S_CONTINUE_NEEDED) {
      StepFailure failure{failed_call_of<M>(operation, major, minor), std::move(token)};
      phase_ = Phase::over;
      context_.reset();
      return unexpected(std::move(failure));
    }
    granted_ = ContextFlags::from_bits(flags);
    mechanism_ = mechanism;
    phase_ = major == GSS_S_COMPLETE ? Phase::complete : Phase::underway;
    return Step{std::move(token), phase_ == Phase::complete};
  }

  /// nullptr, or why the bindings and the demand for them cannot be.
  [[nodiscard]] static const char* fault_of(const ChannelBindings& bindings, bool demanded) noexcept {
    if (!bindings.is_valid()) return "channel bindings need a prefix and data, of 127 bytes together";
    if (demanded && bindings.empty()) return "channel binding is demanded and there are no bindings";
    return nullptr;
  }

  /// The context, if it is what was wanted; else it is destroyed (RFC 7546 section 4).
  [[nodiscard]] Result<Context> finish(const char* operation, ContextFlags demand) noexcept {
    if (phase_ != Phase::complete) return unexpected(Error::usage(operation, "the handshake is not complete"));
    phase_ = Phase::over;
    if (!M::accepts(Oid::copy_of(mechanism_))) {
      context_.reset();
      return unexpected(Error::policy(operation, 0, "the context is one of another mechanism"));
    }
    if (const ContextFlags missing = demand.without(granted_); !missing.empty()) {
      context_.reset();
      return unexpected(Error::policy(operation, missing.bits(), "a demanded service was not granted"));
    }
    return Context::adopt(context_.release());
  }

  ContextHandle context_;
  ContextFlags granted_;
  gss_OID mechanism_ = GSS_C_NO_OID;  // static storage of the implementation (RFC 2744 section 5.1)
  Phase phase_ = Phase::fresh;
  bool peer_signed_ = false;
};

}  // namespace gss_detail

/// The side that starts. Call step() without a token first, then with each token of the peer, until Step::complete;
/// then establish(). Move-only; one thread at a time, not always the same one. step() may block on KDC, DNS and disk.
template <Mechanism M>
class Initiator : public gss_detail::Handshake<M> {
  using Base = gss_detail::Handshake<M>;
  using typename Base::Phase;
  using typename Base::StepResult;

 public:
  static constexpr bool starts = true;

  /// With the default credential for M, acquired by the first step: the convenient way. `target` is owned from here on.
  /// Not for Negotiate, whose credential says what may be negotiated.
  explicit Initiator(Name target, InitiatorOptions options = {}) noexcept
    requires(!gss_detail::LimitsOffer<M>)
      : target_{std::move(target)}, options_{options} {}
  /// With a credential that was acquired once and is used for many handshakes: the fast way. It is borrowed until
  /// establish().
  Initiator(Name target, CredentialRef<M, Initiate> credential, InitiatorOptions options = {}) noexcept
      : target_{std::move(target)}, options_{options}, credential_{credential.get()}, acquires_{false} {}

  /// One leg: gss_init_sec_context. `input`: the peer's token, whole; nothing on the first leg.
  [[nodiscard]] StepResult step(ByteView input = {}) noexcept {
    static_assert(!M::negotiates || capabilities.spnego, GSSKEY_GSS_NAME " has no SPNEGO");
    constexpr const char* operation = "gss_init_sec_context";
    if (!this->takes_steps()) return this->misused(operation);
    const bool first = this->phase_ == Phase::fresh;
    if (first) {
      if (!input.empty()) return Base::misuse(operation, "the first step of an initiator takes no token");
      if (!target_) return this->refuse(Error::usage(operation, "the target name is empty: moved from, or never set"));
      if (options_.demand.contains(ContextFlag::channel_bound)) {
        return this->refuse(Error::usage(operation, "an initiator never learns whether the context is bound"));
      }
      if (const char* fault = Base::fault_of(options_.bindings, false)) {
        return this->refuse(Error::usage(operation, fault));
      }
      // GSS_C_NO_CREDENTIAL would be a credential for whatever mechanism comes; it is passed only where there is no
      // other.
      if (acquires_ && capabilities.initiator_credentials) {
        auto acquired = Credential<M, Initiate>::acquire_default();
        if (!acquired) return this->refuse(std::move(acquired).error());
        default_ = *std::move(acquired);
        credential_ = default_.get();
      }
      if (credential_ == GSS_C_NO_CREDENTIAL && (!acquires_ || capabilities.initiator_credentials)) {
        return this->refuse(Error::usage(operation, "the credential is empty: moved from, or never set"));
      }
    } else if constexpr (known_faults.crashes_on_foreign_reply) {
      const bool dce_style = (options_.demand | options_.request).contains(ContextFlag::dce_style);
      if (!gss_detail::is_reply_of<M>(input, dce_style)) {
        return this->refuse(Error::gss(operation, GSS_S_DEFECTIVE_TOKEN, 0, M::name)
                                .with_text("the token is invalid; it is not framed as one of this mechanism"));
      }
    }
    this->peer_signed_ |= gss_detail::has_negotiation_mic(input);
    OM_uint32 minor = 0;
    OM_uint32 flags = 0;
    gss_OID mechanism = GSS_C_NO_OID;
    Buffer token;
    gss_buffer_desc in = gss_detail::borrow(input);
    gss_detail::RawBindings bindings{options_.bindings};
    const OM_uint32 major =
        gss_init_sec_context(&minor, credential_, this->context_.inout(), target_.get(), gss_detail::raw_oid<M::oid>(),
                             (options_.demand | options_.request).bits(), options_.lifetime.count(), bindings.get(),
                             first ? GSS_C_NO_BUFFER : &in, &mechanism, token.put(), &flags, nullptr);
    auto step = this->conclude(operation, major, minor, mechanism, flags, std::move(token));
    if (!step) step.error().error = gss_detail::about(target_, std::move(step).error().error);
    // Nothing that names the initiator may leave before it is known that it would not (RFC 2743 section 1.2.5).
    if (step && options_.demand.contains(ContextFlag::anonymous) && !this->granted_.contains(ContextFlag::anonymous)) {
      return this->refuse(Error::policy(operation, static_cast<std::uint32_t>(ContextFlag::anonymous),
                                        "anonymity was demanded and is not granted"));
    }
    return step;
  }

  /// The established context. Errors: usage, before completion (nothing is lost); policy, if it is not what was
  /// demanded (it is destroyed).
  [[nodiscard]] Result<SecurityContext<M>> establish() && noexcept {
    return this->finish("gss_init_sec_context", options_.demand);
  }

 private:
  Name target_;
  InitiatorOptions options_;
  Credential<M, Initiate> default_;
  gss_cred_id_t credential_ = GSS_C_NO_CREDENTIAL;
  bool acquires_ = true;
};

/// The side that answers. Call step() with each token of the peer until Step::complete; then establish(). Move-only;
/// one thread at a time, not always the same one. step() may block on disk, DNS and (IAKERB) KDC.
template <Mechanism M>
class Acceptor : public gss_detail::Handshake<M> {
  using Base = gss_detail::Handshake<M>;
  using typename Base::Phase;
  using typename Base::StepResult;

 public:
  static constexpr bool starts = false;

  /// With the default credential for M (the default keytab), acquired by the first step. Not for Negotiate, whose
  /// credential says what may be negotiated.
  explicit Acceptor(AcceptorOptions<M> options = {}) noexcept
    requires(!gss_detail::LimitsOffer<M>)
      : options_{options} {}
  /// With a credential that was acquired once. It is borrowed until establish().
  explicit Acceptor(CredentialRef<M, Accept> credential, AcceptorOptions<M> options = {}) noexcept
      : options_{options}, credential_{credential.get()}, acquires_{false} {}

  /// One leg: gss_accept_sec_context. `input`: the peer's token, whole. An empty first token is legal for SPNEGO.
  [[nodiscard]] StepResult step(ByteView input) noexcept {
    static_assert(!M::negotiates || capabilities.spnego, GSSKEY_GSS_NAME " has no SPNEGO");
    constexpr const char* operation = "gss_accept_sec_context";
    if (!this->takes_steps()) return this->misused(operation);
    if (this->phase_ == Phase::fresh) {
      const bool demands_binding = options_.demand.contains(ContextFlag::channel_bound);
      if (const char* fault = Base::fault_of(options_.bindings, demands_binding)) {
        return this->refuse(Error::usage(operation, fault));
      }
      if (demands_binding && !capabilities.channel_bound_flag) {
        return this->refuse(
            Error::unavailable(operation, GSSKEY_GSS_NAME " does not tell a bound context from an unbound one"));
      }
      if (acquires_) {
        auto acquired = Credential<M, Accept>::acquire_default();
        if (!acquired) return this->refuse(std::move(acquired).error());
        default_ = *std::move(acquired);
        credential_ = default_.get();
      }
      if (credential_ == GSS_C_NO_CREDENTIAL) {
        return this->refuse(Error::usage(operation, "the credential is empty: moved from, or never set"));
      }
      // An implementation takes tokens of any of its mechanisms; a raw one would pass for negotiated.
      if (M::negotiates && !input.empty() && !gss_detail::is_initial_token_of(input, M::oid)) {
        return this->refuse(Error::gss(operation, GSS_S_DEFECTIVE_TOKEN, 0, M::name)
                                .with_text("the token is invalid; it is not framed as one of SPNEGO"));
      }
      if constexpr (known_faults.iakerb_loses_context && M::oid == mech::Iakerb::oid) {
        if (!gss_detail::is_iakerb_request(input)) {
          return this->refuse(Error::unavailable(
              operation, GSSKEY_GSS_NAME
              " takes nothing but requests to the KDC first: an initiator that has a ticket is to use krb5"));
        }
      }
    }
    this->peer_signed_ |= gss_detail::has_negotiation_mic(input);
    // Out-parameters are overwritten, not released, and some are set on more than one leg: fresh ones each time.
    OM_uint32 minor = 0;
    OM_uint32 flags = 0;
    gss_OID mechanism = GSS_C_NO_OID;
    gss_name_t peer = GSS_C_NO_NAME;
    gss_cred_id_t delegated = GSS_C_NO_CREDENTIAL;
    Buffer token;
    gss_buffer_desc in = gss_detail::borrow(input);
    gss_detail::RawBindings bindings{options_.bindings};
    const OM_uint32 major =
        gss_accept_sec_context(&minor, this->context_.inout(), credential_, &in, bindings.get(), &peer, &mechanism,
                               token.put(), &flags, nullptr, options_.delegated != nullptr ? &delegated : nullptr);
    auto step = this->conclude(operation, major, minor, mechanism, flags, std::move(token));
    peer_ = Name::adopt(peer);
    delegated_ = Credential<M, Initiate>::adopt(delegated);
    return step;
  }

  /// Who the initiator is, once is_complete(); empty before. The context has it too: SecurityContext::inquire().
  [[nodiscard]] const Name& peer_name() const noexcept { return peer_; }
  /// Whether the initiator gave the same bindings, once is_complete().
  [[nodiscard]] Binding binding() const noexcept {
    if (this->granted_.contains(ContextFlag::channel_bound)) return Binding::bound;
    return options_.bindings.empty() || capabilities.channel_bound_flag ? Binding::unbound : Binding::unknowable;
  }

  /// The established context. Errors: usage, before completion (nothing is lost); policy, if it is not what was
  /// demanded (it is destroyed).
  [[nodiscard]] Result<SecurityContext<M>> establish() && noexcept {
    constexpr const char* operation = "gss_accept_sec_context";
    auto context = this->finish(operation, options_.demand);
    if (context && !options_.allow_anonymous) {
      const auto anonymous = is_peer_anonymous();
      if (anonymous.failed()) return unexpected(anonymous.error());
      if (!anonymous.no()) {
        return unexpected(Error::policy(operation, static_cast<std::uint32_t>(ContextFlag::anonymous),
                                        "the peer is anonymous, which AcceptorOptions::allow_anonymous would allow"));
      }
    }
    if (context && options_.delegated != nullptr) *options_.delegated = std::move(delegated_);
    return context;
  }

 private:
  [[nodiscard]] Answer is_peer_anonymous() const noexcept {
    if (this->granted_.contains(ContextFlag::anonymous) || !peer_) return Answer::of(true);
    return peer_.is_anonymous();
  }

  AcceptorOptions<M> options_;
  Credential<M, Accept> default_;
  gss_cred_id_t credential_ = GSS_C_NO_CREDENTIAL;
  Name peer_;
  Credential<M, Initiate> delegated_;
  bool acquires_ = true;
};

}  // namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI
