// Keys on demand, all the way: request_key() here, the kernel, /sbin/request-key, and tests/support/upcall_handler.cpp
// on the other side.
#include <fcntl.h>
#include <grp.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gsskey/keyring.hpp>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"
#include "support/upcalls.hpp"

using namespace gsskey;
using key_type::Logon;
using key_type::User;
using support::error_of;
using support::must;
using support::nobody;

namespace {

constexpr int patience = 1000;  // of 10 ms

const char* missing() { return support::missing_for_upcalls(); }  // found out once

std::string name_of(::pid_t process) { return "gsskey-test-" + std::to_string(process); }

/// What root alone makes: the rules by which request-key finds the handler for descriptions that begin with a name, and
/// a folder for the pipes to it.
class Rules {
 public:
  Rules(std::string name, uid_t owner_of_folder) : name_{std::move(name)} {
    remove_what_is_left_of_killed_tests();
    const auto program = std::filesystem::read_symlink("/proc/self/exe").replace_filename("keyring-upcall-handler");
    std::string rules = "# of a test that is running; it takes this away\n";
    for (const char* type : {"user", "logon"}) {
      const std::string pattern = name_ + ":*";
      rules += must(request_key_line({.type = type, .description = pattern, .program = program.native()})).text();
    }
    rules += "create user " + name_ + ":large-ids* * " + program.native() + " %o %k -2147483648 -2 %T %P %S\n";
    if (check_request_key_conf(rules)) throw std::runtime_error{"rules that request-key does not take"};
    if (::mkdir(folder().c_str(), 0700) != 0 || ::chown(folder().c_str(), owner_of_folder, owner_of_folder) != 0) {
      throw std::runtime_error{"no folder for the pipes"};
    }
    std::ofstream{rule_file()} << rules << std::flush;
  }
  Rules(const Rules&) = delete;
  Rules& operator=(const Rules&) = delete;
  ~Rules() {
    std::filesystem::remove(rule_file());
    std::filesystem::remove_all(folder());
  }

 private:
  [[nodiscard]] std::string rule_file() const { return "/etc/request-key.d/" + name_ + ".conf"; }
  [[nodiscard]] std::string folder() const { return "/run/" + name_ + "/"; }
  static void remove_what_is_left_of_killed_tests() {
    const std::string_view prefix = "gsskey-test-";
    for (const auto& file : std::filesystem::directory_iterator{"/etc/request-key.d"}) {
      const std::string stem = file.path().stem().string();
      if (!stem.starts_with(prefix)) continue;
      if (::kill(std::atoi(stem.c_str() + prefix.size()), 0) == 0 || errno != ESRCH) continue;
      std::filesystem::remove(file.path());
      std::filesystem::remove_all("/run/" + stem);
    }
  }
  std::string name_;
};

/// With GSSKEY_TEST_USER the tests are that user's, of a child process; root waits, and takes away what it has made.
const bool has_rules = [] {
  const char* const user = std::getenv("GSSKEY_TEST_USER");
  if (user == nullptr || ::geteuid() != 0 || missing() != nullptr) return false;
  const auto id = static_cast<uid_t>(std::atoi(user));
  int ready[2];
  const ::pid_t child = ::pipe2(ready, O_CLOEXEC) == 0 ? ::fork() : -1;
  char byte = 0;
  if (child == 0) {
    ::close(ready[1]);
    if (::read(ready[0], &byte, 1) != 1 || ::setgroups(0, nullptr) != 0 || ::setresgid(id, id, id) != 0 ||
        ::setresuid(id, id, id) != 0) {
      ::_exit(1);
    }
    ::unsetenv("CI");  // cases that need root
    return true;
  }
  int status = 0;
  {
    const Rules rules{name_of(child), id};
    static_cast<void>(::write(ready[1], "!", 1));
    ::waitpid(child, &status, 0);
  }
  std::_Exit(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77) ? 0 : 1);
}();

/// Two pipes to the handler, and its rules unless root has made them.
class Handler {
 public:
  Handler() {
    if (!has_rules) rules_.emplace(name_, ::geteuid());
    gate_ = pipe("gate");
    said_ = pipe("said");
  }
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
  ~Handler() {
    for (const char* pipe_name : {"gate", "said"}) ::unlink((folder_ + pipe_name).c_str());
    ::close(gate_);
    ::close(said_);
  }

  /// A description that is the handler's.
  [[nodiscard]] std::string named(std::string_view text) const { return name_ + ":" + std::string{text}; }

  /// One of those who wait at the gate goes on.
  void open_gate() const { REQUIRE(::write(gate_, "!", 1) == 1); }

  /// What was said by now, and since the last time.
  [[nodiscard]] std::string heard() const { return listen(0, {}); }
  /// The same, when it ends with `end`.
  [[nodiscard]] std::string heard(std::string_view end) const { return listen(patience, end); }

