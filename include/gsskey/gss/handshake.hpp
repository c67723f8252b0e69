// gsskey/gss/handshake: the two ends of context establishment, Initiator<M> and Acceptor<M>, without any I/O.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <new>
#include <utility>

#include <gsskey/core/answer.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/expected.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/channel_bindings.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/detail/handshake_state.hpp>
#include <gsskey/gss/detail/token_framing.hpp>
#include <gsskey/gss/handshake_options.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/security_context.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Starts a handshake. Call step() without a token first, then with each token of the peer, until Step::complete; then
/// establish(). Move-only.
/// Errors: usage, for a handshake that is empty or over.
/// Threads: one at a time, not always the same one.
/// Owner: of the target; a credential that is given is borrowed.
/// See: RFC 7546 section 3.
template <Mechanism M>
class Initiator : public gss_detail::Handshake<M> {
  using Base = gss_detail::Handshake<M>;
  using typename Base::Phase;
  using typename Base::StepResult;

 public:
  static constexpr bool starts = true;

  /// Makes an empty one, for a class that gets its handshake later.
  Initiator() noexcept : Base{Phase::over} {}
  /// Takes the target, and has the first step acquire the default credential for M: the convenient way. Not for
  /// Negotiate, whose credential says what may be negotiated.
  explicit Initiator(Name target, InitiatorOptions options = {}) noexcept
    requires(!gss_detail::LimitsOffer<M>)
      : target_{std::move(target)}, options_{options} {}
  /// Takes the target, and a credential that was acquired once for many handshakes: the fast way.
  /// Owner: `credential` is borrowed until establish().
  Initiator(Name target, CredentialRef<M, Initiate> credential GSSKEY_LIFETIMEBOUND,
            InitiatorOptions options = {}) noexcept
      : target_{std::move(target)}, options_{options}, credential_{credential.get()}, acquires_{false} {}

  Initiator(Initiator&&) noexcept = default;
  Initiator& operator=(Initiator&& other) noexcept {
    if (this != &other) {
      this->~Initiator();
      ::new (this) Initiator(std::move(other));
    }
    return *this;
  }
  ~Initiator() { this->leave(starts, target_); }
  /// Returns the target that it was given.
  [[nodiscard]] const Name& target() const noexcept GSSKEY_LIFETIMEBOUND { return target_; }

  /// Goes one leg further. `input` is the whole token of the peer, and nothing on the first leg. A failure ends the
  /// handshake, but for a token on the first leg or after the last, which changes nothing.
  /// Calls: gss_init_sec_context; in the first step gss_acquire_cred, if no credential was given.
  /// Errors: those of the class; gss, with the target in its words; usage, for a token on the first leg or after the
  ///   last, or of more than limits.token, for an empty target or credential, for bindings that are not valid, and for
  ///   a demand for channel_bound, of which initiators learn nothing; policy, if the demanded anonymity is not granted,
  ///   or a negotiation is not signed that has to be (InitiatorOptions::allow_unsigned_negotiation); unavailable, for
  ///   sequence without mutual where KnownFaults::sequence_needs_mutual; those of acquiring.
  /// Blocks: on KDC, DNS and disk.
  /// See: RFC 2744 section 5.19.
  [[nodiscard]] StepResult step(ByteView input = {}) noexcept {
    return this->watched(starts, target_, [&] { return leg(input); });
  }

