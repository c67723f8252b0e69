// benchmarks/allocations: calls of malloc, calloc and realloc per operation.
// SPDX-License-Identifier: MIT
#include "cases.hpp"
#include "support/heap.hpp"

namespace {

double allocations(const Case& one, const way& by) {
  const Input input{one, by};
  const long before = support::heap::allocations;
  (by.*one.run)(input.get());
  return static_cast<double>(support::heap::allocations - before) / static_cast<double>(one.turns);
}

}  // namespace

int main() {
  with_gsskey.connect();
  plain_c.connect();
  for (const Case& one : cases()) {
    allocations(one, with_gsskey);  // once for what is allocated on first use
    allocations(one, plain_c);
    report(one.name, allocations(one, with_gsskey), allocations(one, plain_c));
  }
}
