// gsskey/krb5/detail/libkrb5: contexts and errors of libkrb5, and calls in place of those that an implementation lacks.
// Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/platform/select.hpp>

#if defined(GSSKEY_GSS_KRB5_H) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/credential.hpp

#include <krb5.h>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

#ifdef GSSKEY_GSS_KDC_EXCHANGE
using ::krb5_init_creds_step;
using ::krb5_tkt_creds_context;
using ::krb5_tkt_creds_free;
using ::krb5_tkt_creds_get_creds;
using ::krb5_tkt_creds_init;
using ::krb5_tkt_creds_step;
inline void free_data(krb5_context context, krb5_data& data) noexcept { krb5_free_data_contents(context, &data); }
[[nodiscard]] inline std::string_view text_of(const krb5_data& data) noexcept {
  return ByteView{data.data, data.length}.text();
}
#else
using krb5_tkt_creds_context = void*;
[[nodiscard]] inline krb5_error_code krb5_init_creds_step(...) noexcept { return KRB5_KDC_UNREACH; }
inline void krb5_tkt_creds_free(krb5_context, krb5_tkt_creds_context) noexcept {}
[[nodiscard]] inline krb5_error_code krb5_tkt_creds_get_creds(...) noexcept { return KRB5_KDC_UNREACH; }
[[nodiscard]] inline krb5_error_code krb5_tkt_creds_init(...) noexcept { return KRB5_KDC_UNREACH; }
[[nodiscard]] inline krb5_error_code krb5_tkt_creds_step(...) noexcept { return KRB5_KDC_UNREACH; }
inline void free_data(krb5_context, krb5_data&) noexcept {}
#endif

/// The Error of a call of libkrb5 that just failed, with the words of that context. (gss_display_status of MIT krb5
/// knows no code that did not come from a gss_* call.)
[[nodiscard, gnu::cold]] inline Error failed_krb5(krb5_context context, const char* operation,
                                                  krb5_error_code code) noexcept {
  Error error = Error::gss(operation, GSS_S_FAILURE, static_cast<OM_uint32>(code), mech::Krb5::name);
  const char* const words = krb5_get_error_message(context, code);
  error = std::move(error).with_text("failure; ", words == nullptr ? "no memory for the reason" : words);
  if (words != nullptr) krb5_free_error_message(context, words);
  return error;
}

struct Krb5ContextTraits {
  using Handle = krb5_context;
  static constexpr Handle none = nullptr;
  static void close(Handle context) noexcept { krb5_free_context(context); }
};
/// Owns a context of libkrb5, which has read krb5.conf.
using Krb5Context = UniqueHandle<Krb5ContextTraits>;

[[nodiscard]] inline Result<Krb5Context> new_krb5_context() noexcept {
  Krb5Context context;
  const krb5_error_code code = krb5_init_context(context.put());
  if (code != 0) return unexpected(failed_krb5(nullptr, "krb5_init_context", code));
  return context;
}

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
