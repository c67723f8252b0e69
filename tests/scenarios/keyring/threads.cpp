// Who of several threads and processes may use a key: the four answers of keyring/ring_thread.hpp, and why they are
// needed. What reading says is 0 or errno.
#include <gsskey/keyring/ring_thread.hpp>

#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gsskey/keyring.hpp>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/session.hpp"
#include "support/single_threaded.hpp"

using namespace gsskey;
using key_type::User;
using support::Answers;
using support::error_of;
using support::is_single_threaded;
using support::must;
using support::outcome;

namespace {

/// A thread that is there already, and does something when it is told to.
class EarlierThread {
 public:
  EarlierThread() {
    std::promise<void> is_there;
    auto there = is_there.get_future();
    thread_ = std::thread{[this, &is_there] {
      is_there.set_value();
      work_.get_future().get()();
    }};
    there.wait();
  }
  void finish(std::function<void()> work) {
    work_.set_value(std::move(work));
    thread_.join();
  }

 private:
  std::promise<std::function<void()>> work_;
  std::thread thread_;
};

template <class Work>
long in_a_new_thread(Work work) {
  long answer = -2;
  std::thread{[&] { answer = work(); }}.join();
  return answer;
}

template <class Work>
long in_a_child(Work work) {
  return support::in_child(60, [&] { return static_cast<int>(work()); });
}

long reading(KeyRef<User> key) { return outcome(key.read()); }
/// In this program, started again.
long reading_after_exec(KeyRef<User> key) {
  return in_a_child([&] {
    ::setenv("GSSKEY_TEST_KEY", std::to_string(key.serial()).c_str(), 1);
    ::execl("/proc/self/exe", "threads", "[.executed]", nullptr);
    return 1;
  });
}

}  // namespace

TEST_CASE("what is executed", "[.executed]") {
  const char* const serial = std::getenv("GSSKEY_TEST_KEY");
  REQUIRE(serial != nullptr);
  std::_Exit(static_cast<int>(reading(KeyRef<User>::from_serial(std::atoi(serial)))));
}

TEST_CASE("a key of a thread's ring is that thread's alone") {
  const support::Session session;
  EarlierThread earlier;
  KeyRef<User> key;
  std::promise<void> made;
  std::promise<void> seen;
  std::thread owner{[&] {
    key = must(must(Keyring::install_thread()).upsert(User{"gsskey:mine"}, "secret"));
    CHECK(reading(key) == 0);
    CHECK(in_a_new_thread([&] { return reading(key); }) == EACCES);  // it has a ring of its own
    CHECK(in_a_new_thread([own = must(Keyring::thread())] { return long{must(Keyring::thread()) == own}; }) == 0);
    CHECK(in_a_child([&] { return reading(key); }) == EACCES);
    CHECK(in_a_child([&] { return outcome(Keyring::thread()); }) == ENOKEY);
    CHECK(reading_after_exec(key) == EACCES);
    made.set_value();
    seen.get_future().wait();
  }};
  made.get_future().wait();
  CHECK(reading(key) == EACCES);
  CHECK(error_of(key.revoke()) == EACCES);
  CHECK(error_of(key.invalidate()) == EACCES);
  CHECK(must(key.describe()).description() == "gsskey:mine");  // its user may view it
  CHECK(error_of(Keyring::thread()) == ENOKEY);
  earlier.finish([&] { CHECK(reading(key) == EACCES); });
  seen.set_value();
  owner.join();
  CHECK(support::eventually([&] { return outcome(key.describe()) == ENOKEY; }));  // it died with its thread
}

