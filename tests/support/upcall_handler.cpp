// The handler of tests/keyring/handler/upcall.cpp: a real one, started by the kernel. The first word of the callout
// info says what it shall do; what it has to tell goes to the pipe /run/PREFIX/said, where PREFIX: begins the
// description.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdarg>
#include <cstdlib>
#include <ctime>
#include <future>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gsskey/keyring.hpp>

#include "support/must.hpp"

using namespace gsskey;
using key_type::User;
using support::must;

namespace {

bool kernel_has_no_reject = false;

}  // namespace

// In place of libkeyutils' weak one: a kernel before 2.6.39 cannot be had, so it is played.
extern "C" long keyctl(int command, ...) {
  if (kernel_has_no_reject && command == KEYCTL_REJECT) {
    errno = EOPNOTSUPP;
    return -1;
  }
  std::va_list arguments;
  va_start(arguments, command);
  unsigned long values[4];
  for (unsigned long& value : values) value = va_arg(arguments, unsigned long);
  va_end(arguments);
  return ::syscall(SYS_keyctl, command, values[0], values[1], values[2], values[3]);
}

namespace {

struct Order {
  std::string folder;  // "/run/PREFIX/"
  std::string prefix;  // "PREFIX:"
  std::string word;
  std::vector<int> numbers;
  std::string rest;  // of the callout info, after the word

