// gsskey/messages/detail/protector_state: what a MessageProtector is made of. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

#include <gsskey/gss/security_context.hpp>
#include <gsskey/krb5/lucid.hpp>
#include <gsskey/messages/detail/keys.hpp>
#include <gsskey/messages/detail/window.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// Makes a MessageProtector: take_over_after() alone.
struct ProtectorMaker;

/// What is sent and what is received share nothing that changes.
struct ProtectorState {
  ContextInfo info;
  const rfc3961::EncryptionType* type;
  std::int64_t end;  // of the context's life, in seconds since 1970; 0: none. A time_t of 32 bits ends in 2038
  bool ends_with_ticket;
  alignas(64) rfc4121::Sender sender;
  alignas(64) rfc4121::Receiver receiver;
  SequenceWindow window;
  std::optional<LucidContext> lucid;                // for the key that there was before the acceptor's subkey,
  std::optional<rfc4121::Receiver> other_receiver;  // which is made when a message under it comes
};

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
