// examples/prefork_server: one process does the handshakes, and four others, without the keytab, serve the connections.
//
//   prefork_server [--as USER] [PORT] SERVICE HOST
//
// --as USER: clients must be ones that may act as this user of the machine (.k5login, auth_to_local); without, whoever
// has authenticated may.
// Started as root, the workers are nobody. Its clients are examples/client and MIT's gss-client. It listens on the
// loopback interface until SIGTERM; the workers end with it. What a worker that is killed had in its hands is lost, and
// the acceptor says so: a connection is never served twice. SPDX-License-Identifier: MIT
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/gss/name/local.hpp>
#include <gsskey/handoff/parked_context.hpp>

#include "pass_socket.hpp"
#include "print.hpp"
#include "sample_wire.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace example;
using namespace std::chrono_literals;

namespace {

/// In one write: the workers' lines go to the same place.
void say(const std::string& words) { std::cout << (std::to_string(::getpid()) + ' ' + words + '\n') << std::flush; }

/// A worker's: messages, until the client says goodbye.
Result<void> serve(const Passed& passed, KeyringRef session) {
  GSSKEY_TRY(auto context, handoff::claim<mech::Krb5>(passed.bytes, session));  // for one process, and once
  GSSKEY_TRY(auto info, context.inquire());
  SampleWire wire{passed.socket.get()};
  while (true) {
    GSSKEY_TRY(auto frame, wire.receive_frame());
    if (frame.flags.contains(FrameFlag::noop)) return {};
    GSSKEY_TRY(auto message, context.unwrap(frame.bytes));
    say(name_or(info.initiator, "nobody") + " says " + quoted(message.text()));
    GSSKEY_TRY(auto mic, context.get_mic(message));
    if (auto sent = wire.send_frame(FrameFlag::mic, mic); !sent) return sent;
  }
}

[[noreturn]] void work(Socket channel, KeyringRef session) {
  constexpr uid_t nobody = 65534;
  if (::geteuid() == 0 && (::setresgid(nobody, nobody, nobody) != 0 || ::setresuid(nobody, nobody, nobody) != 0)) {
    ::_exit(1);
  }
  say("works as user " + std::to_string(::geteuid()));
  while (auto passed = receive_passed(channel.get())) {
    if (auto served = serve(*passed, session); !served) say(in_words(served.error()));
    if (::send(channel.get(), "", 1, MSG_NOSIGNAL) != 1) break;
  }
  ::_exit(0);
}

/// What the acceptor knows of one.
struct Worker {
  pid_t process;
  Socket channel;  ///< connections go out, a byte comes back for each that is done
  std::deque<std::pair<unsigned, handoff::ParkedContext>> connections = {};  ///< by number, oldest first

