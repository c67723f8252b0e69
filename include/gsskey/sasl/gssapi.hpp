// gsskey/sasl/gssapi: SASL's mechanism GSSAPI, which is Kerberos: Client<Gssapi> and Server<Gssapi>.
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include <gsskey/gss/mechanism.hpp>
#include <gsskey/sasl/client.hpp>
#include <gsskey/sasl/detail/gssapi_client.hpp>
#include <gsskey/sasl/detail/gssapi_server.hpp>
#include <gsskey/sasl/server.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl {

/// The mechanism GSSAPI, as Mech of Client and Server. A server offers the layers that will do and that the client's
/// context allows, the client takes the strongest of them that will do. Layers demand sequence of the context, and the
/// client demands mutual authentication with them; without a layer, it is the offer, which only the service can have
/// protected, that proves who the server is. When they have logged in each end has received one message: with
/// take_over_after(std::move(session.context), MessagesReceived{1}) the layer is that of a MessageProtector.
/// See: RFC 4752 section 3.
struct Gssapi {
  GSSKEY_HIDDEN static constexpr std::string_view name = "GSSAPI";
  using Gss = mech::Krb5;
};

}  // namespace sasl

namespace sasl_detail {
template <>
struct ClientOf<sasl::Gssapi> {
  using type = GssapiClient;
};
template <>
struct ServerOf<sasl::Gssapi> {
  using type = GssapiServer;
};
}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
