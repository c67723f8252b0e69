// tests/support/traces: what a path leaves of its secrets in the memory of this process: in what it frees, on its
// stack, and anywhere else. Run by valgrind, what it decides by them: they are memory that was never set. For one file
// per program.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/bytes.hpp>

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "support/heap.hpp"
#include "support/must.hpp"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_COUNT_ERRORS 0u
#define VALGRIND_MAKE_MEM_UNDEFINED(address, size) static_cast<void>(0)
#define VALGRIND_MAKE_MEM_DEFINED(address, size) static_cast<void>(0)
#endif

namespace support {

inline bool is_on_valgrind() noexcept { return RUNNING_ON_VALGRIND != 0; }
/// What everybody sees is no secret, whatever it was made of.
inline void show([[maybe_unused]] gsskey::ByteView seen) noexcept {
  VALGRIND_MAKE_MEM_DEFINED(seen.data(), seen.size());
}

/// The secrets of one path. What is looked for is held in another form, so that the search does not find itself: words
/// of eight bytes, each under a mask.
class Secrets {
 public:
  static constexpr std::size_t word_size = 8;

  Secrets() noexcept {
    while (::getrandom(const_cast<unsigned char*>(mask_), sizeof mask_, 0) != sizeof mask_) {
    }
  }

  /// A new secret of letters: one word, again and again, so that any sixteen bytes of it are found.
  void draw() noexcept {
    unsigned char random[word_size];
    while (::getrandom(random, sizeof random, 0) != sizeof random) {
    }
    for (std::size_t at = 0; at < word_size; ++at) {
      drawn_[at] = static_cast<unsigned char>(('a' + random[at] % 26) ^ mask_[at]);
    }
    add(drawn_, 0);
    add(drawn_, 0x36);  // the pads of an HMAC key
    add(drawn_, 0x5c);
  }
  /// The first `size` bytes of what was drawn.
  void write(unsigned char* to, std::size_t size) const noexcept {
    for (std::size_t at = 0; at < size; ++at) {
      to[at] = static_cast<unsigned char>(drawn_[at % word_size] ^ mask_[at % word_size]);
    }
    hide({to, size});
  }
  /// The same, in memory that is wiped.
  [[nodiscard]] gsskey::SecretBytes bytes(std::size_t size) const {
    auto made = must(gsskey::SecretBytes::with_size(size));
    write(made.data(), size);
    return made;
  }
  /// What somebody else made, of which the caller takes care.
  void learn(gsskey::ByteView secret) noexcept {
    hide(secret);
    if (is_on_valgrind()) return;
    for (std::size_t at = 0; at + word_size <= secret.size(); at += word_size) {
      unsigned char word[word_size];
      for (std::size_t i = 0; i < word_size; ++i) word[i] = static_cast<unsigned char>(secret[at + i] ^ mask_[i]);
      bool is_varied = false;
      for (std::size_t i = 1; i < word_size; ++i) is_varied = is_varied || secret[at + i] != secret[at];
      if (is_varied) add(word, 0);
    }
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

  /// From here on the path may decide by what it is given: a `reason` why that tells nobody anything.
  void may_decide([[maybe_unused]] const char* reason) noexcept { decides_ = true; }

  /// The first place from `from` on, or nullptr.
  [[nodiscard]] const unsigned char* find(const unsigned char* from, const unsigned char* end) const noexcept {
    const unsigned char* first = nullptr;
    for (std::size_t word = 0; word < count_; ++word) {
      const unsigned char* limit = first != nullptr ? first : end;
      const int head = words_[word][0] ^ mask_[0];
      for (const unsigned char* at = from; limit - at >= static_cast<std::ptrdiff_t>(word_size); ++at) {
        at = static_cast<const unsigned char*>(
            std::memchr(at, head, static_cast<std::size_t>(limit - at) - (word_size - 1)));
        if (at == nullptr) break;
        std::size_t same = 1;
        while (same < word_size && (at[same] ^ mask_[same]) == words_[word][same]) ++same;
        if (same == word_size) {
          first = at;
          break;
        }
      }
    }
    return first;
  }

 private:
  static constexpr std::size_t most = 64;

  void hide([[maybe_unused]] gsskey::ByteView secret) const noexcept {
    if (!decides_) VALGRIND_MAKE_MEM_UNDEFINED(secret.data(), secret.size());
  }
  void add(const unsigned char* masked, unsigned char pad) noexcept {
    for (std::size_t i = 0; i < word_size && count_ < most; ++i) {
      words_[count_][i] = static_cast<unsigned char>(masked[i] ^ pad);
    }
    if (count_ < most) ++count_;
  }

  volatile unsigned char mask_[word_size] = {};  // compilers are not to undo it for all words at once
  unsigned char drawn_[word_size] = {};
  unsigned char words_[most][word_size] = {};
  std::size_t count_ = 0;
  bool decides_ = false;
};

/// Where secrets were found.
struct Traces {
  long freed = 0;          ///< blocks that our headers, or the test, gave to free()
  long library_freed = 0;  ///< blocks that a library of C gave to free()
  long on_stack = 0;       ///< of the thread that the path ran on, used or not
  long elsewhere = 0;
  long decisions = 0;  ///< branches and addresses that depend on one; on valgrind, and nothing else there
  std::string where;   ///< of the first