 private:
  [[nodiscard]] int pipe(const char* pipe_name) const {
    const std::string path = folder_ + pipe_name;
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    return ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);  // both ways: neither side waits for the other
  }
  [[nodiscard]] std::string listen(int tries, std::string_view end) const {
    std::string text;
    while (true) {
      char part[512];
      const auto size = ::read(said_, part, sizeof part);
      if (size > 0) {
        text.append(part, static_cast<std::size_t>(size));
        continue;
      }
      if (tries-- == 0 || (!end.empty() && text.ends_with(end))) return text;
      ::pollfd ready{said_, POLLIN, 0};
      ::poll(&ready, 1, 10);
    }
  }

  const std::string name_ = name_of(::getpid());
  const std::string folder_ = "/run/" + name_ + "/";
  std::optional<Rules> rules_;
  int gate_ = -1;
  int said_ = -1;
};

/// The payload, or "errno: " and its name.
std::string requested(const std::string& description, const std::string& callout_info) {
  const auto key = request_key<User>(description, callout_info);
  if (!key) return "errno: " + std::string{std::strerror(static_cast<int>(key.error().minor_status()))};
  return std::string{must(key->read()).text()};
}
std::string words_of(int error) { return "errno: " + std::string{std::strerror(error)}; }

/// This user and nobody, as far as that can be.
std::vector<uid_t> users() {
  if (::geteuid() != 0) return {::geteuid()};
  return {0, nobody};
}
/// This user's id, `count` times.
std::string ids(int count) {
  std::string text;
  while (count-- > 0) text += std::to_string(::geteuid()) + ' ';
  return text;
}

/// What the handler's log is told.
std::string told(const std::string& description, const std::string& error, uid_t user = ::geteuid()) {
  return "user;" + description + " for uid " + std::to_string(user) + ": " + error + '\n';
}

/// What `work` says, done by a child process with `user` as its user and group, in a session of its own.
template <class Work>
std::string as(uid_t user, Work work) {
  const auto letters = support::as_user(user, [&](support::Answers& found) {
    std::string text;
    try {
      text = work();
    } catch (const std::exception& error) {
      text = error.what();
    }
    found.assign(text.begin(), text.end());
  });
  return {letters.begin(), letters.end()};
}

/// Takes away what request_key() has linked, negative keys too.
void tidy(const support::Session& session) { must(session->clear()); }

}  // namespace

TEST_CASE("a key is made on demand, once, and found from then on") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  const std::string description = handler.named("once");
  const auto key = must(request_key<User>(description, "give secret"));
  CHECK(must(key.read()).text() == "secret");
  CHECK(handler.heard("exit 0\n") == "run\nexit 0\n");
  CHECK(must(session->members()).contains(key));
  CHECK(must(request_key<User>(description, "give another")) == key);
  CHECK(must(request_key<User>(description)) == key);
  CHECK(must(session->search<User>(description)) == key);
  CHECK(handler.heard() == "");
  tidy(session);
}

TEST_CASE("without callout info nobody makes a key") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  CHECK(error_of(request_key<User>(handler.named("none"))) == ENOKEY);
  CHECK(handler.heard() == "");
  CHECK(must(session->members()).empty());
}

TEST_CASE("description and callout info reach the handler as they are") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  const std::string long_callout(4095, 'c');
  const std::pair<std::string, std::string> pairs[] = {
      {"plain", "callout"},
      {"callout info", "with spaces,  two of them"},
      {"a;b;c;d;e", "x;y;z"},
      {" leading and trailing ", " "},
      {"line\nfeed\ttab", "line\nfeed\ttab"},
      {"\x01\x7f\xff\xc3", "\x01\x7f\xff\xc3"},
      {"%c %d \"'\\$(x)`y`", "%c %d \"'\\$(x)`y`"},
      {"long", long_callout},
      {std::string(4095 - handler.named("").size(), 'd'), "callout"},
  };
  for (const auto& [text, callout] : pairs) {
    const std::string description = handler.named(text);
    CAPTURE(description, callout);
    CHECK(requested(description, callout) == description + '\n' + callout);
  }
  CHECK(requested(handler.named("empty"), "") == handler.named("empty") + "\n");
  tidy(session);
}

TEST_CASE("what is too long or no text never becomes an upcall") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  CHECK(error_of(request_key<User>(handler.named("x"), std::string(4096, 'c'))) == EINVAL);
  CHECK(error_of(request_key<User>(handler.named(std::string(4096, 'd')), "give x")) == EINVAL);
  const auto with_nul = request_key<User>(handler.named("x"), std::string{"a\0b", 3});
  REQUIRE_FALSE(with_nul);
  CHECK(with_nul.error().domain() == Domain::usage);
  CHECK(with_nul.error().text() == "callout info holds no NUL");
  CHECK(request_key<User>(std::string{"a\0b", 3}).error().domain() == Domain::usage);
  CHECK(request_key<User>(handler.named("x"), "give x", KeyringRef{}).error().domain() == Domain::usage);
  CHECK(handler.heard() == "");
  CHECK(must(session->members()).empty());
}