TEST_CASE("a process ring is shared by threads that start later, not by children") {
  if (!is_single_threaded) return;  // the other builds run it
  const Answers answers = support::as_user(::geteuid(), [](Answers& found) {
    const auto ring = must(Keyring::install_process());
    const auto key = must(ring.upsert(User{"gsskey:ours"}, "secret"));
    found.push_back(must(Keyring::install_process()) == ring);
    found.push_back(must(Keyring::process()) == ring);
    found.push_back(reading(key));
    found.push_back(in_a_new_thread([&] { return reading(key); }));
    found.push_back(in_a_new_thread([&] { return long{must(Keyring::install_process()) == ring}; }));
    found.push_back(in_a_child([&] { return reading(key); }));
    found.push_back(in_a_child([&] { return outcome(Keyring::process()); }));
    found.push_back(in_a_child([&] { return long{must(Keyring::install_process()) != ring}; }));
    found.push_back(reading_after_exec(key));
    EarlierThread earlier;  // later than the ring
    found.push_back(must(Keyring::install_process()) == ring);
    earlier.finish([&] { found.push_back(reading(key)); });
  });
  CHECK(answers == Answers{1, 1, 0, 0, 1, EACCES, ENOKEY, 1, EACCES, 1, 0});
}

TEST_CASE("a process ring is refused when threads are there that would not share it") {
  const Answers answers = support::as_user(::geteuid(), [](Answers& found) {
    EarlierThread earlier;
    const auto refused = Keyring::install_process();
    found.push_back(outcome(refused));
    found.push_back(!refused && refused.error().domain() == Domain::usage);
    found.push_back(outcome(Keyring::process()));
    // What the refusal saves from.
    const auto forced = KeyringRef::from_serial(keyctl_get_keyring_ID(KEY_SPEC_PROCESS_KEYRING, 1));
    const auto key = must(forced.upsert(User{"gsskey:not quite ours"}, "secret"));
    found.push_back(reading(key));
    earlier.finish([&] {
      found.push_back(reading(key));
      found.push_back(outcome(Keyring::process()));
      found.push_back(KeyringRef::from_serial(keyctl_get_keyring_ID(KEY_SPEC_PROCESS_KEYRING, 1)) != forced);
    });
  });
  CHECK(answers == Answers{-1, 1, ENOKEY, 0, EACCES, ENOKEY, 1});
}

TEST_CASE("a process ring can be installed when the other threads are gone") {
  if (!is_single_threaded) return;  // the other builds run it
  const Answers answers = support::as_user(::geteuid(), [](Answers& found) {
    EarlierThread{}.finish([] {});
    found.push_back(support::eventually([] { return outcome(Keyring::install_process()) == 0; }));
  });
  CHECK(answers == Answers{1});
}

TEST_CASE("keys of a private ring in the session are everybody's in the session") {
  const support::Session session;
  EarlierThread earlier;
  const auto ring = must(session->create(key_type::Keyring{"gsskey:private"}));
  auto key = must(ring.create(User{"gsskey:ours"}, "secret"));
  const KeyRef<User> name = key;
  CHECK(reading(name) == 0);
  CHECK(in_a_new_thread([&] { return reading(name); }) == 0);
  CHECK(in_a_child([&] { return reading(name); }) == 0);
  CHECK(reading_after_exec(name) == 0);
  CHECK(in_a_new_thread([&] {
          must(Keyring::join_session());  // this thread's only
          return reading(name);
        }) == EACCES);
  CHECK(reading(name) == 0);
  earlier.finish([&] {
    CHECK(reading(name) == 0);
    must(std::move(key).close());  // an owner may end on any of them
  });
  CHECK(must(ring.members()).empty());
}

