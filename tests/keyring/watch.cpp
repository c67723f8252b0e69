// Records of the watch queue, from a pipe that this test writes: the kernel here may lack the real one.
#include <gsskey/keyring.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "support/catch.hpp"
#include "support/session.hpp"

using namespace gsskey;
using support::must;

namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
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

TEST_CASE("what is no record is refused, and does not stop the stream") {
  const std::vector<std::vector<std::uint32_t>> bad{
      {kind(1, 0), info(0, 1)}, {kind(1, 0), info(4, 1)}, {kind(1, 0), info(127, 1)}, {kind(1, 0)}};
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

TEST_CASE("the kernel's own queue, or its refusal") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"gsskey:watched"}));
  auto watch = KeyWatch::open();
  if (!watch) {
    const auto number = static_cast<int>(watch.error().minor_status());
    CAPTURE(watch.error().operation());
    CHECK((number == ENOPKG || number == EOPNOTSUPP || number == EINVAL));
    WARN("this kernel has no watch queue: only its refusal is tested");
    return;
  }
  if (const auto added = watch->add(ring, 9); !added) {
    CHECK(support::error_of(added) == EOPNOTSUPP);
    WARN("this kernel sends no events of keys: only its refusal is tested");
    return;
  }
  const auto key = must(ring.create(key_type::User{"gsskey:key"}, "x"));
  const auto event = must(watch->next());
  CHECK(event.watch_id == 9);
  CHECK(event.key.serial() == ring.serial());
  REQUIRE(watch->remove(ring));
}
