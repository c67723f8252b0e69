// request_key on the real kernel where no handler is asked: what is found, in which order, what is linked, what is
// refused; and the ring that keys of upcalls go to.
#include <gsskey/keyring.hpp>

#include <string>
#include <thread>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"
#include "support/unchecked.hpp"

using namespace gsskey;
using support::Answers;
using support::error_of;
using support::eventually;
using support::is_usage;
using support::must;
using support::outcome;
using support::Unchecked;
using User = key_type::User;

TEST_CASE("a key is found by type and description") {
  const support::Session session;
  CHECK(error_of(request_key<User>("lizard")) == ENOKEY);
  const auto ring = must(session->create(key_type::Keyring{"sandbox"}));
  const auto key = must(ring.create(User{"lizard"}, "gizzard"));
  CHECK(must(request_key<User>("lizard")) == KeyRef<User>{key});
  CHECK(must(must(request_key<User>("lizard")).read()).text() == "gizzard");
  CHECK(error_of(request_key<key_type::Logon>("lizard:")) == ENOKEY);
  CHECK(error_of(request_key<key_type::Keyring>("lizard")) == ENOKEY);
  CHECK(must(request_key<key_type::Keyring>("sandbox")) == KeyringRef{ring});
  const auto logon = must(ring.create(key_type::Logon{"lizard:x"}, "gizzard"));
  CHECK(must(request_key<key_type::Logon>("lizard:x")) == KeyRef<key_type::Logon>{logon});
  CHECK(must(session->members()).size() == 1);  // without a ring nothing is linked
}

TEST_CASE("a key that is there is linked where it is wanted, and no handler asked") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"sandbox"}));
  const auto into = must(session->create(key_type::Keyring{"into"}));
  const auto key = must(ring.create(User{"lizard"}, "gizzard"));
  CHECK(must(request_key<User>("lizard", "callout info")) == KeyRef<User>{key});
  CHECK(must(session->members()).size() == 2);
  CHECK(must(request_key<User>("lizard", "callout info", into)) == KeyRef<User>{key});
  CHECK(must(into.members()).size() == 1);
  CHECK(must(into.members()).contains(key));
  REQUIRE(into.clear());
  CHECK(must(request_key<User>("lizard", into)) == KeyRef<User>{key});
  CHECK(must(into.members()).contains(key));
  REQUIRE(into.clear());
  CHECK(error_of(request_key<User>("snake", into)) == ENOKEY);
  CHECK(must(into.members()).empty());
}

TEST_CASE("the ring that a key is wanted in: none, no ring, gone, without the right to write, restricted") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  CHECK(is_usage(request_key<User>("lizard", KeyringRef{})));
  CHECK(is_usage(request_key<User>("lizard", "x", KeyringRef{})));
  CHECK(error_of(request_key<User>("lizard", KeyringRef::from_serial(key.serial()))) == ENOTDIR);
  CHECK(error_of(request_key<User>("lizard", "x", KeyringRef::from_serial(key.serial()))) == ENOTDIR);
  auto ring = must(session->create(key_type::Keyring{"into"}));
  REQUIRE(ring.set_permissions(Permissions{}.possessor(all_rights.without(Right::write))));
  CHECK(error_of(request_key<User>("lizard", ring)) == EACCES);
  CHECK(error_of(request_key<User>("lizard", "x", ring)) == EACCES);
  REQUIRE(ring.set_permissions(Permissions{}.possessor(all_rights)));
  REQUIRE(ring.refuse_links());
  CHECK(error_of(request_key<User>("lizard", ring)) == EPERM);
  CHECK(must(ring.members()).empty());
  const KeyringRef gone = ring;
  REQUIRE(std::move(ring).close());
  REQUIRE(support::is_collected(gone));
  CHECK(error_of(request_key<User>("lizard", gone)) == ENOKEY);
  CHECK(error_of(request_key<User>("lizard", "x", gone)) == ENOKEY);
}

TEST_CASE("a revoked key is EKEYREVOKED, an expired and an invalidated one ENOKEY, one that may not be found EACCES") {
  const support::Session session;
  {
    const auto key = must(session->create(User{"lizard"}, "gizzard"));
    REQUIRE(key.revoke());
    CHECK(error_of(request_key<User>("lizard")) == EKEYREVOKED);
  }
  {
    const auto key = must(session->create(User{"lizard"}, "gizzard", {{}, Seconds{1}}));
    REQUIRE(eventually([&] { return error_of(key.read()) == EKEYEXPIRED; }));
    CHECK(error_of(request_key<User>("lizard")) == ENOKEY);
  }
  {
    const auto key = must(session->create(User{"lizard"}, "gizzard"));
    REQUIRE(key.invalidate());
    CHECK(eventually([] { return error_of(request_key<User>("lizard")) == ENOKEY; }));
  }
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  REQUIRE(key.set_permissions(Permissions{}.user(all_rights.without(Right::search))));
  CHECK(error_of(request_key<User>("lizard")) == EACCES);
}

