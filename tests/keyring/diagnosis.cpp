// /proc/keys, quotas, and the explanation of refusals.
#include <gsskey/keyring.hpp>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using key_type::User;
using support::Answers;
using support::error_of;
using support::must;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> found;
  ProcKeys{must(SecretBytes::copy_of(text))}.for_each([&](const ProcKey& entry) {
    found.push_back(std::to_string(entry.key.serial()) + " " + std::string{entry.type} + " [" +
                    std::string{entry.text} + "]");
  });
  return found;
}

/// What `check` returns in a child: another process, with its own credentials and rings.
template <class Check>
int in_child(Check check) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

// Before any test case joins a session; a process that never did has the user's default one.
const Findings at_start = diagnose();
const bool had_default_session =
    keyctl_get_keyring_ID(KEY_SPEC_SESSION_KEYRING, 0) == keyctl_get_keyring_ID(KEY_SPEC_USER_SESSION_KEYRING, 0);

}  // namespace

TEST_CASE("lines of /proc/keys") {
  const std::string user = "00000010 I--Q---     1 perm 3f010000     0     0 user      krb:alice: 16\n";
  const std::string ring = "3a5b0c1d I------    12  59m 3f1f0000     0 65534 keyring   _ses: 2\n";
  CHECK(lines_of(user + ring) == std::vector<std::string>{"16 user [krb:alice: 16]", "979045405 keyring [_ses: 2]"});
  CHECK(lines_of("").empty());
  CHECK(lines_of("nonsense\n").empty());
  // a description with a line feed, one of more than 1023 bytes, one with spaces
  CHECK(lines_of("00000010 I--Q---     1 perm 3f010000     0     0 user      two\nlines: 3\n" + ring).front() ==
        "16 user [two\nlines: 3]");
  const std::string large(1500, 'x');
  CHECK(lines_of("00000010 I--Q---     1 perm 3f010000     0     0 user      " + large + "\n").front() ==
        "16 user [" + large + "]");
  CHECK(lines_of("00000010 I--Q---     1 perm 3f010000     0     0 dns_resol a b c: 1\n").front() ==
        "16 dns_resol [a b c: 1]");
  // a type of nine characters leaves no space; no line feed at the end
  CHECK(lines_of("00000010 IR-QUNi     1 expd 3f010000  1000    -1 asymmetri CN: 0a: X509.rsa").front() ==
        "16 asymmetri [CN: 0a: X509.rsa]");
}

TEST_CASE("every field of a line") {
  const ProcKeys keys{must(SecretBytes::copy_of("00000010 IR-QUNi    17 expd 3f010204  1000    -1 user      a: 1\n"))};
  const auto entry = must(keys.find(AnyKeyRef::from_serial(16)));
  CHECK(entry.flags == "IR-QUNi");
  CHECK(entry.usage == 17);
  CHECK(entry.timeout == "expd");
  CHECK(entry.permissions.bits() == 0x3f010204);
  CHECK(entry.user == 1000);
  CHECK(entry.group == 0xffffffff);
  CHECK(error_of(keys.find(AnyKeyRef::from_serial(17))) == ENOKEY);
}

TEST_CASE("the real /proc/keys") {
  const support::Session session;
  const std::string description = "gsskey: line\nfeed " + std::string(2000, 'x');
  const auto key = must(session->create(User{description}, "four"));
  const auto keys = must(ProcKeys::acquire());
  const auto entry = must(keys.find(key));
  CHECK(entry.type == "user");
  CHECK(entry.text == description + ": 4");
  CHECK(entry.user == ::geteuid());
  CHECK(entry.permissions.bits() == 0x3f010000);
  CHECK(entry.flags.starts_with("I--Q"));
}

TEST_CASE("quotas") {
  const std::string text =
      "    0:     9 8/8 3/1000000 40/25000000\n 1000:   12 11/10 200/200 19999/20000\n65534: 1 1/1 x/200 2/3\n";
  const auto root = must(parse_key_quota(text, 0));
  CHECK((root.keys == 3 && root.max_keys == 1000000 && root.bytes == 40 && root.max_bytes == 25000000));
  const auto user = must(parse_key_quota(text, 1000));
  CHECK((user.keys == 200 && user.max_keys == 200 && user.bytes == 19999 && user.max_bytes == 20000));
  CHECK(parse_key_quota(text, 65534).error().minor_status() == EBADMSG);
  CHECK(parse_key_quota(text, 1).error().minor_status() == ENOENT);

  const support::Session session;
  const auto before = must(key_quota(::geteuid()));
  const auto key = must(session->create(User{"gsskey:quota"}, std::string(1000, 'x')));
  const auto after = must(key_quota(::geteuid()));
  CHECK(after.bytes >= before.bytes + 1000);
}

