// tests/support/as_user: work in a child process, as another user if need be, and the numbers that it found.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/keyring.hpp>

#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/quota.hpp"
#include "support/skip.hpp"

namespace support {

/// A user whom no key belongs to otherwise.
inline constexpr uid_t nobody = 65534;

/// This one and, as root, nobody.
inline std::vector<uid_t> users() {
  if (::geteuid() == 0) return {0, nobody};
  skip("only root becomes another user");
  return {::geteuid()};
}

/// What a child found, in order. Catch's assertions count in their own process only, so they stay in the parent.
using Answers = std::vector<long>;

/// 0 for success, errno for a refusal of the kernel, -1 for one of ours (usage, policy).
template <class T>
long outcome(const gsskey::Result<T>& result) {
  if (result) return 0;
  const auto domain = result.error().domain();
  if (domain != gsskey::Domain::keyring && domain != gsskey::Domain::system) return -1;
  return static_cast<long>(result.error().minor_status());
}

/// Which session ring a child has: one of its own, which dies with it, or that of its parent, as after su or sudo.
enum class ChildSession { own, inherited };

/// Runs `work(answers)` in a child process whose user and group ids are all `user`, and returns the answers. Afterwards
/// no more keys and bytes may count against that user than before. What it makes in a session of its own dies with it.
template <class Work>
Answers as_user(uid_t user, Work work, ChildSession session = ChildSession::own) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const ::pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int status = 1;
    try {
      const bool is_other = user != ::geteuid();
      Answers answers;  // of these the first two are ours: what counted before
      InQuota before;
      if (is_other &&
          (::setgroups(0, nullptr) != 0 || ::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0)) {
        std::perror("setresuid");
      } else if (!count(user, before)) {
        std::perror("/proc/key-users");
      } else if (session == ChildSession::inherited ||
                 gsskey::wait_for_quota(gsskey::Seconds{10}, [] { return gsskey::Keyring::join_session(); })) {
        work(answers);
        answers.insert(answers.begin(), {before.keys, before.bytes});
        const auto size = answers.size() * sizeof(long);
        status = ::write(ends[1], answers.data(), size) == static_cast<::ssize_t>(size) ? 0 : 2;
      }
    } catch (const std::exception& thrown) {
      std::fprintf(stderr, "in the child: %s\n", thrown.what());
    } catch (...) {  // a REQUIRE that failed: nothing of Catch goes on here
    }
    ::_exit(status);  // no destructors: they are the parent's
  }
  ::close(ends[1]);
  Answers answers;
  for (long answer = 0; ::read(ends[0], &answer, sizeof answer) == sizeof answer;) answers.push_back(answer);
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  REQUIRE(answers.size() >= 2);
  const InQuota before{answers[0], answers[1]};
  answers.erase(answers.begin(), answers.begin() + 2);
  InQuota left;
  if (!eventually([&] { return count(user, left) && is_within(left, before); })) {  // what is dead counts for a while
    FAIL_CHECK("in the quota of " << user << " are " << left << "; before: " << before);
  }
  return answers;
}

/// Keys in the ring, as many as this user's quota has room for.
inline std::vector<gsskey::KeyRef<gsskey::key_type::User>> use_up_quota(gsskey::KeyringRef ring) {
  std::vector<gsskey::KeyRef<gsskey::key_type::User>> keys;
  while (true) {
    const auto key = gsskey::wait_for_quota(gsskey::Seconds{1}, [&] {
      return ring.upsert(gsskey::key_type::User{"fill" + std::to_string(keys.size())}, "x");
    });
    if (!key) return keys;
    keys.push_back(*key);
  }
}

}  // namespace support