TEST_CASE("the thread's ring is searched first, then the process's, then the session's") {
  const support::Session session;
  const Answers answers = support::as_user(::geteuid(), [](Answers& found) {
    const auto in_session = must(must(Keyring::session()).upsert(User{"lizard"}, "session"));
    found.push_back(must(request_key<User>("lizard")) == in_session);
    const auto process_ring = must(Keyring::install_process());
    const auto in_process = must(process_ring.upsert(User{"lizard"}, "process"));
    found.push_back(must(request_key<User>("lizard")) == in_process);
    const auto thread_ring = must(Keyring::install_thread());
    const auto in_thread = must(thread_ring.upsert(User{"lizard"}, "thread"));
    found.push_back(must(request_key<User>("lizard")) == in_thread);
    // What is dead is passed over as long as a later ring has one that lives.
    must(in_thread.revoke());
    found.push_back(must(request_key<User>("lizard")) == in_process);
    must(in_process.revoke());
    found.push_back(must(request_key<User>("lizard")) == in_session);
    must(in_session.revoke());
    found.push_back(outcome(request_key<User>("lizard")));
    // Another thread has another thread ring, and so another answer.
    const auto only_here = must(thread_ring.upsert(User{"snake"}, "thread"));
    found.push_back(must(request_key<User>("snake")) == only_here);
    long elsewhere = 0;
    std::thread{[&] { elsewhere = outcome(request_key<User>("snake")); }}.join();
    found.push_back(elsewhere);
  });
  CHECK(answers == Answers{1, 1, 1, 1, 1, EKEYREVOKED, 1, ENOKEY});
}

TEST_CASE("the names that the kernel refuses, with and without callout info") {
  const support::Session session;
  for (const uid_t user : support::users()) {
    CAPTURE(user);
    const Answers answers = support::as_user(user, [](Answers& found) {
      const auto ring = must(Keyring::session());
      const auto ask = [&]<KeyType T>(const T& type) {
        found.push_back(outcome(request_key<T>(type.description)));
        found.push_back(outcome(request_key<T>(type.description, ring)));
      };
      ask(Unchecked<"">{"debug:wibble"});
      ask(Unchecked<"lizardsgizzards">{"debug:wibble"});
      ask(Unchecked<".user">{"debug:wibble"});
      ask(Unchecked<"1234567890123456789012345678901">{"debug:wibble"});
      ask(Unchecked<"12345678901234567890123456789012">{"debug:wibble"});
      const std::string longest(4095, 'a');
      const std::string too_long(4096, 'a');
      ask(User{longest});
      ask(User{too_long});
      // With callout info, only what is refused before a handler would be asked; of a type that there is not, too.
      found.push_back(outcome(request_key<Unchecked<"">>("debug:wibble", "stuff")));
      found.push_back(outcome(request_key<Unchecked<"lizardsgizzards">>("debug:wibble", "stuff")));
      found.push_back(outcome(request_key<Unchecked<".user">>("debug:wibble", "stuff")));
      found.push_back(outcome(request_key<User>(too_long, "stuff")));
      found.push_back(outcome(request_key<User>("wibble", too_long)));
      found.push_back(outcome(request_key<User>("wibble", too_long, ring)));
      found.push_back(outcome(request_key<key_type::Keyring>("wibble", "stuff")));  // rings are not made by handlers
    });
    CHECK(answers == Answers{EINVAL, EINVAL, ENOKEY, ENOKEY, EPERM,  EPERM, ENOKEY, ENOKEY, EINVAL, EINVAL, ENOKEY,
                             ENOKEY, EINVAL, EINVAL, EINVAL, ENOKEY, EPERM, EINVAL, EINVAL, EINVAL, EPERM});
  }
  using namespace std::string_literals;
  CHECK(is_usage(request_key<User>(""s)));
  CHECK(is_usage(request_key<User>("a\0b"s)));
  CHECK(is_usage(request_key<User>("wibble", "a\0b"s)));
  CHECK(is_usage(request_key<key_type::Logon>("wibble"s)));
}

TEST_CASE("the ring for keys of upcalls is set, and read back, for the thread and what it starts") {
  const support::Session session;
  for (const uid_t user : support::users()) {
    CAPTURE(user);
    const Answers answers = support::as_user(user, [](Answers& found) {
      const auto number = [](const Result<RequestKeyRing>& ring) {
        return ring ? static_cast<long>(*ring) : -outcome(ring);
      };
      found.push_back(number(request_key_ring()));
      for (const RequestKeyRing ring :
           {RequestKeyRing::session, RequestKeyRing::user, RequestKeyRing::user_session, RequestKeyRing::requestor}) {
        found.push_back(number(set_request_key_ring(ring)));  // what it was
        found.push_back(number(request_key_ring()));
      }
      found.push_back(outcome(Keyring::thread()));
      found.push_back(number(set_request_key_ring(RequestKeyRing::thread)));
      found.push_back(outcome(Keyring::thread()));
      found.push_back(outcome(Keyring::process()));
      found.push_back(number(set_request_key_ring(RequestKeyRing::process)));
      found.push_back(outcome(Keyring::process()));
      // 6 was a group's ring, which never came to be; the others are no numbers of rings.
      for (const int none : {6, 8, -2, 100})
        found.push_back(number(set_request_key_ring(static_cast<RequestKeyRing>(none))));
      found.push_back(number(request_key_ring()));
      long started = 0;
      long elsewhere = 0;
      std::thread{[&] {
        started = number(request_key_ring());
        elsewhere = number(set_request_key_ring(RequestKeyRing::session));
      }}.join();
      found.push_back(started);
      found.push_back(elsewhere);
      found.push_back(number(set_request_key_ring(RequestKeyRing::first_there_is)));
      found.push_back(number(request_key_ring()));
    });
    CHECK(answers == Answers{0,      0, 3, 3,       4,       4,       5,       5, 7, ENOKEY, 7, 0,
                             ENOKEY, 1, 0, -EINVAL, -EINVAL, -EINVAL, -EINVAL, 2, 2, 2,      2, 0});
  }
}
