// Records of the watch queue: from a pipe that this test writes, as the kernel may lack the real one, and from that.
#include <gsskey/keyring.hpp>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/kernel.hpp"
#include "support/session.hpp"

using namespace gsskey;
using key_type::User;
using support::Answers;
using support::error_of;
using support::has;
using support::is_usage;
using support::lacks;
using support::must;
using support::outcome;

namespace {

/// One record per write and per read, as in the kernel's queue.
struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK | O_DIRECT) == 0);
    watch = KeyWatch::adopt(ends[0]);
    write_end = ends[1];
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() { ::close(write_end); }
  void write(const std::vector<std::uint32_t>& words, std::size_t size) const {
    REQUIRE(::write(write_end, words.data(), size) == static_cast<::ssize_t>(size));
  }
  KeyWatch watch;
  int write_end = -1;
};

std::uint32_t kind(std::uint32_t type, std::uint32_t subtype) { return type | subtype << 24; }
std::uint32_t info(std::uint32_t size, std::uint32_t id) { return size | id << 8; }

/// What poll() says of the queue now.
int polled(const KeyWatch& watch) {
  ::pollfd ready{watch.descriptor(), POLLIN, 0};
  REQUIRE(::poll(&ready, 1, 0) >= 0);
  return ready.revents;
}

/// The error of a queue that has nothing to say.
int error_of_next(KeyWatch& watch) {
  const auto event = watch.next();
  return event ? 0 : static_cast<int>(event.error().minor_status());
}

/// A queue of the kernel's that does not wait, unless the kernel has none: then its refusal is what is tested.
std::optional<KeyWatch> kernels_queue(const AnyKeyRef& any_key, unsigned events = 256) {
  auto watch = KeyWatch::open(events);
  if (!watch) {
    const auto number = static_cast<int>(watch.error().minor_status());
    CAPTURE(watch.error().operation());
    CHECK((number == ENOPKG || number == EOPNOTSUPP || number == EINVAL));
    WARN("this kernel has no watch queue: only its refusal is tested");
    return {};
  }
  if (const auto added = watch->add(any_key, 0); !added) {
    CHECK(error_of(added) == EOPNOTSUPP);
    WARN("this kernel sends no events of keys: only its refusal is tested");
    return {};
  }
  REQUIRE(watch->remove(any_key));
  CHECK(must(watch->next()).kind == KeyEventKind::watch_removed);
  REQUIRE(::fcntl(watch->descriptor(), F_SETFL, O_NONBLOCK) == 0);
  return *std::move(watch);
}

}  // namespace

TEST_CASE("every event of a key") {
  Pipe pipe;
  const std::array kinds{KeyEventKind::instantiated, KeyEventKind::updated,       KeyEventKind::linked,
                         KeyEventKind::unlinked,     KeyEventKind::cleared,       KeyEventKind::revoked,
                         KeyEventKind::invalidated,  KeyEventKind::attributes_set};
  for (std::uint32_t subtype = 0; subtype < kinds.size(); ++subtype) {
    pipe.write({kind(1, subtype), info(16, 200 + subtype), 1000 + subtype, 42}, 16);
  }
  for (std::uint32_t subtype = 0; subtype < kinds.size(); ++subtype) {
    const auto event = must(pipe.watch.next());
    CHECK(event.kind == kinds[subtype]);
    CHECK(event.watch_id == 200 + subtype);
    CHECK(event.key.serial() == static_cast<key_serial_t>(1000 + subtype));
    CHECK(event.other == 42);
  }
  const auto none = pipe.watch.next();
  REQUIRE_FALSE(none);
  CHECK(none.error().minor_status() == EAGAIN);
}

TEST_CASE("the end of a watch, lost events, and what is not known") {
  Pipe pipe;
  pipe.write({kind(0, 0), info(16, 7), 0, 0}, 16);  // with the object's id
  pipe.write({kind(0, 0), info(8, 8)}, 8);
  pipe.write({kind(2, 0), info(12, 1), 0}, 12);         // another source
  pipe.write({kind(1, 99), info(16, 1), 1000, 0}, 16);  // another event
  pipe.write({kind(0, 1), info(8, 0)}, 8);
  auto event = must(pipe.watch.next());
  CHECK(event.kind == KeyEventKind::watch_removed);
  CHECK(event.watch_id == 7);
  CHECK_FALSE(event.key);
  CHECK(must(pipe.watch.next()).watch_id == 8);
  event = must(pipe.watch.next());
  CHECK(event.kind == KeyEventKind::events_lost);
}

