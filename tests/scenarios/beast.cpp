// Boost.Beast over SecureStream: its concepts, HTTP both ways, and a deadline of the stream below.
#include <gsskey/asio/secure_stream.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

using Local = asio::local::stream_protocol;
using Below = beast::basic_stream<Local>;
using Stream = SecureStream<Below, SecurityContext<mech::Krb5>>;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

static_assert(beast::is_async_stream<Stream>::value);
static_assert(beast::is_sync_stream<Stream>::value);
static_assert(std::is_same_v<beast::executor_type<Stream>, Below::executor_type>);
static_assert(std::is_same_v<beast::lowest_layer_type<Stream>, Below>);
static_assert(std::is_same_v<beast::lowest_layer_type<SecureStream<Stream, SecurityContext<mech::Krb5>>>, Below>);

struct Streams {
  asio::io_context io;
  support::Ends<mech::Krb5> ends = support::pair<mech::Krb5>();
  Stream client{Below{io}, std::move(ends.initiator)};
  Stream server{Below{io}, std::move(ends.acceptor)};
  Streams() { asio::local::connect_pair(client.next_layer().socket(), server.next_layer().socket()); }
};

/// What a coroutine threw goes to the test.
void rethrow(std::exception_ptr thrown) {
  if (thrown) std::rethrow_exception(thrown);
}

Response answer_to(const Request& request) {
  Response answer{http::status::ok, 11, request.body() + request.body()};
  answer.chunked(true);
  return answer;
}

Request question() {
  Request request{http::verb::post, "/", 11, std::string(50'000, 'q')};
  request.prepare_payload();
  return request;
}

}  // namespace

TEST_CASE("Beast's requests and responses, in coroutines, several over one stream") {
  Streams streams;
  const auto serve = [&]() -> asio::awaitable<void> {
    beast::flat_buffer received;
    for (int i = 0; i < 3; ++i) {
      Request request;
      co_await http::async_read(streams.server, received, request, asio::use_awaitable);
      const Response answer = answer_to(request);
      co_await http::async_write(streams.server, answer, asio::use_awaitable);
    }
    beast::get_lowest_layer(streams.server).close();
  };
  int answers = 0;
  bool is_ended = false;
  const auto ask = [&]() -> asio::awaitable<void> {
    beast::flat_buffer received;
    const Request request = question();
    for (; answers < 3; ++answers) {
      co_await http::async_write(streams.client, request, asio::use_awaitable);
      Response answer;
      co_await http::async_read(streams.client, received, answer, asio::use_awaitable);
      CHECK(answer.body() == request.body() + request.body());
    }
    Response none;
    beast::error_code code;
    co_await http::async_read(streams.client, received, none, asio::redirect_error(asio::use_awaitable, code));
    is_ended = code == http::error::end_of_stream;
  };
  asio::co_spawn(streams.io, serve(), rethrow);
  asio::co_spawn(streams.io, ask(), rethrow);
  streams.io.run();
  CHECK(answers == 3);
  CHECK(is_ended);
}

TEST_CASE("Beast's requests and responses, blocking") {
  Streams streams;
  std::thread server{[&] {
    beast::flat_buffer received;
    Request request;
    http::read(streams.server, received, request);
    http::write(streams.server, answer_to(request));
  }};
  const Request request = question();
  http::write(streams.client, request);
  beast::flat_buffer received;
  Response answer;
  http::read(streams.client, received, answer);
  server.join();
  CHECK(answer.body() == request.body() + request.body());
}

TEST_CASE("a deadline of Beast's stream ends a read of the SecureStream, in the middle of a packet") {
  Streams streams;
  asio::write(streams.server.next_layer().socket(), asio::buffer("\0\0\1\0abc", 7));
  beast::get_lowest_layer(streams.client).expires_after(std::chrono::milliseconds{1});
  beast::flat_buffer received;
  Response answer;
  beast::error_code code;
  http::async_read(streams.client, received, answer, [&](beast::error_code failed, std::size_t) { code = failed; });
  streams.io.run();
  CHECK(code == beast::error::timeout);
  CHECK_FALSE(beast::get_lowest_layer(streams.client).socket().is_open());
}