TEST_CASE("the handler is told who asks, and from which rings") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  CHECK(requested(handler.named("main"), "who") == ids(2) + "0 0 " + std::to_string(session->serial()) + " user");
  CHECK(as(nobody, [&] {
          const auto own = must(Keyring::session());
          const auto expected_words = "65534 65534 0 0 " + std::to_string(own.serial()) + " user";
          return requested(handler.named("child"), "who") == expected_words ? "as expected" : "another";
        }) == "as expected");
  std::thread{[&] {
    const auto own = must(Keyring::install_thread());
    CHECK(requested(handler.named("thread"), "who") ==
          ids(2) + std::to_string(own.serial()) + " 0 " + std::to_string(session->serial()) + " user");
    CHECK(must(own.members()).size() == 1);  // the first ring that there is
  }}.join();
  CHECK(must(session->members()).size() == 1);
  tidy(session);
}

TEST_CASE("root and others get keys of their own") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  for (const uid_t user : users()) {
    CAPTURE(user);
    CHECK(as(user, [&] {
            const auto key = must(request_key<User>(handler.named("mine"), "made"));
            const auto info = must(key.describe());
            return std::string{must(key.read()).text()} + ' ' + std::to_string(info.user()) + ' ' +
                   std::to_string(info.group()) + ' ' + std::to_string(info.permissions().bits());
          }) == "full " + std::to_string(user) + ' ' + std::to_string(user) + ' ' + std::to_string(0x3f030000));
  }
}

TEST_CASE("timeout and permissions are on the key when it gets its payload") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  const auto key = must(request_key<User>(handler.named("made"), "made"));
  CHECK(must(key.read()).text() == "full");
  CHECK(must(key.describe()).permissions().bits() == 0x3f030000);
  const auto table = must(ProcKeys::acquire());
  const auto line = must(table.find(key));
  CHECK(line.timeout == "2d");
  CHECK(line.permissions.bits() == 0x3f030000);
  CHECK(line.flags == "I--Q---");
  CHECK(line.text == handler.named("made") + ": 4");

  const auto usual = must(request_key<User>(handler.named("usual"), "give x"));
  const auto table_after = must(ProcKeys::acquire());
  CHECK(must(table_after.find(usual)).timeout == "perm");
  CHECK(must(table_after.find(usual)).permissions.bits() == 0x3f010000);
  tidy(session);
}

TEST_CASE("the key hangs where the requester wants it, and where the handler wants it too") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  const auto named = must(session->create(key_type::Keyring{handler.named("named by the requester")}));
  const auto other = must(session->create(key_type::Keyring{handler.named("ring")}));
  struct {
    std::string order;
    bool with_ring;
    bool in_session, in_named, in_other;
  } const table[] = {
      {"to none", false, true, false, false},      {"to none", true, false, true, false},
      {"to requestor", false, true, false, false}, {"to requestor", true, false, true, false},
      {"to ring", false, true, false, true},       {"to ring", true, false, true, true},
  };
  int number = 0;
  for (const auto& row : table) {
    CAPTURE(row.order, row.with_ring);
    const std::string description = handler.named(std::to_string(++number));
    const auto key =
        row.with_ring ? request_key<User>(description, row.order, named) : request_key<User>(description, row.order);
    REQUIRE(key);
    CHECK(must(session->members()).contains(*key) == row.in_session);
    CHECK(must(named.members()).contains(*key) == row.in_named);
    CHECK(must(other.members()).contains(*key) == row.in_other);
  }
  tidy(session);
}

TEST_CASE("a rejection comes with the handler's errno, and is remembered") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  for (const int error : {EKEYREJECTED, EKEYEXPIRED, EKEYREVOKED, ENOKEY, EPROTO, EPERM, 4094}) {
    CAPTURE(error);
    const std::string description = handler.named("rejected " + std::to_string(error));
    const std::string order = "reject " + std::to_string(error) + " 3600";
    CHECK(error_of(request_key<User>(description, order)) == error);
    CHECK(handler.heard("exit 0\n") == "run\nexit 0\n");
    CHECK(error_of(request_key<User>(description, order)) == error);
    CHECK(error_of(request_key<User>(description)) == error);
    CHECK(handler.heard() == "");
  }
  CHECK(must(session->members()).size() == 7);
  tidy(session);
}

TEST_CASE("errno beyond what the kernel carries is refused, and the requester gets ENOKEY") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  for (const char* order : {"reject 0 3600", "reject 4095 3600", "reject 512 3600"}) {
    CAPTURE(order);
    CHECK(requested(handler.named(order), order) == words_of(ENOKEY));
    CHECK(handler.heard("exit 1\n") ==
          "run\n" + told(handler.named(order), "keyctl_reject: Invalid argument") + "exit 1\n");
  }
  tidy(session);
}

