// tests/support/asio: what tests of Asio have in common: a pair of sockets, and what a coroutine threw.
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>

#include <cstddef>
#include <exception>
#include <string>

namespace support {

using Socket = asio::local::stream_protocol::socket;

struct Sockets {
  explicit Sockets(asio::io_context& io) : client{io}, server{io} { asio::local::connect_pair(client, server); }
  Socket client;
  Socket server;
};

/// What a coroutine threw goes to the test.
struct Rethrow {
  void operator()(std::exception_ptr thrown) const {
    if (thrown) std::rethrow_exception(thrown);
  }
};

inline std::string some_text(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

}  // namespace support
