// examples/echo_client: sends a line to examples/co_echo_server or poll_echo_server and prints what comes back,
// blocking, and for so many seconds at most, whatever the server does.
//
//   echo_client HOST PORT SERVICE MESSAGE
//
// SPDX-License-Identifier: MIT
#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/secure_fd_stream.hpp>

#include "print.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace std::chrono_literals;

namespace {

Result<std::string> echo(int socket, Name target, std::string line) {
  FdStream wire{socket};
  wire.expires_after(10s);  // all of the handshake
  FramedTransport tokens{wire};
  auto context = drive(Initiator<mech::Krb5>{std::move(target)}, tokens);
  if (!context) return unexpected(context.error());
  example::print(*context);

  SecureFdStream stream{socket, *std::move(context)};
  stream.expires_after(10s);  // there and back
  if (auto written = stream.write(line, "\n"); !written) return unexpected(written.error());
  std::string answer(line.size() + 1, '\0');
  if (auto read = stream.read(answer.data(), answer.size()); !read) return unexpected(read.error());
  answer.pop_back();
  return answer;
}

Result<std::string> run(char** arguments) {
  auto target = Name::host_service(arguments[3], arguments[1]);
  if (!target) return unexpected(target.error());
  auto socket = example::connect_to(arguments[1], arguments[2]);
  if (!socket) return unexpected(socket.error());
  return echo(socket->get(), *std::move(target), arguments[4]);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::cerr << "usage: echo_client HOST PORT SERVICE MESSAGE\n";
    return 2;
  }
  const auto answer = run(argv);
  if (answer) {
    std::cout << "echo " << example::quoted(*answer) << '\n';
    return 0;
  }
  std::cerr << "echo_client: " << example::in_words(answer.error()) << '\n';
  return 1;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "echo_client: " << failure.what() << '\n';
  return 1;
}