TEST_CASE("the errno of a short rejection reaches its requester", "[waits]") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  for (int number = 0; number < 4; ++number) {
    const std::string order = "reject " + std::to_string(EKEYREJECTED) + (number % 2 == 0 ? " 0" : " 1");
    CHECK(error_of(request_key<User>(handler.named(order + std::to_string(number)), order)) == EKEYREJECTED);
  }
  tidy(session);
}

TEST_CASE("a rejection is over when its time is", "[waits]") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  const std::string description = handler.named("for a second");
  CHECK(error_of(request_key<User>(description, "default-rejection")) == ENOKEY);
  auto key = request_key<User>(description, "give at last");
  for (int left = patience; !key && left > 0; --left) {
    CHECK(error_of(key) == ENOKEY);
    ::poll(nullptr, 0, 10);
    key = request_key<User>(description, "give at last");
  }
  CHECK(must(must(std::move(key)).read()).text() == "at last");
  CHECK(handler.heard("exit 0\nrun\nexit 0\n") == "run\nexit 0\nrun\nexit 0\n");
  tidy(session);
}

TEST_CASE("a requester gets an errno, and never hangs, when the handler") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  struct {
    const char* order;
    const char* told;
    const char* end;
    int error = ENOKEY;
  } const table[] = {
      {"throw", "handle_upcall: the handler threw an exception", "exit 1\n"},
      {"silent", nullptr, "exit 0\n"},
      {"exit 7", nullptr, "exit 7\n"},
      {"abort", nullptr, ""},
      {"kill", nullptr, ""},
      {"drop", nullptr, "exit 0\n"},
      {"negate 3600", nullptr, "exit 0\n"},
      {"size 0", "keyctl_instantiate: Invalid argument", "exit 1\n", EINVAL},
      {"size 32768", "keyctl_instantiate: Invalid argument", "exit 1\n", EINVAL},
      {"late", "handle_upcall: the timeout is over already: 0 or negative; no_timeout is for ever", "exit 1\n",
       EKEYEXPIRED},
  };
  for (const auto& row : table) {
    for (const uid_t user : users()) {
      CAPTURE(row.order, user);
      CHECK(as(user, [&] { return requested(handler.named(row.order), row.order); }) == words_of(row.error));
      const std::string heard =
          "run\n" + (row.told != nullptr ? told(handler.named(row.order), row.told, user) : "") + row.end;
      CHECK(handler.heard(heard) == heard);
    }
  }
}

TEST_CASE("a handler that hangs is ended, and its requester gets an answer, whatever holds the handler", "[waits]") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  struct {
    std::string order;
    int error;
    std::string got = {};
  } table[] = {
      {"hang", ETIMEDOUT},
      {"hang-in-log", ETIMEDOUT},   // told, and ended by SIGKILL
      {"hang-deaf", ENOKEY},        // with all signals blocked
      {"hang-waiting", ETIMEDOUT},  // for another program
  };
  std::vector<std::thread> requesters;
  for (auto& row : table) {
    requesters.emplace_back([&] { row.got = requested(handler.named(row.order), row.order); });
  }
  for (std::thread& requester : requesters) requester.join();
  for (const auto& row : table) {
    CAPTURE(row.order);
    CHECK(row.got == words_of(row.error));
  }
  const std::string heard = handler.heard();
  if (::geteuid() == 0) {
    CHECK(as(nobody, [&] { return requested(handler.named("hang"), "hang"); }) == words_of(ETIMEDOUT));
  }
  for (const char* order : {"hang", "hang-waiting"}) {
    CHECK(heard.find(told(handler.named(order), "handle_upcall: the handler did not answer before its deadline")) !=
          std::string::npos);
  }
  tidy(session);
}

TEST_CASE("what goes wrong in a live upcall reaches syslog, or the program's own log") {
  if (const char* reason = missing()) return support::skip(reason);
  if (::geteuid() != 0) return support::skip("only root makes /dev/log");
  if (::access("/dev/log", F_OK) == 0) return support::skip("/dev/log is somebody's");
  const support::Session session;
  const Handler handler;
  const int log = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  ::sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/dev/log");
  REQUIRE(::bind(log, reinterpret_cast<const ::sockaddr*>(&address), sizeof address) == 0);
  const std::string description = handler.named("throw\n\x1b[31m");
  CHECK(requested(description, "throw") == words_of(ENOKEY));
  char text[1024];
  const auto size = ::recv(log, text, sizeof text, 0);
  ::close(log);
  ::unlink("/dev/log");
  REQUIRE(size > 0);
  const std::string_view line{text, static_cast<std::size_t>(size)};
  CHECK(line.starts_with("<83>"));  // LOG_AUTHPRIV, LOG_ERR
  CHECK(line.ends_with("request-key: user;" + handler.named("throw??[31m") +
                       " for uid 0: handle_upcall: the handler threw an exception"));
  CHECK(requested(handler.named("own"), "own-log") == words_of(ENOKEY));
  CHECK(handler.heard("exit 1\n").ends_with("own log: handle_upcall\nexit 1\n"));
  tidy(session);
}

