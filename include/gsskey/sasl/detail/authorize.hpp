// gsskey/sasl/detail/authorize: whom a server takes its peer for. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include <gsskey/core/error.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/krb5/principal.hpp>
#include <gsskey/sasl/session.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl_detail {

/// Decides whether `peer` may act as `authzid`, which is UTF-8 without NUL; empty: as who it is.
[[nodiscard]] inline Result<std::string> authorize(const char* operation, const sasl::ServerOptions& options,
                                                   const Name& peer, std::string_view authzid) {
  // As displayed, on Heimdal, "bob\/admin@REALM" looks like another principal, of two components.
  const auto principal = Principal::from_name(peer);
  if (!principal) return unexpected(principal.error());
  if (authzid.empty()) return std::string{principal->text()};
  if (options.authorize) {
    if (auto allowed = options.authorize(peer, authzid); !allowed) return unexpected(allowed.error());
  } else if (authzid != principal->text()) {
    return unexpected(Error::policy(operation, 0, "the client wants to act as another, and nobody says that it may"));
  }
  return std::string{authzid};
}

}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
