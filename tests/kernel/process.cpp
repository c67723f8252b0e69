// Keys among threads, users, name spaces and filters of the real kernel: who possesses what, and who is refused.
#include <gsskey/keyring.hpp>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::Answers;
using support::error_of;
using support::must;
using support::outcome;
using User = key_type::User;

namespace {

/// From here on the three system calls of the key service fail with `error` in this process.
bool filter_key_calls(int error) {
  const auto answer = static_cast<std::uint32_t>(SECCOMP_RET_ERRNO) | static_cast<std::uint32_t>(error);
  ::sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),  // the number of the call
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_add_key, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_request_key, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_keyctl, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, answer),
  };
  const ::sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

TEST_CASE("of several threads that create one key, one succeeds") {
  const support::Session session;
  if (!support::has_large_quota()) return support::skip("root's quota is needed");
  constexpr int names = 100;
  constexpr int threads = 4;
  std::array<std::atomic<int>, names> made{};
  std::atomic<int> refused_otherwise = 0;
  std::vector<std::thread> all;
  for (int number = 0; number < threads; ++number) {
    all.emplace_back([&] {
      for (int at = 0; at < names; ++at) {
        auto key = session->create(User{"key" + std::to_string(at)}, "x");
        if (key) {
          ++made[static_cast<std::size_t>(at)];
          static_cast<void>(std::move(*key).release());
        } else if (outcome(key) != EEXIST) {
          ++refused_otherwise;
        }
      }
    });
  }
  for (auto& thread : all) thread.join();
  for (const auto& times : made) CHECK(times == 1);
  CHECK(refused_otherwise == 0);
  CHECK(must(session->members()).size() == names);  // and no scratch ring
  REQUIRE(session->clear());
}

TEST_CASE("keys of a thread's ring are that thread's, keys of the process's ring everybody's") {
  const support::Session session;
  const Answers answers = support::as_user(::geteuid(), [](Answers& found) {
    const auto process_ring = must(Keyring::install_process());
    const auto thread_ring = must(Keyring::install_thread());
    const auto of_thread = must(thread_ring.upsert(User{"thread"}, "x"));
    const auto of_process = must(process_ring.upsert(User{"process"}, "x"));
    const auto of_session = must(must(Keyring::session()).upsert(User{"session"}, "x"));
    const auto of_user = must(thread_ring.upsert(User{"user"}, "x"));
    must(of_user.set_permissions(Permissions{}.possessor(all_rights).user(all_rights)));
    std::thread{[&] {
      found.push_back(outcome(of_process.read()));
      found.push_back(outcome(of_session.read()));
      found.push_back(outcome(of_user.read()));  // not possessed: by the right of the user
      found.push_back(outcome(of_thread.describe()));
      found.push_back(outcome(of_thread.read()));
      found.push_back(outcome(of_thread.update("y", no_timeout)));
      found.push_back(outcome(of_thread.revoke()));
      found.push_back(outcome(of_thread.invalidate()));
      found.push_back(outcome(of_thread.set_timeout(Seconds{7200})));
      found.push_back(outcome(thread_ring.unlink(of_thread)));
      found.push_back(outcome(thread_ring.members()));
      found.push_back(outcome(request_key<User>("thread")));
      found.push_back(outcome(request_key<User>("process")));
    }}.join();
    found.push_back(outcome(of_thread.read()));
  });
  CHECK(answers == Answers{0, 0, 0, 0, EACCES, EACCES, EACCES, EACCES, EACCES, EACCES, EACCES, ENOKEY, 0, 0});
}

TEST_CASE("a thread's ring dies with the thread, and its keys too") {
  const support::Session session;
  KeyringRef ring;
  KeyRef<User> key;
  std::thread{[&] {
    ring = must(Keyring::install_thread());
    key = must(ring.upsert(User{"lizard"}, "x"));
  }}.join();
  CHECK(support::is_collected(key));
  CHECK(support::is_collected(ring));
}

