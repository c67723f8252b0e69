// gsskey/gss: the GSS-API half in one include: names, credentials, handshakes, contexts and the blocking loop. Left
// out, because every include has its price: what not every program needs (gss/context/, gss/mechanism_inquiry.hpp,
// io/fd_stream.hpp with io/framing.hpp), and everything that needs a library beyond the GSS-API.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/answer.hpp>           // IWYU pragma: export
#include <gsskey/core/bytes.hpp>            // IWYU pragma: export
#include <gsskey/core/config.hpp>           // IWYU pragma: export
#include <gsskey/core/error.hpp>            // IWYU pragma: export
#include <gsskey/core/expected.hpp>         // IWYU pragma: export
#include <gsskey/core/flag_set.hpp>         // IWYU pragma: export
#include <gsskey/core/seconds.hpp>          // IWYU pragma: export
#include <gsskey/core/unique_handle.hpp>    // IWYU pragma: export
#include <gsskey/gss/buffer.hpp>            // IWYU pragma: export
#include <gsskey/gss/context_flags.hpp>     // IWYU pragma: export
#include <gsskey/gss/credential.hpp>        // IWYU pragma: export
#include <gsskey/gss/credential_store.hpp>  // IWYU pragma: export
#include <gsskey/gss/handshake.hpp>         // IWYU pragma: export
#include <gsskey/gss/limits.hpp>            // IWYU pragma: export
#include <gsskey/gss/mechanism.hpp>         // IWYU pragma: export
#include <gsskey/gss/name.hpp>              // IWYU pragma: export
#include <gsskey/gss/oid.hpp>               // IWYU pragma: export
#include <gsskey/gss/platform/select.hpp>   // IWYU pragma: export
#include <gsskey/gss/security_context.hpp>  // IWYU pragma: export
#include <gsskey/gss/status.hpp>            // IWYU pragma: export
#include <gsskey/gss/usage.hpp>             // IWYU pragma: export
#include <gsskey/io/drive.hpp>              // IWYU pragma: export
#include <gsskey/io/transport.hpp>          // IWYU pragma: export