  [[nodiscard]] bool lives() const { return static_cast<bool>(channel); }
  /// It was killed, or is about to end. Contexts that nobody claimed are given up here.
  void end() {
    for (const auto& connection : connections) {
      say("connection " + std::to_string(connection.first) + " is lost, with worker " + std::to_string(process));
    }
    connections.clear();
    channel.reset();
  }
  /// Something came through the channel.
  void hear() {
    char done[64];
    const auto size = ::recv(channel.get(), done, sizeof done, MSG_DONTWAIT);
    if (size == 1 && !connections.empty()) return connections.pop_front();
    if (size == 0 || (size < 0 && errno != EAGAIN)) end();
  }
  /// It gets no more, and ten seconds for what it has.
  void finish() {
    ::shutdown(channel.get(), SHUT_WR);
    pollfd wait{channel.get(), POLLIN, 0};
    while (lives() && ::poll(&wait, 1, 10'000) > 0) hear();
    end();
  }
};
using Workers = std::vector<Worker>;

Result<Workers> start_workers(int count, KeyringRef session) {
  Workers workers;
  while (count-- > 0) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
      return unexpected(Error::system("socketpair", errno));
    }
    auto ours = Socket::adopt(ends[0]);
    auto theirs = Socket::adopt(ends[1]);
    const pid_t process = ::fork();
    if (process < 0) return unexpected(Error::system("fork", errno));
    if (process == 0) {
      ours.reset();  // so that they see when the acceptor is gone
      workers.clear();
      work(std::move(theirs), session);
    }
    workers.push_back({process, std::move(ours)});
  }
  return workers;
}

/// The acceptor's: a handshake, and on to the worker that has least to do.
Result<void> accept(unsigned number, const Socket& socket, const Credential<mech::Krb5, Accept>& credential,
                    const char* user, KeyringRef session, Workers& workers) {
  SampleWire wire{socket.get()};
  GSSKEY_TRY(auto hello, wire.receive_frame());
  GSSKEY_TRY(auto context, drive(Acceptor<mech::Krb5>{credential}, wire));
  if (user != nullptr) {
    GSSKEY_TRY(auto info, context.inquire());
    if (auto allowed = may_act_as(info.initiator, user); !allowed) return allowed;
  }
  // Where this is an error, the context still works.
  GSSKEY_TRY(auto parked, handoff::park(std::move(context), session, {.time_to_live = 30s}));
  const auto freer = [](const Worker& one, const Worker& other) {
    return one.lives() != other.lives() ? one.lives() : one.connections.size() < other.connections.size();
  };
  while (true) {
    Worker& worker = *std::min_element(workers.begin(), workers.end(), freer);
    if (!worker.lives()) return unexpected(Error::transport("pass", EPIPE, "no worker is left"));
    if (pass(worker.channel.get(), socket, parked.bytes())) {
      worker.connections.emplace_back(number, std::move(parked));
      return {};
    }
    worker.end();
  }
}

volatile std::sig_atomic_t is_over = 0;

/// Until SIGTERM, which interrupts nothing but the wait.
Result<void> serve_all(const Socket& listener, const Credential<mech::Krb5, Accept>& credential, const char* user,
                       KeyringRef session, Workers& workers) {
  sigset_t meanwhile;
  sigset_t usual;
  ::sigemptyset(&meanwhile);
  ::sigaddset(&meanwhile, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &meanwhile, &usual);
  std::signal(SIGTERM, [](int) { is_over = 1; });
  for (unsigned number = 1; is_over == 0;) {
    std::vector<pollfd> waits{{listener.get(), POLLIN, 0}};
    for (const Worker& worker : workers) waits.push_back({worker.channel.get(), POLLIN, 0});  // -1: none
    if (::ppoll(waits.data(), waits.size(), nullptr, &usual) < 0) {
      if (errno == EINTR) continue;
      return unexpected(Error::system("ppoll", errno));
    }
    for (std::size_t at = 0; at < workers.size(); ++at) {
      if (waits[at + 1].revents != 0) workers[at].hear();
    }
    while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
    if (waits[0].revents == 0) continue;
    GSSKEY_TRY(auto socket, accept_from(listener));
    auto accepted = accept(number, socket, credential, user, session, workers);
    if (!accepted) say("connection " + std::to_string(number) + ": " + in_words(accepted.error()));
    ++number;
  }
  return {};
}

Result<void> run(const char* user, std::uint16_t port, const char* service, const char* host) {
  GSSKEY_TRY(auto session, Keyring::join_session());    // of this process and its workers alone
  GSSKEY_TRY(auto workers, start_workers(4, session));  // before anything of the keytab is in memory

  GSSKEY_TRY(auto name, Name::host_service(service, host));
  GSSKEY_TRY(auto credential, Credential<mech::Krb5, Accept>::acquire(name));
  GSSKEY_TRY(auto listener, listen_on_loopback(port));
  GSSKEY_TRY(auto bound, port_of(listener));
  std::cout << "listening on 127.0.0.1:" << bound << std::endl;
  auto served = serve_all(listener, credential, user, session, workers);
  for (Worker& worker : workers) worker.finish();
  const auto left = session.members();
  say("ends; keys that are left: " + (left ? std::to_string(left->size()) : in_words(left.error())));
  return served;
}

}  // namespace

int main(int argc, char** argv) try {
  const char* user = nullptr;
  if (argc > 2 && std::string_view{argv[1]} == "--as") {
    user = argv[2];
    argc -= 2;
    argv += 2;
  }
  if (argc != 3 && argc != 4) return 2;
  const auto port = static_cast<std::uint16_t>(argc == 4 ? std::atoi(argv[1]) : 4444);
  const auto done = run(user, port, argv[argc - 2], argv[argc - 1]);
  if (done) return 0;
  std::cerr << "prefork_server: " + in_words(done.error()) + '\n';
  return 1;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "prefork_server: " << failure.what() << '\n';
  return 1;
}