TEST_CASE("poll tells of every event that next() has not given") {
  Pipe pipe;
  CHECK(polled(pipe.watch) == 0);
  for (std::uint32_t key = 1000; key < 1003; ++key) pipe.write({kind(1, 1), info(16, 1), key, 0}, 16);
  for (key_serial_t key = 1000; key < 1003; ++key) {
    CHECK(polled(pipe.watch) == POLLIN);
    CHECK(must(pipe.watch.next()).key.serial() == key);
  }
  CHECK(polled(pipe.watch) == 0);
}

TEST_CASE("what is no record is refused, and does not stop the stream") {
  const std::vector<std::vector<std::uint32_t>> bad{{kind(1, 0), info(0, 1)},
                                                    {kind(1, 0), info(4, 1)},
                                                    {kind(1, 0), info(127, 1)},
                                                    {kind(1, 0)},
                                                    {kind(1, 0), info(20, 1), 1000, 0, 0}};
  for (const auto& words : bad) {
    Pipe pipe;
    pipe.write(words, words.size() * 4);
    const auto refused = pipe.watch.next();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().minor_status() == EBADMSG);
    pipe.write({kind(0, 1), info(8, 0)}, 8);
    CHECK(must(pipe.watch.next()).kind == KeyEventKind::events_lost);
  }
  auto ended = KeyWatch::adopt(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  CHECK(ended.next().error().minor_status() == ECONNRESET);
}

TEST_CASE("the kernel's queue: every event of a ring and of a key, in order") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"gsskey:watched"}));
  auto watch = kernels_queue(AnyKeyRef::from_serial(ring.serial()));
  if (!watch) return;
  const auto expect = [&](KeyEventKind kind, int id, key_serial_t key, std::int32_t other = 0) {
    const auto event = must(watch->next());
    CHECK(event.kind == kind);
    CHECK(event.watch_id == id);
    CHECK(event.key.serial() == key);
    CHECK(event.other == other);
  };
  const auto silent = [&] { return error_of_next(*watch) == EAGAIN && polled(*watch) == 0; };
  CHECK(silent());
  REQUIRE(watch->add(ring, 9));
  CHECK(error_of(watch->add(ring, 10)) == EBUSY);

  const auto key = must(ring.upsert(User{"gsskey:key"}, "x"));
  CHECK(polled(*watch) == POLLIN);
  expect(KeyEventKind::linked, 9, ring.serial(), key.serial());
  CHECK(silent());
  REQUIRE(watch->add(key, 255));
  REQUIRE(key.update("new", no_timeout));
  expect(KeyEventKind::updated, 255, key.serial());
  CHECK(must(ring.upsert(User{"gsskey:key"}, "newer")) == key);
  expect(KeyEventKind::updated, 255, key.serial());
  REQUIRE(key.set_timeout(Seconds{3600}));
  expect(KeyEventKind::attributes_set, 255, key.serial());
  REQUIRE(key.set_permissions(Permissions{}.possessor(all_rights)));
  expect(KeyEventKind::attributes_set, 255, key.serial());
  REQUIRE(key.set_group(::getegid()));
  expect(KeyEventKind::attributes_set, 255, key.serial());
  REQUIRE(session->link(key));  // says nothing: neither the ring nor the key
  CHECK(silent());
  REQUIRE(ring.unlink(key));
  expect(KeyEventKind::unlinked, 9, ring.serial(), key.serial());
  REQUIRE(ring.link(key));
  expect(KeyEventKind::linked, 9, ring.serial(), key.serial());
  REQUIRE(ring.clear());
  expect(KeyEventKind::cleared, 9, ring.serial());
  REQUIRE(key.revoke());
  expect(KeyEventKind::revoked, 255, key.serial());
  REQUIRE(session->unlink(key));
  REQUIRE(support::is_collected(key));
  expect(KeyEventKind::watch_removed, 255, 0, 0);
  {
    // The scratch ring of create() is seen too.
    const auto made = must(ring.create(User{"gsskey:made"}, "x"));
    const auto scratch = must(watch->next());
    CHECK(scratch.kind == KeyEventKind::linked);
    expect(KeyEventKind::linked, 9, ring.serial(), made.serial());
    expect(KeyEventKind::unlinked, 9, ring.serial(), scratch.other);
    REQUIRE(watch->add(made, 1));
    REQUIRE(made.invalidate());
    expect(KeyEventKind::invalidated, 1, made.serial());
    REQUIRE(support::is_collected(KeyRef<User>{made}));
    const auto event = must(watch->next());  // the collector takes it out of the ring, and says nothing of that
    CHECK(event.kind == KeyEventKind::watch_removed);
    CHECK(event.watch_id == 1);
  }
  CHECK(silent());
  REQUIRE(ring.refuse_links());
  expect(KeyEventKind::attributes_set, 9, ring.serial());

  REQUIRE(watch->remove(ring));
  expect(KeyEventKind::watch_removed, 9, 0, 0);
  CHECK(error_of(watch->remove(ring)) == EBADSLT);
  REQUIRE(ring.set_timeout(Seconds{3600}));
  CHECK(silent());
}

