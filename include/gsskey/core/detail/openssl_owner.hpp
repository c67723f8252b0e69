// gsskey/core/detail/openssl_owner: owners of what OpenSSL makes and frees.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/unique_handle.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

template <class T, void (*Free)(T*)>
struct FreedBy {
  using Handle = T*;
  static constexpr Handle none = nullptr;
  static void close(Handle handle) noexcept { Free(handle); }
};
/// Move-only; Owner<EVP_MD, &EVP_MD_free>::adopt(EVP_MD_fetch(...)) is empty if OpenSSL gave none.
template <class T, void (*Free)(T*)>
using Owner = UniqueHandle<FreedBy<T, Free>>;

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
