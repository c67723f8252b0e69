// gsskey/testing/detail/realm_environment: this process's environment pointing into a realm, for as long as the object
// lives.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

class TestRealm;

/// Points this process's environment into a realm as long as it lives; its end brings the old values back. Several nest
/// like scopes.
/// Calls: setenv(3), unsetenv(3).
/// Threads: for the whole process, and not while others use the environment.
class RealmEnvironment {
 public:
  RealmEnvironment(RealmEnvironment&& other) noexcept : saved_{std::exchange(other.saved_, {})} {}
  RealmEnvironment& operator=(RealmEnvironment&& other) noexcept {
    if (this != &other) {
      restore();
      saved_ = std::exchange(other.saved_, {});
    }
    return *this;
  }
  ~RealmEnvironment() { restore(); }

 private:
  friend class TestRealm;
  struct Saved {
    std::string name;
    std::optional<std::string> value;
  };

  RealmEnvironment() = default;
  /// All of them, or none: half in a realm would be half in the machine's own.
  [[nodiscard]] static Result<RealmEnvironment> of(const std::vector<std::string>& variables) {
    RealmEnvironment environment;
    for (const auto& variable : variables) {
      const auto equals = variable.find('=');
      std::string name = variable.substr(0, equals);
      const char* before = std::getenv(name.c_str());
      auto value = before != nullptr ? std::optional<std::string>{before} : std::nullopt;
      environment.saved_.push_back({std::move(name), std::move(value)});  // first: it may throw
      if (::setenv(environment.saved_.back().name.c_str(), variable.c_str() + equals + 1, 1) != 0) {
        return unexpected(Error::system("setenv", errno));
      }
    }
    return environment;
  }
  void restore() noexcept {
    for (const auto& [name, value] : saved_) {
      if (value) ::setenv(name.c_str(), value->c_str(), 1);
      if (!value) ::unsetenv(name.c_str());
    }
    saved_.clear();
  }

  std::vector<Saved> saved_;
};

GSSKEY_END_ABI
}  // namespace gsskey