TEST_CASE("keys with opened permissions are the user's on every thread, but their ring is not") {
  const support::Session session;
  EarlierThread earlier;
  const RingThread elsewhere = must(RingThread::start());
  const auto opened = Permissions{}.possessor(all_rights).user(all_rights);
  auto key = must(
      elsewhere.run([&] { return elsewhere.ring().create(User{"gsskey:opened"}, "secret", {.permissions = opened}); }));
  const KeyRef<User> name = key;
  CHECK(reading(name) == 0);
  CHECK(in_a_new_thread([&] { return reading(name); }) == 0);
  CHECK(in_a_child([&] { return reading(name); }) == 0);
  CHECK(reading_after_exec(name) == 0);
  if (::geteuid() == 0) CHECK(in_a_child([&] { return ::setresuid(1, 1, 1) == 0 ? reading(name) : -1; }) == EACCES);
  earlier.finish([&] {
    CHECK(reading(name) == 0);
    must(name.update("changed", no_timeout));
  });
  CHECK(must(name.read()).text() == "changed");
  CHECK(error_of(elsewhere.ring().unlink(name)) == EACCES);
  must(elsewhere.run([&] { return std::move(key).close(); }));
}

namespace {

/// What others of this user have unlinked counts until it is collected.
Key<User> make(const KeyringRef& ring, const std::string& secret = "secret") {
  const std::string name = "gsskey:of " + std::to_string(::getpid()) + ' ' + secret;
  return must(wait_for_quota(Seconds{10}, [&] { return ring.create(User{name}, secret); }));
}
bool hangs_in(const KeyringRef& ring, const auto& key) { return must(ring.members()).contains(key); }

/// fork() by hand, into a process id name space of its own: there the child is 1, and so is its own child in the next.
template <class Work>
long in_a_cloned_child(Work work) {
  const long child = ::syscall(SYS_clone, SIGCHLD | CLONE_NEWPID, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) ::_exit(static_cast<int>(work()));
  int status = -1;
  ::waitpid(static_cast<pid_t>(child), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}

/// Six processes deep: each makes a key, and each ends with the scopes of all before it; 0 if everybody's key was there
/// when its child had gone, and gone when it had gone itself.
template <class Fork>
long nested(const KeyringRef& ring, std::vector<Key<User>>& keys, int depth, Fork fork) {
  keys.push_back(make(ring, std::string(static_cast<std::size_t>(depth + 1), 'x')));
  const KeyRef<User> mine = keys.back();
  long wrong = 0;
  if (depth > 0) {
    wrong = fork([&] {
      const long beneath = nested(ring, keys, depth - 1, fork);
      keys.clear();
      return beneath;
    });
    if (must(ring.members()).size() != keys.size()) wrong = 1;
  }
  if (!hangs_in(ring, mine)) wrong = 1;
  return wrong;
}

}  // namespace

TEST_CASE("a forked child does not destroy its parent's keys, and does destroy its own") {
  const support::Session session;
  std::vector<Key<User>> keys;
  CHECK(nested(*session, keys, 5, [](auto work) { return in_a_child(work); }) == 0);
  keys.clear();
  if (::geteuid() == 0 && is_single_threaded) {
    CHECK(nested(*session, keys, 3, [](auto work) { return in_a_cloned_child(work); }) == 0);
    keys.clear();
  }
  CHECK(must(session->members()).empty());
}

TEST_CASE("every policy is the owner's, not the child's") {
  const support::Session session;
  auto kept = make(*session, "1");
  auto revoked = make(*session, "2").on_destroy<OnDestroy::revoke>();
  auto invalidated = make(*session, "3").on_destroy<OnDestroy::invalidate>();
  auto both = make(*session, "4").on_destroy<OnDestroy::revoke_then_unlink>();
  auto ring = must(session->create(key_type::Keyring{"gsskey:ring"}));
  CHECK(in_a_child([&] {
          kept = {};
          revoked = {};
          {
            const auto gone = std::move(invalidated);
          }
          {
            const auto gone = std::move(both).on_destroy<OnDestroy::revoke>();
          }
          ring = must(session->create(key_type::Keyring{"gsskey:another"}));
          ring = {};
          return 0;
        }) == 0);
  for (const KeyRef<User> key :
       {KeyRef<User>{kept}, KeyRef<User>{revoked}, KeyRef<User>{invalidated}, KeyRef<User>{both}}) {
    CHECK(reading(key) == 0);
    CHECK(hangs_in(*session, key));
  }
  CHECK(must(session->members()).size() == 5);
  must(session->clear());  // what was revoked would stay until it is collected
}

TEST_CASE("a child uses its parent's key, and is refused what only the owner may do") {
  const support::Session session;
  auto key = make(*session);
  auto ring = must(session->create(key_type::Keyring{"gsskey:ring"}));
  CHECK(in_a_child([&] { return reading(key); }) == 0);
  CHECK(in_a_child([&] { return support::is_usage(key.move_to(ring)) ? 0 : 1; }) == 0);
  CHECK(in_a_child([&] { return support::is_usage(std::move(key).close()) ? 0 : 1; }) == 0);
  CHECK(in_a_child([&] { return std::move(key).release().serial() == key.serial() ? 1 : 0; }) == 0);
  CHECK(key.ring() == *session);
  CHECK(reading(key) == 0);
  must(key.move_to(ring));
  must(std::move(key).close());
  CHECK(must(ring.members()).empty());
}

TEST_CASE("a child that goes on in place of its parent takes the keys over") {
  const support::Session session;
  auto key = make(*session);
  CHECK(in_a_child([&] {
          key.own_after_fork();
          must(key.move_to(*session));
          key = {};
          return must(session->members()).empty() ? 0 : 1;
        }) == 0);
  static_cast<void>(std::move(key).release());
  Key<User>{}.own_after_fork();
}

TEST_CASE("programs that are started leave keys alone: vfork, posix_spawn, exec") {
  const support::Session session;
  const auto key = make(*session);
  const char* const command[] = {"/bin/true", nullptr};
  pid_t child = ::vfork();
  if (child == 0) {
    ::execv(command[0], const_cast<char**>(command));
    ::_exit(1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  REQUIRE(::posix_spawn(&child, command[0], nullptr, nullptr, const_cast<char**>(command), nullptr) == 0);
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(reading(key) == 0);
  CHECK(reading_after_exec(key) == 0);  // the child, which would destroy it, is replaced
  CHECK(hangs_in(*session, key));
}

TEST_CASE("children that threads fork while others make keys leave all keys alone") {
  const support::Session session;
  std::vector<std::thread> threads;
  std::vector<int> faults(4);
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      for (int round = 0; round < 25; ++round) {
        auto key = make(*session, std::to_string(number));
        if (in_a_child([&] {
              key = {};
              return 0;
            }) != 0 ||
            reading(key) != 0) {
          ++faults[static_cast<std::size_t>(number)];
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(faults == std::vector<int>(4));
  CHECK(must(session->members()).empty());
}

TEST_CASE("a RingThread has the keys, and everybody asks it") {
  const support::Session session;
  EarlierThread earlier;
  const RingThread keeper = must(RingThread::start());
  auto key = must(keeper.run([&] { return keeper.ring().create(User{"gsskey:kept"}, "secret"); }));
  const KeyRef<User> name = key;
  const auto asked = [&] { return must(keeper.run([&] { return reading(name); })); };
  CHECK(reading(name) == EACCES);
  CHECK(asked() == 0);
  CHECK(in_a_new_thread([&] { return reading(name); }) == EACCES);
  CHECK(in_a_new_thread(asked) == 0);
  CHECK(in_a_child([&] { return reading(name); }) == EACCES);
  CHECK(reading_after_exec(name) == EACCES);
  CHECK(error_of(keeper.ring().members()) == EACCES);
  CHECK(error_of(Keyring::thread()) == ENOKEY);
  earlier.finish([&] {
    CHECK(reading(name) == EACCES);
    CHECK(asked() == 0);
  });
  CHECK(must(keeper.run([&] { return name.read(); })).text() == "secret");  // what it reads is handed over
  must(keeper.run([&] { return std::move(key).close(); }));
  CHECK(must(keeper.run([&] { return keeper.ring().members(); })).empty());
}
