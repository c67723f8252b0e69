// tests/faults/faults: what a scenario says of itself, and what is asserted of it when one call of the headers fails.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/error.hpp>

#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace faults {

/// Something that programs do, several times in a process: `run` throws Stopped where it cannot go on.
struct Scenario {
  const char* name;
  void (*run)();
};
inline std::vector<Scenario>& scenarios() {
  static std::vector<Scenario> all;
  return all;
}
/// At namespace scope, one per scenario.
struct Register {
  Register(const char* name, void (*run)()) { scenarios().push_back({name, run}); }
};

/// The error of the call that was made to fail, seen and judged: the rest of the scenario is left out.
struct Stopped {};

/// Whether a call was made to fail in this run: whichever, one of the function `name`.
[[nodiscard]] bool failed() noexcept;
[[nodiscard]] bool failed(std::string_view name) noexcept;
/// How many were.
[[nodiscard]] int failures() noexcept;

/// Judges the error that a fault has become: its domain, its operation, its number. An error without a fault, or one
/// more than there are faults, is a complaint.
void note(const gsskey::Error& error);
/// Likewise std::bad_alloc, which what is documented to throw throws. False: it comes of no fault.
[[nodiscard]] bool note_no_memory();
/// The clean-up after the fault is done: what is called from here on is no part of it, and does not fail.
void settle() noexcept;
/// Says what is wrong. The run goes on.
void complain(const std::string& what);
inline void check(bool holds, const char* what) {
  if (!holds) complain(what);
}

inline const gsskey::Error& error_of(const gsskey::Error& error) { return error; }
template <class E>
const gsskey::Error& error_of(const E& failure) {
  return failure.error;
}

/// The value; or the error is judged, and that is the end of the scenario: there is nothing to go on with.
template <class T, class E>
T need(gsskey::expected<T, E> result) {
  if (!result) {
    note(error_of(result.error()));
    throw Stopped{};
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// For what leaves its objects as they were when it fails: the error is judged, and then it must work; where a second
/// fault may follow the first, then.
template <class Work>
auto again(Work work) -> decltype(need(work())) {
  std::optional<decltype(work())> result;
  for (int failures_before = 0;; failures_before = failures()) {
    result.reset();
    try {
      result.emplace(work());
    } catch (const std::bad_alloc&) {
      if (failures() == failures_before || !note_no_memory()) throw;
      continue;
    }
    if (*result) break;
    const gsskey::Error& error = error_of(result->error());
    if (failures() == failures_before) {
      complain(std::string{"does not go on after the failure: "} + error.operation() + ": " +
               std::string{error.text()});
      throw Stopped{};
    }
    note(error);
  }
  if (failed()) settle();
  if constexpr (!std::is_void_v<decltype(need(work()))>) return **std::move(result);
}

/// While one lives, nothing fails, and nothing counts.
class Pause {
 public:
  Pause() noexcept;
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;
  ~Pause();

 private:
  bool was_armed_;
};

/// again(), for what not every kernel or implementation can do, which is asked first. Where it is refused anyway, only
/// the error of a fault is judged.
template <class Work>
void where_possible(Work work) {
  const bool is_possible = [&] {
    const Pause pause;
    return work().has_value();
  }();
  if (is_possible) {
    static_cast<void>(again(work));
    return;
  }
  const int failures_before = failures();
  const auto result = work();
  if (result || failures() == failures_before) return;
  if (failed(error_of(result.error()).operation())) note(error_of(result.error()));
}

/// What must be refused, with a fault and without one.
template <class T, class E>
void refused(const gsskey::expected<T, E>& result) {
  check(!result, "what must be refused is not");
}

}  // namespace faults
