// benchmarks/time: microseconds per operation, medians over rounds in which both ways take turns.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>

#include "cases.hpp"

namespace {

struct Contender {
  const Case& one;
  const way& by;

  double microseconds() const {
    using Clock = std::chrono::steady_clock;
    const Input input{one, by};
    const auto start = Clock::now();
    (by.*one.run)(input.get());
    const std::chrono::duration<double, std::micro> elapsed = Clock::now() - start;
    return elapsed.count() / static_cast<double>(one.turns);
  }
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void compare(const std::string& name, const Contender& ours, const Contender& reference) {
  std::vector<double> our_times, reference_times;
  for (int round = 0; round < 151; ++round) {
    if (round % 2 == 0) our_times.push_back(ours.microseconds());
    reference_times.push_back(reference.microseconds());
    if (round % 2 != 0) our_times.push_back(ours.microseconds());
  }
  report(name, median(our_times), median(reference_times));
}

}  // namespace

int main() {
  with_gsskey.connect();
  plain_c.connect();
  const auto all = cases();
  for (const Case& one : all) compare(one.name, {one, with_gsskey}, {one, plain_c});

  const Case reused{"handshake", &way::handshake};
  const Case acquired{"handshake, default credential", &way::handshake_default_credential};
  compare("default credential : reused one", {acquired, with_gsskey}, {reused, with_gsskey});
}
