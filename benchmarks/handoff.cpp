// benchmarks/handoff: an acceptor's context, parked and claimed.
//   bench_handoff time               microseconds, medians over rounds in which both ways take turns
//   bench_handoff rate               contexts that one process hands to another per second
//   bench_handoff calls WAY TURNS    for strace and callgrind
// Prints lines of: name, ours, reference. SPDX-License-Identifier: MIT
#include "handoff.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <gsskey/gss.hpp>
#include <gsskey/handoff/parked_context.hpp>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace gsskey;
using mech::Krb5;
using Context = SecurityContext<Krb5>;
using Clock = std::chrono::steady_clock;

KeyringRef session;

[[noreturn]] void fail(const Error& error) {
  const auto text = error.text();
  std::fprintf(stderr, "handoff.cpp: %s: %.*s\n", error.operation(), static_cast<int>(text.size()), text.data());
  std::exit(1);
}
[[noreturn]] void fail(const StepFailure& failure) { fail(failure.error); }
template <class R>
decltype(auto) value(R&& result) {
  if (!result) fail(result.error());
  return *std::forward<R>(result);
}

void both(gss_ctx_id_t* raw, std::size_t turns) {
  auto context = Context::adopt(*raw);
  for (std::size_t turn = 0; turn < turns; ++turn) {
    const auto bytes = value(handoff::park(std::move(context), session)).release();
    context = value(handoff::claim<Krb5>(bytes, session));
  }
  *raw = context.release();
}

void give(gss_ctx_id_t* raw, int channel) {
  const auto bytes = value(handoff::park(Context::adopt(std::exchange(*raw, nullptr)), session)).release();
  if (::send(channel, bytes.data(), bytes.size(), 0) < 0) std::exit(1);
}

void take(const void* bytes, std::size_t size) {
  static_cast<void>(value(handoff::claim<Krb5>(ByteView{bytes, size}, session)));
}

constexpr handoff_way handoff_with_gsskey{both, give, take};

gss_ctx_id_t accepted() {
  static const auto ours = value(Credential<Krb5, Initiate>::acquire_default());
  static const auto theirs = value(Credential<Krb5, Accept>::acquire_default());
  Initiator<Krb5> initiator{value(Name::host_service("host", "localhost")), ours};
  Acceptor<Krb5> acceptor{theirs};
  const auto request = value(initiator.step());
  static_cast<void>(value(acceptor.step(request.token)));
  return value(std::move(acceptor).establish()).release();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double microseconds(const handoff_way& by, gss_ctx_id_t* context) {
  constexpr std::size_t turns = 20;
  const auto start = Clock::now();
  by.both(context, turns);
  const std::chrono::duration<double, std::micro> elapsed = Clock::now() - start;
  return elapsed.count() / turns;
}

/// From the first one out until the last one is in, in a process that does nothing else.
double per_second(const handoff_way& by) {
  constexpr std::size_t count = 500;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) std::exit(1);
  const ::pid_t taker = ::fork();
  if (taker == 0) {
    static char bytes[1 << 17];
    for (std::size_t number = 0; number < count; ++number) {
      const auto size = ::recv(ends[1], bytes, sizeof bytes, 0);
      if (size <= 0) ::_exit(1);
      by.take(bytes, static_cast<std::size_t>(size));
    }
    ::_exit(::send(ends[1], "", 1, 0) == 1 ? 0 : 1);
  }
  ::close(ends[1]);
  std::vector<gss_ctx_id_t> contexts(count);
  for (auto& context : contexts) context = accepted();
  char done = 0;
  const auto start = Clock::now();
  for (auto& context : contexts) by.give(&context, ends[0]);
  if (::recv(ends[0], &done, 1, 0) != 1) std::exit(1);
  const std::chrono::duration<double> elapsed = Clock::now() - start;
  ::close(ends[0]);
  ::waitpid(taker, nullptr, 0);
  return count / elapsed.count();
}

template <class Measure>
void compare(const char* name, int rounds, Measure measure, const handoff_way& by = handoff_with_gsskey) {
  std::vector<double> ours, reference;
  for (int round = 0; round < rounds; ++round) {
    if (round % 2 == 0) ours.push_back(measure(by));
    reference.push_back(measure(handoff_in_c));
    if (round % 2 != 0) ours.push_back(measure(by));
  }
  std::printf("%s\t%.9g\t%.9g\n", name, median(ours), median(reference));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  session = value(Keyring::join_session());
  if (mode == "time") {
    auto context = accepted();
    const auto measure = [&](const handoff_way& by) { return microseconds(by, &context); };
    compare("park, claim", 151, measure);
    compare("the same promise in plain C", 151, measure, sealed_handoff_in_c);
  } else if (mode == "rate") {
    compare("contexts per second", 7, per_second);
  } else if (mode == "calls" && argc == 4) {
    auto context = accepted();
    const auto& by = argv[2] == std::string_view{"plainc"} ? handoff_in_c : handoff_with_gsskey;
    by.both(&context, static_cast<std::size_t>(std::atoi(argv[3])));
  } else {
    return 2;
  }
}