  // The authority came with the process: request-key had assumed it.
  static Order read(const char* key) {
    Order order;
    const auto info = must(KeyInfo::acquire(std::atoi(key)));
    const std::string name{info.description().substr(0, info.description().find(':'))};
    order.folder = "/run/" + name + "/";
    order.prefix = name + ":";
    char text[4096];
    const long size = keyctl_read(KEY_SPEC_REQKEY_AUTH_KEY, text, sizeof text);
    if (size < 0) throw std::runtime_error{"no callout info"};
    const std::string callout{text, static_cast<std::size_t>(size)};
    const std::size_t end = callout.find(' ');
    order.word = callout.substr(0, end);
    if (end != std::string::npos) order.rest = callout.substr(end + 1);
    for (const char* at = order.rest.c_str(); *at >= '0' && *at <= '9';) {
      char* stopped = nullptr;
      order.numbers.push_back(static_cast<int>(std::strtol(at, &stopped, 10)));
      at = *stopped == ' ' ? stopped + 1 : stopped;
    }
    return order;
  }
};

void wait_at_the_gate(const Order& order) {
  const int gate = ::open((order.folder + "gate").c_str(), O_RDONLY | O_CLOEXEC);
  char byte = 0;
  if (gate < 0 || ::read(gate, &byte, 1) != 1) std::_Exit(3);  // the test is gone
  ::close(gate);
}

std::string who_am_i() {
  uid_t users[3];
  gid_t groups[3];
  ::getresuid(&users[0], &users[1], &users[2]);
  ::getresgid(&groups[0], &groups[1], &groups[2]);
  std::string text;
  for (const uid_t user : users) text += std::to_string(user) + ' ';
  for (const gid_t group : groups) text += std::to_string(group) + ' ';
  return text + std::to_string(::getgroups(0, nullptr));
}

std::string words_of(const KeyRequest& request) {
  std::string text = std::to_string(request.user()) + ' ' + std::to_string(request.group());
  for (const KeyringRef ring : {request.thread_ring(), request.process_ring(), request.session_ring()}) {
    text += ' ' + std::to_string(ring.serial());
  }
  return text + ' ' + std::string{request.type()};
}

SecretBytes bytes(ByteView text) { return must(SecretBytes::copy_of(text)); }

/// What is answered with a payload alone.
expected<SecretBytes, Rejection> simple(const KeyRequest& request, const Order& order) {
  if (order.word == "give") return bytes(order.rest);
  if (order.word == "size") return must(SecretBytes::with_size(static_cast<std::size_t>(order.numbers.at(0))));
  if (order.word == "who") return bytes(words_of(request));
  if (order.word == "become") {
    must(request.become_requester());
    return bytes(who_am_i());
  }
  if (order.word == "reject" || order.word == "degrade") {
    kernel_has_no_reject = order.word == "degrade";
    return unexpected(Rejection{order.numbers.at(0), Seconds{static_cast<std::uint32_t>(order.numbers.at(1))}});
  }
  if (order.word == "default-rejection") return unexpected(Rejection{});
  if (order.word == "throw") throw std::runtime_error{"not my day"};
  if (order.word == "abort") std::abort();
  if (order.word == "kill") ::raise(SIGKILL);
  if (order.word == "requester" || order.word == "anywhere") {
    const auto who = must(request.requester());
    return bytes(std::to_string(who.thread) + ' ' + std::to_string(who.process) + ' ' +
                 std::to_string(who.elsewhere.bits()));
  }
  if (order.word == "believe") {
    ::dprintf(2, "at the gate\n");  // handle_upcall() has asked already, and was not lied to
    wait_at_the_gate(order);
    const auto who = request.requester();
    return bytes(who ? std::to_string(who->process) : std::string{who.error().text()});
  }
  if (order.word == "own-log") throw std::runtime_error{"for the log"};
  if (order.word.starts_with("hang")) {
    ::sigset_t all;
    ::sigfillset(&all);
    if (order.word == "hang-deaf") ::sigprocmask(SIG_SETMASK, &all, nullptr);
    while (order.word != "hang-waiting") ::pause();
    return bytes(std::to_string(std::system("sleep 3")));  // blocks and ignores signals of its own choice
  }
  if (order.word == "help") {
    const ::pid_t child = ::fork();
    if (child == 0) throw std::runtime_error{"the child ends with all that it inherited"};
    ::waitpid(child, nullptr, 0);
    return bytes("by the parent");
  }
  if (order.word == "wait") {
    wait_at_the_gate(order);
    return bytes("released");
  }
  if (order.word == "fork") {
    if (::fork() != 0) std::_Exit(0);
    wait_at_the_gate(order);
    return bytes("too late");
  }
  if (order.word == "inner") {
    const auto inner = must(request_key<User>(order.prefix + "inner"));
    return bytes(std::string{must(inner.read()).text()} + ", found");
  }
  if (order.word == "chain" || order.word == "chain-to-session" || order.word == "chain-to-requestor") {
    if (order.word == "chain-to-requestor") must(set_request_key_ring(RequestKeyRing::requestor));
    const std::string callout = "give by another handler";
    const auto inner = must(order.word == "chain-to-session"
                                ? request_key<User>(order.prefix + "inner", callout, request.session_ring())
                                : request_key<User>(order.prefix + "inner", callout));
    return bytes("made " + std::string{must(inner.read()).text()});
  }
  return bytes(std::string{request.description()} + '\n' + std::string{request.callout_info()});
}

bool is_full(const Order& order) { return order.word == "made" || order.word == "late" || order.word == "to"; }

/// What needs more.
expected<Instantiation, Rejection> full(const Order& order) {
  Instantiation made;
  made.payload = bytes("full");
  if (order.word == "made") {
    made.timeout = Seconds{216'000};  // two days and a half: "2d" in /proc/keys for long
    made.permissions = Permissions{}.possessor(all_rights).user(Right::view | Right::read);
  } else if (order.word == "late") {
    made.timeout = std::chrono::seconds{-1};
  } else if (order.rest == "requestor") {
    made.destination = Destination::requestor();
  } else if (order.rest == "ring") {
    made.destination = Destination::ring(must(request_key<key_type::Keyring>(order.prefix + "ring")));
  }
  return made;
}

std::string outcome(const Result<void>& result) {
  if (result) return "done";
  return std::string{result.error().operation()} + ": " + std::string{result.error().text()};
}

/// Without handle_upcall(); -1 if the order is for it.
int by_hand(const Order& order, const char* serial) {
  if (order.word == "silent") return 0;
  if (order.word == "exit") return order.numbers.at(0);
  const bool is_known = order.word == "drop" || order.word == "negate" || order.word == "pieces" ||
                        order.word == "no-pieces" || order.word == "twice" || order.word == "threads";
  if (!is_known) return -1;
  const auto key = KeyRef<User>::from_serial(std::atoi(serial));
  if (order.word == "threads") {
    keyctl_assume_authority(0);
    std::promise<void> assumed;
    std::string earlier;
    std::thread sibling{[&, ready = assumed.get_future()]() mutable {
      ready.wait();
      if (keyctl_instantiate(key.serial(), "no", 2, 0) < 0) earlier = std::strerror(errno);
    }};
    auto authority = must(Authority<User>::assume(key));
    assumed.set_value();
    sibling.join();
    Result<void> later;
    std::thread{[&] { later = std::move(authority).instantiate("by a later thread"); }}.join();
    ::dprintf(2, "earlier: %s\nlater: %s\n", earlier.c_str(), outcome(later).c_str());
    return 0;
  }
  auto authority = must(Authority<User>::assume(key));
  if (order.word == "drop") return 0;
  if (order.word == "negate") {
    must(std::move(authority).negate(Seconds{static_cast<std::uint32_t>(order.numbers.at(0))}));
  } else if (order.word == "pieces") {
    const std::string two = "two, ";
    const SecretBytes three = bytes("three");
    must(std::move(authority).instantiate_pieces({"one, ", two, three}));
  } else if (order.word == "no-pieces") {
    ::dprintf(2, "%s\n", outcome(std::move(authority).instantiate_pieces({""})).c_str());
    must(std::move(authority).instantiate("second try"));
  } else {
    must(std::move(authority).instantiate("once"));
    ::dprintf(2, "%s\n", outcome(std::move(authority).instantiate("twice")).c_str());
    const auto again = Authority<User>::assume(key);  // ENOKEY when the collector was quick
    const bool is_gone = !again && (errno == EKEYREVOKED || errno == ENOKEY);
    ::dprintf(2, "again: %s\n", is_gone ? "refused" : "assumed, or another error");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const ::rlimit nothing{0, 0};
  ::setrlimit(RLIMIT_CORE, &nothing);
  if (argc < 3) return 2;
  const Order order = Order::read(argv[2]);
  const int said = ::open((order.folder + "said").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (said < 0 || ::dup2(said, 2) < 0) return 2;
  ::dprintf(2, "run\n");
  int status = by_hand(order, argv[2]);
  if (status < 0 && is_full(order)) {
    status = handle_upcall<User>(argc, argv, [&](const KeyRequest&) { return full(order); });
  } else if (status < 0) {
    UpcallOptions options;
    if (order.word.starts_with("hang")) options.deadline = Seconds{1};
    if (order.word == "anywhere") options.may_differ = every_namespace;
    if (order.word == "mount") options.may_differ = Namespace::mount;
    if (order.word == "hang-in-log") options.log = [](const KeyRequest&, const Error&) noexcept { ::pause(); };
    if (order.word == "own-log") {
      options.log = [](const KeyRequest&, const Error& error) noexcept {
        ::dprintf(2, "own log: %s\n", error.operation());
      };
    }
    status =
        handle_upcall<User>(argc, argv, [&](const KeyRequest& request) { return simple(request, order); }, options);
  }
  ::dprintf(2, "exit %d\n", status);
  // Its requester waits for the end of the handler. Here that is in a later second than the answer: the kernel counts a
  // key's time in seconds of this clock, and a rejection of one or less had lost its errno by then.
  if (order.word == "reject" && order.numbers.at(1) <= 1) {
    for (const std::time_t answered = std::time(nullptr); std::time(nullptr) == answered;) ::poll(nullptr, 0, 1);
  }
  return status;
}
