#!/usr/bin/env python3
"""answers.py finds each bool inside of a Result, an expected or an optional, and nothing else."""
# SPDX-License-Identifier: MIT
import sys

from answers import violations

GOOD = """
// Result<bool> comment();
/* expected<bool, Error> */
const char* text = "optional<bool>";
Result<void> may(bool yes);
bool is_valid() noexcept;
Result<boolean> a(); Result<std::vector<bool>> b(); expected<Step, StepFailure> c(); MyResult<bool> d(); Answer e();
"""
BAD = [
    "Result<bool> f();",
    "gsskey::Result< bool > f();",
    "[[nodiscard]] inline std::expected<bool, Error> f() noexcept;",
    "expected<const bool,\\n int> f();",
    "std::optional<bool> f();",
    "template <class T>\\ndetail::Dependent<gsskey::Result<\\n bool>, T> f();",
    "using Yes = Result<bool>;",
    "struct A { Result<bool> answer; };",
]

failures = 0
if found := list(violations(GOOD)):
    failures += 1
    print("refuses what is right:", found)
for declaration in BAD:
    if [line for line, _ in violations("int first;\n" + declaration.replace("\\n", "\n"))] not in ([2], [3]):
        failures += 1
        print("one violation expected in:", declaration)
print(f"{len(BAD) + 1} texts, {failures} failures")
sys.exit(1 if failures else 0)
