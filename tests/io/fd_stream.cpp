// A blocking stream over a socket: peers that are gone, and limits of time that hold for the whole of what is done.
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/framing.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "support/catch.hpp"
#include "support/must.hpp"
#include "support/socket_pair.hpp"

using namespace gsskey;
using namespace std::chrono_literals;
using support::must;
using support::SocketPair;

namespace {

constexpr std::uint32_t timed_out = ETIMEDOUT;

}  // namespace

TEST_CASE("a peer that is gone is an error on both sides, not a signal") {
  SocketPair sockets;
  sockets.close(1);
  FdStream stream{sockets.ends[0]};
  if (GENERATE(false, true)) stream.expires_after(1h);
  char byte;
  CHECK(must(stream.read_some(&byte, 1)) == 0);
  const auto read = stream.read(&byte, 1);
  REQUIRE_FALSE(read);
  CHECK(read.error().minor_status() == ECONNRESET);
  CHECK(read.error().text() == "the peer closed the connection");
  const auto written = stream.write("x");
  REQUIRE_FALSE(written);
  CHECK(written.error().minor_status() == EPIPE);
  CHECK(std::string{written.error().operation()} == "send");
}

TEST_CASE("a descriptor that is none is an error") {
  FdStream stream{-1};
  CHECK(stream.write("x").error().minor_status() == EBADF);
  char byte;
  CHECK(stream.read_some(&byte, 1).error().minor_status() == EBADF);
  stream.expires_after(1h);
  CHECK(stream.read_some(&byte, 1).error().minor_status() == EBADF);
}

TEST_CASE("read_some gives what has come") {
  SocketPair sockets;
  FdStream ours{sockets.ends[0]};
  FdStream theirs{sockets.ends[1]};
  char bytes[10];
  CHECK(must(ours.read_some(bytes, 0)) == 0);
  must(theirs.write("abc", "de"));
  CHECK(must(ours.read_some(bytes, 10)) == 5);
  CHECK(std::string(bytes, 5) == "abcde");
}

TEST_CASE("a time that is over: nothing more is done, though it could be") {
  SocketPair sockets;
  FdStream stream{sockets.ends[0]};
  FdStream peer{sockets.ends[1]};
  must(peer.write("x"));
  stream.expires_after(GENERATE(0s, -1s));
  char byte = 0;
  const auto read = stream.read_some(&byte, 1);
  REQUIRE_FALSE(read);
  CHECK(read.error().domain() == Domain::transport);
  CHECK(read.error().minor_status() == timed_out);
  CHECK(stream.write("y").error().minor_status() == timed_out);
  stream.expires_never();
  CHECK(must(stream.read_some(&byte, 1)) == 1);
  must(stream.write("y"));
  CHECK(must(peer.read_some(&byte, 1)) == 1);
}

TEST_CASE("times that no clock has are none") {
  SocketPair sockets;
  FdStream stream{sockets.ends[0]};
  FdStream peer{sockets.ends[1]};
  must(peer.write("abc"));
  char byte;
  stream.expires_after(std::chrono::hours::max());
  CHECK(must(stream.read_some(&byte, 1)) == 1);
  stream.expires_after(std::chrono::duration<double>{1e300});
  CHECK(must(stream.read_some(&byte, 1)) == 1);
  stream.expires_after(std::chrono::milliseconds{INT32_MAX} * 4);  // more than poll() takes
  CHECK(must(stream.read_some(&byte, 1)) == 1);
}

TEST_CASE("a peer that says nothing, and one that takes nothing, are given up") {
  SocketPair sockets;
  FdStream stream{sockets.ends[0]};
  char byte;
  stream.expires_after(20ms);
  CHECK(stream.read(&byte, 1).error().minor_status() == timed_out);
  stream.expires_after(20ms);
  CHECK(stream.write(std::string(16 << 20, 'x')).error().minor_status() == timed_out);
}

TEST_CASE("the time is for all of it: a peer whose every byte comes in time is given up") {
  SocketPair sockets;
  // It sends byte after byte, for as long as it is not hung up on: all of them would take it seconds.
  std::thread peer{[end = sockets.ends[1]] {
    char byte = 'x';
    while (::send(end, &byte, 1, MSG_NOSIGNAL) == 1) {
    }
  }};
  FdStream stream{sockets.ends[0]};
  std::string bytes(10'000'000, '\0');
  stream.expires_after(50ms);
  const auto read = stream.read(bytes.data(), bytes.size());
  sockets.close(0);
  peer.join();
  REQUIRE_FALSE(read);
  CHECK(read.error().minor_status() == timed_out);
}

TEST_CASE("who waits goes on when it comes, also after a signal") {
  struct sigaction nothing{};
  nothing.sa_handler = [](int) {};
  struct sigaction before{};
  REQUIRE(::sigaction(SIGUSR1, &nothing, &before) == 0);
  SocketPair sockets;
  std::thread peer{[end = sockets.ends[1], reader = ::pthread_self()] {
    for (int i = 0; i < 20; ++i) {
      static_cast<void>(::pthread_kill(reader, SIGUSR1));
      std::this_thread::yield();
    }
    FdStream stream{end};
    static_cast<void>(stream.write("come"));
  }};
  FdStream stream{sockets.ends[0]};
  if (GENERATE(false, true)) stream.expires_after(1h);
  char bytes[4];
  const auto read = stream.read(bytes, 4);
  peer.join();
  REQUIRE(::sigaction(SIGUSR1, &before, nullptr) == 0);
  REQUIRE(read);
  CHECK(std::string(bytes, 4) == "come");
}
