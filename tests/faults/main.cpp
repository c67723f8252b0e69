// tests/faults/main: runs scenarios in children, one call made to fail in each, and says what became of it. Driven by
// run.py, a line for each order:
//   record SCENARIO              "site ID FUNCTION CALLS FRAME..." for each place that a call came from, then "end ..."
//   inject SCENARIO ID N HOW     the N-th call from there fails; "after ID FUNCTION CALLS FRAME..." for those that come
//                                then, until its Error is there; "silent" if there is none; "complaint ..." for what is
//                                wrong, then "end ..."; HOW: quickly, and leaks are not looked for
//   inject SCENARIO ID N HOW OTHER FIRST  the first call from OTHER after it fails, too; FIRST: silent, or told
// A place is where the call returns to; of an allocation, the whole way there: see memory.hpp.
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
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "faults/faults.hpp"
#include "faults/memory.hpp"
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
    std::atomic<std::uintptr_t> id;
    std::atomic<unsigned> function;
    std::atomic<unsigned> calls;
    std::atomic<unsigned> place;  // among them, by the first call
    std::uintptr_t frames[most_frames];
  };
  static constexpr std::size_t most = 8192;
  Site sites[most];
  std::atomic<unsigned> places;
  std::atomic<bool> is_recording, is_armed, is_settled;
  std::atomic<std::uintptr_t> target, second;
  std::atomic<unsigned> nth, seen, fired, fired_later, noted, complaints;
  std::atomic<unsigned> function, later_function;
  std::atomic<bool> is_silent;             // the first fault alone becomes no error
  std::atomic<bool> is_told;               // the first fault
  std::atomic<bool> is_second_told_first;  // and the first then has to come, unless it is silent
  std::atomic<long> usual_growth;  // of memory, by the third run without a fault: what libraries never give back
};
Shared* shared = nullptr;

const char* name_of(unsigned function) noexcept { return function == memory ? "operator new" : names[function]; }

