// benchmarks/instructions: runs every case one way, for callgrind, which counts and dumps each call of measured().
// SPDX-License-Identifier: MIT
#include <string_view>

#include "cases.hpp"

extern "C" [[gnu::noinline]] void measured(const Case& one, const way& by, const Input& input) {
  (by.*one.run)(input.get());
  asm volatile("" ::: "memory");  // no tail call: the run belongs into this frame
}

/// Argument: the way's name. Prints one line per call of measured(): name, turns. Each case has several calls, of which
/// the median counts: some do what happens once per second.
int main(int argc, char** argv) {
  const way& by = argc == 2 && argv[1] == std::string_view{plain_c.name} ? plain_c : with_gsskey;
  by.connect();
  for (Case one : cases()) {
    if (one.size >= 16384) one.turns = 3;  // takes long under callgrind
    (by.*one.run)(Input{one, by}.get());
    for (int call = 0; call < 7; ++call) {
      measured(one, by, Input{one, by});
      std::printf("%s\t%zu\n", one.name.c_str(), one.turns);
    }
  }
}
