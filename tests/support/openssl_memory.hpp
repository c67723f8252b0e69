// tests/support/openssl_memory: OpenSSL's memory runs out, at one allocation or from one on. For one file per program.
// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>

#include "support/catch.hpp"

namespace support::openssl_memory {

inline volatile long left = -1;  // allocations until one fails; -1: none does
inline volatile bool stays = false;
inline volatile bool has_failed = false;

/// Allocation `at`, counted from now on and from 0, fails; with `for_good` all that follow do too.
inline void fail(long at, bool for_good) noexcept {
  has_failed = false;
  stays = for_good;
  left = at;
}
inline void recover() noexcept { left = -1; }

[[nodiscard]] inline bool fails() noexcept {
  if (left < 0) return false;
  if (left > 0) {
    left = left - 1;
    return false;
  }
  if (!stays) left = -1;
  has_failed = true;
  return true;
}
inline void* allocate(std::size_t size, const char*, int) noexcept { return fails() ? nullptr : std::malloc(size); }
inline void* reallocate(void* block, std::size_t size, const char*, int) noexcept {
  return fails() ? nullptr : std::realloc(block, size);
}
inline void release(void* block, const char*, int) noexcept { std::free(block); }

/// Before OpenSSL has allocated anything.
inline const bool is_installed = CRYPTO_set_mem_functions(&allocate, &reallocate, &release) == 1;

/// OpenSSL's own beginning: what fails in there, 3.0 does not try again as long as the process lives, tables of
/// algorithms included. Nothing that is looked up below.
inline void begin() {
  unsigned char some[16];
  REQUIRE(RAND_bytes(some, sizeof some) == 1);
  REQUIRE(RAND_priv_bytes(some, sizeof some) == 1);
  EVP_MD_free(EVP_MD_fetch(nullptr, "SHA2-512", nullptr));
  EVP_CIPHER_free(EVP_CIPHER_fetch(nullptr, "AES-192-ECB", nullptr));
  EVP_MAC_free(EVP_MAC_fetch(nullptr, "POLY1305", nullptr));
  EVP_KDF_free(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  ERR_clear_error();
}

/// What `work` returned where each allocation failed in turn: how many did, and how many times `work` was wrong.
struct Sweep {
  long failed = 0;
  long wrong = 0;
};
/// `work` is given how often it was called in this process, 0 or 1, and says whether what it saw is right: with memory
/// short it is 0, and 1 when it is there again. Each time in a child, to which everything is new.
template <class Work>
Sweep fail_each(bool for_good, Work work) {
  Sweep sweep;
  for (long at = 0; at < 5000; ++at) {
    const ::pid_t child = ::fork();
    if (child == 0) {
      fail(at, for_good);
      const bool first = work(0);
      recover();
      const bool failed = has_failed;
      const bool second = work(1);
      ::_exit((failed ? 1 : 0) | (first ? 0 : 2) | (second ? 0 : 4));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    const bool exited = WIFEXITED(status);
    if (!exited || WEXITSTATUS(status) > 1) ++sweep.wrong;
    if (exited && (WEXITSTATUS(status) & 1) == 0) break;
    ++sweep.failed;
  }
  return sweep;
}

}  // namespace support::openssl_memory
