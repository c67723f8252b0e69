// gsskey/core/detail/openssl_failure: why an OpenSSL call failed: because memory is short for the moment, or for good.
// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/err.h>
#include <openssl/proverr.h>

#include <cerrno>
#include <cstdint>

#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

enum class OpensslCause : std::uint8_t {
  memory,    ///< it says so
  unsaid,    ///< it says nothing, or no more than that it could not
  for_good,  ///< an algorithm is not there, or there is no entropy
};

/// Of the OpenSSL call that just failed on this thread, whose queue of errors was empty before: who wants to know calls
/// ERR_clear_error() first. It is empty afterwards: what is left there, SSL_get_error() of the program's own
/// connections would take for a failure of theirs.
[[nodiscard, gnu::cold, gnu::noinline]] inline OpensslCause take_openssl_cause() noexcept {
  const unsigned long first = ERR_peek_error();
  bool says_memory = false;
  while (const unsigned long code = ERR_get_error()) {
    says_memory = says_memory || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
  }
  if (says_memory) return OpensslCause::memory;
  const int reason = ERR_GET_REASON(first);
  const bool lacks_entropy = ERR_GET_LIB(first) == ERR_LIB_PROV && reason == PROV_R_ERROR_RETRIEVING_ENTROPY;
  return reason == ERR_R_UNSUPPORTED || lacks_entropy ? OpensslCause::for_good : OpensslCause::unsaid;
}

/// The Error of that call: `refusal`, if it is for good, else system (ENOMEM). Many allocations of OpenSSL 3.0 fail
/// without a word, and all that the layers above say is that they could not begin, or not copy.
[[nodiscard, gnu::cold, gnu::noinline]] inline Error openssl_failure(const Error& refusal) noexcept {
  const bool is_for_good = take_openssl_cause() == OpensslCause::for_good;
  return is_for_good ? refusal : Error::system(refusal.operation(), ENOMEM);
}

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
