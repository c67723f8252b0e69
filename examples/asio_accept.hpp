// examples/asio_accept: the next connection of a listener, in a coroutine, with either Asio.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/asio/handshake.hpp>

#include <chrono>
#include <iostream>

#include "socket.hpp"

namespace example {

/// Where descriptors or memory are short, it waits for them. Throws what else Asio has to say.
template <class Listener>
gsskey::asio::awaitable<typename Listener::protocol_type::socket> next_connection(Listener& listener) {
  namespace asio = gsskey::asio;
  while (true) {
    gsskey::AsioErrorCode code;
    auto socket = co_await listener.async_accept(asio::redirect_error(asio::use_awaitable, code));
    if (!code) co_return socket;
    if (!is_short_of(code.value())) throw gsskey::AsioSystemError{code};
    std::cerr << "accept: " << code.message() << std::endl;
    asio::basic_waitable_timer<std::chrono::steady_clock> timer{listener.get_executor(), a_moment};
    co_await timer.async_wait(asio::use_awaitable);
  }
}

}  // namespace example
