// gsskey/gss/platform/unavailable: what takes the place of functions beyond RFC 2744 that an implementation lacks, and
// of the types that they take, for platform/NAME.hpp.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <gsskey/core/config.hpp>

struct gss_buffer_desc_struct;

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace unavailable {

struct gss_key_value_element_desc {
  const char* key;
  const char* value;
};
struct gss_key_value_set_desc {
  std::uint32_t count;
  gss_key_value_element_desc* elements;
};
struct gss_buffer_set_desc {
  std::size_t count;
  gss_buffer_desc_struct* elements;
};
using gss_buffer_set_t = gss_buffer_set_desc*;
struct gss_iov_buffer_desc {
  std::uint32_t type;
  struct {
    std::size_t length;
    void* value;
  } buffer;
};

inline constexpr std::uint32_t answer = std::uint32_t{16} << 16;  // GSS_S_UNAVAILABLE, RFC 2744 section 3.9.1

[[nodiscard]] inline std::uint32_t gss_acquire_cred_from(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_acquire_cred_impersonate_name(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_acquire_cred_with_password(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_add_cred_from(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_authorize_localname(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_delete_name_attribute(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_display_mech_attr(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_display_name_ext(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_export_cred(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_export_name_composite(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_get_mic_iov(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_get_mic_iov_length(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_get_name_attribute(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_import_cred(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_indicate_mechs_by_attrs(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_inquire_attrs_for_mech(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_inquire_mech_for_saslname(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_inquire_cred_by_oid(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_inquire_name(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_inquire_saslname_for_mech(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_inquire_sec_context_by_oid(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_localname(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_pname_to_uid(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_pseudo_random(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_release_buffer_set(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_release_oid(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_set_cred_option(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_set_name_attribute(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_set_neg_mechs(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_set_sec_context_option(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_store_cred(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_store_cred_into(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_unwrap_aead(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_unwrap_iov(...) noexcept { return answer; }
[[nodiscard]] inline int gss_userok(...) noexcept { return 0; }
[[nodiscard]] inline std::uint32_t gss_verify_mic_iov(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_wrap_aead(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_wrap_iov(...) noexcept { return answer; }
[[nodiscard]] inline std::uint32_t gss_wrap_iov_length(...) noexcept { return answer; }

}  // namespace unavailable
GSSKEY_END_ABI
}  // namespace gsskey
