// gsskey/krb5/ticket: what the initiator's Kerberos ticket said: when and how it was authenticated, and for what.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/flag_set.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/krb5/detail/functions.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
/// What a call of the implementation's writes to: the type differs.
template <class Value>
[[nodiscard]] Value written_by(OM_uint32 (*)(OM_uint32*, gss_ctx_id_t, Value*));
#ifdef GSSKEY_GSS_DLOPEN
template <class Value>
[[nodiscard]] Value written_by(const LoadedFunction<OM_uint32(OM_uint32*, gss_ctx_id_t, Value*)>&);
#endif
using TicketTime = decltype(written_by(gsskrb5_extract_authtime_from_sec_context));
using TicketBits = decltype(written_by(gss_krb5_get_tkt_flags));

/// RFC 4120 section 5.3: bit 0 is the highest.
[[nodiscard]] constexpr std::uint32_t ticket_bits(std::uint32_t raw) noexcept {
  if (!known_faults.ticket_flags_are_reversed) return raw;
  std::uint32_t bits = 0;
  for (unsigned bit = 0; bit < 32; ++bit) bits |= (raw >> bit & 1u) << (31 - bit);
  return bits;
}
}  // namespace gss_detail

/// Names the flags of a ticket.
/// See: RFC 4120 section 5.3.
enum class TicketFlag : std::uint32_t {
  forwardable = 1u << 30,
  forwarded = 1u << 29,
  proxiable = 1u << 28,
  proxy = 1u << 27,
  may_postdate = 1u << 26,
  postdated = 1u << 25,
  invalid = 1u << 24,
  renewable = 1u << 23,
  initial = 1u << 22,  ///< issued for the password or key itself, not for another ticket
  preauthenticated = 1u << 21,
  hardware_authenticated = 1u << 20,
  transited_policy_checked = 1u << 19,
  ok_as_delegate = 1u << 18,
  encrypted_pa_rep = 1u << 16,  ///< RFC 6806 section 11
  anonymous = 1u << 15,         ///< RFC 8062
};
/// Holds flags of a ticket.
using TicketFlags = FlagSet<TicketFlag>;

/// Returns when the initiator last proved who it is: what "no older than" policies ask for.
/// Calls: gsskrb5_extract_authtime_from_sec_context.
/// Errors: usage, if the context is empty; gss, if what was negotiated is not Kerberos, and for initiators on Heimdal;
///   unavailable, without Capabilities::krb5_extensions.
/// Units: seconds since 1970.
template <Mechanism M>
  requires(M::accepts(mech::Krb5::oid))
[[nodiscard]] inline Result<std::uint32_t> authentication_time(const SecurityContext<M>& context) noexcept {
  constexpr const char* operation = "gsskrb5_extract_authtime_from_sec_context";
  if (!context) return unexpected(gsskey::detail::empty_context(operation));
  if constexpr (!capabilities.krb5_extensions) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " knows no times of tickets"));
  }
  OM_uint32 minor = 0;
  gss_detail::TicketTime time = 0;
  const OM_uint32 major = gss_detail::gsskrb5_extract_authtime_from_sec_context(&minor, context.get(), &time);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return static_cast<std::uint32_t>(time);
}

/// Returns the flags of the initiator's ticket: the same bits with every implementation.
/// Calls: gss_krb5_get_tkt_flags.
/// Errors: usage, if the context is empty; gss, if what was negotiated is not Kerberos, and for initiators on Heimdal;
///   unavailable, without Capabilities::krb5_extensions.
template <Mechanism M>
  requires(M::accepts(mech::Krb5::oid))
[[nodiscard]] inline Result<TicketFlags> ticket_flags(const SecurityContext<M>& context) noexcept {
  constexpr const char* operation = "gss_krb5_get_tkt_flags";
  if (!context) return unexpected(gsskey::detail::empty_context(operation));
  if constexpr (!capabilities.krb5_extensions) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " knows no flags of tickets"));
  }
  OM_uint32 minor = 0;
  gss_detail::TicketBits bits = 0;
  const OM_uint32 major = gss_detail::gss_krb5_get_tkt_flags(&minor, context.get(), &bits);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return TicketFlags::from_bits(gss_detail::ticket_bits(static_cast<std::uint32_t>(bits)));
}

/// Returns the first authorization data of `type`, on the acceptor's side. They prove nothing: MIT krb5 also looks
/// through those that the initiator itself put beside the ticket's, and at the outermost level only, where 1 is the
/// container of what may be ignored; Heimdal finds the PAC, 128, within it. gss/name/attributes.hpp has the PAC, and
/// whether it was verified.
/// Calls: gsskrb5_extract_authz_data_from_sec_context.
/// Errors: usage, if the context is empty, and for a type that is not positive; gss, if what was negotiated is not
///   Kerberos, for initiators on Heimdal, and, with RoutineError::failure, without such data; unavailable, without
///   Capabilities::krb5_extensions.
/// See: RFC 4120 section 7.5.4.
template <Mechanism M>
  requires(M::accepts(mech::Krb5::oid))
[[nodiscard]] inline Result<Buffer> authorization_data(const SecurityContext<M>& context, std::int32_t type) noexcept {
  constexpr const char* operation = "gsskrb5_extract_authz_data_from_sec_context";
  if (!context) return unexpected(gsskey::detail::empty_context(operation));
  if (type <= 0) return unexpected(Error::usage(operation, "no type of authorization data"));
  if constexpr (!capabilities.krb5_extensions) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " knows no authorization data"));
  }
  OM_uint32 minor = 0;
  Result<Buffer> data;
  const OM_uint32 major =
      gss_detail::gsskrb5_extract_authz_data_from_sec_context(&minor, context.get(), type, data->put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return data;
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