TEST_CASE("a process that becomes another user keeps what it possesses, but does not own it") {
  const support::Session session;
  if (::geteuid() != 0) return support::skip("only root becomes another user");
  const Answers answers = support::as_user(0, [](Answers& found) {
    const auto in_session = must(must(Keyring::session()).upsert(User{"lizard"}, "x"));
    const auto in_process = must(must(Keyring::install_process()).upsert(User{"snake"}, "x"));
    const auto thread_ring = must(Keyring::install_thread());
    const auto in_thread = must(thread_ring.upsert(User{"gecko"}, "x"));
    if (::setresgid(support::nobody, support::nobody, support::nobody) != 0) return;
    if (::setresuid(support::nobody, support::nobody, support::nobody) != 0) return;
    for (const auto& key : {in_session, in_process, in_thread}) {
      found.push_back(outcome(key.read()));
      found.push_back(outcome(key.update("y", no_timeout)));
      found.push_back(outcome(key.set_timeout(Seconds{7200})));
      found.push_back(outcome(key.set_permissions(Permissions{}.possessor(all_rights).user(all_rights))));
      found.push_back(must(key.describe()).user());
    }
    found.push_back(must(thread_ring.describe()).user());
    found.push_back(must(must(Keyring::process()).describe()).user());
    found.push_back(must(must(Keyring::session()).describe()).user());
    found.push_back(must(must(Keyring::user()).describe()).description() == "_uid.65534");
  });
  // The thread's ring goes over to the new user, and nothing else does.
  CHECK(answers == Answers{0, 0, 0, EACCES, 0, 0, 0, 0, EACCES, 0, 0, 0, 0, EACCES, 0, 65534, 0, 0, 1});
}

TEST_CASE("in a new user name space the session is the same, and the user's ring another") {
  const support::Session session;
  const Answers answers = support::as_user(::geteuid(), [](Answers& found) {
    const auto ring = must(Keyring::session());
    const auto key = must(ring.upsert(User{"lizard"}, "gizzard"));
    const auto user_ring = must(Keyring::user());
    if (::unshare(CLONE_NEWUSER) != 0) return;
    found.push_back(must(Keyring::session()) == ring);
    found.push_back(must(key.read()).text() == "gizzard");
    found.push_back(must(request_key<User>("lizard")) == key);
    found.push_back(must(Keyring::user()) == user_ring);
  });
  if (answers.empty()) return support::skip("user name spaces are not allowed");
  CHECK(answers == Answers{1, 1, 1, 0});
}

TEST_CASE("where the calls are filtered, each fails with the filter's errno") {
  const support::Session session;
  for (const int error : {EPERM, ENOSYS}) {
    const Answers answers = support::as_user(::geteuid(), [error](Answers& found) {
      const auto ring = must(Keyring::session());
      const auto key = must(ring.upsert(User{"lizard"}, "x"));
      if (!filter_key_calls(error)) return;
      found.push_back(outcome(ring.upsert(User{"lizard"}, "x")));
      found.push_back(outcome(ring.create(User{"snake"}, "x")));
      found.push_back(outcome(request_key<User>("lizard")));
      found.push_back(outcome(Keyring::session()));
      found.push_back(outcome(Keyring::join_session()));
      found.push_back(outcome(key.read()));
      found.push_back(outcome(key.describe()));
      found.push_back(outcome(key.set_timeout(Seconds{1})));
      found.push_back(outcome(key.revoke()));
      found.push_back(outcome(key.invalidate()));
      found.push_back(outcome(ring.unlink(key)));
      found.push_back(outcome(keyring_capabilities()));
      found.push_back(outcome(ProcKeys::acquire()));  // a file, not a call of the key service
    });
    if (answers.empty()) return support::skip("filters of system calls are not allowed");
    CHECK(answers == Answers{error, error, error, error, error, error, error, error, error, error, error, error, 0});
  }
  // With that one, libkeyutils finds out what works by itself, and finds nothing.
  const Answers answers = support::as_user(::geteuid(), [](Answers& found) {
    if (!filter_key_calls(EOPNOTSUPP)) return;
    found.push_back(outcome(Keyring::session()));
    const auto capabilities = keyring_capabilities();
    found.push_back(outcome(capabilities));
    found.push_back(capabilities && capabilities->empty());
  });
  CHECK(answers == Answers{EOPNOTSUPP, 0, 1});
}
