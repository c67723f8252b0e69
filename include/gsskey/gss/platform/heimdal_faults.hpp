// gsskey/gss/platform/heimdal_faults: the KnownFaults of Heimdal 7.8 and of what was made of it, for their
// platform/NAME.hpp.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/config.hpp>
#include <gsskey/gss/platform/tables.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

GSSKEY_HIDDEN inline constexpr KnownFaults heimdal_faults{
    .order_before_integrity = true,
    .negotiated_names_crash = true,
    .crashes_on_foreign_reply = true,
    .spnego_refuses_derived_credentials = true,
    .unwrap_rewrites_input = true,
    .unwrap_iov_refuses_streams = true,
    .unwrap_iov_trusts_extra_count = true,
    .acceptor_names_crash = true,
    .names_crash_in_directories = true,
    .store_destroys_credential = true,
    .lucid_export_keeps_context = true,
    .completes_before_mechanism = true,
    .forgery_moves_window = true,
    .accepts_own_dce_reply = true,
    .add_cred_is_unusable = true,
    .keytabs_crash = true,
    .spins_on_unavailable_kdc = true,
    .acquire_drops_reason = true,
    .ticket_flags_are_reversed = true,
    .default_names_crash = true,
    .sequence_needs_mutual = true,
    .pac_check_is_optional = true,
};

GSSKEY_END_ABI
}  // namespace gsskey
