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
#include <gsskey/asio/prefetch.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/testing/test_realm.hpp>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
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

constexpr KdcPatience patience{1s, 60s};

asio::awaitable<void> initiate(const Login& login, int number, int& left) {
  Initiator<Krb5> initiator{target(number), *login.credential};
  auto fetched = co_await prefetch(login.cache, patience).prepare(initiator);
  must(std::move(fetched));
  must_step(initiator);
  --left;
}
void initiate_blocking(const Login& login, int number) {
  Initiator<Krb5> initiator{target(number), *login.credential};
  must_step(initiator);
}

/// `begin(number)` begins one of `count`: ten each millisecond, as connections come.
template <class Begin>
void arrive(asio::io_context& io, int count, Begin begin) {
  auto timer = std::make_shared<asio::steady_timer>(io);
  auto tick = [=](auto& self, int number) -> void {
    for (int last = number + 10; number < last && number < count; ++number) begin(number);
    if (number == count) return;
    timer->expires_after(1ms);
    timer->async_wait([=](std::error_code) { self(self, number); });
  };
  tick(tick, 0);
}

/// Of a loop that gets so many initiators while the KDC sleeps for two seconds, and then until all have their tokens.
template <class Begin>
Ticks::Worst lateness(const TestRealm& realm, int count, Begin begin) {
  asio::io_context io;
  const Login login{io};
  const Sleeper kdc{realm};
  Ticks ticks{io};
  int left = count;
  kdc.send(SIGSTOP);
  std::thread waking{[&kdc] {  // the loop may be blocked
    std::this_thread::sleep_for(2s);
    kdc.send(SIGCONT);
  }};
  arrive(io, count, [&](int number) { begin(io, login, number % services, left); });
  while (left != 0) io.run_one();
  waking.join();
  return ticks.worst;
}

void measure_lateness(const TestRealm& realm) {
  rlimit files{65536, 65536};
  ::setrlimit(RLIMIT_NOFILE, &files);
  const auto ours = lateness(realm, initiators, [](asio::io_context& io, const Login& login, int number, int& left) {
    asio::co_spawn(io, initiate(login, number, left), asio::detached);
  });
  asio::thread_pool pool{8};
  const auto pooled = lateness(realm, initiators, [&](asio::io_context& io, const Login& login, int number, int& left) {
    asio::post(pool, [&io, &login, number, &left, work = asio::make_work_guard(io)] {
      initiate_blocking(login, number);
      asio::post(io, [&left] { --left; });
    });
  });
  const auto blocking = lateness(realm, 10, [](asio::io_context&, const Login& login, int number, int& left) {
    initiate_blocking(login, number);
    --left;
  });
  std::printf("worst lateness\t%g\t%g\t%g\n", ours.late_ms, pooled.late_ms, blocking.late_ms);
  std::printf("longest work of the loop\t%g\t%g\t%g\n", ours.work_ms, pooled.work_ms, blocking.work_ms);
}

/// Tickets per second, each for another service.
void measure_rate(const TestRealm& realm) {
  const auto per_second = [](Clock::time_point begin) { return services / seconds_since(begin); };
  asio::io_context io;
  double ours = 0;
  {
    const Login login{io};
    int left = services;
    int begun = 0;
    const auto some = [&]() -> asio::awaitable<void> {  // 32 at a time
      while (begun < services) co_await initiate(login, begun++, left);
    };
    const auto begin = Clock::now();
    for (int lane = 0; lane < 32; ++lane) asio::co_spawn(io, some(), asio::detached);
    io.run();
    io.restart();
    ours = per_second(begin);
  }
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
  const std::string command = "xargs -n " + std::to_string(services) + " kvno -q -c " + cache + " < " + list;
  const auto begin = Clock::now();
  if (std::system(command.c_str()) != 0) std::exit(1);
  const double kvno = per_second(begin);
  std::printf("tickets per second\t%g\t%g\t%g\n", ours, pooled, kvno);
}

/// Microseconds of this process per token, each with another ticket: the median of the rounds' ratios.
void measure_cpu() {
  constexpr int count = 100;
  asio::io_context io;
  std::vector<std::pair<double, double>> rounds;
  for (int round = 0; round < 15; ++round) {
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
  std::printf("CPU us per token\t%g\t%g\n", ours, blocking);
}

/// Heap bytes of an exchange that waits, and of the coroutine and the initiator that wait for it.
void measure_memory(const TestRealm& realm) {
  asio::io_context io;
  const Login login{io};
  const Sleeper kdc{realm};
  kdc.send(SIGSTOP);
  const auto used = [] { return static_cast<double>(::mallinfo2().uordblks); };
  int left = services;
  const double before = used();
  arrive(io, services, [&](int number) { asio::co_spawn(io, initiate(login, number, left), asio::detached); });
  io.run_for(1s);  // each has sent its request
  const double each = (used() - before) / services;
  kdc.send(SIGCONT);
  std::printf("heap bytes per waiting exchange\t%g\t0\n", each);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const auto realm = must(TestRealm::start(options()));
  const auto environment = must(realm.enter(must(realm.login("alice"))));
  ::setenv("KRB5RCACHENAME", "none:", 1);
  if (mode == "lateness") measure_lateness(realm);
  if (mode == "rate") measure_rate(realm);
  if (mode == "cpu") measure_cpu();
  if (mode == "memory") measure_memory(realm);
}