 private:
  [[nodiscard]] StepResult leg(ByteView input) noexcept {
    static_assert(!M::negotiates || capabilities.spnego, GSSKEY_GSS_NAME " has no SPNEGO");
    constexpr const char* operation = "gss_init_sec_context";
    if (!this->takes_steps()) return this->misused(operation);
    if (!limits.token.admits(input.size())) return this->refuse(gss_detail::too_long(operation, limits.token));
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
      if constexpr (known_faults.sequence_needs_mutual) {
        const ContextFlags asked = options_.demand | options_.request;
        if (asked.contains(ContextFlag::sequence) && !asked.contains(ContextFlag::mutual)) {
          return this->refuse(Error::unavailable(
              operation, GSSKEY_GSS_NAME
              " refuses the acceptor's first message where sequence is asked for without mutual: ask for both, or for "
              "neither"));
        }
      }
      // GSS_C_NO_CREDENTIAL would be a credential for whatever mechanism comes; it is passed only where there is no
      // other.
      if (acquires_ && capabilities.initiator_credentials) {
        auto acquired = Credential<M, Initiate>::acquire_unresolved();
        if (!acquired) return this->refuse(std::move(acquired).error());
        default_ = *std::move(acquired);
        credential_ = default_.get();
      }
      if (credential_ == GSS_C_NO_CREDENTIAL && (!acquires_ || capabilities.initiator_credentials)) {
        return this->refuse(gsskey::detail::empty_credential(operation));
      }
    } else if (const char* fault = this->fault_of(input)) {
      return this->refuse_token(operation, input, fault);
    } else if constexpr (known_faults.crashes_on_foreign_reply) {
      const bool dce_style = (options_.demand | options_.request).contains(ContextFlag::dce_style);
      if (!this->is_reply(input, dce_style)) {
        return this->refuse_token(operation, input, "the token is invalid; it is not framed as one of this mechanism");
      }
    }
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
    auto step = this->judge(operation,
                            this->conclude(operation, major, minor, mechanism, flags, false, input, std::move(token)),
                            options_.allow_unsigned_negotiation);
    if (!step) step.error().error = gss_detail::about(target_, std::move(step.error().error));
    // Nothing that names the initiator may leave before it is known that it would not (RFC 2743 section 1.2.5).
    if (step && options_.demand.contains(ContextFlag::anonymous) && !this->granted_.contains(ContextFlag::anonymous)) {
      return this->refuse(Error::policy(operation, static_cast<std::uint32_t>(ContextFlag::anonymous),
                                        "anonymity was demanded and is not granted"));
    }
    return step;
  }

 public:
  /// Ends a handshake that cannot go on, because its peer has gone or its time is over: the hook of
  /// gss/handshake_report.hpp is told `why`. drive() does so. After the end it does nothing.
  void abandon(const Error& why) noexcept { this->leave(starts, target_, &why); }

  /// Returns what is demanded of the context.
  [[nodiscard]] ContextFlags demanded() const noexcept { return options_.demand; }

  /// Returns the established context, if it is what was demanded; else it is destroyed.
  /// Errors: those of the class; usage too, before completion: nothing is lost; policy, if a demanded service was not
  ///   granted, whose flags are the minor status, or the context is one of another mechanism.
  [[nodiscard]] Result<SecurityContext<M>> establish() && noexcept {
    const bool ends = this->is_complete();
    auto context = this->finish("gss_init_sec_context", options_.demand);
    if (ends) this->tell(starts, target_, context);
    return context;
  }
  using Base::establish;

 private:
  Name target_;
  InitiatorOptions options_;
  Credential<M, Initiate> default_;
  gss_cred_id_t credential_ = GSS_C_NO_CREDENTIAL;
  bool acquires_ = true;
};

/// What an acceptor has learned.
template <Mechanism M>
struct Accepted {
  SecurityContext<M> context;
  Name peer;                             ///< the initiator; empty if anonymous, which has to be allowed
  Binding binding = Binding::unbound;    ///< whether the initiator gave the same channel bindings
  Credential<M, Initiate> delegated;     ///< empty: none came, or AcceptorOptions::keep_delegated is not set
  bool peer_signed_negotiation = false;  ///< that was a message of the context: take_over_after() counts it
};

/// Answers a handshake. Call step() with each token of the peer until Step::complete; then establish(). Move-only.
/// Errors: usage, for a handshake that is empty or over.
/// Threads: one at a time, not always the same one.
/// Owner: a credential that is given is borrowed.
/// See: RFC 7546 section 3.
template <Mechanism M>
class Acceptor : public gss_detail::Handshake<M> {
  using Base = gss_detail::Handshake<M>;
  using typename Base::Phase;
  using typename Base::StepResult;

 public:
  static constexpr bool starts = false;

  /// Makes an empty one, for a class that gets its handshake later. Of other mechanisms than Negotiate an acceptor
  /// without arguments is one with the default credential.
  Acceptor() noexcept
    requires(gss_detail::LimitsOffer<M>)
      : Base{Phase::over} {}
  /// Has the first step acquire the default credential for M, all keys of the default keytab. Not for Negotiate, whose
  /// credential says what may be negotiated.
  explicit Acceptor(AcceptorOptions<M> options = {}) noexcept
    requires(!gss_detail::LimitsOffer<M>)
      : options_{options} {}
  /// Takes a credential that was acquired once for many handshakes.
  /// Owner: `credential` is borrowed until establish().
  explicit Acceptor(CredentialRef<M, Accept> credential GSSKEY_LIFETIMEBOUND, AcceptorOptions<M> options = {}) noexcept
      : options_{options}, credential_{credential.get()}, acquires_{false} {}

  Acceptor(Acceptor&&) noexcept = default;
  Acceptor& operator=(Acceptor&& other) noexcept {
    if (this != &other) {
      this->~Acceptor();
      ::new (this) Acceptor(std::move(other));
    }
    return *this;
  }
  ~Acceptor() { this->leave(starts, peer_); }

  /// Goes one leg further. `input` is the whole token of the peer; an empty first one is legal for SPNEGO. A failure
  /// ends the handshake, but for a token after the last leg, which changes nothing.
  /// Calls: gss_accept_sec_context; in the first step gss_acquire_cred, if no credential was given.
  /// Errors: those of the class; gss; usage, for a token after the last leg or of more than limits.token, for an empty
  ///   credential, for bindings that are not valid, and for a demand for channel_bound without bindings; policy, if a
  ///   negotiation is not signed that has to be (AcceptorOptions::allow_unsigned_negotiation); unavailable, for a
  ///   demand for channel_bound without Capabilities::channel_bound_flag, and with KnownFaults::iakerb_loses_context
  ///   for an initiator that has a ticket; those of acquiring.
  /// Blocks: on disk and DNS; with Iakerb on the KDC too.
  /// See: RFC 2744 section 5.1.
  [[nodiscard]] StepResult step(ByteView input) noexcept {
    return this->watched(starts, peer_, [&] { return leg(input); });
  }

