// Who asked for a key: what the lines of /proc say, and lines that lie.
#include <gsskey/keyring/handler/requester.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

namespace {

const std::string head = "  I--Q---     1 perm 0b0b0000     0     0 ";
const std::string right = "2af31234" + head.substr(1) + ".request_ key:2af3 pid:123 ci:5\n";

/// 0: nobody is believed.
pid_t thread_in(const std::string& text) {
  const ProcKeys keys{must(SecretBytes::copy_of(text))};
  pid_t thread = 0;
  return keyring_detail::find_thread(keys, 0x2af31234, thread) ? thread : 0;
}

pid_t process_in(std::string_view status) {
  pid_t process = 0;
  return keyring_detail::find_process(status, process) ? process : 0;
}

}  // namespace

TEST_CASE("the line of the authorisation key names the thread") {
  const std::string other = "1af31234" + head.substr(1) + "user      another: 5\n";
  CHECK(thread_in(right) == 123);
  CHECK(thread_in(other + right + other) == 123);
  CHECK(thread_in("") == 0);
  CHECK(thread_in(other) == 0);
}

TEST_CASE("of two lines with one number none is believed, wherever the lie stands") {
  const std::string lie = "2af31234" + head.substr(1) + ".request_ key:2af3 pid:1 ci:5";
  const std::string before = "1af31234" + head.substr(1) + "user      x\n" + lie + ": 5\n";
  const std::string after = "3af31234" + head.substr(1) + "user      x\n" + lie + ": 5\n";
  CHECK(thread_in(before + right) == 0);
  CHECK(thread_in(right + after) == 0);
  CHECK(thread_in(before + right + after) == 0);
}

TEST_CASE("what has another form names nobody") {
  for (const char* text : {"key:2af3", "key:2af3 pid:", "key:2af3 pid:x ci:5", "key:2af3 pid:0 ci:5",
                           "key:2af3 pid:-1 ci:5", "key:2af3 tid:123 ci:5", "key:2af3 pid:99999999999 ci:5", ""}) {
    CAPTURE(text);
    CHECK(thread_in("2af31234" + head.substr(1) + ".request_ " + text + "\n") == 0);
  }
}

TEST_CASE("the process of a thread stands in its status") {
  CHECK(process_in("Name:\tx\nTgid:\t42\nPid:\t43\n") == 42);
  CHECK(process_in("Name:\tTgid:\t1\nTgid:\t42\n") == 42);
  for (const char* status : {"", "Name:\tx\n", "Tgid:\n", "Tgid:\t\n", "Tgid:\t0\n", "Tgid:\tx\n", "Tgid: 42\n"}) {
    CAPTURE(status);
    CHECK(process_in(status) == 0);
  }
}
