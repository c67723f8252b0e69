// gsskey/messages/detail/hmac: HMAC (RFC 2104) with one key for many messages, for none of which memory is allocated.
// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include <cstddef>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/openssl_failure.hpp>
#include <gsskey/core/detail/openssl_owner.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace rfc3961 {

namespace detail {
using gsskey::detail::Owner;
using Digest = Owner<EVP_MD, &EVP_MD_free>;

/// The state of a digest, which its provider made.
struct DigestState {
  void* state = nullptr;
  OSSL_FUNC_digest_freectx_fn* free = nullptr;

  [[nodiscard]] friend bool operator==(const DigestState& a, const DigestState& b) noexcept {
    return a.state == b.state;
  }
};
struct DigestStateTraits {
  using Handle = DigestState;
  GSSKEY_HIDDEN static constexpr Handle none{};
  static void close(Handle handle) noexcept { handle.free(handle.state); }
};
}  // namespace detail

/// Where EVP_MD_CTX and EVP_MAC begin a digest, OpenSSL 3.0 allocates memory whichever way it is asked: twice per HMAC.
/// Here the digest is fetched as ever, and then the functions of its provider are called (provider-digest(7)), whose
/// state is begun anew where it is. Takes two more blocks than to copy a state after the pads. One thread at a time.
class Hmac {
 public:
  /// `key` is no longer than a block of the digest. Errors: unavailable, if this OpenSSL lacks the digest; system
  /// (ENOMEM).
  [[nodiscard]] static Result<Hmac> create(const char* digest, ByteView key) noexcept {
    Hmac made;
    const Error lacking = Error::unavailable("EVP_MD_fetch", "this OpenSSL lacks the digest");
    ERR_clear_error();
    made.digest_ = detail::Digest::adopt(EVP_MD_fetch(nullptr, digest, nullptr));
    if (!made.digest_) return unexpected(gsskey::detail::openssl_failure(lacking));
    auto* const begin = made.find_functions(digest);
    if (begin == nullptr) {
      const bool is_memory = gsskey::detail::take_openssl_cause() == gsskey::detail::OpensslCause::memory;
      return unexpected(is_memory ? Error::system("OSSL_PROVIDER_query_operation", ENOMEM) : lacking);
    }
    if (!made.begin_state(begin)) return unexpected(gsskey::detail::openssl_failure(lacking));
    const int block_size = EVP_MD_get_block_size(made.digest_.get());
    const int size = EVP_MD_get_size(made.digest_.get());
    if (block_size <= 0 || size <= 0) return unexpected(gsskey::detail::openssl_failure(lacking));
    made.block_size_ = static_cast<std::size_t>(block_size);
    made.size_ = static_cast<std::size_t>(size);
    if (key.size() > made.block_size_) {
      return unexpected(Error::usage("Hmac::create", "the key is longer than a block of the digest"));
    }
    auto pads = SecretBytes::with_size(2 * made.block_size_);
    if (!pads) return unexpected(pads.error());
    for (std::size_t at = 0; at < made.block_size_; ++at) {
      const unsigned octet = at < key.size() ? key[at] : 0u;
      pads->data()[at] = static_cast<unsigned char>(octet ^ 0x36u);
      pads->data()[made.block_size_ + at] = static_cast<unsigned char>(octet ^ 0x5cu);
    }
    made.pads_ = *std::move(pads);
    return made;
  }

  [[nodiscard]] bool start() noexcept {
    return state_ && init_(state_.get().state, nullptr) == 1 && update(ByteView{pads_}.subview(0, block_size_));
  }
  [[nodiscard]] bool update(ByteView bytes) noexcept {
    return state_ && update_(state_.get().state, bytes.data(), bytes.size()) == 1;
  }
  /// Writes as many octets as the digest has.
  [[nodiscard]] bool finish(unsigned char* out) noexcept {
    std::size_t size = 0;
    void* const state = state_.get().state;
    return state != nullptr && final_(state, out, &size, size_) == 1 && init_(state, nullptr) == 1 &&
           update(ByteView{pads_}.subview(block_size_)) && update({out, size_}) &&
           final_(state, out, &size, size_) == 1;
  }

 private:
  Hmac() noexcept = default;

  /// Whether `name` is one of `names`, between which there are colons.
  [[nodiscard]] static bool lists(std::string_view names, std::string_view name) noexcept {
    while (!names.empty()) {
      const std::string_view one = names.substr(0, names.find(':'));
      if (one == name) return true;
      names.remove_prefix(one.size() < names.size() ? one.size() + 1 : one.size());
    }
    return false;
  }
  /// Which of them makes a state; nullptr if one that is needed is not there.
  [[nodiscard]] OSSL_FUNC_digest_newctx_fn* find_functions(const char* digest) noexcept {
    const OSSL_PROVIDER* const provider = EVP_MD_get0_provider(digest_.get());
    if (provider == nullptr) return nullptr;
    int not_stored = 0;
    const OSSL_ALGORITHM* const all = OSSL_PROVIDER_query_operation(provider, OSSL_OP_DIGEST, &not_stored);
    const OSSL_ALGORITHM* found = all;
    while (found != nullptr && found->algorithm_names != nullptr && !lists(found->algorithm_names, digest)) ++found;
    OSSL_FUNC_digest_newctx_fn* begin = nullptr;
    const bool is_there = found != nullptr && found->algorithm_names != nullptr;
    for (const OSSL_DISPATCH* each = is_there ? found->implementation : nullptr;
         each != nullptr && each->function_id != 0; ++each) {
      if (each->function_id == OSSL_FUNC_DIGEST_NEWCTX) begin = OSSL_FUNC_digest_newctx(each);
      if (each->function_id == OSSL_FUNC_DIGEST_FREECTX) free_ = OSSL_FUNC_digest_freectx(each);
      if (each->function_id == OSSL_FUNC_DIGEST_INIT) init_ = OSSL_FUNC_digest_init(each);
      if (each->function_id == OSSL_FUNC_DIGEST_UPDATE) update_ = OSSL_FUNC_digest_update(each);
      if (each->function_id == OSSL_FUNC_DIGEST_FINAL) final_ = OSSL_FUNC_digest_final(each);
    }
    if (all != nullptr) OSSL_PROVIDER_unquery_operation(provider, OSSL_OP_DIGEST, all);
    const bool are_all_there = free_ != nullptr && init_ != nullptr && update_ != nullptr && final_ != nullptr;
    return are_all_there ? begin : nullptr;
  }
  [[nodiscard]] bool begin_state(OSSL_FUNC_digest_newctx_fn* begin) noexcept {
    const OSSL_PROVIDER* const provider = EVP_MD_get0_provider(digest_.get());
    void* const state = provider != nullptr ? begin(OSSL_PROVIDER_get0_provider_ctx(provider)) : nullptr;
    if (state != nullptr) state_ = decltype(state_)::adopt({state, free_});
    return state != nullptr;
  }

  detail::Digest digest_;  // before the state: it holds the provider
  UniqueHandle<detail::DigestStateTraits> state_;
  OSSL_FUNC_digest_freectx_fn* free_ = nullptr;
  OSSL_FUNC_digest_init_fn* init_ = nullptr;
  OSSL_FUNC_digest_update_fn* update_ = nullptr;
  OSSL_FUNC_digest_final_fn* final_ = nullptr;
  SecretBytes pads_;  // inner, outer
  std::size_t block_size_ = 0;
  std::size_t size_ = 0;
};

}  // namespace rfc3961
GSSKEY_END_ABI
}  // namespace gsskey
