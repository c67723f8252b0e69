// benchmarks/tickets: tickets for services on one thread, by Asio's loop, beside the blocking call, alone and on a
// pool. In a realm of its own with 1,000 services, whose KDC sleeps for two seconds where that is measured.
//
//   tickets lateness|rate|cpu|memory
//
// SPDX-License-Identifier: MIT
#include <malloc.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gsskey/asio/prefetch.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/testing/test_realm.hpp>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using namespace gsskey;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Krb5 = mech::Krb5;
using Client = Credential<Krb5, Initiate>;

namespace {

constexpr int services = 1000;
constexpr int initiators = 10000;

template <class T>
T must(Result<T> result) {
  if (result) {
    if constexpr (std::is_void_v<T>) {
      return;
    } else {
      return *std::move(result);
    }
  }
  const auto text = result.error().text();
  std::fprintf(stderr, "tickets: %s: %.*s\n", result.error().operation(), static_cast<int>(text.size()), text.data());
  std::exit(1);
}

std::string service(int number) { return "host/h" + std::to_string(number) + ".test"; }
Name target(int number) { return must(Name::principal(service(number) + "@GSSKEY.TEST")); }

TestRealmOptions options() {
  TestRealmOptions made{.users = {{"alice", "secret"}}};
  for (int number = 0; number < services; ++number) made.services.push_back(service(number));
  return made;
}

void must_step(Initiator<Krb5>& initiator) {
  if (auto step = initiator.step(); !step) must(Result<void>{unexpected(std::move(step).error().error)});
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}
double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
}
double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// The realm's KDC, which sleeps from SIGSTOP to SIGCONT.
class Sleeper {
 public:
  explicit Sleeper(const TestRealm& realm) {
    for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
      std::ifstream name{entry.path() / "comm"};
      std::ifstream file{entry.path() / "environ"};
      std::string comm;
      if (!std::getline(name, comm) || comm != "krb5kdc") continue;
      const std::string environment{std::istreambuf_iterator<char>{file}, {}};
      if (environment.find(realm.folder()) == std::string::npos) continue;
      kdcs_.push_back(std::atoi(entry.path().filename().c_str()));
    }
    if (kdcs_.empty()) std::exit(1);
  }
  void send(int signal) const {
    for (const ::pid_t kdc : kdcs_) ::kill(kdc, signal);
  }

 private:
  std::vector<::pid_t> kdcs_;
};

double thread_cpu_ms() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

/// Ticks every millisecond until it goes: how late the worst tick was, by the clock, and by the work that the loop did
/// since the one before, which the machine's other work does not change.
class Ticks {
 public:
  explicit Ticks(asio::io_context& io) : timer_{io} { next(Clock::now()); }
  struct Worst {
    double late_ms = 0;
    double work_ms = 0;
  } worst{};

 private:
  void next(Clock::time_point now) {
    worked_ = thread_cpu_ms();
    timer_.expires_at(now + 1ms);
    timer_.async_wait([this](std::error_code code) {
      if (code) return;
      const auto at = Clock::now();
      worst.late_ms = std::max(worst.late_ms, std::chrono::duration<double, std::milli>(at - timer_.expiry()).count());
      worst.work_ms = std::max(worst.work_ms, thread_cpu_ms() - worked_);
      next(at);
    });
  }
  asio::steady_timer timer_;
  double worked_ = 0;
};

struct Login {
  TicketCache cache = must(TicketCache::in_memory());
  std::optional<Client> credential{};

  explicit Login(asio::io_context& io) {
    auto login = must(InitialTicket::with_password(cache, must(Name::user("alice")), "secret"));
    async_acquire(io.get_executor(), std::move(login), [](Result<void> done) { must(std::move(done)); });
    io.run();
    io.restart();
    credential.emplace(must(cache.credential()));
  }
};

asio::awaitable<void> fetch(const Login& login, Initiator<Krb5>& initiator) {
  auto fetched = co_await prefetch(login.cache).prepare(initiator);
  must(std::move(fetched));
}
asio::awaitable<void> initiate(const Login& login, int number, int& left) {
  Initiator<Krb5> initiator{target(number), *login.credential};
  co_await fetch(login, initiator);
  must_step(initiator);
  --left;
}
void initiate_blocking(const Login& login, int number) {
  Initiator<Krb5> initiator{target(number), *login.credential};
  must_step(initiator);
}

/// Of a loop that gets so many initiators while the KDC sleeps for two seconds, ten each millisecond, until all have
/// their tokens.
struct Crowd {
  asio::io_context io{};
  const Login login{io};
  int left = initiators;
  Ticks::Worst worst{};
  double seconds = 0;

  template <class Begin>
  Crowd(const TestRealm& realm, int different, Begin begin) {
    const Sleeper kdc{realm};
    asio::steady_timer arrival{io};
    int number = 0;
    const std::function<void(std::error_code)> arrive = [&](std::error_code) {
      for (int last = number + 10; number < last; ++number) begin(*this, number % different);
      if (number == initiators) return;
      arrival.expires_after(1ms);
      arrival.async_wait(arrive);
    };
    kdc.send(SIGSTOP);
    asio::steady_timer waking{io, 2s};
    waking.async_wait([&](std::error_code) { kdc.send(SIGCONT); });
    Ticks ticks{io};
    const auto start = Clock::now();
    arrive({});
    while (left != 0) io.run_one();
    seconds = seconds_since(start);
    worst = ticks.worst;
  }
};

