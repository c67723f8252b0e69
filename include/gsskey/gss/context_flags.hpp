// gsskey/gss/context_flags: the services of a security context that are asked for and granted.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>

#include <gsskey/core/flag_set.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// The services of a context, as its ends ask for them and grant them. Every implementation has these values.
/// See: RFC 2744 sections 5.1 and 5.19.
enum class ContextFlag : std::uint32_t {
  delegate = 1,                ///< the acceptor gets a credential of the initiator
  mutual = 2,                  ///< the acceptor proves who it is
  replay = 4,                  ///< duplicates of messages are noticed
  sequence = 8,                ///< missing and reordered messages are noticed
  confidentiality = 16,        ///< wrap encrypts
  integrity = 32,              ///< wrap and get_mic protect
  anonymous = 64,              ///< the acceptor does not learn who the initiator is
  prot_ready = 128,            ///< per-message calls before completion; not used here (RFC 7546 section 4.2)
  transferable = 256,          ///< the context can be exported
  channel_bound = 0x800,       ///< the peers' channel bindings were compared
  dce_style = 0x1000,          ///< three legs (MS-KILE); see KnownFaults::accepts_own_dce_reply
  identify = 0x2000,           ///< the acceptor may identify, not impersonate (RFC 4757)
  extended_error = 0x4000,     ///< (RFC 4757)
  delegate_by_policy = 0x8000  ///< delegate if the KDC says that the target is trusted (RFC 5896)
};

/// A set of ContextFlags, which keeps unknown bits too.
using ContextFlags = FlagSet<ContextFlag>;

/// Returns the set of both.
[[nodiscard]] constexpr ContextFlags operator|(ContextFlag a, ContextFlag b) noexcept {
  return ContextFlags{a} | ContextFlags{b};
}

/// What an acceptor demands: all of some flags, and at least one of some others. `.demand = ContextFlag::integrity`
/// demands one flag, `.demand = {}` nothing.
class ContextDemand {
 public:
  constexpr ContextDemand() noexcept = default;
  /// Demands all of these flags.
  constexpr ContextDemand(ContextFlags all) noexcept : all_{all} {}
  template <std::same_as<ContextFlag>... Flags>
  constexpr ContextDemand(ContextFlag flag, Flags... others) noexcept : all_{flag, others...} {}
  /// Returns the demand for all(), and for at least one of `flags`.
  [[nodiscard]] constexpr ContextDemand and_one_of(ContextFlags flags) const noexcept {
    ContextDemand demand{all_};
    demand.one_of_ = flags;
    return demand;
  }

  /// Returns the flags of which each is demanded.
  [[nodiscard]] constexpr ContextFlags all() const noexcept { return all_; }
  /// Returns the flags of which at least one is demanded.
  [[nodiscard]] constexpr ContextFlags one_of() const noexcept { return one_of_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return all_.empty() && one_of_.empty(); }
  /// Returns what `granted` lacks: flags of all(), and all of one_of() where none is there. Empty: the demand is met.
  [[nodiscard]] constexpr ContextFlags missing_from(ContextFlags granted) const noexcept {
    const bool has_one = one_of_.empty() || (one_of_.bits() & granted.bits()) != 0;
    return all_.without(granted) | (has_one ? ContextFlags{} : one_of_);
  }

  /// Returns the demand for `flags` too.
  [[nodiscard]] friend constexpr ContextDemand operator|(ContextDemand demand, ContextFlags flags) noexcept {
    return ContextDemand{demand.all_ | flags}.and_one_of(demand.one_of_);
  }
  /// Returns a demand that is met by whatever meets `a` or `b`.
  [[nodiscard]] friend constexpr ContextDemand operator&(ContextDemand a, ContextDemand b) noexcept {
    const bool is_in_both = !a.one_of_.empty() && !b.one_of_.empty();
    return ContextDemand{ContextFlags::from_bits(a.all_.bits() & b.all_.bits())}.and_one_of(
        is_in_both ? a.one_of_ | b.one_of_ : ContextFlags{});
  }
  [[nodiscard]] friend constexpr bool operator==(ContextDemand, ContextDemand) noexcept = default;

 private:
  ContextFlags all_;
  ContextFlags one_of_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
