// tests/support/single_threaded: whether this process has one thread until a test makes another.
// SPDX-License-Identifier: MIT
#pragma once

#include <thread>

#if defined(__SANITIZE_THREAD__)
#define GSSKEY_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GSSKEY_TEST_TSAN 1
#endif
#endif

namespace support {

#ifdef GSSKEY_TEST_TSAN
inline constexpr bool is_single_threaded = false;  // ThreadSanitizer has a thread of its own in every process
// It comes with the first of ours, and would keep the session ring of that moment: so before there is one.
[[maybe_unused]] inline const bool has_started = (std::thread{[] {}}.join(), true);
#else
inline constexpr bool is_single_threaded = true;
#endif

}  // namespace support
