// A program of component asio or boost-asio: work on a thread pool.
// SPDX-License-Identifier: MIT
#include <gsskey/asio/handshake.hpp>
#ifdef GSSKEY_ASIO_BOOST
#include <boost/asio/thread_pool.hpp>
namespace asio = boost::asio;
#else
#include <asio/thread_pool.hpp>
#endif

int main() {
  asio::thread_pool pool{1};
  int answer = 0;
  gsskey::offload_to(pool).start([] { return 42; }, [&](auto, auto result) { answer = result.value_or(0); });
  pool.join();
  return answer == 42 ? 0 : 1;
}