 private:
  [[nodiscard]] StepResult leg(ByteView input) noexcept {
    static_assert(!M::negotiates || capabilities.spnego, GSSKEY_GSS_NAME " has no SPNEGO");
    constexpr const char* operation = "gss_accept_sec_context";
    if (!this->takes_steps()) return this->misused(operation);
    if (!limits.token.admits(input.size())) return this->refuse(gss_detail::too_long(operation, limits.token));
    if (this->phase_ == Phase::fresh) {
      const bool demands_binding = options_.demand.all().contains(ContextFlag::channel_bound);
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
      } else if (auto checked = gss_detail::check_keytab_of<M>(operation, credential_); !checked) {
        return this->refuse(std::move(checked).error());
      }
      if (credential_ == GSS_C_NO_CREDENTIAL) {
        return this->refuse(gsskey::detail::empty_credential(operation));
      }
      if constexpr (known_faults.iakerb_loses_context && M::oid == mech::Iakerb::oid) {
        if (!gss_detail::is_iakerb_request(input)) {
          return this->refuse(Error::unavailable(
              operation, GSSKEY_GSS_NAME
              " takes nothing but requests to the KDC first: an initiator that has a ticket is to use krb5"));
        }
      }
    }
    // An implementation takes tokens of any of its mechanisms; a raw one would pass for negotiated. An empty first one
    // asks for hints.
    if (this->phase_ != Phase::fresh || !input.empty()) {
      if (const char* fault = this->fault_of(input)) {
        return this->refuse_token(operation, input, fault);
      }
    }
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
                               token.put(), &flags, nullptr, options_.keep_delegated ? &delegated : nullptr);
    auto step =
        this->judge(operation, this->conclude(operation, major, minor, mechanism, flags, true, input, std::move(token)),
                    options_.allow_unsigned_negotiation);
    delegated_ = Credential<M, Initiate>::adopt(delegated);
    auto named = gss_detail::adopt_name_of<M>(peer);
    if (step && !named) return this->refuse(std::move(named).error());
    if (step && step->complete) peer_ = *std::move(named);
    // MIT krb5 so answers an AP-REQ whose token id is another's: go on, with nothing to go on with. NTLM may say
    // nothing.
    if (step && !step->complete && step->token.empty()) [[unlikely]] {
      const Oid actual = mechanism != GSS_C_NO_OID ? Oid::copy_of(mechanism) : M::oid;
      if (actual.empty() || actual == mech::Krb5::oid) return this->nothing_made(operation);
    }
    return step;
  }

 public:
  /// Ends a handshake that cannot go on, as Initiator::abandon() does.
  void abandon(const Error& why) noexcept { this->leave(starts, peer_, &why); }

  /// Returns the name of the initiator, once is_complete(); an empty one before. SecurityContext::inquire() has it too.
  [[nodiscard]] const Name& peer_name() const noexcept GSSKEY_LIFETIMEBOUND { return peer_; }
  /// Returns whether the initiator gave the bindings of this end, once is_complete().
  [[nodiscard]] Binding binding() const noexcept {
    if (this->phase_ != Phase::underway && this->granted_.contains(ContextFlag::channel_bound)) return Binding::bound;
    return options_.bindings.empty() || capabilities.channel_bound_flag ? Binding::unbound : Binding::unknowable;
  }

  /// Returns the established context, if it is what was demanded; else it is destroyed.
  /// Errors: those of the class; usage too, before completion: nothing is lost; policy, if a demanded service was not
  ///   granted, whose flags are the minor status, the context is one of another mechanism, or the peer is anonymous and
  ///   may not be (AcceptorOptions::allow_anonymous); gss, if its name cannot be looked at.
  [[nodiscard]] Result<SecurityContext<M>> establish() && noexcept {
    constexpr const char* operation = "gss_accept_sec_context";
    const bool ends = this->is_complete();
    auto context = this->finish(operation, options_.demand);
    if (context && !options_.allow_anonymous) {
      const auto anonymous = is_peer_anonymous();
      if (anonymous.failed()) {
        context = unexpected(anonymous.error());
      } else if (!anonymous.no()) {
        context =
            unexpected(Error::policy(operation, static_cast<std::uint32_t>(ContextFlag::anonymous),
                                     "the peer is anonymous, which AcceptorOptions::allow_anonymous would allow"));
      }
    }
    if (ends) this->tell(starts, peer_, context);
    return context;
  }
  using Base::establish;
  /// Establishes the context, and returns it with all else that the acceptor has learned.
  /// Errors: those of establish().
  [[nodiscard]] Result<Accepted<M>> accept() && noexcept {
    const Binding bound = binding();
    const bool is_signed = this->peer_signed_negotiation();
    auto context = std::move(*this).establish();
    if (!context) return unexpected(std::move(context).error());
    return Accepted<M>{*std::move(context), std::move(peer_), bound, std::move(delegated_), is_signed};
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

GSSKEY_END_GSS_ABI
}  // namespace gsskey
