// The explanation of refusals.
#include <gsskey/keyring.hpp>

#include <linux/filter.h>
#include <linux/seccomp.h>
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
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using key_type::User;
using support::Answers;
using support::error_of;
using support::must;

namespace {

// Before any test case joins a session; a process that never did has the user's default one.
const Findings at_start = diagnose();
const bool had_default_session =
    keyctl_get_keyring_ID(KEY_SPEC_SESSION_KEYRING, 0) == keyctl_get_keyring_ID(KEY_SPEC_USER_SESSION_KEYRING, 0);

}  // namespace

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
    const int status = support::in_child(60, [&] {
      static_cast<void>(Keyring::join_session());
      if (error_of(key.read()) != EACCES) return 1;
      return diagnose(key).contains(Finding::key_is_not_possessed) ? 0 : 2;
    });
    CHECK(status == 0);
  }
  SECTION("another user") {
    if (::geteuid() != 0) return support::skip("needs root, to become another user");
    const int status = support::in_child(60, [&] {
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
    CHECK(support::eventually([&] { return !key.describe(); }));
    CHECK(diagnose(key).contains(Finding::key_is_expired));
  }
  SECTION("a revoked session") {
    const int status = support::in_child(60, [] {
      const auto own = Keyring::join_session();
      if (!own || !own->revoke()) return 1;
      if (!diagnose().contains(Finding::session_is_revoked)) return 2;
      if (!Keyring::join_session()) return 3;  // the way out
      return diagnose().contains(Finding::session_is_revoked) ? 4 : 0;
    });
    CHECK(status == 0);
  }
  SECTION("a user namespace") {
    const int status = support::in_child(60, [] {
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
    const int status = support::in_child(60, [&] {
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
      const int status = support::in_child(60, [&] {
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
    const int status = support::in_child(60, [] {
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