TEST_CASE("a full quota is waited for, not for ever, and told with its figures") {
  if (::geteuid() != 0) return support::skip("needs root, to become a user whose quota is small");
  const auto work = []() -> long {
    const auto session = must(Keyring::session());
    const std::string payload(15000, 'x');
    {
      const auto first = session.create(User{"gsskey:first"}, payload);
      if (!first) return 12;
      const auto full = wait_for_quota(Seconds{0}, [&] { return session.create(User{"gsskey:second"}, payload); });
      if (full || full.error().minor_status() != static_cast<std::uint32_t>(EDQUOT)) return 13;
      if (full.error().text().find("of 20000 bytes") == std::string_view::npos) return 14;
    }
    // unlinked, but counted until the collector has come by
    const auto second = wait_for_quota(Seconds{30}, [&] { return session.create(User{"gsskey:second"}, payload); });
    if (!second) return 15;
    // an error of another kind is not waited for
    const auto other = wait_for_quota(Seconds{30}, [&] { return session.create(User{"gsskey:second"}, "x"); });
    return other ? 16 : other.error().minor_status() == static_cast<std::uint32_t>(EEXIST) ? 0 : 17;
  };
  CHECK(support::as_user(4242, [&](Answers& found) { found.push_back(work()); }) == Answers{0});
}

TEST_CASE("why a key cannot be had") {
  const support::Session session;
  const auto key = must(session->create(User{"gsskey:test"}, "x"));
  CHECK(is_possessed(key));
  CHECK_FALSE(diagnose(key).contains(Finding::key_is_not_possessed));
  CHECK(at_start.contains(Finding::session_is_the_default) == had_default_session);
  CHECK_FALSE(diagnose().contains(Finding::session_is_the_default));
  CHECK(diagnose().contains(Finding::user_ring_is_not_linked));
  REQUIRE(session->link(must(Keyring::user())));
  CHECK_FALSE(diagnose().contains(Finding::user_ring_is_not_linked));
  REQUIRE(session->unlink(must(Keyring::user())));

  SECTION("another session") {
    const int status = in_child([&] {
      static_cast<void>(Keyring::join_session());
      if (error_of(key.read()) != EACCES) return 1;
      return diagnose(key).contains(Finding::key_is_not_possessed) ? 0 : 2;
    });
    CHECK(status == 0);
  }
  SECTION("another user") {
    if (::geteuid() != 0) return support::skip("needs root, to become another user");
    const int status = in_child([&] {
      if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) return 10;
      static_cast<void>(Keyring::join_session());
      const auto found = diagnose(key);
      return found.contains({Finding::key_is_not_viewable, Finding::key_is_not_possessed}) ? 0 : 1;
    });
    CHECK(status == 0);
  }
  SECTION("revoked, gone") {
    REQUIRE(key.revoke());
    CHECK(diagnose(key).contains(Finding::key_is_revoked));
    CHECK(diagnose(AnyKeyRef::from_serial(0x7ffffffe)).contains(Finding::key_is_gone));
  }
  SECTION("expired") {
    REQUIRE(key.set_timeout(Seconds{1}));
    for (int wait = 0; wait < 500 && key.describe(); ++wait) ::poll(nullptr, 0, 10);
    CHECK(diagnose(key).contains(Finding::key_is_expired));
  }
  SECTION("a revoked session") {
    const int status = in_child([] {
      const auto own = Keyring::join_session();
      if (!own || !own->revoke()) return 1;
      if (!diagnose().contains(Finding::session_is_revoked)) return 2;
      if (!Keyring::join_session()) return 3;  // the way out
      return diagnose().contains(Finding::session_is_revoked) ? 4 : 0;
    });
    CHECK(status == 0);
  }
  SECTION("a user namespace") {
    const int status = in_child([] {
      if (::unshare(CLONE_NEWUSER) != 0) return 77;
      return diagnose().contains(Finding::in_user_namespace) ? 0 : 1;
    });
    if (status == 77) return support::skip("this machine allows no user namespaces");
    CHECK(status == 0);
  }
}