TEST_CASE("the kernel's queue: what does not fit is lost, and that is told") {
  const support::Session session;
  const auto key = must(session->create(User{"gsskey:key"}, "x"));
  auto watch = kernels_queue(AnyKeyRef::from_serial(key.serial()), 1);
  if (!watch) return;
  const long room = ::sysconf(_SC_PAGESIZE) / 128;  // a page's worth, which the kernel rounds up to
  REQUIRE(watch->add(key, 3));
  for (int round = 0; round < 2; ++round) {
    for (long sent = 0; sent < room + 2; ++sent) REQUIRE(key.set_timeout(Seconds{3600}));
    for (long at = 0; at < room; ++at) CHECK(must(watch->next()).kind == KeyEventKind::attributes_set);
    const auto lost = must(watch->next());
    CHECK(lost.kind == KeyEventKind::events_lost);
    CHECK_FALSE(lost.key);
    CHECK(error_of_next(*watch) == EAGAIN);
  }
  for (const unsigned events : {0u, 513u}) CHECK(KeyWatch::open(events).error().minor_status() == EINVAL);
  CHECK(KeyWatch::open(512));
}

TEST_CASE("the kernel's queue: next() waits") {
  const support::Session session;
  const auto key = must(session->create(User{"gsskey:key"}, "x"));
  auto watch = kernels_queue(AnyKeyRef::from_serial(key.serial()));
  if (!watch) return;
  REQUIRE(watch->add(key, 3));
  REQUIRE(::fcntl(watch->descriptor(), F_SETFL, 0) == 0);
  std::optional<Result<void>> updated;
  std::thread other{[&] { updated = key.update("new", no_timeout); }};  // most often while next() waits
  const auto event = watch->next();
  other.join();
  CHECK(updated.value());
  CHECK(must(event).kind == KeyEventKind::updated);
  auto moved = std::move(*watch);
  CHECK(watch->descriptor() == -1);
  REQUIRE(key.update("newer", no_timeout));
  CHECK(must(moved.next()).kind == KeyEventKind::updated);
}

TEST_CASE("the kernel's queue: for who may view, whoever that is") {
  const support::Session session;
  const auto key = must(session->create(User{"gsskey:key"}, "x"));
  if (!kernels_queue(AnyKeyRef::from_serial(key.serial()))) return;
  const auto look = [](Answers& found) {
    const auto ring = must(Keyring::session());
    auto watch = must(KeyWatch::open());
    const auto own = must(ring.create(User{"gsskey:own"}, "x"));
    found.push_back(outcome(watch.add(own, 1)));
    must(own.update("new", no_timeout));
    found.push_back(must(watch.next()).kind == KeyEventKind::updated);
    must(own.set_permissions(Permissions{}.possessor(all_rights.without(Right::view))));
    found.push_back(outcome(watch.remove(own)));
    int ends[2] = {-1, -1};
    static_cast<void>(::pipe(ends));
    found.push_back(outcome(KeyWatch::adopt(ends[0]).add(ring, 1)));  // a pipe that is no queue
    ::close(ends[1]);
  };
  for (const uid_t user : {::geteuid(), support::nobody}) {
    CAPTURE(user);
    if (user != ::geteuid() && ::geteuid() != 0) continue;
    CHECK(support::as_user(user, look) == Answers{0, 1, EACCES, EINVAL});
  }
}

TEST_CASE("notifications: told of what happens to a key, or the kernel lacks them") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  if (!has(KeyringCapability::notifications)) {
    lacks("notifications");
    CHECK_FALSE(KeyWatch::open());
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    {
      const auto watch = KeyWatch::adopt(ends[0]);
      CHECK(error_of(watch.add(key, 7)) == EOPNOTSUPP);
      CHECK(error_of(watch.remove(key)) == EOPNOTSUPP);
      CHECK(is_usage(watch.add(KeyRef<User>{}, 7)));
    }
    ::close(ends[1]);
    return;
  }
  auto watch = must(KeyWatch::open());
  REQUIRE(watch.add(key, 7));
  REQUIRE(key.update("new", no_timeout));
  const auto event = must(watch.next());
  CHECK(event.kind == KeyEventKind::updated);
  CHECK(event.watch_id == 7);
  CHECK(event.key.serial() == key.serial());
  REQUIRE(watch.remove(key));
}
