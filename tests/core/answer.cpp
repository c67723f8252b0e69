// gsskey/core/answer: yes, no, or an error, and which `if` lets whom in.
// SPDX-License-Identifier: MIT
#include <gsskey/core/answer.hpp>

#include <string>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"

using namespace gsskey;

namespace {

Answer failed() { return Answer::failure(Error::usage("gss_compare_name", "the name is empty")); }

template <class A, class B>
concept compares_with = requires(const A& a, const B& b) { a == b; };
template <class A>
concept negates = requires(const A& a) { !a; };

}  // namespace

TEST_CASE("an answer is yes or no, and one that failed is neither") {
  CHECK(Answer::of(true).yes());
  CHECK_FALSE(Answer::of(true).no());
  CHECK_FALSE(Answer::of(true).failed());
  CHECK_FALSE(Answer::of(false).yes());
  CHECK(Answer::of(false).no());
  CHECK_FALSE(Answer::of(false).failed());
  CHECK_FALSE(failed().yes());
  CHECK_FALSE(failed().no());
  CHECK(failed().failed());
}

TEST_CASE("who asks for the answer that lets in lets no failure in, opening or refusing") {
  const auto opens = [](const Answer& letting_in_if_yes) {
    if (letting_in_if_yes.yes()) return true;
    return false;
  };
  const auto refuses = [](const Answer& letting_in_if_no) {
    if (!letting_in_if_no.no()) return true;
    return false;
  };
  CHECK(opens(Answer::of(true)));
  CHECK_FALSE(opens(Answer::of(false)));
  CHECK_FALSE(opens(failed()));
  CHECK(refuses(Answer::of(true)));
  CHECK_FALSE(refuses(Answer::of(false)));
  CHECK(refuses(failed()));
}

TEST_CASE("the error of a failed answer is that of the question, of a temporary too") {
  const Answer answer = failed();
  CHECK(std::string{answer.error().operation()} == "gss_compare_name");
  CHECK(answer.error().text() == "the name is empty");
  const Error& kept = failed().error();  // by value: nothing dangles
  CHECK(kept.text() == "the name is empty");
}

TEST_CASE("an answer converts to nothing and compares with nothing") {
  STATIC_REQUIRE_FALSE(std::is_constructible_v<bool, Answer>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Answer, bool>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Answer, Error>);
  STATIC_REQUIRE_FALSE(compares_with<Answer, bool>);
  STATIC_REQUIRE_FALSE(compares_with<Answer, Answer>);
  STATIC_REQUIRE_FALSE(negates<Answer>);
}
