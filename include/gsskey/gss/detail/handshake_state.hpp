// gsskey/gss/detail/handshake_state: what both ends of a handshake share, and what a leg of it gives.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/expected.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/channel_bindings.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/detail/about_place.hpp>
#include <gsskey/gss/detail/negotiation.hpp>
#include <gsskey/gss/detail/token_framing.hpp>
#include <gsskey/gss/handshake_report.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/gss/status.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// A leg that succeeded. Send `token` if it is not empty, and if it is empty but `complete` is false, send an empty one
/// (NTLM does that). When `complete`, send first, then call establish().
/// See: RFC 7546 section 3.2.
struct Step {
  Buffer token;
  bool complete = false;
};

/// A leg that failed. Send `token` if it is not empty: the peer learns the reason from it.
struct StepFailure {
  Error error;
  Buffer token;
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

  /// Returns whether the last leg has succeeded: establish() is next.
  [[nodiscard]] bool is_complete() const noexcept { return phase_ == Phase::complete; }
  /// Returns whether it takes a step or is complete, and so is neither empty nor over.
  [[nodiscard]] explicit operator bool() const noexcept { return phase_ != Phase::over; }
  /// Returns whether the peer has signed what was negotiated, once is_complete(). The library has verified the
  /// signature: it is the first message of the context, numbered like all of its messages.
  /// See: RFC 4178 section 5.
  [[nodiscard]] bool peer_signed_negotiation() const noexcept {
    if constexpr (gss_detail::may_negotiate<M>) {
      return phase_ == Phase::complete && negotiation_.peer_signs() && granted_.contains(ContextFlag::integrity);
    } else {
      return false;
    }
  }

  /// Does not compile, and says why: establishing ends the handshake, so it is called on std::move(handshake).
  template <class Ended = M>
  [[nodiscard]] Result<Context> establish() & noexcept {
    static_assert(!std::is_same_v<Ended, M>, "write std::move(handshake).establish(): it ends the handshake");
    return unexpected(Error::usage("establish", "the handshake was not moved from"));
  }

 protected:
  enum class Phase : unsigned char { fresh, underway, complete, over };

  Handshake() noexcept = default;
  explicit Handshake(Phase phase) noexcept : phase_{phase} {}
  Handshake(Handshake&& other) noexcept
      : context_{std::move(other.context_)},
        granted_{std::exchange(other.granted_, {})},
        mechanism_{other.mechanism_},
        phase_{other.phase_},
        steps_{other.steps_},
        nanoseconds_{other.nanoseconds_},
        negotiation_{other.negotiation_} {
    other.phase_ = Phase::over;
  }
  ~Handshake() = default;

  [[nodiscard]] bool takes_steps() const noexcept { return phase_ == Phase::fresh || phase_ == Phase::underway; }

  [[nodiscard]] static unexpected<StepFailure> misuse(const char* operation, const char* why) noexcept {
    return unexpected(StepFailure{Error::usage(operation, why), Buffer{}});
  }
  [[nodiscard]] unexpected<StepFailure> misused(const char* operation) const noexcept {
    return misuse(operation, phase_ == Phase::complete ? "a token after the handshake was complete"
                                                       : "the handshake is over, or empty: failed, established, moved "
                                                         "from or never set");
  }
  /// Of a handshake that does not go on, though it could: tells why, or that it was dropped.
  void leave(bool is_initiator, const Name& peer, const Error* why = nullptr) noexcept {
    if (phase_ == Phase::over || (why == nullptr && phase_ == Phase::fresh)) return;
    give_up();
    if (const HandshakeHook hook = current_handshake_hook()) [[unlikely]] {
      const Error dropped = Error::transport(is_initiator ? "gss_init_sec_context" : "gss_accept_sec_context",
                                             ECANCELED, "the handshake was dropped before its end");
      tell(hook, is_initiator, peer, GSS_C_NO_CONTEXT, why != nullptr ? why : &dropped);
    }
  }
  void give_up() noexcept {
    phase_ = Phase::over;
    granted_ = {};
    context_.reset();
  }
  /// An end without a token for the peer.
  [[nodiscard]] unexpected<StepFailure> refuse(Error error) noexcept {
    give_up();
    return unexpected(StepFailure{std::move(error), Buffer{}});
  }

  /// A token that does not reach the library.
  [[nodiscard]] unexpected<StepFailure> refuse_token(const char* operation, ByteView token, const char* why) noexcept {
    return refuse(about_token(token, M::oid, Error::gss(operation, GSS_S_DEFECTIVE_TOKEN, 0, M::name).with_text(why)));
  }

  [[nodiscard]] unexpected<StepFailure> nothing_made(const char* operation) noexcept {
    return refuse(Error::gss(operation, GSS_S_DEFECTIVE_TOKEN, 0, M::name)
                      .with_text("the token is invalid; it is not one that begins a context"));
  }

