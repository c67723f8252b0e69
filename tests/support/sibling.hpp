// tests/support/sibling: other processes of this session, which share its rings: they link, replace, revoke and move
// the keys that they find there. SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/keyring.hpp>

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace support {

/// A process that does `work()` and ends without destructors; 0: the work returned true.
class Sibling {
 public:
  template <class Work>
  explicit Sibling(Work work) : child_{::fork()} {
    REQUIRE(child_ >= 0);
    if (child_ != 0) return;
    bool is_well = false;
    try {
      is_well = static_cast<bool>(work());
    } catch (const std::exception& thrown) {
      std::fprintf(stderr, "in the sibling: %s\n", thrown.what());
    } catch (...) {  // a REQUIRE that failed: nothing of Catch goes on here
    }
    ::_exit(is_well ? 0 : 1);
  }
  Sibling(Sibling&& other) noexcept : child_{std::exchange(other.child_, -1)} {}
  Sibling& operator=(Sibling&&) = delete;
  ~Sibling() {
    if (child_ > 0) CHECK(succeeds());
  }
  /// Whether it ended well; waits for that.
  [[nodiscard]] bool succeeds() {
    int status = 0;
    const bool waited = ::waitpid(std::exchange(child_, -1), &status, 0) > 0;
    return waited && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  ::pid_t child_;
};

/// What another process of this session does, now.
template <class Work>
void elsewhere(Work work) {
  REQUIRE(Sibling{work}.succeeds());
}

/// One that does `turn()` over and over until the object ends, or until it returns false, which is a failure.
class RestlessSibling {
 public:
  template <class Turn>
  explicit RestlessSibling(Turn turn) : sibling_{start(turn)} {}
  RestlessSibling(const RestlessSibling&) = delete;
  RestlessSibling& operator=(const RestlessSibling&) = delete;
  ~RestlessSibling() {
    if (ends_[1] >= 0) CHECK(ends_well());
  }
  [[nodiscard]] bool ends_well() {
    for (int& end : ends_) ::close(std::exchange(end, -1));
    return sibling_.succeeds();
  }

 private:
  template <class Turn>
  Sibling start(Turn turn) {
    REQUIRE(::pipe2(ends_, O_CLOEXEC | O_NONBLOCK) == 0);
    return Sibling{[this, turn] {
      ::close(ends_[1]);
      char byte = 0;
      while (::read(ends_[0], &byte, 1) != 0) {  // until the other end is closed
        if (!turn()) return false;
      }
      return true;
    }};
  }
  int ends_[2] = {-1, -1};
  Sibling sibling_;
};

/// So many that all begin at once; `work(number)` of each returns a number, and the sum of these comes back.
template <class Work>
long all_at_once(int count, Work work) {
  struct Shared {
    ::pthread_barrier_t start;
    long sum;
  };
  auto* const shared =
      static_cast<Shared*>(::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  REQUIRE(static_cast<void*>(shared) != MAP_FAILED);
  ::pthread_barrierattr_t attributes;
  ::pthread_barrierattr_init(&attributes);
  ::pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  REQUIRE(::pthread_barrier_init(&shared->start, &attributes, static_cast<unsigned>(count)) == 0);
  {
    std::vector<Sibling> siblings;
    for (int number = 0; number < count; ++number) {
      siblings.emplace_back([=] {
        ::pthread_barrier_wait(&shared->start);
        __atomic_fetch_add(&shared->sum, work(number), __ATOMIC_RELAXED);
        return true;
      });
    }
  }
  const long sum = shared->sum;
  ::munmap(shared, sizeof(Shared));
  return sum;
}

/// What one can do to a key in `ring`; `own`: a ring of the test's, to put things in. False: the kernel did not let it.
struct Deed {
  const char* name;
  bool (*to)(gsskey::AnyKeyRef key, gsskey::KeyringRef ring, gsskey::KeyringRef own);
};
inline const std::vector<Deed>& deeds() {
  using gsskey::AnyKeyRef;
  using gsskey::KeyringRef;
  // Another key of the same type and name in its place.
  constexpr auto replace = [](AnyKeyRef key, KeyringRef ring, KeyringRef own) {
    const auto info = key.describe();
    if (!info) return false;
    const std::string type{info->type()};
    const std::string name{info->description()};
    const bool is_ring = type == "keyring";
    const long made =
        ::syscall(SYS_add_key, type.c_str(), name.c_str(), is_ring ? nullptr : "theirs", is_ring ? 0 : 6, own.serial());
    return made > 0 && ring.link(AnyKeyRef::from_serial(static_cast<::key_serial_t>(made))).has_value();
  };
  static const std::vector<Deed> all{
      {"linked elsewhere", [](AnyKeyRef key, KeyringRef, KeyringRef own) { return own.link(key).has_value(); }},
      {"moved elsewhere",
       [](AnyKeyRef key, KeyringRef ring, KeyringRef own) { return ring.move(key, own).has_value(); }},
      {"unlinked", [](AnyKeyRef key, KeyringRef ring, KeyringRef) { return ring.unlink(key).has_value(); }},
      {"replaced", replace},
      {"revoked", [](AnyKeyRef key, KeyringRef, KeyringRef) { return key.revoke().has_value(); }},
      {"invalidated", [](AnyKeyRef key, KeyringRef, KeyringRef) { return key.invalidate().has_value(); }},
      {"left without rights", [](AnyKeyRef key, KeyringRef,
                                 KeyringRef) { return ::syscall(SYS_keyctl, KEYCTL_SETPERM, key.serial(), 0) == 0; }},
      {"filled with something else",
       [](AnyKeyRef key, KeyringRef, KeyringRef) {
         return ::syscall(SYS_keyctl, KEYCTL_UPDATE, key.serial(), "theirs", 6) == 0;
       }},
      {"its ring cleared", [](AnyKeyRef, KeyringRef ring, KeyringRef) { return ring.clear().has_value(); }},
  };
  return all;
}

}  // namespace support