TEST_CASE("permissions are set although the ring that the requester named is in none of its rings") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  for (const uid_t user : users()) {
    CAPTURE(user);
    CHECK(as(user, [&] {
            const auto ring = must(Keyring::user());
            const auto key = request_key<User>(handler.named("made"), "made", ring);
            if (!key) return "errno: " + std::string{key.error().text()};
            const auto text = std::to_string(must(key->describe()).permissions().bits());
            must(ring.unlink(*key));
            return text;
          }) == std::to_string(0x3f030000));
  }
}

TEST_CASE("users and groups of 2^31 and more, whom the kernel names by negative numbers, get their answer") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  CHECK(requested(handler.named("large-ids"), "become") ==
        "2147483648 2147483648 2147483648 4294967294 4294967294 4294967294 0");
  CHECK(requested(handler.named("large-ids 2"), "throw") == words_of(ENOKEY));
  const std::string heard =
      "run\nexit 0\nrun\n" +
      told(handler.named("large-ids 2"), "handle_upcall: the handler threw an exception", 0x80000000) + "exit 1\n";
  CHECK(handler.heard(heard) == heard);
  tidy(session);
  if (::geteuid() != 0) return support::skip("only root becomes another user");
  for (const uid_t user : {0x7fffffffu, 0x80000000u, 0xfffffffeu}) {
    CAPTURE(user);
    const std::string id = std::to_string(user);
    const std::string got = as(user, [&] { return requested(handler.named("become " + id), "become"); });
    const bool is_answered = got == id + ' ' + id + ' ' + id + ' ' + id + ' ' + id + ' ' + id + " 0";
    // keyutils' request-key takes what begins with '-' for options, and starts nothing.
    CHECK((is_answered || (user > 0x7fffffff && got == words_of(ENOKEY))));
  }
}

TEST_CASE("a handler learns which thread and process asked") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  const auto me = [] { return std::to_string(::gettid()) + ' ' + std::to_string(::getpid()) + " 0"; };
  CHECK(requested(handler.named("main"), "requester") == me());
  std::thread{[&] { CHECK(requested(handler.named("other"), "requester") == me()); }}.join();
  CHECK(error_of(KeyRequest{}.requester()) == ENOKEY);  // here is no upcall
  tidy(session);
}

TEST_CASE("who lives in other namespaces than the handler is refused, unless that is allowed") {
  if (const char* reason = missing()) return support::skip(reason);
  if (::geteuid() != 0) return support::skip("root alone makes namespaces");
  const support::Session session;
  const Handler handler;
  // What three handlers say to somebody there: one with the default options, two that allow more.
  const auto asked = [&](int flags) {
    return as(0, [&] {
      if (::unshare(flags) != 0) return std::string{"no namespace"};
      const auto ask = [&] {
        const std::string anywhere = requested(handler.named("anywhere"), "anywhere");
        return requested(handler.named("here"), "give x") + ", " + requested(handler.named("mount"), "mount") + ", " +
               anywhere.substr(anywhere.rfind(' ') + 1);
      };
      return flags == CLONE_NEWPID ? as(0, ask) : ask();  // it is the children's
    });
  };
  const std::string no = words_of(EKEYREJECTED);
  const std::string mount = handler.named("mount") + "\nmount";
  CHECK(asked(CLONE_NEWNET) == "x, " + mount + ", 0");
  CHECK(asked(CLONE_NEWNS) == no + ", " + mount + ", 1");
  CHECK(asked(CLONE_NEWPID) == no + ", " + no + ", 2");
  CHECK(asked(CLONE_NEWUSER) == no + ", " + no + ", 4");
  CHECK(asked(CLONE_NEWUSER | CLONE_NEWNS) == no + ", " + no + ", 5");
  static_cast<void>(handler.heard());
  CHECK(as(0, [&] {
          if (::unshare(CLONE_NEWNS) != 0) return std::string{"no namespace"};
          return requested(handler.named("told"), "give x");
        }) == no);
  CHECK(handler.heard("exit 1\n") ==
        "run\n" +
            told(handler.named("told"),
                 "handle_upcall: the requester is in another mount, process or user namespace, which "
                 "UpcallOptions::may_differ does not allow") +
            "exit 1\n");
  tidy(session);
}

