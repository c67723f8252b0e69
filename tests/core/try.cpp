#include <gsskey/core/try.hpp>

#include <memory>
#include <string>
#include <utility>

#include <gsskey/core/error.hpp>
#include <gsskey/io/task.hpp>

#include "support/catch.hpp"

using namespace gsskey;

namespace {

int calls = 0;

Result<std::unique_ptr<int>> owner(int value) {
  ++calls;
  if (value < 0) return unexpected(Error::usage("owner", "a negative one"));
  return std::make_unique<int>(value);
}
Result<void> check(int value, int limit) {
  ++calls;
  if (value > limit) return unexpected(Error::policy("check", 7, "too large"));
  return {};
}
template <class A, class B>
Result<A> first_of(A a, B) {
  return a;
}

Result<int> sum(int a, int b) {
  GSSKEY_TRY(const auto first, owner(a));
  GSSKEY_TRY(auto second, owner(b));
  *second += *first;
  GSSKEY_TRY_VOID(check(*second, 10));
  return *second;
}

/// An error of another type, made of an Error.
struct Failure {
  Failure(const Error& error) : operation{error.operation()} {}
  std::string operation;
};

Task<Result<int>> sum_later(int a, int b) {
  GSSKEY_CO_TRY(
      const int both, co_await [](int left, int right) -> Task<Result<int>> { co_return sum(left, right); }(a, b));
  GSSKEY_CO_TRY_VOID(check(both, 5));
  co_return 2 * both;
}

}  // namespace

TEST_CASE("a value goes on, and the first error ends the function as it is") {
  calls = 0;
  CHECK(sum(3, 4).value() == 7);
  CHECK(calls == 3);
  const auto failed = sum(3, -1);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().domain() == Domain::usage);
  CHECK(std::string{failed.error().text()} == "a negative one");
  CHECK(calls == 5);
  const auto refused = sum(9, 9);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().minor_status() == 7);
}

TEST_CASE("a Result with a name keeps its value, unless it is moved from") {
  const auto twice = []() -> Result<std::string> {
    Result<std::string> text{"a text that is too long to stand in the object itself"};
    GSSKEY_TRY(const auto copy, text);
    GSSKEY_TRY(const auto moved, std::move(text));
    return copy == moved && text->empty() ? copy : "";
  };
  CHECK(twice().value().size() == 53);
}

TEST_CASE("one after the other in a line, with commas, in lambdas of each other, behind an if without braces") {
  const auto run = [](int value) -> Result<int> {
    GSSKEY_TRY(auto one, first_of<int, long>(value, 2L));
    GSSKEY_TRY(auto two, first_of<int, long>(one, 3L));
    GSSKEY_TRY(auto three, [&]() -> Result<int> {
      GSSKEY_TRY(auto inner, first_of<int, long>(two, 4L));
      return inner + 1;
    }());
    if (value == 1)
      GSSKEY_TRY_VOID(check(three, 0));
    else
      three = -1;
    return three;
  };
  CHECK(run(0).value() == -1);
  REQUIRE_FALSE(run(1));
  CHECK(run(1).error().domain() == Domain::policy);
}

TEST_CASE("the error may become another type's") {
  const auto run = []() -> expected<int, Failure> {
    GSSKEY_TRY(const auto value, owner(-1));
    return *value;
  };
  const auto failed = run();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().operation == "owner");
}

TEST_CASE("in a coroutine") {
  CHECK(sync_wait(sum_later(1, 2)).value() == 6);
  const auto refused = sync_wait(sum_later(3, 4));
  REQUIRE_FALSE(refused);
  CHECK(std::string{refused.error().operation()} == "check");
  REQUIRE_FALSE(sync_wait(sum_later(-3, 4)));
}
