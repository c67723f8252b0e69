// examples/co_ticket: a login, which would be renewed, and a ticket for a service on Asio's loop, where nobody waits
// for a KDC: the handshake then asks nobody. MIT krb5. co_ticket USER SERVICE HOST < PASSWORD SPDX-License-Identifier:
// MIT
#include <gsskey/asio/prefetch.hpp>
#include <gsskey/asio/renewing.hpp>
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

template <class Login>
asio::awaitable<Result<void>> initiate(AsyncRenewingCredential<asio::io_context::executor_type, Login>& alice,
                                       Name target, KdcPatience patience) {
  auto lease = co_await alice.async_lease(asio::use_awaitable);  // the login; later it is there
  if (!lease) co_return unexpected(lease.error());
  Initiator<mech::Krb5> initiator{std::move(target), **lease};
  auto fetched = co_await prefetch(lease->cache(), patience).prepare(initiator);  // as drive() does
  if (!fetched) co_return fetched;
  const auto step = initiator.step();  // finds its ticket
  if (!step) co_return unexpected(step.error().error);
  std::cout << "a token of " << step->token.size() << " bytes\n";
  co_return Result<void>{};
}

Result<void> log_in(const char* user, const char* service, const char* host, ByteView password) {
  GSSKEY_TRY(const auto client, Name::user(user));
  GSSKEY_TRY(auto target, Name::host_service(service, host));
  asio::io_context io;
  const KdcPatience patience{.udp = 1s, .tcp = 5s};
  const auto login = [&](const TicketCache& into) { return InitialTicket::with_password(into, client, password); };
  AsyncRenewingCredential alice{io.get_executor(), login, {.patience = patience}};
  auto done = asio::co_spawn(io, initiate(alice, std::move(target), patience), asio::use_future);
  io.run();  // and whatever else there is to do
  return done.get();
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
