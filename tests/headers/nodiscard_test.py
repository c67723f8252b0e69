#!/usr/bin/env python3
"""nodiscard.py finds each function that lacks [[nodiscard]], and nothing else."""
# SPDX-License-Identifier: MIT
import subprocess
import sys
import tempfile
from pathlib import Path

GOOD = """
// Result<int> comment();
#define MACRO(x) int x() \\
  ; int y();
namespace gsskey::inline GSSKEY_ABI {
inline namespace mit __attribute__((abi_tag)) {}
template <class R>
concept Range = requires(const R& range) {
  { range.data() } -> std::same_as<int>;
};
enum class Flag : unsigned { one = flag(1), two };
using Release = void (*)(void* data) noexcept;
using std::unexpected;
static_assert(sizeof(int) == 4);
inline constexpr int answer = compute(42);
inline constexpr Table table{.one = f(), .two = true};
extern template class Foo<int>;
class [[nodiscard]] Error {
 public:
  static Error usage(const char* text = "int f();") noexcept { return {text}; }
  template <class... Parts>
  Error with_text(Parts... parts) && noexcept {
    int local = f(); if (local) { g(); }
    return std::move(*this);
  }
 private:
  Error(int a, int b) noexcept : a_{a}, b_{f(b)} {}
  Release release_ = nullptr;
  int (*callback_)(int) = nullptr;
};
class Owner {
 public:
  Owner() = default;
  explicit Owner(int value) : value_(value) {}
  explicit(sizeof(int) == 4) Owner(long value);
  template <Range R>
    requires(!std::same_as<R, int> && sizeof(R) > 1)
  constexpr Owner(const R& range) noexcept : value_{range.size()} {}
  Owner(Owner&& other) noexcept : value_{std::exchange(other.value_, {})}, size_{0} {}
  Owner& operator=(Owner&& other) noexcept;
  Owner& operator|=(int);
  Owner& operator++();
  friend std::ostream& operator<<(std::ostream& out, const Owner& owner);
  ~Owner() { reset(); }
  void reset() noexcept;
  static void to_malloc(void* data, std::size_t) noexcept { std::free(data); }
  auto trailing() -> void;
  explicit operator bool() const noexcept { return true; }
  operator std::string_view() const;
  [[nodiscard]] int get() const noexcept { return value_; }
  [[nodiscard]] static Result<Owner> make(Options options = {}, int x = f(1)) noexcept;
  template <class T>
    requires Mechanism<T> && (T::has_iov || requires(T t) { t.f(); })
  [[nodiscard]] Result<int> wrap(T) const;
  [[nodiscard]] friend constexpr auto operator<=>(Owner, Owner) noexcept = default;
  [[nodiscard, gnu::pure]] int pure() const;
};
inline Result<int> Owner::wrap() const { return 1; }
GSSKEY_BEGIN_ABI
template <class T>
inline void first(T& t) {}
[[nodiscard]] inline bool free_function(int x) { return x > 0; }
}  // namespace
"""
BAD = [  # each, put at namespace or class scope, is one violation
    "Result<int> f();",
    "inline Result<void> f(int x) noexcept { return {}; }",
    "static constexpr bool f() { return true; }",
    "template <class T>\nexpected<T, Error> f(T value = {});",
    "template <class T>\n  requires Mechanism<T>\nResult<T> f(const T& t) { return t; }",
    "template <class T>\n  requires(sizeof(T) > 1) && Foo<T>\nint f();",
    "const char* f() noexcept;",
    "int& f();",
    "friend bool operator==(A, A) noexcept = default;",
    "friend auto operator<=>(A, A) noexcept = default;",
    "int operator()(int) const;",
    "int operator[](int) const;",
    "auto f() -> Result<int>;",
    "std::pair<int, Result<void>> f();",
    "struct Inner {\n  int f();\n};",
    "private:\n  unsigned long f(int (*callback)(int));",
    "gss_detail::Thing f() &&;",
    "Error* f();",
    "decltype(auto) f();",
    "GSSKEY_BEGIN_ABI\nint f();",
    "int f(int) requires true;",
]


def nodiscard(text):
    with tempfile.TemporaryDirectory() as include:
        Path(include, "a.hpp").write_text("class [[nodiscard]] Error {};\n" + text)
        script = Path(__file__).with_name("nodiscard.py")
        return subprocess.run([sys.executable, script, include], capture_output=True, text=True)


failures = 0
good = nodiscard(GOOD)
if good.returncode != 0:
    failures += 1
    print("refuses what is right:", good.stdout, good.stderr)
for declaration in BAD:
    for before, after in (("namespace a {\n", "}\n"), ("class A {\n public:\n", "};\n"), ("int first = 1;\n", "")):
        bad = nodiscard(before + declaration + after)
        if bad.returncode != 1 or "1 violations" not in bad.stdout:
            failures += 1
            print(f"one violation expected in:\n{before + declaration}\ngot: {bad.stdout}{bad.stderr}")
print(f"{3 * len(BAD) + 1} texts, {failures} failures")
sys.exit(1 if failures else 0)
