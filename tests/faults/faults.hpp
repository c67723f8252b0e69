// tests/faults/faults: what a scenario says of itself, and what is asserted of it when one call of the headers fails.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/error.hpp>

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

/// The function that was made to fail in this run, once it was; "" before.
[[nodiscard]] std::string_view failed() noexcept;

/// Judges the error that a fault has become: its domain, its operation, its number. An error without a fault, or a
/// second one, is a complaint.
void note(const gsskey::Error& error);
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

/// For what leaves its objects as they were when it fails: the error is judged, and then it must work.
template <class Work>
auto again(Work work) -> decltype(need(work())) {
  auto result = work();
  if (!result) {
    note(error_of(result.error()));
    result = work();
    if (!result) {
      complain(std::string{"does not go on after the failure: "} + error_of(result.error()).operation() + ": " +
               std::string{error_of(result.error()).text()});
      throw Stopped{};
    }
  }
  if constexpr (!std::is_void_v<decltype(need(work()))>) return *std::move(result);
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
  const auto result = work();
  if (!result && failed() == error_of(result.error()).operation()) note(error_of(result.error()));
}

/// What must be refused, with a fault and without one.
template <class T, class E>
void refused(const gsskey::expected<T, E>& result) {
  check(!result, "what must be refused is not");
}

}  // namespace faults
