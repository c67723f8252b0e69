// gsskey/sasl/gss_spnego: SASL's mechanism GSS-SPNEGO, which is Kerberos by SPNEGO, as Active Directory has it:
// Client<GssSpnego> and Server<GssSpnego>.
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include <gsskey/gss/mechanism.hpp>
#include <gsskey/sasl/client.hpp>
#include <gsskey/sasl/detail/spnego_client.hpp>
#include <gsskey/sasl/detail/spnego_server.hpp>
#include <gsskey/sasl/server.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl {

/// The mechanism GSS-SPNEGO, as Mech of Client and Server. No layer is offered nor chosen: it is what the context was
/// granted, encryption for confidentiality, else integrity, else none; and the ends part where that is not as strong as
/// it must be, or stronger than it may be. Kerberos grants both, whether they were asked for or not, unless
/// set_no_ci_flags() was called for the client's credential: clients that want less need it, such as those over TLS.
/// Nobody acts as another, and nobody says how long a token it takes: max_buffer holds for both directions, and of what
/// comes, for the message in it.
///
/// The server's last token may come with its success, as in LDAP's BindResponse: the client's step() takes it all the
/// same, and what it returns is sent only where the token was a challenge.
/// See: [MS-ADTS] section 5.1.1.1.2, [MS-SPNG].
struct GssSpnego {
  GSSKEY_HIDDEN static constexpr std::string_view name = "GSS-SPNEGO";
  using Gss = mech::Negotiate<mech::Krb5>;
};

}  // namespace sasl

namespace sasl_detail {
template <>
struct ClientOf<sasl::GssSpnego> {
  using type = SpnegoClient<sasl::GssSpnego::Gss>;
};
template <>
struct ServerOf<sasl::GssSpnego> {
  using type = SpnegoServer<sasl::GssSpnego::Gss>;
};
}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