TEST_CASE("a key whose description looks like another requester is not believed") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  std::string answer;
  std::thread requester{[&] { answer = requested(handler.named("liar"), "believe"); }};
  CHECK(handler.heard("gate\n") == "run\nat the gate\n");
  // Each process of the requester's user sees the line that the handler reads.
  std::string number;
  must(ProcKeys::acquire()).for_each([&](const ProcKey& entry) {
    const auto at = entry.text.find("pid:");
    if (entry.type != ".request_" || at == std::string::npos) return;
    const std::string thread = "/proc/self/task/" + std::to_string(std::atoi(entry.text.data() + at + 4));
    if (::access(thread.c_str(), F_OK) != 0) return;
    char digits[16];
    std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(entry.key.serial()));
    number = digits;
  });
  CHECK(number.size() == 8);
  const auto lie = session->create(
      User{"x\n" + number + " I--Q---     1 perm 0b0b0000     0     0 .request_ key:1 pid:1 ci:1"}, "x");
  const auto seen_by_all =
      Permissions{}.possessor(all_rights).user(all_rights).other(Right::view).accepting(Risks::from_bits(~0u));
  const auto shown = lie ? lie->set_permissions(seen_by_all) : Result<void>{};
  handler.open_gate();
  requester.join();
  REQUIRE(lie);
  must(shown);
  CHECK(answer == std::strerror(EBADMSG));
  tidy(session);
}

TEST_CASE("a child that a handler forks does not answer for it") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  CHECK(requested(handler.named("helped"), "help") == "by the parent");
  tidy(session);
}

TEST_CASE("become_requester looks at what was dropped") {
  if (::geteuid() != 0) return support::skip("root alone becomes another user");
  const char* const arguments[] = {"handler", "create", "5", "65534", "65534", "0", "0", "12", nullptr};
  const auto request = must(KeyRequest::parse(8, arguments));
  const auto become = [&](auto prepare) {
    return as(0, [&] {
      if (!prepare()) return std::string{"not prepared"};
      const auto done = request.become_requester();
      return done ? std::string{"done"} : std::string{done.error().text()};
    });
  };
  CHECK(become([] { return true; }) == "done");
  CHECK(become([] { return ::prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) == 0; }) == "capabilities are left");
  CHECK(become([] { return ::prctl(PR_SET_KEEPCAPS, 1) == 0; }) == "capabilities are left");
}

TEST_CASE("the largest payload is delivered") {
  if (const char* reason = missing()) return support::skip(reason);
  if (!support::has_large_quota()) return support::skip("root's quota is needed");
  const support::Session session;
  const Handler handler;
  const auto key = must(request_key<User>(handler.named("large"), "size 32767"));
  CHECK(must(key.read()).size() == 32767);
  tidy(session);
}

TEST_CASE("what does not fit into the requester's quota is refused with EDQUOT") {
  if (const char* reason = missing()) return support::skip(reason);
  if (::geteuid() != 0) return support::skip("needs root, to become a user whose quota is small");
  const support::Session session;
  const Handler handler;
  CHECK(as(nobody, [&] { return requested(handler.named("large"), "size 30000"); }) == words_of(EDQUOT));
  const std::string heard = handler.heard("exit 1\n");
  CAPTURE(heard);
  CHECK(heard.starts_with("run\n" + told(handler.named("large"), "keyctl_instantiate: Disk quota exceeded", nobody)));
  tidy(session);
}

TEST_CASE("no answer is remembered for a minute") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  const std::string description = handler.named("silent");
  CHECK(error_of(request_key<User>(description, "silent")) == ENOKEY);
  CHECK(handler.heard("exit 0\n") == "run\nexit 0\n");
  CHECK(error_of(request_key<User>(description, "give me")) == ENOKEY);
  CHECK(handler.heard() == "");
  const auto table = must(ProcKeys::acquire());
  const auto members = must(session->members());
  REQUIRE(members.size() == 1);
  const auto line = must(table.find(members[0]));
  CHECK(line.flags == "I--Q-N-");
  CHECK((line.timeout == "1m" || line.timeout.ends_with('s')));
  tidy(session);
}

TEST_CASE("a child that outlives its handler has no authority any more", "[waits]") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  const std::string description = handler.named("forked");
  CHECK(error_of(request_key<User>(description, "fork")) == ENOKEY);
  handler.open_gate();
  CHECK(handler.heard("exit 1\n") ==
        "run\n" + told(description, "keyctl_instantiate: Device or resource busy") + "exit 1\n");
  CHECK(error_of(request_key<User>(description)) == ENOKEY);
  tidy(session);
}

TEST_CASE("a key of another type than the handler's is rejected") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  CHECK(error_of(request_key<Logon>(handler.named("logon"), "give x")) == ENOKEY);
  CHECK(handler.heard("exit 1\n") ==
        "run\nlogon;" + handler.named("logon") + " for uid " + std::to_string(::geteuid()) +
            ": handle_upcall: the requested key is of another type than the handler's\nexit 1\n");
  tidy(session);
}

TEST_CASE("rings are not made on demand, and what no rule is for is ENOKEY") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  CHECK(error_of(request_key<key_type::Keyring>(handler.named("ring"), "give x")) == EPERM);
  CHECK(error_of(request_key<User>("gsskey-no-rule-is-for-this:x", "give x")) == ENOKEY);
  CHECK(handler.heard() == "");
  tidy(session);
}