void record(unsigned function, std::uintptr_t id, const Frames& frames) noexcept {
  for (std::size_t tries = 0, at = id % Shared::most; tries < Shared::most; ++tries, at = (at + 1) % Shared::most) {
    auto& site = shared->sites[at];
    std::uintptr_t found = 0;
    if (site.id.compare_exchange_strong(found, id)) {
      site.function = function;
      site.place = ++shared->places;
      std::copy(std::begin(frames), std::end(frames), site.frames);
    }
    if (found == 0 || found == id) {
      ++site.calls;
      return;
    }
  }
}
void clear_sites() noexcept {
  for (auto& site : shared->sites) site.id = 0, site.calls = 0;
}
void print_sites(const char* word) {
  std::vector<const Shared::Site*> sites;
  for (const auto& site : shared->sites) {
    if (site.id != 0) sites.push_back(&site);
  }
  std::sort(sites.begin(), sites.end(), [](const auto* one, const auto* other) { return one->place < other->place; });
  for (const auto* site : sites) {
    std::cout << word << ' ' << site->id << ' ' << name_of(site->function) << " : " << site->calls;
    for (const auto frame : site->frames) {
      if (frame != 0) std::cout << ' ' << frame;
    }
    std::cout << '\n';
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
  if (name == "krb5_gss_register_acceptor_identity") {  // which has no minor status
    return error.domain() == Domain::gss && operation == name && number == 0;
  }
  if (is_one_of(name, {"gss", "krb5_", "profile_"})) {
    return error.domain() == Domain::gss && operation == name && is_memory;
  }
  if (is_one_of(name, {"keyctl_read", "keyctl_get_keyring_ID", "keyctl_describe"})) {
    return error.domain() == Domain::keyring && operation.starts_with("keyctl_") && is_memory;
  }
  if (is_one_of(name, {"keyctl", "add_key", "request_key"})) {
    return error.domain() == Domain::keyring && operation == name && is_memory;
  }
  if (is_one_of(name, {"send", "recv"})) return error.domain() == Domain::transport && is_memory;
  if (is_one_of(name, {"EVP", "RAND", "OSSL", "SSL", "X509", "malloc", "new", "operator new"})) {
    return error.domain() == Domain::system && is_memory;
  }
  if (is_one_of(name, {"dup2", "fork", "execve", "prctl", "waitpid"}) && number == static_cast<std::uint32_t>(EIO)) {
    return error.domain() == Domain::system;  // in the child that was to become a program: that "ended"
  }
  return error.domain() == Domain::system && is_memory && (operation == name || name == "syscall");
}

/// Runs a scenario once. Whatever it leaves in this process is a matter of its libraries, or a leak.
void run_once(const Scenario& scenario, bool is_faulty) {
  shared->seen = 0;
  shared->fired = 0;
  shared->fired_later = 0;
  shared->noted = 0;
  shared->is_told = false;
  shared->is_second_told_first = false;
  shared->is_settled = false;
  shared->is_armed = is_faulty;
  try {
    scenario.run();
  } catch (const Stopped&) {
  } catch (const std::bad_alloc&) {
    if (!note_no_memory()) complain("an exception: there is no memory");
  } catch (const std::exception& thrown) {
    complain(std::string{"an exception: "} + thrown.what());
  } catch (...) {
    complain("an exception");
  }
  shared->is_armed = false;
  if (shared->is_second_told_first && !shared->is_told && !shared->is_silent) {
    complain(std::string{name_of(shared->function)} + " failed, then " + name_of(shared->later_function) +
             ", and only that is said");
  }
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
  const bool reached = shared->fired != 0 && (shared->second == 0 || shared->fired_later != 0);
  const support::Handles handles;
  const long blocks = support::heap::live();
  const long open = descriptors();
  run_once(scenario, true);
  const long more_blocks = support::heap::live() - blocks;
  if (!reached || shared->fired == 0 || (shared->second != 0 && shared->fired_later == 0)) return;
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

std::uintptr_t runner() noexcept { return reinterpret_cast<std::uintptr_t>(&run_once); }
bool is_watched() noexcept {
  return shared != nullptr &&
         (shared->is_recording || (shared->is_armed && (is_way(shared->target) || shared->fired != 0)));
}

bool shall_fail_at(unsigned function, std::uintptr_t id, const Frames& frames) noexcept {
  if (shared == nullptr) return false;
  if (shared->is_recording) record(function, id, frames);
  if (!shared->is_armed) return false;
  if (id == shared->target && ++shared->seen == shared->nth) {
    ++shared->fired;
    shared->function = function;
    return true;
  }
  if (shared->fired == 0 || shared->is_settled) return false;
  record(function, id, frames);
  if (id != shared->second || shared->fired_later != 0) return false;
  ++shared->fired_later;
  shared->later_function = function;
  return true;
}

bool shall_fail(unsigned function, const void* from) noexcept {
  static const unsigned allocates = [] {
    unsigned number = 0;
    while (names[number] != nullptr && std::string_view{names[number]} != "malloc") ++number;
    return number;
  }();
  if (function == allocates) return shall_fail_on_its_way(function, from);
  const Frames frames = {reinterpret_cast<std::uintptr_t>(from) -
                         reinterpret_cast<std::uintptr_t>(&__executable_start)};
  // A pointer to a function: several are called from one place.
  return shall_fail_at(function, frames[0] | std::uintptr_t{function} << 44, frames);
}

int failures() noexcept { return (shared->fired != 0) + (shared->fired_later != 0); }
bool failed() noexcept { return failures() != 0; }
bool failed(std::string_view name) noexcept {
  return (shared->fired != 0 && name == name_of(shared->function)) ||
         (shared->fired_later != 0 && name == name_of(shared->later_function));
}

Pause::Pause() noexcept : was_armed_{shared->is_armed.exchange(false)} {}
Pause::~Pause() { shared->is_armed = was_armed_; }

void settle() noexcept { shared->is_settled = true; }

void note(const gsskey::Error& error) {
  if (shared->fired == 0) return complain("an error without a fault: " + words(error));
  const bool is_first = ++shared->noted == 1;
  const char* const first = name_of(shared->function);
  if (shared->fired_later == 0) {
    if (!is_first) return complain("a second error: " + words(error));
    if (!is_right(first, error)) complain(std::string{first} + " failed, and this is said: " + words(error));
    return;
  }
  // Of two faults the first is told, unless it is none by itself. Of another connection the second may be told too, and
  // before it.
  const char* const second = name_of(shared->later_function);
  const bool is_of_first = is_right(first, error);
  if (is_of_first) shared->is_told = true;
  if (is_first && !is_of_first) shared->is_second_told_first = true;
  if (shared->noted <= 2 && (is_of_first || is_right(second, error))) return;
  complain(std::string{first} + " failed, then " + second + ", and this is said: " + words(error));
}

bool note_no_memory() {
  if (!failed("operator new")) return false;
  ++shared->noted;
  if (shared->function == memory) shared->is_told = true;
  return true;
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
      faults::clear_sites();
      if (order == "record") {
        ended = faults::in_child([&] { faults::record(scenario); });
        faults::print_sites("site");
      } else {
        std::uintptr_t id = 0;
        unsigned nth = 0;
        std::uintptr_t second = 0;
        std::string how;
        std::string first;
        words >> id >> nth >> how >> second >> first;
        shared->target = id;
        shared->nth = nth;
        shared->second = second;
        shared->is_silent = first == "silent";
        ended = faults::in_child([&] { faults::inject(scenario, how == "quickly"); });
        if (ended == "ok" && (second == 0 ? shared->fired : shared->fired_later) == 0) ended = "not reached";
        if (second == 0) {
          if (shared->noted == 0) std::cout << "silent\n";
          faults::print_sites("after");
        }
      }
      std::cout << "end " << ended << std::endl;
    }
  }
}
