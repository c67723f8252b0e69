// examples/co_ticket: a login and a ticket for a service on Asio's loop, where nobody waits for a KDC: the handshake
// then asks nobody. MIT krb5. co_ticket USER SERVICE HOST < PASSWORD
// SPDX-License-Identifier: MIT
#include <gsskey/asio/kdc.hpp>
#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>

#include <asio/io_context.hpp>
#include <asio/use_future.hpp>
#include <chrono>
#include <cstring>
#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include "print.hpp"

using namespace gsskey;
using namespace std::chrono_literals;

namespace {

asio::awaitable<Result<void>> get_tickets(const TicketCache& cache, InitialTicket login, const Name& target) {
  const auto executor = co_await asio::this_coro::executor;
  const KdcPatience patience{.udp = 1s, .tcp = 5s};
  auto logged_in = co_await async_acquire(executor, std::move(login), asio::use_awaitable, patience);
  if (!logged_in) co_return logged_in;
  GSSKEY_CO_TRY(auto ticket, ServiceTicket::for_target(cache, target));
  auto done = co_await async_acquire(executor, std::move(ticket), asio::use_awaitable, patience);
  co_return done;
}

Result<void> log_in(const char* user, const char* service, const char* host, ByteView password) {
  GSSKEY_TRY(const auto client, Name::user(user));
  GSSKEY_TRY(auto target, Name::host_service(service, host));
  GSSKEY_TRY(const auto cache, TicketCache::in_memory());
  GSSKEY_TRY(auto login, InitialTicket::with_password(cache, client, password));
  asio::io_context io;
  auto tickets = asio::co_spawn(io, get_tickets(cache, std::move(login), target), asio::use_future);
  io.run();  // and whatever else there is to do
  GSSKEY_TRY_VOID(tickets.get());
  GSSKEY_TRY(const auto credential, cache.credential());
  Initiator<mech::Krb5> initiator{std::move(target), credential};
  const auto step = initiator.step();  // finds its ticket
  if (!step) return unexpected(step.error().error);
  std::cout << "a token of " << step->token.size() << " bytes\n";
  return {};
}

}  // namespace

int main(int argc, char** argv) try {
  std::string password;
  if (argc != 4 || !std::getline(std::cin, password)) return 2;
  const auto done = log_in(argv[1], argv[2], argv[3], password);
  explicit_bzero(password.data(), password.size());
  if (!done) std::cerr << "co_ticket: " << example::in_words(done.error()) << '\n';
  return done ? 0 : 1;
} catch (const std::exception& failure) {  // Asio throws, and memory may be short
  std::cerr << "co_ticket: " << failure.what() << '\n';
  return 1;
}
