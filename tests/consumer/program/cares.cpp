// A program of component cares: a KDC that is looked for in DNS, where nobody answers.
// SPDX-License-Identifier: MIT
#include <gsskey/asio/kdc_dns.hpp>

#include <asio/io_context.hpp>

#include <chrono>
#include <optional>

int main() {
  auto cache = gsskey::TicketCache::in_memory();
  auto client = gsskey::Name::principal("alice@NOWHERE.INVALID");
  if (!cache || !client) return 1;
  auto login = gsskey::InitialTicket::with_password(*cache, *client, "secret");
  if (!login) return 2;
  asio::io_context io;
  std::optional<gsskey::Result<void>> result;
  const gsskey::KdcPatience patience{.udp = std::chrono::milliseconds{1}};
  gsskey::async_acquire(
      io.get_executor(), *std::move(login), [&](gsskey::Result<void> ended) { result.emplace(std::move(ended)); },
      patience, gsskey::DnsKdcs{"127.0.0.1:9"});
  io.run();
  return result && !*result ? 0 : 3;
}