TEST_CASE("a handler becomes its requester and keeps its authority") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  CHECK(requested(handler.named("become"), "become") == ids(6) + '0');
  CHECK(handler.heard("exit 0\n") == "run\nexit 0\n");
  if (::geteuid() == 0) {
    CHECK(as(nobody, [&] { return requested(handler.named("become"), "become"); }) ==
          "65534 65534 65534 65534 65534 65534 0");
    CHECK(handler.heard("exit 0\n") == "run\nexit 0\n");
  }
  tidy(session);
}

TEST_CASE("a handler finds keys of its requester") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  for (const uid_t user : users()) {
    CAPTURE(user);
    CHECK(as(user, [&] {
            const auto own = must(Keyring::session());
            const auto inner = must(own.create(User{handler.named("inner")}, "what the requester has"));
            return requested(handler.named("outer"), "inner");
          }) == "what the requester has, found");
  }
}

TEST_CASE("a handler has another handler make a key") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  for (const std::string order : {"chain", "chain-to-session", "chain-to-requestor"}) {
    CAPTURE(order);
    CHECK(requested(handler.named(order), order) == "made by another handler");
    CHECK(handler.heard("exit 0\nexit 0\n") == "run\nrun\nexit 0\nexit 0\n");
    // Without a ring that is named it hung in the first handler's session, and went with it.
    const auto inner = session->search<User>(handler.named("inner"));
    CHECK(error_of(inner) == (order == "chain" ? ENOKEY : 0));
    tidy(session);
  }
}

TEST_CASE("a payload in pieces is joined by the kernel") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  CHECK(requested(handler.named("pieces"), "pieces") == "one, two, three");
  tidy(session);
}

TEST_CASE("authority stays with who failed to use it, and is used up by who did not") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  CHECK(requested(handler.named("empty"), "no-pieces") == "second try");
  CHECK(handler.heard("exit 0\n") == "run\nkeyctl_instantiate_iov: Invalid argument\nexit 0\n");
  CHECK(requested(handler.named("twice"), "twice") == "once");
  CHECK(handler.heard("exit 0\n") ==
        "run\nkeyctl_instantiate: the key is empty: moved from, or never set\n"
        "again: refused\nexit 0\n");
  tidy(session);
}

TEST_CASE("authority goes to threads that start later, not to those that were there") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  CHECK(requested(handler.named("threads"), "threads") == "by a later thread");
  CHECK(handler.heard("exit 0\n") == "run\nearlier: Operation not permitted\nlater: done\nexit 0\n");
  tidy(session);
}

TEST_CASE("where the kernel cannot reject, the key is negated") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  const std::string description = handler.named("degraded");
  CHECK(error_of(request_key<User>(description, "degrade 71 3600")) == ENOKEY);  // 71: EPROTO
  CHECK(handler.heard("exit 0\n") == "run\nexit 0\n");
  CHECK(error_of(request_key<User>(description)) == ENOKEY);
  tidy(session);
}

TEST_CASE("many who ask for one key wait for one handler, and for those who wait a signal ends it") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  struct ::sigaction action{};
  struct ::sigaction before{};
  action.sa_handler = [](int) {};  // and no SA_RESTART
  REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);

  const std::string description = handler.named("slow");
  std::string answers[4];
  std::vector<std::thread> requesters;
  const auto ask = [&](std::string& answer) {
    requesters.emplace_back([&] { answer = requested(description, "wait"); });
  };
  ask(answers[0]);
  CHECK(handler.heard("run\n") == "run\n");  // the first is the one whose handler runs
  for (int number = 1; number < 4; ++number) ask(answers[number]);

  // Under construction, and what does not wait for it.
  const auto members = must(session->members());
  REQUIRE(members.size() == 1);
  const AnyKeyRef key = members[0];
  CHECK(must(key.describe()).description() == description);
  const auto table = must(ProcKeys::acquire());
  CHECK(must(table.find(key)).flags == "---QU--");

  // A signal before the wait has no effect, so it is sent again until one came in it.
  std::atomic<bool> has_ended{false};
  std::string interrupted;
  std::thread waiter{[&] {
    interrupted = requested(description, "wait");
    has_ended = true;
  }};
  for (int left = patience; !has_ended && left > 0; --left) {
    ::pthread_kill(waiter.native_handle(), SIGUSR1);
    ::pthread_kill(requesters[0].native_handle(), SIGUSR1);
    ::poll(nullptr, 0, 10);
  }
  CHECK(has_ended);
  handler.open_gate();
  waiter.join();
  for (std::thread& requester : requesters) requester.join();
  REQUIRE(::sigaction(SIGUSR1, &before, nullptr) == 0);

  CHECK(interrupted == words_of(EINTR));
  for (const std::string& answer : answers) CHECK(answer == "released");
  CHECK(handler.heard("exit 0\n") == "exit 0\n");
  CHECK(must(session->members()).size() == 1);
  tidy(session);
}