namespace {

/// From here on `call` fails with `error`; with an operation of keyctl, that one. False where there are no filters.
bool refuse(long call, int error, int operation = -1) {
  ::sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(::seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(::seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(operation), 0,
               static_cast<std::uint8_t>(operation < 0 ? 0 : 1)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const ::sock_fprog filter{6, program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

TEST_CASE("a filter of system calls") {
  for (const int error : {EPERM, ENOSYS, EOPNOTSUPP}) {
    CAPTURE(error);
    const int status = in_child([&] {
      for (const long call : {SYS_keyctl, SYS_add_key, SYS_request_key}) {
        if (!refuse(call, error)) return 77;
      }
      if (diagnose() != Findings{Finding::calls_are_filtered}) return 1;
      const auto capabilities = keyring_capabilities();  // libkeyutils makes "none" of EOPNOTSUPP
      if (error == EOPNOTSUPP) return capabilities && capabilities->empty() ? 0 : 2;
      return !capabilities && capabilities.error().minor_status() == static_cast<unsigned>(error) ? 0 : 3;
    });
    if (status == 77) return support::skip("this machine allows no seccomp filters");
    CHECK(status == 0);
  }
}

TEST_CASE("a container in which the key service is half allowed") {
  const support::Session session;
  const auto key = must(session->create(User{"gsskey:half"}, "secret"));
  const auto found = diagnose();
  const auto found_of_key = diagnose(key);
  CHECK_FALSE(found.contains(Finding::some_calls_are_filtered));
  const struct {
    long call;
    int operation;
    bool tells_of_key;
  } table[] = {
      {SYS_add_key, -1, true},
      {SYS_request_key, -1, true},
      {SYS_keyctl, KEYCTL_UPDATE, true},
      {SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, true},
      {SYS_keyctl, KEYCTL_DESCRIBE, false},
      {SYS_keyctl, -1, false},  // add_key and request_key alone
  };
  for (const auto& row : table) {
    for (const int error : {EPERM, ENOSYS}) {
      CAPTURE(row.call, row.operation, error);
      const int status = in_child([&] {
        if (!refuse(row.call, error, row.operation)) return 77;
        const auto seen = diagnose();
        if (!seen.contains(Finding::some_calls_are_filtered) || seen.contains(Finding::calls_are_filtered)) return 1;
        if (row.tells_of_key && seen != (found | Finding::some_calls_are_filtered)) return 2;
        const auto seen_of_key = diagnose(key);
        if (row.tells_of_key && seen_of_key != (found_of_key | Finding::some_calls_are_filtered)) return 3;
        return seen_of_key.contains(Finding::key_is_gone) ? 4 : 0;
      });
      if (status == 77) return support::skip("this machine allows no seccomp filters");
      CHECK(status == 0);
    }
  }
}

TEST_CASE("no /sbin/request-key, and a full quota") {
  if (::geteuid() != 0) return support::skip("needs root, for a mount and another user");
  const bool has_program = ::access("/sbin/request-key", X_OK) == 0;
  CHECK(diagnose().contains(Finding::no_request_key_program) == !has_program);
  if (has_program) {
    const int status = in_child([] {
      if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount("/etc/passwd", "/sbin/request-key", nullptr, MS_BIND, nullptr) != 0) {
        return 77;
      }
      return diagnose().contains(Finding::no_request_key_program) ? 0 : 1;
    });
    CHECK((status == 0 || status == 77));
  }
  const auto full = [](Answers& found) {
    const auto session = must(Keyring::session());
    found.push_back(diagnose().contains(Finding::quota_is_full));
    int number = 0;
    while (session.upsert(User{"gsskey:" + std::to_string(number)}, "x")) ++number;
    found.push_back(number < 250);
    found.push_back(diagnose().contains(Finding::quota_is_full));
  };
  CHECK(support::as_user(4244, full) == Answers{0, 1, 1});
}

TEST_CASE("every finding has its own explanation") {
  std::vector<std::string> texts;
  for (unsigned bit = 0; bit <= 15; ++bit) texts.emplace_back(explanation(static_cast<Finding>(1U << bit)));
  for (std::size_t one = 0; one < texts.size(); ++one)
    for (std::size_t other = 0; other < one; ++other) CHECK(texts[one] != texts[other]);
  CHECK(texts.back() == "an unknown finding");
}

TEST_CASE("possession goes no further than the right to search") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"gsskey:ring"}));
  const auto key = must(ring.create(User{"gsskey:key"}, "secret"));
  CHECK(is_possessed(ring));
  CHECK(is_possessed(key));
  CHECK(must(key.read()).text() == "secret");
  must(ring.set_permissions(Permissions{}.possessor(all_rights).user(all_rights)));
  CHECK(is_possessed(key));
  const auto not_searched = all_rights.without(Right::search);
  must(ring.set_permissions(Permissions{}.possessor(not_searched).user(not_searched)));
  CHECK_FALSE(is_possessed(ring));
  CHECK_FALSE(is_possessed(key));
  CHECK(diagnose(key).contains(Finding::key_is_not_possessed));
  CHECK(error_of(key.read()) == EACCES);  // the kernel says so too
  must(ring.set_permissions(Permissions{}.possessor(all_rights).user(all_rights)));
}
