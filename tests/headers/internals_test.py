#!/usr/bin/env python3
"""internals.py finds each type of a `detail` namespace in a public declaration, and nothing else."""
# SPDX-License-Identifier: MIT
import sys

from internals import violations

CONCEPTS = {"Range"}
GOOD = """
// detail::Comment f();
namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {
struct Inner { detail::Type shown(); };
detail::Type f();
}  // namespace detail
namespace gss_detail { class Inner { public: detail::Type f(); }; }
template <detail::Range R> class A : private keyring_detail::Base {
 public:
  using Base::size;
  explicit A(int x) noexcept : detail::Base{x}, member_{detail::Type{}} { detail::Type body; }
  int f() { return detail::Type{}.size(); }
  int g(gss_detail::Range auto range) requires(detail::Range<R>);
  static constexpr int value = detail::Type::value;
  int h(int size = detail::largest);
  friend class detail::Friend;
 private:
  detail::Type member_;
  class Nested { public: detail::Type member; };
  template <class T> detail::Type helper(T t);
};
struct detail::Inner { detail::Type member; };
inline void run() { detail::Type body; }
concept Fits = requires(detail::Type t) { t.size(); };
static_assert(sizeof(detail::Type) == 4);
GSSKEY_END_ABI
}
"""
BAD = [
    "detail::Type f();",
    "inline gsskey::detail::Type f() { return {}; }",
    "void f(int, const gss_detail::Type& type);",
    "Result<std::unique_ptr<detail::Type>> f();",
    "auto f() -> typename keyring_detail::AsResult<int>::Type;",
    "template <class T = detail::Type> void f();",
    "class A : public detail::Base {};",
    "struct A : gss_detail::Base {};",
    "struct A : gss_detail::gss_iov_buffer_desc {};",
    "using Type = detail::Type;",
    "struct A { detail::Type member; };",
    "struct A { detail::Type member{}; };",
    "class A { int x; public: void f(detail::Type type); };",
    "class A { private: int x; public: void f(); void g(detail::Type type = {}); private: int y; };",
    "class A { struct Inner { int f() { return 1; } }; public: detail::Type f(); };",
    "template <class T>\\n  requires(sizeof(T) > 1)\\nclass A { public: explicit A(detail::Type type) : type_{type} {} };",
    "GSSKEY_BEGIN_ABI\\nclass A { public: detail::Type f(); };",
    "namespace x { detail::Type f(); }",
    "inline constexpr detail::Type value = 3;",
]

failures = 0
if found := list(violations(GOOD, CONCEPTS)):
    failures += 1
    print("refuses what is right:", found)
for declaration in BAD:
    found = list(violations("int first;\nnamespace gsskey {\n" + declaration.replace("\\n", "\n") + "\n}", CONCEPTS))
    if len(found) != 1 or found[0][0] < 3:
        failures += 1
        print("one violation expected in:", declaration, found)
print(f"{len(BAD) + 1} texts, {failures} failures")
sys.exit(1 if failures else 0)
