// Keytab files that are cut off, altered, or none: whatever is in them, an acceptor answers with an error or a context,
// and no signal ends the process.
#include <gsskey/gss/platform/keytab_guard.hpp>

#include <gsskey/gss.hpp>
#include <gsskey/krb5/defaults.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

std::string read(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}
void write(const std::string& path, std::string_view bytes) { std::ofstream{path, std::ios::binary} << bytes; }

/// A keytab, and where its entries end; each begins with its size.
struct Keytab {
  std::string bytes;
  std::vector<std::size_t> ends;

  explicit Keytab(std::string file) : bytes{std::move(file)} {
    for (std::size_t at = 2; at + 4 <= bytes.size();) {
      std::uint32_t size = 0;
      for (std::size_t octet = 0; octet < 4; ++octet) size = size << 8 | static_cast<unsigned char>(bytes[at + octet]);
      at += 4 + size;
      ends.push_back(at);
    }
  }
};

std::string number(std::uint32_t value, int octets, bool little = false) {
  std::string out;
  for (int at = octets; at-- > 0;) out.push_back(static_cast<char>(value >> (8 * at)));
  return little ? std::string{out.rbegin(), out.rend()} : out;
}
/// One entry for host/localhost, as either version of the format writes it on this machine.
std::string entry(int version) {
  const bool first = version == 1;
  const auto counted = [&](std::string_view text) {
    return number(static_cast<std::uint32_t>(text.size()), 2, first) + std::string{text};
  };
  const std::string body = number(first ? 3 : 2, 2, first) + counted("GSSKEY.TEST") + counted("host") +
                           counted("localhost") + (first ? "" : number(1, 4)) + number(1, 4, first) + "\1" +
                           number(18, 2, first) + counted(std::string(32, 'k'));
  return number(static_cast<std::uint32_t>(body.size()), 4, first) + body;
}

