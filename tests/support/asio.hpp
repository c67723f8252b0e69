// tests/support/asio: what tests of Asio have in common: sockets, what a coroutine threw, what has moved in Asio.
// SPDX-License-Identifier: MIT
#pragma once

#if __has_include(<asio/as_tuple.hpp>)  // since 1.24
#include <asio/as_tuple.hpp>
#include <asio/deferred.hpp>
#else
#include <asio/experimental/as_tuple.hpp>
#include <asio/experimental/deferred.hpp>
#endif
#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>

namespace support {

#if __has_include(<asio/as_tuple.hpp>)
using asio::as_tuple;
using asio::deferred;
#else
using asio::experimental::as_tuple;
using asio::experimental::deferred;
#endif

using Socket = asio::local::stream_protocol::socket;

struct Sockets {
  explicit Sockets(asio::io_context& io) : client{io}, server{io} { asio::local::connect_pair(client, server); }
  Socket client;
  Socket server;
};

/// Runs the loop as long as `condition()`. One that has nothing left to do would be asked for ever.
template <class Condition>
void run_while(asio::io_context& io, Condition condition) {
  while (condition()) {
    if (io.run_one() == 0) throw std::runtime_error{"the loop has nothing left to do"};
  }
}

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
