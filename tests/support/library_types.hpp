// tests/support/library_types: what differs in the signatures that a test must repeat to define gss_* functions itself.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/gss/platform/select.hpp>

namespace support {

#if defined(GSSKEY_GSS_HEIMDAL) || defined(GSSKEY_GSS_APPLE)
using ConstName = gss_const_name_t;
using ConstCredential = gss_const_cred_id_t;
using ConstContext = gss_const_ctx_id_t;
#else
using ConstName = gss_name_t;
using ConstCredential = gss_cred_id_t;
using ConstContext = gss_ctx_id_t;
#endif

}  // namespace support