/// What uninitialised variables are made of, for the next call.
[[gnu::noinline]] void litter_stack() {
  unsigned char litter[200'000];
  std::memset(litter, 0x41, sizeof litter);
  __asm__ volatile("" : : "r"(litter) : "memory");
}

/// What came of a child that did this, with the default keytab as it is now: its status, or minus the signal that ended
/// it.
template <class Work>
int in_child(Work work) {
  const ::pid_t child = ::fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    ::_exit(work());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/// 0: a context; 1: an error.
template <Mechanism M, Usage U>
int accept_with(const Credential<M, U>& credential, ByteView token) {
  litter_stack();
  Acceptor<M> acceptor{credential};
  return acceptor.step(token) ? 0 : 1;
}
/// With a credential of now: for every key, for one, or the default one of the Acceptor.
int accept_anew(ByteView token) {
  litter_stack();
  const auto any = Credential<mech::Krb5, Accept>::acquire_default();
  litter_stack();
  const auto one = Credential<mech::Krb5, Accept>::acquire(support::target());
  litter_stack();
  Acceptor<mech::Krb5> acceptor;
  const int outcome = acceptor.step(token) ? 0 : 1;
  if (any && accept_with(*any, token) == 0) return 0;
  if (one && accept_with(*one, token) == 0) return 0;
  return outcome;
}
/// Who has no ticket looks for a key.
int initiate_without_ticket() {
  ::setenv("KRB5CCNAME", "FILE:/nonexistent/cache", 1);
  litter_stack();
  return Credential<mech::Krb5, Initiate>::acquire_default() ? 0 : 1;
}

struct Fixture {
  std::string path = support::realm().realm.keytab();
  Keytab keytab{read(path)};
  Credential<mech::Krb5, Accept> any = must(Credential<mech::Krb5, Accept>::acquire_default());
  Credential<mech::Krb5, Accept> one = must(Credential<mech::Krb5, Accept>::acquire(support::target()));
  Buffer token = must(support::initiator<mech::Krb5>().step()).token;

  Fixture() { ::setenv("KRB5RCACHENAME", "none:", 1); }  // the token comes again and again
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;
  ~Fixture() { write(path, keytab.bytes); }

  /// With credentials from before.
  [[nodiscard]] int accept() const {
    const int outcome = accept_with(any, token);
    return accept_with(one, token) == 0 ? 0 : outcome;
  }
};

/// How often each outcome came.
struct Outcomes {
  int contexts = 0;
  int errors = 0;
  int signals = 0;
  void count(int outcome) { ++(outcome < 0 ? signals : outcome == 0 ? contexts : errors); }
};

}  // namespace

TEST_CASE("a keytab is readable when all its entries are whole") {
  for (const int version : {1, 2}) {
    CAPTURE(version);
    const std::string head = "\5" + std::string(1, static_cast<char>(version));
    const bool little = version == 1;
    const std::string one = entry(version);
    const auto readable = [&](const std::string& rest) { return gss_detail::is_readable_keytab(head + rest); };
    CHECK(readable(""));
    CHECK(readable(one));
    CHECK(readable(one + one));
    CHECK(readable(number(static_cast<std::uint32_t>(-10), 4, little) + std::string(10, '\0') + one));  // deleted
    CHECK(readable(number(static_cast<std::uint32_t>(-10), 4, little) + "end"));
    CHECK_FALSE(readable(number(static_cast<std::uint32_t>(-2), 4, little) + "xx" + one.substr(0, 20)));
    CHECK_FALSE(readable(number(0, 4, little) + one));
    CHECK_FALSE(readable(number(0x80000000u, 4, little) + one));
    for (std::size_t size = 4; size < one.size(); ++size) {
      CAPTURE(size);
      CHECK_FALSE(readable(one.substr(0, size)));
      CHECK_FALSE(readable(one + one.substr(0, size)));
    }
    // Every length that is larger than what there is, or negative; smaller ones leave something over, or not enough.
    const std::size_t realm = 4 + 2;
    for (const std::uint32_t size : {12u + 100u, 0x7fffu, 0x8000u, 0xffffu}) {
      std::string altered = one;
      altered.replace(realm, 2, number(size, 2, little));
      CHECK_FALSE(readable(altered));
      altered = one;
      altered.replace(4, 2, number(size, 2, little));  // how many components
      CHECK_FALSE(readable(altered));
      altered = one;
      altered.replace(one.size() - 34, 2, number(size, 2, little));  // of the key
      CHECK_FALSE(readable(altered));
    }
  }
  CHECK(gss_detail::is_readable_keytab(""));
  CHECK(gss_detail::is_readable_keytab("\5"));
  CHECK(gss_detail::is_readable_keytab("#!/bin/sh\nexit 1\n"));  // which is seen at once
  CHECK_FALSE(gss_detail::is_readable_keytab("\5\2#!/bin/sh\nexit 1\n"));
}

TEST_CASE("every prefix of a keytab, and another file: an acceptor answers") {
  Fixture fixture;
  Outcomes acquired;
  Outcomes accepted;
  for (std::size_t size = 0; size <= fixture.keytab.bytes.size(); ++size) {
    CAPTURE(size);
    write(fixture.path, fixture.keytab.bytes.substr(0, size));
    const int fresh = in_child([&] { return accept_anew(fixture.token); });
    const int old = in_child([&] { return fixture.accept(); });
    const int initiator = in_child([] { return initiate_without_ticket(); });
    CHECK(fresh >= 0);
    CHECK(old >= 0);
    CHECK(initiator >= 0);
    acquired.count(fresh);
    accepted.count(old);
  }
  CHECK(acquired.contexts > 0);
  CHECK(accepted.contexts > 0);
  CHECK(accepted.errors > 50);
  for (const std::string_view other : {"a text file, long enough for a number or two", "\5\2 and then a text",
                                       "\5\1 or so", "\5\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"}) {
    write(fixture.path, other);
    CHECK(in_child([&] { return accept_anew(fixture.token); }) == 1);
    CHECK(in_child([&] { return fixture.accept(); }) == 1);
    CHECK(in_child([] { return initiate_without_ticket(); }) == 1);
  }
}

TEST_CASE("every number of a keytab altered: an acceptor answers") {
  Fixture fixture;
  const bool all = std::getenv("GSSKEY_EXHAUSTIVE") != nullptr;
  const std::string whole = fixture.keytab.bytes;
  const std::size_t end = all ? whole.size() : fixture.keytab.ends.front();
  Outcomes outcomes;
  for (std::size_t at = 0; at < end; ++at) {
    std::vector<int> values{0, 0x7f, 0xff};
    if (all)
      values.insert(values.end(), {1, 2, 0x40, 0x80, 0xfe, static_cast<unsigned char>(whole[at]) + 1,
                                   static_cast<unsigned char>(whole[at]) - 1});
    for (const int value : values) {
      CAPTURE(at, value);
      std::string altered = whole;
      altered[at] = static_cast<char>(value);
      write(fixture.path, altered);
      const int outcome = in_child([&] {
        const int old = fixture.accept();
        return accept_anew(fixture.token) == 0 && old == 0 ? 0 : 1;
      });
      CHECK(outcome >= 0);
      outcomes.count(outcome);
    }
  }
  CHECK(outcomes.contexts > 0);
  CHECK(outcomes.errors > 0);
}

TEST_CASE("an acceptor's credential reads the keytab that it was acquired from, whatever becomes the default") {
  Fixture fixture;
  const std::string other = fixture.path + ".other";
  const std::string whole = fixture.keytab.bytes;
  const std::string half = whole.substr(0, fixture.keytab.ends.front() - 10);
  write(other, whole);
  must(set_process_keytab(("FILE:" + other).c_str()));
  const auto acquired = must(Credential<mech::Krb5, Accept>::acquire(support::target()));
  must(set_process_keytab(nullptr));
  const auto outcome = [&] { return in_child([&] { return accept_with(acquired, fixture.token); }); };
  CHECK(outcome() == 0);
  write(fixture.path, half);  // the default, which does not concern it
  CHECK(outcome() == 0);
  write(fixture.path, whole);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    CAPTURE(size);
    write(other, whole.substr(0, size));
    CHECK(outcome() >= 0);
  }
  write(other, half);
  CHECK(outcome() == 1);
  std::filesystem::remove(other);
}

TEST_CASE("a rotation that is under way is an error, and no longer than that") {
  Fixture fixture;
  const auto outcome = [&] { return fixture.accept(); };
  write(fixture.path, fixture.keytab.bytes.substr(0, fixture.keytab.ends.front() - 10));
  CHECK(in_child(outcome) == 1);
#if defined(GSSKEY_GSS_HEIMDAL)
  const auto refused = Credential<mech::Krb5, Accept>::acquire(support::target());
  REQUIRE_FALSE(refused);
  CAPTURE(refused.error().text());
  CHECK(routine_error(refused.error()) == RoutineError::no_cred);
  CHECK(refused.error().text().find(fixture.path) != std::string_view::npos);
  CHECK_FALSE(set_process_keytab(("FILE:" + fixture.path).c_str()));
  CHECK_FALSE(set_process_keytab(("ANY:/nonexistent/keytab,wrfile:" + fixture.path).c_str()));
#endif
  write(fixture.path, fixture.keytab.bytes);
  CHECK(in_child(outcome) == 0);
}