TEST_CASE("where keys of upcalls go can be changed, for a thread") {
  if (const char* reason = missing()) return support::skip(reason);
  const support::Session session;
  const Handler handler;
  CHECK(must(request_key_ring()) == RequestKeyRing::first_there_is);
  std::thread{[&] {
    CHECK(must(set_request_key_ring(RequestKeyRing::thread)) == RequestKeyRing::first_there_is);
    CHECK(must(request_key_ring()) == RequestKeyRing::thread);
    const auto key = must(request_key<User>(handler.named("to thread"), "give x"));
    CHECK(must(must(Keyring::thread()).members()).contains(key));
    CHECK(must(set_request_key_ring(RequestKeyRing::session)) == RequestKeyRing::thread);
    const auto other = must(request_key<User>(handler.named("to session"), "give x"));
    CHECK(must(session->members()).contains(other));
    CHECK(error_of(set_request_key_ring(static_cast<RequestKeyRing>(6))) == EINVAL);
    CHECK(must(request_key_ring()) == RequestKeyRing::session);
  }}.join();
  CHECK(must(request_key_ring()) == RequestKeyRing::first_there_is);
  CHECK(must(session->members()).size() == 1);
  tidy(session);
}

TEST_CASE("the arguments of a handler are parsed whole") {
  const char* const good[] = {"handler", "create", "1073741824", "0", "4294967294", "0", "2147483647", "12", nullptr};
  const auto request = must(KeyRequest::parse(8, good));
  CHECK(request.key().serial() == 1073741824);
  CHECK(request.user() == 0);
  CHECK(request.group() == 4294967294);
  CHECK_FALSE(request.thread_ring());
  CHECK(request.process_ring().serial() == 2147483647);
  CHECK(request.session_ring().serial() == 12);
  CHECK(request.description() == "");
  CHECK(request.callout_info() == "");

  const auto refused = [](std::vector<const char*> arguments) {
    const int count = static_cast<int>(arguments.size());
    arguments.push_back(nullptr);
    const auto parsed = KeyRequest::parse(count, arguments.data());
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().domain() == Domain::usage);
    CHECK(parsed.error().operation() == std::string_view{"KeyRequest::parse"});
  };
  refused({});
  refused({"handler"});
  for (std::size_t count = 1; count < 8; ++count) refused({good, good + count});
  refused({"handler", "create", "5", "0", "0", "0", "0", "12", "more"});
  for (const char* operation : {"", "negate", "update", "Create", "create ", " create"}) {
    CAPTURE(operation);
    refused({"handler", operation, "5", "0", "0", "0", "0", "12"});
  }
  for (const char* number : {"", " ", "-1", "+1", " 1", "1 ", "0x10", "1.5", "x", "1x", "99999999999999999999"}) {
    for (std::size_t at = 2; at < 8; ++at) {
      CAPTURE(number, at);
      std::vector<const char*> arguments{"handler", "create", "5", "0", "0", "0", "0", "12"};
      arguments[at] = number;
      refused(arguments);
    }
  }
  refused({"handler", "create", "0", "0", "0", "0", "0", "12"});
  refused({"handler", "create", "2147483648", "0", "0", "0", "0", "12"});
  refused({"handler", "create", "5", "4294967296", "0", "0", "0", "12"});
  refused({"handler", "create", "5", "0", "4294967296", "0", "0", "12"});
  for (const char* id : {"-1", "4294967295", "-2147483649", "-4294967296"}) {
    CAPTURE(id);
    refused({"handler", "create", "5", id, "0", "0", "0", "12"});
    refused({"handler", "create", "5", "0", id, "0", "0", "12"});
  }
  const char* const negative[] = {"handler", "create", "5", "-2", "-2147483648", "0", "0", "12", nullptr};
  CHECK(must(KeyRequest::parse(8, negative)).user() == 0xfffffffe);
  CHECK(must(KeyRequest::parse(8, negative)).group() == 0x80000000);
  refused({"handler", "create", "5", "0", "0", "2147483648", "0", "12"});
}

TEST_CASE("handle_upcall outside of an upcall fails, and calls no handler") {
  const support::Session session;
  const auto key = must(session->create(User{"gsskey:not under construction"}, "secret"));
  const std::string serial = std::to_string(key.serial());
  const auto never = [](const KeyRequest&) -> expected<SecretBytes, Rejection> {
    FAIL_CHECK("the handler was called");
    return unexpected(Rejection{});
  };
  const char* const no_authority[] = {"handler", "create", serial.c_str(), "0", "0", "0", "0", "0", nullptr};
  CHECK(handle_upcall<User>(8, no_authority, never) == 1);
  const char* const nothing[] = {"handler", nullptr};
  CHECK(handle_upcall<User>(1, nothing, never) == 1);
  CHECK(must(key.read()).text() == "secret");
}