  /// What a C call's answer means. The context of a failed call is never used again, whether the implementation left
  /// one or not (RFC 2744 sections 5.1 and 5.19 allow both).
  [[nodiscard]] StepResult conclude(const char* operation, OM_uint32 major, OM_uint32 minor, gss_OID mechanism,
                                    OM_uint32 flags, bool accepts, ByteView input, Buffer&& token) noexcept {
    if (major != GSS_S_COMPLETE && major != GSS_S_CONTINUE_NEEDED) {
      StepFailure failure{
          about_place<M>(about_token(input, M::oid, failed_call_of<M>(operation, major, minor)), accepts),
          std::move(token)};
      give_up();
      return unexpected(std::move(failure));
    }
    if (!context_) [[unlikely]] {
      return nothing_made(operation);
    }
    granted_ = ContextFlags::from_bits(flags);
    mechanism_ = mechanism;
    phase_ = major == GSS_S_COMPLETE ? Phase::complete : Phase::underway;
    return Step{std::move(token), phase_ == Phase::complete};
  }
  /// Before the library sees a token of the peer's: nullptr, or why it is not to.
  [[nodiscard]] const char* fault_of(ByteView token) noexcept {
    if constexpr (may_negotiate<M>) {
      if (M::negotiates || negotiation_.has_begun() || is_initial_token_of(token, mech::Spnego::oid)) {
        return negotiation_.receive(token);
      }
    }
    return nullptr;
  }
  /// To an initiator: whether it can be a token of the mechanism at all.
  [[nodiscard]] bool is_reply(ByteView token, bool dce_style) const noexcept {
    if constexpr (may_negotiate<M>) {
      if (M::negotiates || negotiation_.has_begun()) return negotiation_.has_reply(token, dce_style);
    }
    return is_reply_of<M>(token, dce_style);
  }
  /// After the library has answered: the same step, unless the negotiation was to be signed and is not.
  [[nodiscard]] StepResult judge(const char* operation, StepResult step, bool allow_unsigned) noexcept {
    if constexpr (may_negotiate<M>) {
      if (!step) return step;
      if (M::negotiates || negotiation_.has_begun() || is_initial_token_of(step->token, mech::Spnego::oid)) {
        negotiation_.send(step->token);
        if (step->complete && !allow_unsigned && !peer_signed_negotiation() &&
            needs_signature<M>(negotiation_, Oid::copy_of(mechanism_))) {
          return refuse(Error::policy(operation, 0,
                                      "not the first choice, and the peer has not signed the negotiation: somebody may "
                                      "have struck the better mechanisms"));
        }
      }
    }
    return step;
  }

  /// nullptr, or why the bindings and the demand for them cannot be.
  [[nodiscard]] static const char* fault_of(const ChannelBindings& bindings, bool demanded) noexcept {
    if (!bindings.is_valid()) return "channel bindings need a prefix and data, of 127 bytes together";
    if (demanded && bindings.empty()) return "channel binding is demanded and there are no bindings";
    return nullptr;
  }

  /// The context, if it is what was wanted; else it is destroyed (RFC 7546 section 4).
  [[nodiscard]] Result<Context> finish(const char* operation, ContextDemand demand) noexcept {
    if (phase_ != Phase::complete) return unexpected(Error::usage(operation, "the handshake is not complete"));
    phase_ = Phase::over;
    if (!M::accepts(Oid::copy_of(mechanism_))) {
      context_.reset();
      return unexpected(Error::policy(operation, 0, "the context is one of another mechanism"));
    }
    if (const ContextFlags missing = demand.missing_from(granted_); !missing.empty()) {
      context_.reset();
      return unexpected(Error::policy(operation, missing.bits(), "a demanded service was not granted"));
    }
    return Context::adopt(context_.release());
  }

  /// What step() of both ends is, with `leg` for what one leg does: nothing else, where there is no hook.
  template <class Leg>
  [[nodiscard]] StepResult watched(bool is_initiator, const Name& peer, Leg leg) noexcept {
    const HandshakeHook hook = takes_steps() ? current_handshake_hook() : nullptr;
    const std::uint64_t begin = hook != nullptr ? nanoseconds_now() : 0;
    StepResult step = leg();
    if (hook != nullptr) [[unlikely]] {
      ++steps_;
      nanoseconds_ += nanoseconds_now() - begin;
      if (phase_ == Phase::over) tell(hook, is_initiator, peer, GSS_C_NO_CONTEXT, &step.error().error);
    }
    return step;
  }
  /// Of a handshake that was complete: what became of it.
  void tell(bool is_initiator, const Name& peer, const Result<Context>& context) const noexcept {
    if (const HandshakeHook hook = current_handshake_hook()) [[unlikely]] {
      tell(hook, is_initiator, peer, context ? context->get() : GSS_C_NO_CONTEXT, context ? nullptr : &context.error());
    }
  }
  [[gnu::cold, gnu::noinline]] void tell(HandshakeHook hook, bool is_initiator, const Name& peer, gss_ctx_id_t raw,
                                         const Error* error) const noexcept {
    auto context = SecurityContext<detail::Dependent<mech::Any, M>>::adopt(raw);
    hook({is_initiator, M::name, Oid::copy_of(mechanism_), peer, granted_, steps_, nanoseconds_, context, error});
    static_cast<void>(context.release());
  }

  ContextHandle context_;
  ContextFlags granted_;
  gss_OID mechanism_ = GSS_C_NO_OID;  // static storage of the implementation (RFC 2744 section 5.1)
  Phase phase_ = Phase::fresh;
  std::uint32_t steps_ = 0;  // this and the next are counted while there is a hook
  std::uint64_t nanoseconds_ = 0;
  struct NoNegotiation {};
  [[no_unique_address]] std::conditional_t<may_negotiate<M>, Negotiation, NoNegotiation> negotiation_;
};

}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
