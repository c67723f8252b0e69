#!/usr/bin/env python3
"""contracts.py finds each comment that is no contract, and nothing else."""
# SPDX-License-Identifier: MIT
import sys

from contracts import owners, violations

GOOD = """
namespace gsskey {
GSSKEY_BEGIN_ABI
class Owner;
/// Holds a thing. Note: not a tag, and http://example.org is none.
/// Calls: gss_one, and more
///   that goes on: Here.
/// Errors: gss.
/// Blocks: in the KDC.
/// Threads: one at a time.
/// Fork: not at all.
/// Owner: the caller.
/// Units: bytes.
/// See: RFC 2743.
class Owner : public Base<int> {
 public:
  [[nodiscard]] Result<void> counts_from_class() { return gss_one(); }
 private:
  [[nodiscard]] Result<void> unseen() { return gss_two(); }
  UniqueName name_;
};
/// Holds a number.
class Value { public: int count() const { return gss_category().size(); } private: int count_; int* all_; };
/// Reads one.
/// Calls: gss_read.
/// Errors: gss.
[[nodiscard]] inline Result<int> read(int one) { return gss_read(one); }
/// Reads two. At once.
[[nodiscard]] inline Result<int> read(int one, int two) { return gss_read(one, two); }
/// Reads what comes.
[[nodiscard]] inline auto read_all() -> Result<int> { return gss_read(); }
[[nodiscard]] inline expected<int, Error> below() { return gss_read(); }

namespace detail { [[nodiscard]] Result<void> unseen() { return gss_three(); } }
/// May be called: by all.
[[nodiscard]] int no_result(Result<int> taken) { return taken.gss_value() + object->gss_value() + is_gss_value(); }
int variable;  ///< See: whatever
int Value::count() const { return 1; }
template <class T> inline Result<Other<T>> Value::other() const noexcept { return gss_other(); }
[[nodiscard]] std::string Holder<int>::get() { return {}; }
template <class T>
struct Trait<T> { int member; };
[[nodiscard]] bool operator==(Value, Value);
// Errors: in a comment of ours, not for users. See: there.
GSSKEY_END_ABI
}
"""
BAD = {  # what is found, in which of these lines
    "/// Runs.\n/// Handlers: called once.\nvoid f();": 2,
    "/// Runs.\n/// See: a.\n/// See: b.\nvoid f();": 3,
    "/// Runs.\n/// See: a.\n/// Errors: b.\nvoid f();": 3,
    "/// Runs.\n/// See: a.\n/// b.\nvoid f();": 3,
    "/// Runs.\n/// See: a.\n///\n///   b.\nvoid f();": 3,
    "/// Runs.\n/// See:\n///   b.\nvoid f();": 2,
    "/// Runs. Errors: usage.\nvoid f();": 1,
    "/// Runs.\n/// Errors: usage. See: RFC.\nvoid f();": 2,
    "/// Runs.\n[[nodiscard]] Result<void> f();": 2,
    "/// Runs.\ntemplate <class T>\n[[nodiscard]] inline auto f() -> expected<T, Error> {}": 2,
    "/// Runs.\ntemplate <class T>\n  requires(sizeof(T) > 1)\n[[nodiscard]] asio::awaitable<Result<T>> f();": 2,
    "/// Errors: a.\n[[nodiscard]] Result<void> f();\n\n/// Runs.\n[[nodiscard]] Result<void> f(int);": 5,
    "/// Errors: a.\n[[nodiscard]] Result<void> f();\n/// Other. Than f().\n[[nodiscard]] Result<void> g();": 4,
    "/// Errors: a.\n[[nodiscard]] Result<void> f();\n/// Other.\n/// See: b.\n[[nodiscard]] Result<void> g();": 5,
    "enum class Colour : int { red };": 1,
    "template <class T>\nstruct A {\n  T member;\n};": 1,
    "template <class T>\n  requires(sizeof(T) > 1)\nclass A final : public B {\n  T member;\n};": 1,
    "[[nodiscard]] inline std::string f(int);": 1,
    "namespace inner {\n[[nodiscard]] int f();\n}": 2,
    "/// A.\nstruct A {\n  [[nodiscard]] Result<void> f();\n};\n": 3,
    "/// A.\nclass A {\n  int x;\n\n public:\n  [[nodiscard]] StepResult f();\n};": 6,
    "/// Runs.\ninline void f() {\n  if (int i = 0) { gss_run(i); }\n}": 2,
    "/// Runs.\n/// Calls: gss_go.\ninline void f() { x::keyctl_run(); }": 3,
    "/// Runs.\nvoid f() { EVP_run(); }": 2,
    "/// Runs.\nvoid f() { run([] { return krb5_run(); }); }": 2,
    "/// Holds it.\nclass A {\n  std::string text_;\n};": 2,
    "/// Holds it.\nclass [[nodiscard]] A {\n  A(A&&);\n};": 2,
    "/// Holds it.\n/// Threads: a.\nclass A {\n  UniqueOne one_;\n};\ntemplate <class T>\nclass B {\n  mutable A a_{};\n};": 6,
}

failures = 0
if found := list(violations(GOOD, owners([GOOD]))):
    failures += 1
    print("refuses what is right:", found)
for text, line in BAD.items():
    found = list(violations("namespace gsskey {\n\n" + text + "\n\n}", owners([text])))
    if [at for at, _ in found] != [line + 2]:
        failures += 1
        print("one violation expected in:", text, found)
print(f"{len(BAD) + 1} texts, {failures} failures")
sys.exit(1 if failures else 0)
