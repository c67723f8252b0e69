// gsskey/core/error: what an Error knows, who owns its text, and what it costs.
// SPDX-License-Identifier: MIT
#include <gsskey/core/error.hpp>

#include <cerrno>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/heap.hpp"

using gsskey::Domain;
using gsskey::Error;
using gsskey::Result;
namespace heap = support::heap;

namespace {

Error gss_error() {
  return Error::gss("gss_init_sec_context", 0x000d0000, 100007, "krb5").with_text("Server not found", " in database");
}

Result<int> parse(bool good) {
  if (!good) return gsskey::unexpected(Error::system("open", ENOENT));
  return 7;
}

}  // namespace

TEST_CASE("an Error says who failed, where, with which numbers") {
  const Error gss = gss_error();
  CHECK(gss.domain() == Domain::gss);
  CHECK(gss.operation() == std::string{"gss_init_sec_context"});
  CHECK(gss.major_status() == 0x000d0000);
  CHECK(gss.minor_status() == 100007);
  CHECK(gss.mechanism() == std::string{"krb5"});
  CHECK(gss.serial() == 0);
  CHECK(gss.text() == "Server not found in database");

  const Error key = Error::keyring("keyctl_read", EKEYREVOKED, 0x1234);
  CHECK(key.domain() == Domain::keyring);
  CHECK(key.serial() == 0x1234);
  CHECK(key.mechanism() == std::string{});
  CHECK(key.minor_status() == EKEYREVOKED);

  const Error policy = Error::policy("establish", 0x22, "the peer did not grant what was demanded");
  CHECK(policy.domain() == Domain::policy);
  CHECK(policy.minor_status() == 0x22);
  CHECK(policy.text() == "the peer did not grant what was demanded");
  CHECK(policy.serial() == 0);

  CHECK(Error::usage("wrap", "moved-from context").text() == "moved-from context");
  CHECK(Error::unavailable("gss_wrap_iov", "GNU GSS lacks it").domain() == Domain::unavailable);
}

TEST_CASE("an errno explains itself") {
  CHECK(Error::system("open", ENOENT).text() == std::strerror(ENOENT));
  CHECK(Error::keyring("add_key", EDQUOT, 0).text() == std::strerror(EDQUOT));
  CHECK(Error::transport("recv", ECONNRESET).text() == std::strerror(ECONNRESET));
  CHECK(Error::transport("recv", 0, "the peer closed inside a frame").text() == "the peer closed inside a frame");
  CHECK(Error::gss("gss_wrap", 1, 0, "krb5").text().empty());
  CHECK(Error::gss("gss_wrap", 1, 0, nullptr).mechanism() == std::string{});
}

TEST_CASE("copies share one text, and the last of them frees it") {
  const long before = heap::allocations - heap::frees;
  long during = 0;
  bool same = false;
  {
    const Error first = gss_error();
    const Error second = first;  // NOLINT(performance-unnecessary-copy-initialization)
    Error third = Error::system("open", ENOENT);
    third = second;
    same = first.text().data() == third.text().data();
    during = heap::allocations - heap::frees;
  }
  const long after = heap::allocations - heap::frees;
  CHECK(same);
  CHECK(during == before + 1);
  CHECK(after == before);
}

TEST_CASE("a moved-from Error is harmless") {
  Error from = gss_error();
  Error to{std::move(from)};
  CHECK(from.text().empty());
  CHECK(from.operation() == std::string{"gss_init_sec_context"});
  CHECK(to.text() == "Server not found in database");

  Error& same = to;
  to = std::move(same);
  CHECK(to.text() == "Server not found in database");
  from = to;
  CHECK(from.text() == to.text());
}

TEST_CASE("a text outlives the thread that it was captured on") {
  Error error = Error::system("open", ENOENT);
  std::thread{[&error] { error = gss_error(); }}.join();
  CHECK(error.text() == "Server not found in database");
}

TEST_CASE("threads may copy and drop the same text at once") {
  const Error error = gss_error();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([error] {
      for (int round = 0; round < 10000; ++round) {
        Error copy = error;
        const Error moved = std::move(copy);
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(error.text() == "Server not found in database");  // a wrong count is a use after free under ASan
}

TEST_CASE("with_text replaces the text, of any domain") {
  const std::string path = "/etc/krb5.keytab";
  const Error error = Error::system("open", ENOENT).with_text("no keytab at ", path);
  CHECK(error.text() == "no keytab at /etc/krb5.keytab");
  CHECK(error.minor_status() == ENOENT);
  CHECK(gss_error().with_text("again").text() == "again");
}

TEST_CASE("without memory with_text leaves the error as it was") {
  if (!heap::Exhausted::possible) return;
  Error plain = Error::system("open", ENOENT);
  Error explained = gss_error();
  {
    heap::Exhausted no_memory;
    plain = std::move(plain).with_text("never");
    explained = std::move(explained).with_text("never");
  }
  CHECK(plain.text() == std::strerror(ENOENT));
  CHECK(explained.text() == "Server not found in database");
}

TEST_CASE("success and plain errors allocate nothing; a text allocates once") {
  const long before = heap::allocations;
  auto good = parse(true);
  auto bad = parse(false);
  auto copy = bad;
  auto moved = std::move(copy);
  const Error policy = Error::policy("establish", 2, "flags are missing");
  const Error key = Error::keyring("keyctl_read", EACCES, 5);
  const long plain = heap::allocations - before;
  const Error text = gss_error();
  const long with_text = heap::allocations - before;

  CHECK(plain == 0);
  CHECK(with_text == 1);
  CHECK(good.value() == 7);
  CHECK(moved.error().minor_status() == ENOENT);
  CHECK(policy.minor_status() + key.minor_status() == 2 + EACCES);
}

namespace {
using Thrown = gsskey::bad_expected_access<Error>;
Result<int> fails() {
  return gsskey::unexpected(
      Error::gss("gss_init_sec_context", 0x000d0000, 7, "krb5").with_text("failure; Ticket", " expired"));
}
}  // namespace

TEST_CASE("what value() throws says what the error says") {
  std::string words;
  try {
    static_cast<void>(fails().value());
  } catch (const std::exception& thrown) {
    words = thrown.what();
  }
  CHECK(words == "gss_init_sec_context (krb5): failure; Ticket expired");
  CHECK(Thrown{Error::usage("gss_wrap", "the context is empty")}.what() ==
        std::string{"gss_wrap: the context is empty"});
}

TEST_CASE("the error is in it, and copies keep the words") {
  std::optional<Thrown> copy;
  try {
    static_cast<void>(fails().value());
  } catch (const Thrown& thrown) {
    copy = thrown;
  }
  REQUIRE(copy);
  CHECK(copy->error().minor_status() == 7);
  CHECK(copy->what() == std::string{"gss_init_sec_context (krb5): failure; Ticket expired"});
  const Error error = std::move(*copy).error();
  CHECK(error.text() == "failure; Ticket expired");
  static_assert(std::is_nothrow_copy_constructible_v<Thrown>);
}

TEST_CASE("where memory is short it says which call it was") {
  if (!support::heap::Exhausted::possible) return;
  Error error = Error::system("open", ENOENT);
  std::optional<Thrown> thrown;
  {
    support::heap::Exhausted no_memory;
    thrown.emplace(error);
  }
  CHECK(thrown->what() == std::string{"open"});
  CHECK(thrown->error().minor_status() == ENOENT);
}
