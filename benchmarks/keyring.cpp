// benchmarks/keyring: the kernel's key service.
//   bench_keyring time            microseconds per operation, medians over rounds in which both ways take turns
//   bench_keyring upcall          the same for upcalls, whose handlers must be configured
//   bench_keyring allocations     calls of malloc, calloc and realloc per operation
//   bench_keyring instructions WAY   for callgrind, which counts each call of measured(); prints name and turns
//   bench_keyring calls WAY OPERATION TURNS   for strace
// SPDX-License-Identifier: MIT
#include <keyutils.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "keys.h"
#include "support/heap.hpp"

namespace {

struct Case {
  const char* name;
  void (*key_way::*run)(std::size_t);
};
constexpr Case cases[] = {{"key read 64 B", &key_way::read},       {"key describe", &key_way::describe},
                          {"key search", &key_way::search},        {"key update 64 B", &key_way::update},
                          {"request_key hit", &key_way::request},  {"key add, unlink", &key_way::add_unlink},
                          {"key create, unlink", &key_way::create}};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void report(const char* name, double ours, double reference) {
  std::printf("%s\t%.9g\t%.9g\n", name, ours, reference);
  std::fflush(stdout);
}

double microseconds(const Case& one, const key_way& by, std::size_t turns) {
  const auto start = std::chrono::steady_clock::now();
  (by.*one.run)(turns);
  const std::chrono::duration<double, std::micro> elapsed = std::chrono::steady_clock::now() - start;
  return elapsed.count() / static_cast<double>(turns);
}

void compare(const Case& one, int rounds, std::size_t turns) {
  std::vector<double> ours;
  std::vector<double> reference;
  for (int round = 0; round < rounds; ++round) {
    if (round % 2 == 0) ours.push_back(microseconds(one, keys_with_gsskey, turns));
    reference.push_back(microseconds(one, keys_in_c, turns));
    if (round % 2 != 0) ours.push_back(microseconds(one, keys_with_gsskey, turns));
  }
  report(one.name, median(ours), median(reference));
}

double allocations(const Case& one, const key_way& by) {
  (by.*one.run)(1);  // once for what is allocated on first use
  const long before = support::heap::allocations;
  (by.*one.run)(10);
  return static_cast<double>(support::heap::allocations - before) / 10;
}

}  // namespace

extern "C" [[gnu::noinline]] void measured(const Case& one, const key_way& by, std::size_t turns) {
  (by.*one.run)(turns);
  asm volatile("" ::: "memory");  // no tail call: the run belongs into this frame
}

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const key_way& by = argc > 2 && argv[2] == std::string_view{keys_in_c.name} ? keys_in_c : keys_with_gsskey;
  if (keyctl_join_session_keyring(nullptr) < 0) return 1;
  keys_with_gsskey.connect();
  keys_in_c.connect();
  if (mode == "time") {
    for (const Case& one : cases) compare(one, 101, 100);
  } else if (mode == "upcall") {
    compare({"upcall", &key_way::upcall}, 41, 1);
  } else if (mode == "allocations") {
    for (const Case& one : cases) report(one.name, allocations(one, keys_with_gsskey), allocations(one, keys_in_c));
  } else if (mode == "instructions") {
    for (const Case& one : cases) {
      (by.*one.run)(1);
      measured(one, by, 100);
      std::printf("%s\t100\n", one.name);
    }
  } else if (mode == "calls" && argc == 5) {
    for (const Case& one : cases) {
      if (one.name == std::string_view{argv[3]}) (by.*one.run)(static_cast<std::size_t>(std::atoi(argv[4])));
    }
  } else {
    return 2;
  }
}
