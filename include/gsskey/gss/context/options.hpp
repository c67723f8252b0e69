// gsskey/gss/context/options: what an established context answers beyond gss_inquire_context: its key, and its strength
// (SecurityContext::sasl_ssf).
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer_set.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/security_context.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// What inquire_context_object() can be asked for.
namespace GSSKEY_HIDDEN context_object {
inline constexpr Oid session_key{"1.2.840.113554.1.2.2.5.5"};  ///< GSS_C_INQ_SSPI_SESSION_KEY
inline constexpr Oid sasl_ssf{"1.2.840.113554.1.2.2.5.15"};    ///< GSS_C_SEC_CONTEXT_SASL_SSF
}  // namespace GSSKEY_HIDDEN context_object

/// Returns what the implementation documents for `Object`.
/// Calls: gss_inquire_sec_context_by_oid.
/// Errors: usage, for an empty context; unavailable, without Capabilities::context_options; gss, for an object that the
///   implementation does not know RoutineError::unavailable or bad_mech.
template <const Oid& Object, Mechanism M>
[[nodiscard]] inline Result<BufferSet> inquire_context_object(const SecurityContext<M>& context) noexcept {
  constexpr const char* operation = "gss_inquire_sec_context_by_oid";
  if (!context) return unexpected(detail::empty_context(operation));
  if constexpr (!capabilities.context_options) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_inquire_sec_context_by_oid"));
  } else {
    OM_uint32 minor = 0;
    BufferSet answers;
    const OM_uint32 major =
        gss_detail::gss_inquire_sec_context_by_oid(&minor, context.get(), gss_detail::raw_oid<Object>(), answers.put());
    if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
    return answers;
  }
}

/// Sets what the implementation documents for `Option`.
/// Calls: gss_set_sec_context_option.
/// Errors: those of inquire_context_object(); usage too, for more than limits.token.
template <const Oid& Option, Mechanism M>
[[nodiscard]] inline Result<void> set_context_option(SecurityContext<M>& context, ByteView value) noexcept {
  constexpr const char* operation = "gss_set_sec_context_option";
  if (!context) return unexpected(detail::empty_context(operation));
  if constexpr (!capabilities.context_options) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_set_sec_context_option"));
  } else {
    if (!limits.token.admits(value.size())) return unexpected(gss_detail::too_long(operation, limits.token));
    OM_uint32 minor = 0;
    gss_buffer_desc in = gss_detail::borrow(value);
    gss_ctx_id_t raw = context.release();  // the call may replace it
    const OM_uint32 major = gss_detail::gss_set_sec_context_option(&minor, &raw, gss_detail::raw_oid<Option>(), &in);
    context = SecurityContext<M>::adopt(raw);
    if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
    return {};
  }
}

/// The key that both ends share.
struct SessionKey {
  SecretBytes key;
  Oid type;  ///< for Kerberos 1.2.840.113554.1.2.2.4 and the number of the encryption type; empty on Heimdal 7.8
};

/// Returns the key that both ends share, for protocols that protect messages by themselves (SMB, LDAP of Microsoft's
/// kind). A new protocol better derives its keys by pseudo_random().
/// Calls: gss_inquire_sec_context_by_oid (GSS_C_INQ_SSPI_SESSION_KEY).
/// Errors: those of inquire_context_object(); policy, if the implementation gave no key; system (ENOMEM).
template <Mechanism M>
[[nodiscard]] inline Result<SessionKey> session_key(const SecurityContext<M>& context) noexcept {
  const auto answers = inquire_context_object<context_object::session_key>(context);
  if (!answers) return unexpected(answers.error());
  if (answers->size() == 0 || (*answers)[0].empty()) {
    return unexpected(Error::policy("gss_inquire_sec_context_by_oid", 0, "the mechanism gave no session key"));
  }
  auto key = SecretBytes::copy_of((*answers)[0]);
  if (!key) return unexpected(key.error());
  SessionKey found{*std::move(key), Oid{}};
  if (answers->size() > 1) {
    found.type = Oid::from_der((*answers)[1]);
  }
  return found;
}

namespace gss_detail {

/// What SecurityContext::sasl_ssf() does.
template <Mechanism M>
struct Strength {
  [[nodiscard]] static Result<std::uint32_t> sasl_ssf(const SecurityContext<M>& context) noexcept {
    constexpr const char* operation = "gss_inquire_sec_context_by_oid";
    if (!context) return unexpected(detail::empty_context(operation));
    if constexpr (!capabilities.sasl_ssf) {
      return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no GSS_C_SEC_CONTEXT_SASL_SSF"));
    }
    const auto answers = inquire_context_object<context_object::sasl_ssf>(context);
    if (!answers) return unexpected(answers.error());
    detail::Reader answer{answers->size() == 0 ? ByteView{} : (*answers)[0]};
    std::uint32_t ssf = 0;
    if (!answer.take_big_endian(ssf) || !answer.at_end()) {
      return unexpected(Error::policy(operation, 0, "the answer is not a number of 32 bits"));
    }
    return ssf;
  }
};

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
