// examples/talk: a handshake and an echo in any coroutine type, over a stream of any event loop; for the clients of
// examples/co_echo_server and poll_echo_server that have a loop other than Asio's.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <utility>
#include <vector>

#include <gsskey/gss.hpp>
#include <gsskey/io/co_drive.hpp>
#include <gsskey/io/co_framing.hpp>

#include "print.hpp"

namespace example {

/// Says `message` over `stream`, which the task borrows, and prints what comes back. Without `offload` steps run in
/// this thread: good enough where tickets are there already.
template <template <class...> class Task, gsskey::AwaitableStream Stream, class Offload = gsskey::Inline>
Task<gsskey::Result<void>> talk(Stream& stream, const char* service, const char* host, std::string_view message,
                                Offload offload = {}) {
  using namespace gsskey;
  auto target = Name::host_service(service, host);
  if (!target) co_return Result<void>{unexpected(target.error())};
  CoFramedTransport<Task, Stream> wire{stream};
  Initiator<mech::Krb5> initiator{*std::move(target)};
  auto context = co_await drive<Task>(std::move(initiator), wire, offload);
  if (!context) co_return Result<void>{unexpected(context.error())};

  auto sealed = context->wrap(message);
  if (!sealed) co_return Result<void>{unexpected(sealed.error())};
  auto sent = co_await wire.async_send(*sealed);
  if (!sent) co_return Result<void>{unexpected(sent.error())};
  auto token = co_await wire.async_receive(16384);
  if (!token) co_return Result<void>{unexpected(token.error())};
  auto answer = context->unwrap(*token);
  if (!answer) co_return Result<void>{unexpected(answer.error())};
  std::cout << "echo " << quoted(answer->text()) << '\n';
  co_return Result<void>{};
}

/// What these programs are asked for: [--seconds SECONDS] HOST PORT SERVICE MESSAGE...
struct Talks {
  std::chrono::seconds limit{10};  // for each connection, from its beginning to its end
  const char* host;
  const char* port;
  const char* service;
  std::vector<std::string_view> messages;  // one connection for each

  static Talks of(const char* program, int argc, char** argv) {
    Talks talks{};
    int at = 1;
    if (argc > 3 && std::string_view{argv[at]} == "--seconds") {
      talks.limit = std::chrono::seconds{std::atoi(argv[at + 1])};
      at += 2;
    }
    if (argc - at < 4) {
      std::cerr << "usage: " << program << " [--seconds SECONDS] HOST PORT SERVICE MESSAGE...\n";
      std::exit(2);
    }
    talks.host = argv[at++];
    talks.port = argv[at++];
    talks.service = argv[at++];
    talks.messages.assign(argv + at, argv + argc);
    return talks;
  }
};

/// What came of each connection: the program's status.
inline int status_of(const char* program, const std::vector<gsskey::Result<void>>& talked) {
  int status = 0;
  for (const auto& one : talked) {
    if (one) continue;
    std::cerr << program << ": " << in_words(one.error()) << '\n';
    status = 1;
  }
  return status;
}

}  // namespace example
