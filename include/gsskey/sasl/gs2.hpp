// gsskey/sasl/gs2: SASL's mechanisms GS2-KRB5 and GS2-KRB5-PLUS, which are Kerberos, bound to the channel below or not:
// Client<Gs2Krb5> and Server<Gs2Krb5>, Client<Gs2Krb5Plus> and Server<Gs2Krb5Plus>.
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include <gsskey/gss/mechanism.hpp>
#include <gsskey/sasl/client.hpp>
#include <gsskey/sasl/detail/gs2_client.hpp>
#include <gsskey/sasl/detail/gs2_server.hpp>
#include <gsskey/sasl/server.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl {

/// The mechanism GS2-KRB5, as Mech of Client and Server. There is no layer: the channel below has to be as strong as
/// min_ssf wants it (external_ssf), and the ends part before a token is sent or taken where it is not. Authentication
/// is mutual, and Kerberos protects what the client says of channel and authzid.
///
/// `bindings` are what this end could bind the channel by, where the other does not: a client that has some says that
/// it chooses this mechanism only because -PLUS was not offered, and a server that has some, which offers -PLUS,
/// refuses such a client: somebody has struck it from the list.
///
/// The server's last token goes with its success, as that of GSS-SPNEGO. A Heimdal that does not tell whether the
/// client gave bindings is asked twice, the first time with others: a HandshakeHook sees that refusal too.
/// See: RFC 5801.
struct Gs2Krb5 {
  GSSKEY_HIDDEN static constexpr std::string_view name = "GS2-KRB5";
  using Gss = mech::Krb5;
};

/// The mechanism GS2-KRB5-PLUS, which is GS2-KRB5 with both ends on the same channel: `bindings` are needed, a type and
/// its data, as tls/channel_bindings.hpp makes them.
/// See: RFC 5801, RFC 5929, RFC 9266.
struct Gs2Krb5Plus {
  GSSKEY_HIDDEN static constexpr std::string_view name = "GS2-KRB5-PLUS";
  using Gss = mech::Krb5;
};

}  // namespace sasl

namespace sasl_detail {
template <>
struct ClientOf<sasl::Gs2Krb5> {
  using type = Gs2Client<false>;
};
template <>
struct ServerOf<sasl::Gs2Krb5> {
  using type = Gs2Server<false>;
};
template <>
struct ClientOf<sasl::Gs2Krb5Plus> {
  using type = Gs2Client<true>;
};
template <>
struct ServerOf<sasl::Gs2Krb5Plus> {
  using type = Gs2Server<true>;
};
}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
