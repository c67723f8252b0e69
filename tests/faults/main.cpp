// tests/faults/main: runs scenarios in children, one call made to fail in each, and says what became of it. Driven by
// run.py, a line for each order:
//   record SCENARIO            "site ADDRESS FUNCTION CALLS" for each place that a call came from, then "end ..."
//   inject SCENARIO ADDRESS N  the N-th call from there fails; "complaint ..." for what is wrong, then "end ..."; with
//                              one more word quickly, and leaks are not looked for
// SPDX-License-Identifier: MIT
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>

#include "faults/faults.hpp"
#include "support/handles.hpp"
#include "support/heap.hpp"
#include "support/realm.hpp"

#if defined(GSSKEY_FAULTS_OPENSSL)
#include <openssl/err.h>
#endif

extern "C" const char __executable_start;

namespace faults {

extern const char* const names[];

namespace {

/// What children and grandchildren share with who runs them.
struct Shared {
  struct Site {
    std::atomic<std::uintptr_t> address;
    std::atomic<unsigned> function;
    std::atomic<unsigned> calls;
  };
  static constexpr std::size_t most = 4096;
  Site sites[most];
  std::atomic<bool> is_recording, is_armed;
  std::atomic<std::uintptr_t> target;
  std::atomic<unsigned> nth, seen, fired, noted, complaints;
  std::atomic<unsigned> function;
  std::atomic<long> usual_growth;  // of memory, by the third run without a fault: what libraries never give back
};
Shared* shared = nullptr;

void record(unsigned function, std::uintptr_t address) noexcept {
  for (std::size_t at = address % Shared::most;; at = (at + 1) % Shared::most) {
    auto& site = shared->sites[at];
    std::uintptr_t found = 0;
    if (site.address.compare_exchange_strong(found, address)) site.function = function;
    if (found == 0 || found == address) {
      ++site.calls;
      return;
    }
  }
}

/// What is open, of whatever kind; counted without allocation of what stays.
long descriptors() {
  long count = 0;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> beginnings) {
  for (const auto beginning : beginnings) {
    if (name.starts_with(beginning)) return true;
  }
  return false;
}

std::string words(const gsskey::Error& error) {
  static constexpr const char* domains[] = {"gss",   "keyring", "system",      "transport",
                                            "usage", "policy",  "unavailable", "seal"};
  std::ostringstream text;
  text << domains[static_cast<std::size_t>(error.domain())] << ' ' << error.operation() << " [" << error.minor_status()
       << "]: " << error.text();
  return text.str();
}

/// What an Error of the call `name` has to be. Of what is only asked on the way to another call, it may name that.
bool is_right(std::string_view name, const gsskey::Error& error) {
  using gsskey::Domain;
  const std::string_view operation = error.operation();
  const auto number = error.minor_status();
  const bool is_memory = number == static_cast<std::uint32_t>(ENOMEM);
  if (name.starts_with("gss")) {
    return error.domain() == Domain::gss && operation == name && is_memory;
  }
  if (name == "krb5_gss_register_acceptor_identity") {  // which has no minor status
    return error.domain() == Domain::gss && operation == name && number == 0;
  }
  if (is_one_of(name, {"keyctl_read", "keyctl_get_keyring_ID", "keyctl_describe"})) {
    return error.domain() == Domain::keyring && operation.starts_with("keyctl_") && is_memory;
  }
  if (is_one_of(name, {"keyctl", "add_key", "request_key"})) {
    return error.domain() == Domain::keyring && operation == name && is_memory;
  }
  if (is_one_of(name, {"send", "recv"})) return error.domain() == Domain::transport && is_memory;
  if (is_one_of(name, {"EVP", "RAND", "OSSL", "SSL", "X509", "malloc", "new"})) {
    return error.domain() == Domain::system && is_memory;
  }
  if (is_one_of(name, {"dup2", "fork", "execve", "waitpid"}) && number == static_cast<std::uint32_t>(EIO)) {
    return error.domain() == Domain::system;  // in the child that was to become a program: that "ended"
  }
  return error.domain() == Domain::system && is_memory && (operation == name || name == "syscall");
}

/// Runs a scenario once. Whatever it leaves in this process is a matter of its libraries, or a leak.
void run_once(const Scenario& scenario, bool is_faulty) {
  shared->seen = 0;
  shared->fired = 0;
  shared->noted = 0;
  shared->is_armed = is_faulty;
  try {
    scenario.run();
  } catch (const Stopped&) {
  } catch (const std::exception& thrown) {
    complain(std::string{"an exception: "} + thrown.what());
  } catch (...) {
    complain("an exception");
  }
  shared->is_armed = false;
#if defined(GSSKEY_FAULTS_OPENSSL)
  if (ERR_peek_error() != 0) complain("OpenSSL's queue of errors is not empty");
  ERR_clear_error();
#endif
}

/// In the child.
void record(const Scenario& scenario) {
  run_once(scenario, false);
  shared->is_recording = true;
  run_once(scenario, false);
  shared->is_recording = false;
  const long blocks = support::heap::live();
  run_once(scenario, false);
  shared->usual_growth = support::heap::live() - blocks;
}
/// In the child: the libraries have what they keep after the second time. `is_quick`: once, and no look at what is
/// left.
void inject(const Scenario& scenario, bool is_quick) {
  run_once(scenario, true);
  if (is_quick) return;
  run_once(scenario, true);
  const bool reached = shared->fired != 0;
  const support::Handles handles;
  const long blocks = support::heap::live();
  const long open = descriptors();
  run_once(scenario, true);
  const long more_blocks = support::heap::live() - blocks;
  if (!reached || shared->fired == 0) return;
  if (handles.leaked() != 0) complain("handles of the GSS library that are not released");
  if (more_blocks > std::max(shared->usual_growth.load(), 0L)) {
    complain("blocks of memory that are not freed: " + std::to_string(more_blocks));
  }
  if (descriptors() != open) complain("descriptors that are not closed");
}

/// Runs `work` in a child; "ok", or how it ended.
template <class Work>
std::string in_child(Work work) {
  std::cout.flush();
  const ::pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    work();
    std::fflush(stdout);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    return WTERMSIG(status) == SIGALRM ? "hangs" : "dies of signal " + std::to_string(WTERMSIG(status));
  }
  return WEXITSTATUS(status) == 0 ? "ok" : "ends with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

bool shall_fail(unsigned function, const void* from) noexcept {
  if (shared == nullptr) return false;
  const auto address = reinterpret_cast<std::uintptr_t>(from) - reinterpret_cast<std::uintptr_t>(&__executable_start);
  if (shared->is_recording) record(function, address);
  if (!shared->is_armed || address != shared->target || ++shared->seen != shared->nth) return false;
  ++shared->fired;
  shared->function = function;
  return true;
}

std::string_view failed() noexcept { return shared->fired == 0 ? "" : names[shared->function]; }

Pause::Pause() noexcept : was_armed_{shared->is_armed.exchange(false)} {}
Pause::~Pause() { shared->is_armed = was_armed_; }

void note(const gsskey::Error& error) {
  if (shared->fired == 0) return complain("an error without a fault: " + words(error));
  if (++shared->noted > 1) return complain("a second error: " + words(error));
  const char* const name = names[shared->function];
  if (!is_right(name, error)) complain(std::string{name} + " failed, and this is said: " + words(error));
}

void complain(const std::string& what) {
  ++shared->complaints;
  std::printf("complaint %s\n", what.c_str());
  std::fflush(stdout);
}

}  // namespace faults

int main() {
  using faults::shared;
  support::realm();
  shared =
      new (::mmap(nullptr, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) faults::Shared{};
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words{line};
    std::string order;
    std::string name;
    words >> order >> name;
    if (order == "list") {
      for (const auto& scenario : faults::scenarios()) std::cout << scenario.name << '\n';
      std::cout << "end" << std::endl;
      continue;
    }
    for (const auto& scenario : faults::scenarios()) {
      if (scenario.name != name) continue;
      std::string ended;
      if (order == "record") {
        for (auto& site : shared->sites) site.address = 0, site.calls = 0;
        ended = faults::in_child([&] { faults::record(scenario); });
        for (auto& site : shared->sites) {
          if (site.address == 0) continue;
          std::cout << "site " << site.address << ' ' << faults::names[site.function] << ' ' << site.calls << '\n';
        }
      } else {
        std::uintptr_t address = 0;
        unsigned nth = 0;
        words >> address >> nth;
        const bool is_quick = words && words.get() == ' ';
        shared->target = address;
        shared->nth = nth;
        ended = faults::in_child([&] { faults::inject(scenario, is_quick); });
        if (ended == "ok" && shared->fired == 0) ended = "not reached";
      }
      std::cout << "end " << ended << std::endl;
    }
  }
}
