// gsskey/messages/detail/confounders: random blocks, drawn many at a time, that a forked child does not inherit.
// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/rand.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <gsskey/core/detail/openssl_failure.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace rfc3961 {

/// A page of them. The kernel gives a forked child that page full of zeros (MADV_WIPEONFORK), which reads as "none
/// left", and that is how a child is known: it draws from the kernel, for in OpenSSL's generator another thread may
/// have been at the fork, whose lock nobody opens in the child. One thread at a time.
class Confounders {
 public:
  static constexpr std::size_t size = 16;

  /// The first page is drawn here: who has no random numbers learns it before there is anything to lose. Errors:
  /// system; policy, if OpenSSL has no random numbers.
  [[nodiscard]] static Result<Confounders> create() noexcept {
    Confounders made;
    void* const memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return unexpected(Error::system("mmap", errno));
    made.page_ = decltype(made.page_)::adopt(static_cast<Page*>(memory));
    if (::madvise(memory, sizeof(Page), MADV_WIPEONFORK) != 0) return unexpected(Error::system("madvise", errno));
    ERR_clear_error();
    made.page_.get()->is_of_creator = true;
    if (!made.draw()) {
      return unexpected(
          gsskey::detail::openssl_failure(Error::policy("RAND_bytes", 0, "OpenSSL gives no random bytes")));
    }
    return made;
  }

  /// Never gives the same twice. False if there are no random numbers, and after a move.
  [[nodiscard]] bool take(unsigned char* to) noexcept {
    if (!page_) return false;
    Page& page = *page_.get();
    if (page.left == 0 && !draw()) return false;
    unsigned char* const block = page.blocks[--page.left];
    std::memcpy(to, block, size);
    std::memset(block, 0, size);
    return true;
  }

 private:
  static constexpr std::size_t count = 255;
  struct Page {
    std::uint32_t left;
    bool is_of_creator;
    unsigned char blocks[count][size];
  };
  static_assert(sizeof(Page) <= 4096);
  struct Traits {
    using Handle = Page*;
    static constexpr Handle none = nullptr;
    static void close(Handle page) noexcept { (void)::munmap(page, sizeof(Page)); }  // pages come back as zeros
  };

  Confounders() noexcept = default;

  [[nodiscard]] bool draw() noexcept {
    Page& page = *page_.get();
    if (!(page.is_of_creator ? RAND_bytes(page.blocks[0], sizeof page.blocks) == 1 : draw_from_kernel(page))) {
      return false;
    }
    page.left = count;
    return true;
  }
  [[nodiscard]] static bool draw_from_kernel(Page& page) noexcept {
    for (std::size_t got = 0; got < sizeof page.blocks;) {  // a signal may come between
      const ::ssize_t more = ::getrandom(page.blocks[0] + got, sizeof page.blocks - got, 0);
      if (more < 0 && errno != EINTR) return false;
      if (more > 0) got += static_cast<std::size_t>(more);
    }
    return true;
  }

  UniqueHandle<Traits> page_;
};

}  // namespace rfc3961
GSSKEY_END_ABI
}  // namespace gsskey