  [[nodiscard]] long sum() const noexcept { return freed + library_freed + on_stack + elsewhere + decisions; }
};

namespace traces {

inline const Secrets* watched = nullptr;  // by on_free()
inline Traces* found = nullptr;
inline std::size_t scanned = 0;  // bytes, of all scans

inline void say(Traces& traces, const char* what, const char* of) {
  if (traces.where.empty()) traces.where = std::string{what} + of;
}
/// Of the file that `address` lies in.
inline const char* module_of(const void* address) noexcept {
  ::Dl_info info{};
  return ::dladdr(address, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
}
inline bool is_ours(const char* module) noexcept {
  static const char* const program = module_of(reinterpret_cast<const void*>(&scanned));
  const std::string_view name{module};
  // operator delete is in the library of C++.
  return name == program || name.find("libstdc++") != name.npos || name.find("libc++") != name.npos;
}
inline void on_free(const void* block, const void* caller) noexcept {
  if (watched == nullptr || block == nullptr) return;
  const auto* const bytes = static_cast<const unsigned char*>(block);
  const std::size_t size = heap::size_of(block);
  const bool is_found = watched->find(bytes, bytes + size) != nullptr;
  const char* const module = module_of(caller);
  // It hides nothing of what is left elsewhere, and some secrets are not known yet.
  if (!is_ours(module)) std::memset(const_cast<void*>(block), 0, size);
  if (!is_found) return;
  static std::mutex mutex;
  const std::lock_guard lock{mutex};
  ++(is_ours(module) ? found->freed : found->library_freed);
  const Secrets* const kept = watched;
  watched = nullptr;  // a text allocates
  say(*found, "freed by ", module);
  watched = kept;
}

/// A stack that stays where it is when its thread has ended.
struct Stack {
  static constexpr std::size_t size = std::size_t{512} << 10;
  unsigned char* bytes = static_cast<unsigned char*>(
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));

  /// What of it there is: pages that were never written are not made to be.
  template <class Work>
  static void for_each_part(const unsigned char* begin, const unsigned char* end, Work work) {
    static const int file = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    static std::uint64_t entries[512];
    const unsigned char* from = nullptr;
    for (const unsigned char* at = begin; at < end;) {
      const auto left = static_cast<std::size_t>(end - at) / page;
      const std::size_t count = left < 512 ? left : 512;
      const auto place = static_cast<::off_t>(reinterpret_cast<std::uintptr_t>(at) / page * sizeof entries[0]);
      if (::pread(file, entries, count * sizeof entries[0], place) < 0) std::memset(entries, 0xff, sizeof entries);
      for (std::size_t i = 0; i < count; ++i, at += page) {
        const bool is_there = entries[i] >> 62 != 0;  // in memory, or in swap
        if (is_there && from == nullptr) from = at;
        if (!is_there && from != nullptr) work(std::exchange(from, nullptr), at);
      }
    }
    if (from != nullptr) work(from, end);
  }
  /// All that this process can write to.
  void scan(const Secrets& secrets, Traces& traces) const {
    // Not by a stream, whose buffer would come from where freed blocks are.
    static char maps[std::size_t{256} << 10];
    const int file = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    std::size_t length = 0;
    for (::ssize_t count; (count = ::read(file, maps + length, sizeof maps - 1 - length)) > 0;) {
      length += static_cast<std::size_t>(count);
    }
    ::close(file);
    maps[length] = '\0';
    for (char* line = maps; *line != '\0';) {
      char* const next = std::strchr(line, '\n');
      *next = '\0';
      char* at = line;
      const auto* begin = reinterpret_cast<const unsigned char*>(std::strtoul(at, &at, 16));
      const auto* const end = reinterpret_cast<const unsigned char*>(std::strtoul(at + 1, &at, 16));
      const bool is_written = std::string_view{at}.starts_with(" rw");
      if (is_written) {
        for_each_part(begin, end, [&](const unsigned char* from, const unsigned char* to) {
          scanned += static_cast<std::size_t>(to - from);
          while ((from = secrets.find(from, to)) != nullptr) {
            const bool on_stack = from >= bytes && from < bytes + size;
            ++(on_stack ? traces.on_stack : traces.elsewhere);
            const char* const name = std::strchr(at, '/');
            say(traces, on_stack ? "the stack" : "memory of ", on_stack || name == nullptr ? "" : name);
            from += Secrets::word_size;
          }
        });
      }
      line = next + 1;
    }
  }
};

}  // namespace traces

/// Runs `path(secrets)` on a thread of its own and then looks at all memory. An exception of the path is one of this.
template <class Path>
Traces traces_of(Path path) {
  static const traces::Stack stack;
  std::memset(stack.bytes, 0, traces::Stack::size);
  Secrets secrets;
  secrets.draw();
  Traces found;
  if (is_on_valgrind()) {
    const auto before = VALGRIND_COUNT_ERRORS;
    path(secrets);
    found.decisions = static_cast<long>(VALGRIND_COUNT_ERRORS - before);
    return found;
  }
  struct Run {
    Path& path;
    Secrets& secrets;
    std::exception_ptr thrown{};
  } run{path, secrets};
  traces::found = &found;
  traces::watched = &secrets;
  heap::free_hook = &traces::on_free;
  ::pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstack(&attributes, stack.bytes, traces::Stack::size);
  ::pthread_t thread{};
  const int error = ::pthread_create(
      &thread, &attributes,
      [](void* argument) -> void* {
        auto& self = *static_cast<Run*>(argument);
        try {
          self.path(self.secrets);
        } catch (...) {
          self.thrown = std::current_exception();
        }
        return nullptr;
      },
      &run);
  if (error != 0) throw std::runtime_error{"pthread_create"};
  ::pthread_join(thread, nullptr);
  ::pthread_attr_destroy(&attributes);
  heap::free_hook = nullptr;
  traces::watched = nullptr;
  if (run.thrown) std::rethrow_exception(run.thrown);
  stack.scan(secrets, found);
  return found;
}

}  // namespace support
