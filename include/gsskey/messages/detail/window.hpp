// gsskey/messages/detail/window: which sequence numbers came, and where the next one stands among them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <gsskey/gss/security_context.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// The answers of MIT krb5: 64 numbers back each one is remembered. Heimdal 7.8 remembers 20, and answers failure where
/// one comes late. Numbers have 64 bits (RFC 4121 section 4.2.6) and wrap around; Heimdal 7.8 counts in 32
/// bits and refuses what comes after 2^32 - 1.
class SequenceWindow {
 public:
  /// `first`: the number of the first message ever. `received`: how many came already, one after the other. Without
  /// `replay` and `sequence`, as granted to the context, everything is in order.
  SequenceWindow(std::uint64_t first, std::uint64_t received, bool replay, bool sequence) noexcept
      : first_{first},
        next_{received},
        received_{received >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << received) - 1},
        replay_{replay},
        sequence_{sequence} {}

  /// Takes note of `number`, which must have been authenticated.
  [[nodiscard]] Ordering accept(std::uint64_t number) noexcept {
    if (!replay_ && !sequence_) return Ordering::in_order;
    const std::uint64_t relative = number - first_;
    if (relative >= next_) {
      const std::uint64_t skipped = relative - next_;
      received_ = skipped >= 63 ? 1 : received_ << (skipped + 1) | 1;
      next_ = relative + 1;
      return skipped != 0 && sequence_ ? Ordering::gap : Ordering::in_order;
    }
    const std::uint64_t behind = next_ - relative;
    if (behind > 64) return sequence_ ? Ordering::unsequenced : Ordering::old;
    const std::uint64_t bit = std::uint64_t{1} << (behind - 1);
    if (replay_ && (received_ & bit) != 0) return Ordering::duplicate;
    received_ |= bit;
    return sequence_ ? Ordering::unsequenced : Ordering::in_order;
  }

 private:
  std::uint64_t first_;
  std::uint64_t next_;      // relative to first_
  std::uint64_t received_;  // bit 0: the one before next_
  bool replay_;
  bool sequence_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
