// Who claims a context first, of 64 processes of two users: one of them, and no other.
#include <gsskey/gss/handshake.hpp>
#include <gsskey/handoff/parked_context.hpp>

#include <grp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/handles.hpp"
#include "support/realm.hpp"
#include "support/session.hpp"

using namespace gsskey;
using support::must;

namespace {

constexpr int racers = 64;

/// Zeros that this process and its children share.
template <class T>
class Shared {
 public:
  explicit Shared(std::size_t count)
      : size_{count * sizeof(T)},
        data_{static_cast<T*>(::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))} {
    REQUIRE(static_cast<void*>(data_) != MAP_FAILED);
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { ::munmap(data_, size_); }
  [[nodiscard]] T& operator[](std::size_t at) const { return data_[at]; }

 private:
  std::size_t size_;
  T* data_;
};

/// Where all processes meet before each round.
class Barrier {
 public:
  explicit Barrier(unsigned count) : shared_{1} {
    ::pthread_barrierattr_t attributes;
    ::pthread_barrierattr_init(&attributes);
    ::pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    REQUIRE(::pthread_barrier_init(&shared_[0], &attributes, count) == 0);
    ::pthread_barrierattr_destroy(&attributes);
  }
  void wait() const { ::pthread_barrier_wait(&shared_[0]); }

 private:
  Shared<::pthread_barrier_t> shared_;
};

/// What the racers did with one context.
struct Round {
  int claimed;    ///< how many got it
  int refused;    ///< how many were told by the kernel that it is not there
  int by_nobody;  ///< of those that got it, how many were the other user's
  int size;       ///< of the message that the last one wrapped
  char message[256];
};

void add(int& counter) { __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED); }

}  // namespace

TEST_CASE("of 64 processes one claims a context, and it works there") {
  support::realm();
  must(Keyring::install_thread());
  const support::Session session;
  const std::size_t rounds = support::has_large_quota() ? 200 : 20;

  std::vector<SecurityContext<mech::Krb5>> clients;
  std::vector<handoff::ParkedContext> parked;
  for (std::size_t at = 0; at < rounds; ++at) {
    auto ends = support::pair<mech::Krb5>();
    clients.push_back(std::move(ends.initiator));
    parked.push_back(must(handoff::park(std::move(ends.acceptor), *session)));
  }

  const bool two_users = ::geteuid() == 0;
  support::let_others_read_configuration();
  const Shared<Round> results{rounds};
  const Barrier barrier{racers};
  std::vector<::pid_t> children;
  for (int racer = 0; racer < racers; ++racer) {
    const ::pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    const bool is_nobody = two_users && racer % 2 == 1;
    bool ready = true;
    if (is_nobody) {
      ready = ::setgroups(0, nullptr) == 0 && ::setresgid(support::nobody, support::nobody, support::nobody) == 0 &&
              ::setresuid(support::nobody, support::nobody, support::nobody) == 0;
    }
    for (std::size_t at = 0; at < rounds; ++at) {
      Round& round = results[at];
      barrier.wait();
      if (!ready) continue;
      auto context = handoff::claim<mech::Krb5>(parked[at]);
      if (!context) {
        if (context.error().domain() == Domain::keyring) add(round.refused);
        continue;
      }
      add(round.claimed);
      if (is_nobody) add(round.by_nobody);
      const auto message = context->wrap("mine");
      if (!message || message->size() > sizeof round.message) continue;
      std::memcpy(round.message, message->data(), message->size());
      round.size = static_cast<int>(message->size());
    }
    ::_exit(0);  // no destructors: they are the parent's
  }
  for (const ::pid_t child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }

  int by_nobody = 0;
  for (std::size_t at = 0; at < rounds; ++at) {
    CAPTURE(at);
    const Round& round = results[at];
    CHECK(round.claimed == 1);
    CHECK(round.refused == racers - 1);
    by_nobody += round.by_nobody;
    const ByteView message{round.message, static_cast<std::size_t>(round.size)};
    CHECK(must(clients[at].unwrap(message)).text() == "mine");
  }
  if (two_users) {
    CHECK(by_nobody > 0);
    CHECK(by_nobody < static_cast<int>(rounds));
  }
  CHECK(must(session->members()).empty());
}

TEST_CASE("every handle goes back to the library, whether it works or not") {
  support::realm();
  must(Keyring::install_thread());
  const support::Session session;
  static_cast<void>(support::pair<mech::Krb5>());  // what is acquired once
  const support::Handles handles;
  for (const bool altered : {false, true}) {
    auto ends = support::pair<mech::Krb5>({.request = {ContextFlag::delegate}}, {.keep_delegated = true});
    CHECK(handoff::park(std::move(ends.acceptor), KeyringRef{}).error().domain() == Domain::usage);
    const auto parked = must(handoff::park(std::move(ends.acceptor), *session, {.delegated = &ends.delegated}));
    std::string bytes{parked.bytes().text()};
    if (altered) bytes.back() ^= 1;
    const auto claimed = handoff::claim_all<mech::Krb5>(bytes, *session);
    CHECK(claimed.has_value() == !altered);
    if (claimed) CHECK(claimed->delegated);
    CHECK_FALSE(handoff::claim<mech::Krb5>(parked));
  }
  CHECK(handles.leaked() == 0);
}