void measure_lateness(const TestRealm& realm, int different) {
  double longest_step = 0;
  const auto timed = [&](const Login& login, int number, int& left) -> asio::awaitable<void> {
    Initiator<Krb5> initiator{target(number), *login.credential};
    co_await fetch(login, initiator);
    const double before = thread_cpu_ms();
    must_step(initiator);
    longest_step = std::max(longest_step, thread_cpu_ms() - before);
    --left;
  };
  const Crowd ours{realm, different, [&](Crowd& crowd, int number) {
                     asio::co_spawn(crowd.io, timed(crowd.login, number, crowd.left), asio::detached);
                   }};
  asio::thread_pool pool{8};
  const Crowd pooled{realm, different, [&](Crowd& crowd, int number) {
                       asio::post(pool, [&crowd, number, work = asio::make_work_guard(crowd.io)] {
                         initiate_blocking(crowd.login, number);
                         asio::post(crowd.io, [&crowd] { --crowd.left; });
                       });
                     }};
  const std::string to = " to " + std::to_string(different);
  std::printf("worst lateness,%s services\t%g\t%g\n", to.c_str(), ours.worst.late_ms, pooled.worst.late_ms);
  std::printf("most CPU time between ticks,%s\t%g\t%g\n", to.c_str(), ours.worst.work_ms, longest_step);
  std::printf("seconds until all have it,%s\t%g\t%g\n", to.c_str(), ours.seconds, pooled.seconds);
}

/// Tickets per second, each for another service.
void measure_rate(const TestRealm& realm) {
  const auto per_second = [](Clock::time_point begin) { return services / seconds_since(begin); };
  asio::io_context io;
  const auto on_loop = [&](int at_once) {
    const Login login{io};
    int left = services;
    int begun = 0;
    const auto some = [&]() -> asio::awaitable<void> {
      while (begun < services) co_await initiate(login, begun++, left);
    };
    const auto begin = Clock::now();
    for (int lane = 0; lane < at_once; ++lane) asio::co_spawn(io, some(), asio::detached);
    io.run();
    io.restart();
    return per_second(begin);
  };
  const double few = on_loop(32);
  const double all = on_loop(services);
  double pooled = 0;
  {
    const Login login{io};
    asio::thread_pool pool{32};
    const auto begin = Clock::now();
    for (int number = 0; number < services; ++number) {
      asio::post(pool, [&login, number] { initiate_blocking(login, number); });
    }
    pool.join();
    pooled = per_second(begin);
  }
  const auto cache = must(realm.login("alice"));
  const std::string list = realm.folder() + "/services";
  {
    std::ofstream file{list};
    for (int number = 0; number < services; ++number) file << service(number) << '\n';
  }
  const std::string command = "xargs -n 1 -P 32 kvno -q -c " + cache + " < " + list;
  const auto begin = Clock::now();
  if (std::system(command.c_str()) != 0) std::exit(1);
  const double kvno = per_second(begin);
  std::printf("32 at once, beside 32 threads\t%g\t%g\n", few, pooled);
  std::printf("1,000 at once, beside 1,000 kvno\t%g\t%g\n", all, kvno);
}

/// Microseconds of this process per token, each with another ticket: the median of the rounds' ratios.
void measure_cpu(int count) {
  asio::io_context io;
  std::vector<std::pair<double, double>> rounds;
  for (int round = 0; round < (count > 100 ? 5 : 15); ++round) {
    const Login one{io};
    double begin = cpu_seconds();
    int left = count;
    const auto all = [&]() -> asio::awaitable<void> {
      for (int number = 0; number < count; ++number) co_await initiate(one, number, left);
    };
    asio::co_spawn(io, all(), asio::detached);
    io.run();
    io.restart();
    const double ours = cpu_seconds() - begin;
    const Login other{io};
    begin = cpu_seconds();
    for (int number = 0; number < count; ++number) initiate_blocking(other, number);
    rounds.emplace_back(ours / count * 1e6, (cpu_seconds() - begin) / count * 1e6);
  }
  std::sort(rounds.begin(), rounds.end(),
            [](auto& left, auto& right) { return left.first / left.second < right.first / right.second; });
  const auto [ours, blocking] = rounds[rounds.size() / 2];
  std::printf("%d tickets in a cache\t%g\t%g\n", count, ours, blocking);
}

/// Heap bytes of one who waits, with coroutine and initiator: each for a ticket of its own, and all for the same.
void measure_memory(const TestRealm& realm) {
  const auto each = [&](int different) {
    asio::io_context io;
    const Login login{io};
    const Sleeper kdc{realm};
    const auto used = [] { return static_cast<double>(::mallinfo2().uordblks); };
    int left = services;
    kdc.send(SIGSTOP);
    const double before = used();
    for (int number = 0; number < services; ++number) {
      asio::co_spawn(io, initiate(login, number % different, left), asio::detached);
    }
    io.run_for(500ms);  // each has sent its request
    const double bytes = (used() - before) / services;
    kdc.send(SIGCONT);
    while (left != 0) io.run_one();
    return bytes;
  };
  const double own = each(services);
  std::printf("one who waits, for a ticket of its own : for the same\t%g\t%g\n", own, each(1));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const auto realm = must(TestRealm::start(options()));
  const auto environment = must(realm.enter(must(realm.login("alice"))));
  ::setenv("KRB5RCACHENAME", "none:", 1);
  if (mode == "lateness") {
    rlimit files{65536, 65536};
    ::setrlimit(RLIMIT_NOFILE, &files);
    // Else glibc joins small blocks that were freed now and then, all at once: 10 ms after thousands of initiators.
    ::mallopt(M_MXFAST, 0);
    measure_lateness(realm, services);
    measure_lateness(realm, 100);
  }
  if (mode == "rate") measure_rate(realm);
  if (mode == "cpu") {
    measure_cpu(10);
    measure_cpu(100);
    measure_cpu(services);
  }
  if (mode == "memory") measure_memory(realm);
}
