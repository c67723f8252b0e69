// tests/faults/keys: keys, rings and the handler of an upcall, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/ring_thread.hpp>

#include <grp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <string>

#include "faults/faults.hpp"
#include "faults/played.hpp"
#include "support/certificates.hpp"

using namespace gsskey;
using faults::again;
using faults::check;
using faults::failed;
using faults::need;
using faults::Played;
using faults::where_possible;
using key_type::Asymmetric;
using key_type::User;

namespace {

/// Whatever failed: no key is left, unless what failed was taking one away.
void is_empty(KeyringRef ring) {
  const faults::Pause pause;
  const auto left = ring.members();
  const bool may_stay = failed("keyctl_unlink") || failed("keyctl_read") || failed("keyctl_get_keyring_ID") ||
                        failed("keyctl_revoke") || failed("keyctl_invalidate") || failed("mmap");
  check(may_stay || (left && left->empty()), "a key is left in the ring");
}

/// A session ring for this run, which has to be empty at its end.
template <class Work>
void in_session(Work work) {
  const auto session = again([] { return Keyring::join_session(); });
  try {
    work(session);
  } catch (const faults::Stopped&) {
  }
  is_empty(session);
}

void keys() {
  in_session([](KeyringRef session) {
    const auto ring = again([&] { return session.create(key_type::Keyring{"ring"}); });
    const auto key = again([&] { return ring.create(User{"key"}, "secret"); });
    check(again([&] { return key.read(); }).text() == "secret", "what was put into the key");
    again([&] { return key.update("another", no_timeout); });
    again([&] { return key.update("another", Seconds{100}); });
    const auto info = again([&] { return key.describe(); });
    check(info.description() == "key" && info.type() == "user", "the description");
    where_possible([&] { return key.security_label(); });
    again([&] { return key.set_timeout(Seconds{1000}); });
    again([&] { return key.set_permissions(Permissions{}.possessor(all_rights)); });
    where_possible([&] { return key.set_owner(::geteuid()); });

    const auto found = again([&] { return session.search<User>("key"); });
    check(found.serial() == key.serial(), "the key that is found");
    check(again([&] { return session.search<User>("key", session); }).serial() == key.serial(), "found and linked");
    again([&] { return session.unlink(key); });
    again([&] { return session.link(key); });
    again([&] { return session.unlink(key); });
    check(again([&] { return ring.members(); }).size() >= 1, "the members");  // or what waits for the collector too
    check(again([&] { return request_key<User>("key"); }).serial() == key.serial(), "request_key");
    check(again([&] { return request_key<User>("key", ring); }).serial() == key.serial(), "request_key and link");
    check(again([&] { return AnyKeyRef::from_serial(key.serial()).as<User>(); }).serial() == key.serial(), "as");

    auto other = again([&] { return session.create(key_type::Keyring{"other"}); });
    again([&] { return ring.move(key, other); });
    again([&] { return other.move_displacing(key, ring); });
    auto moving = again([&] { return session.create(User{"moving"}, "x", {.timeout = Seconds{100}}); });
    again([&] { return moving.move_to(ring); });
    check(moving.ring() == KeyringRef{ring}, "where it hangs now");
    static_cast<void>(again([&] {
      return ring.create_or_replace(User{"replaced"}, "1", {.permissions = Permissions{}.possessor(all_rights)});
    }));
    const auto kept = again([&] { return ring.put(User{"kept"}, "1"); });
    check(again([&] { return ring.put(User{"kept"}, "2"); }).serial() != kept.serial(), "put over a key is a new one");
    const auto upserted = again([&] { return ring.upsert(User{"upserted"}, "1", Seconds{100}); });
    const auto updated = again([&] { return ring.upsert(User{"upserted"}, "2", Seconds{100}); });
    check(updated.serial() == upserted.serial() || failed("keyctl_set_timeout"), "upsert keeps the key");
    const auto doomed = again([&] { return ring.put(User{"doomed"}, "1"); });
    again([&] { return doomed.revoke(); });
    const auto reborn = again([&] { return ring.create(User{"doomed"}, "2"); });
    check(reborn.serial() != doomed.serial(), "a dead key is replaced");
    check(!ring.create(User{"doomed"}, "3"), "a living one is not");
    {
      const Played played;
      Played::is_locked = true;
      again([&] { return ring.put(User{"doomed"}, "3"); });
      check(!Played::is_locked || failed(), "who replaces a key waits for another who does");
    }
    again([&] { return again([&] { return ring.put(User{"gone"}, "1"); }).invalidate(); });
    // A ring that can be written, and neither read nor searched: nobody possesses what is in it.
    const auto blind = again([&] { return session.create(key_type::Keyring{"blind"}); });
    const Rights rights = Right::view | Right::write | Right::set_attributes;
    again([&] {
      return blind.set_permissions(Permissions{}.possessor(rights).user(rights).accepting(
          Risk::nobody_may_change_again | Risk::others_see_description));
    });
    faults::refused(blind.upsert(User{"upserted"}, "1", Seconds{100}));
    auto pieces = again([&] { return ring.create_pieces(User{"pieces"}, {ByteView{"a"}, ByteView{"b"}}); });
    auto revoked = std::move(pieces).on_destroy<OnDestroy::revoke_then_unlink>();
    const auto closed = std::move(revoked).close();
    if (!closed) faults::note(closed.error());
    auto dropped = again([&] { return ring.create(User{"dropped"}, "1"); }).on_destroy<OnDestroy::invalidate>();
    static_cast<void>(std::move(dropped).close());
    auto refused = again([&] { return ring.create(User{"refused"}, "1"); }).on_destroy<OnDestroy::revoke>();
    static_cast<void>(std::move(refused).close());

    const auto closing = again([&] { return session.create(key_type::Keyring{"closing"}); });
    again([&] { return closing.restrict_links<Asymmetric>("builtin_trusted"); });
    const auto closed_ring = again([&] { return session.create(key_type::Keyring{"closed"}); });
    again([&] { return closed_ring.refuse_links(); });
    again([&] { return other.clear(); });
    faults::refused(session.search<User>("nothing has this name"));
  });
}

/// fork() drops the ring of the process. Keys of the parent's stay with it.
template <class Work>
void in_child(Work work) {
  const ::pid_t child = ::fork();
  if (child == 0) {
    try {
      work();
    } catch (...) {
      faults::complain("an exception in a child");
    }
    ::_exit(0);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child ends as it should");
}

/// Two keys of one name, of which a search finds one; a ring of many; a key of others.
void possession() {
  const ::gid_t groups[] = {1, 2};
  static_cast<void>(::setgroups(2, groups));  // for this process alone; root may
  in_session([](KeyringRef session) {
    const auto first = again([&] { return session.create(key_type::Keyring{"first"}); });
    const auto second = again([&] { return session.create(key_type::Keyring{"second"}); });
    const auto mask =
        Permissions{}
            .possessor(all_rights)
            .user(all_rights)
            .group(all_rights)
            .accepting(Risk::others_may_invalidate | Risk::others_see_description | Risk::link_gives_possession);
    const KeyRef<User> twins[] = {again([&] { return first.put(User{"twin"}, "x"); }),
                                  again([&] { return second.put(User{"twin"}, "x"); })};
    for (const auto& twin : twins) {
      again([&] { return twin.set_permissions(mask); });
      static_cast<void>(is_possessed(twin));
      where_possible([&] { return twin.set_owner(65534, 65534); });
      static_cast<void>(is_possessed(twin));
    }
    for (int number = 0; number < 130; ++number) {
      const std::string name = "many-" + std::to_string(number);
      ::syscall(SYS_add_key, "user", name.c_str(), "x", 1UL, static_cast<long>(first.serial()));
    }
    const auto last = again([&] { return first.search<User>("many-129"); });
    again([&] { return first.unlink(last); });
    const faults::Pause pause;  // another user's keys need not go by themselves
    static_cast<void>(first.clear());
    static_cast<void>(second.clear());
  });
}

void rings() {
  in_session([](KeyringRef session) {
    again([] { return Keyring::install_thread(); });
    again([] { return Keyring::thread(); });
    again([] { return Keyring::session(); });
    again([] { return Keyring::user(); });
    again([] { return Keyring::user_session(); });
    in_child([] { again([] { return Keyring::install_process(); }); });
    in_child([] { where_possible([] { return Keyring::session_to_parent(); }); });
    again([] { return request_key_ring(); });
    again([] { return keyring_capabilities(); });
    where_possible([&]() -> Result<void> {
      const auto persistent = Keyring::persistent(session);
      if (!persistent) return unexpected(persistent.error());
      static_cast<void>(session.unlink(*persistent));
      return {};
    });
    const auto key = again([&] { return session.create(User{"key"}, "x"); });
    static_cast<void>(is_possessed(key));
    static_cast<void>(diagnose());
    static_cast<void>(diagnose(key));
    again([&] { return check_ring(session); });
    const auto keys = again([] { return ProcKeys::acquire(); });
    check(again([] { return key_quota(::geteuid()); }).keys > 0, "the quota");
    int tries = 0;
    const auto waited = wait_for_quota(Seconds{1}, [&]() -> Result<void> {
      if (++tries < 3) return unexpected(Error::keyring("add_key", EDQUOT, 0));
      return {};
    });
    check(waited.has_value() || tries > 0, "who waits for quota");
    where_possible([&]() -> Result<void> {
      auto watch = KeyWatch::open();
      if (!watch) return unexpected(watch.error());
      if (auto added = watch->add(key, 1); !added) return added;
      if (auto set = key.set_timeout(Seconds{100}); !set) return set;
      if (auto event = watch->next(); !event) return unexpected(event.error());
      return watch->remove(key);
    });
  });
  again([] { return Keyring::join_session("faults"); });
}

/// A page that a forked child finds empty, or its process id.
void process_mark() {
  detail::process_mark_page = nullptr;
  check(detail::this_process() != 0, "a process has a number");
}

void ring_thread() {
  const auto thread = again([] { return RingThread::start(); });
  const auto key = again([&] { return thread.run([&] { return thread.ring().create(User{"on the thread"}, "x"); }); });
  check(static_cast<bool>(key), "a key of the thread");
  again([&] { return thread.run([&] { return key.revoke(); }); });
}

void log(const KeyRequest&, const Error& error) noexcept {
  const bool is_first_refusal = Played::answers != 0 && error.domain() == Domain::keyring &&
                                error.minor_status() == static_cast<std::uint32_t>(EACCES);
  if (!is_first_refusal || !failed()) faults::note(error);
}

void log_late(const KeyRequest&, const Error& error) noexcept {
  check(error.domain() == Domain::usage || failed(), "the log is told of the deadline");
}

template <class Handler>
void upcall(Handler handler, bool must_answer) {
  in_session([&](KeyringRef session) {
    const auto key = again([&] { return session.create(User{"wanted"}, "x"); });
    const std::string words[] = {
        std::to_string(key.serial()),    std::to_string(::getuid()), std::to_string(::getgid()), "0", "0",
        std::to_string(session.serial())};
    const char* const arguments[] = {"handler",        "create",         words[0].c_str(), words[1].c_str(),
                                     words[2].c_str(), words[3].c_str(), words[4].c_str(), words[5].c_str()};
    const auto line =
        again([&] { return session.create(User{"key:1 pid:" + std::to_string(::getpid()) + " ci:8"}, "x"); });
    Played::authorisation = line.serial();
    // A handler is a process of its own, in which none before has left a ring.
    if (const auto own = Keyring::thread()) static_cast<void>(own->clear());
    const Played played;
    const int status = handle_upcall<User>(8, arguments, handler, {.deadline = Seconds{20}, .log = &log});
    check(status == 0 || failed(), "the handler is done");
    const bool has_authority = !failed("keyctl_assume_authority") || status == 0;
    const bool can_answer = !failed("keyctl_instantiate") && !failed("keyctl_reject");
    if (must_answer && has_authority && can_answer) check(Played::answers == 1, "the requester has one answer");
  });
}

void upcall_handler() {
  upcall(
      [](const KeyRequest& request) -> expected<Instantiation, Rejection> {
        check(request.callout_info() == "for whom", "the callout info");
        Instantiation made;
        auto payload = SecretBytes::copy_of("payload");
        if (!payload) return unexpected(Rejection{ENOMEM});
        made.payload = *std::move(payload);
        made.timeout = Seconds{100};
        made.permissions = Permissions{}.possessor(all_rights);
        Played::is_owner_only = true;
        return made;
      },
      true);
  upcall([](const KeyRequest&) -> expected<SecretBytes, Rejection> { return unexpected(Rejection{EKEYREJECTED}); },
         true);
  upcall(
      [](const KeyRequest& request) -> expected<SecretBytes, Rejection> {
        static_cast<void>(again([&] { return request.requester(); }));
        if (const auto become = request.become_requester(); !become) {
          faults::note(become.error());
          return unexpected(Rejection{EACCES});
        }
        auto payload = SecretBytes::copy_of("payload");
        if (!payload) return unexpected(Rejection{ENOMEM});
        return *std::move(payload);
      },
      true);
}

/// The deadline passes.
void upcall_late() {
  in_session([](KeyringRef session) {
    const auto key = again([&] { return session.create(User{"wanted"}, "x"); });
    const std::string words[] = {std::to_string(key.serial()), std::to_string(session.serial())};
    const char* const arguments[] = {"handler", "create", words[0].c_str(), "0", "0", "0", "0", words[1].c_str()};
    const ::pid_t child = ::fork();
    if (child == 0) {
      const Played played;
      const auto handler = [](const KeyRequest&) -> expected<SecretBytes, Rejection> {
        ::raise(SIGRTMAX);  // as the timer does
        return unexpected(Rejection{});
      };
      static_cast<void>(handle_upcall<User>(
          8, arguments, handler, {.deadline = Seconds{20}, .may_differ = every_namespace, .log = &log_late}));
      ::_exit(2);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    check(failed() || (WIFEXITED(status) && WEXITSTATUS(status) == 1), "a handler that is late ends");
    check(WIFEXITED(status), "a handler that is late ends by itself");
  });
}

void watch() {
  in_session([](KeyringRef session) {
    const auto key = again([&] { return session.create(User{"key"}, "x"); });
    const Played played;
    auto watch = again([] { return KeyWatch::open(); });
    again([&] { return watch.add(key, 7); });
    const keyring_detail::WatchRecord record{1 | 5u << 24, sizeof record | 7u << 8, key.serial(), 0};
    check(::write(Played::events, &record, sizeof record) == sizeof record, "an event");
    const auto event = again([&] { return watch.next(); });
    check(event.kind == KeyEventKind::revoked && event.watch_id == 7, "which event");
    again([&] { return watch.remove(key); });
  });
}

void played_public_keys() {
  in_session([](KeyringRef session) {
    const auto made = again([&] { return session.create(User{"key"}, "x"); });
    const auto key = KeyRef<Asymmetric>::from_serial(made.serial());
    const Played played;
    const auto user = again([&] { return PublicKey::from_key(key, "pkcs1", "sha256"); });
    const std::string result(Played::size, 'p');
    check(again([&] { return user.query(); }).max_signature_size == Played::size, "what a key can");
    check(again([&] { return user.encrypt("x"); }).text() == result, "what is encrypted");
    check(again([&] { return user.decrypt("x"); }).text() == result, "what is decrypted");
    check(again([&] { return user.sign("x"); }).text() == result, "what is signed");
    again([&] { return user.verify("x", "x"); });
    const KeyRef<User> number = made;
    check(again([&] { return diffie_hellman<User>(number, number, number); }).text() == result, "a secret");
    check(again([&] { return diffie_hellman<User>(number, number, number, "sha256", "", Played::size); }).text() ==
              result,
          "a key");
  });
}

void authority() {
  in_session([](KeyringRef session) {
    const auto key = again([&] { return session.create(User{"wanted"}, "x"); });
    const Played played;
    auto assumed = again([&] { return Authority<User>::assume(key); });
    check(again([&] { return assumed.callout_info(); }).text() == "for whom", "the callout info");
    again([&] { return std::move(assumed).instantiate_pieces({ByteView{"a"}, ByteView{"b"}}); });
    auto another = again([&] { return Authority<User>::assume(key); });
    again([&] { return std::move(another).negate(Seconds{1}); });
    const auto abandoned = again([&] { return Authority<User>::assume(key); });
  });
}

void public_keys() {
  in_session([](KeyringRef session) {
    static const std::string certificate = support::Certificates{}.make("lizard");
    Result<Key<Asymmetric>> made = session.create(Asymmetric{"x"}, certificate);
    if (!made && !failed()) return;  // the kernel knows no certificates
    if (!made) {
      faults::note(made.error());
      made = session.create(Asymmetric{"x"}, certificate);
    }
    const auto key = need(std::move(made));
    const auto user = again([&] { return PublicKey::from_key(key, "pkcs1", "sha256"); });
    const std::string digest(32, 'x');
    const std::string signature(256, 'x');
    where_possible([&] { return user.query(); });
    where_possible([&] { return user.encrypt("x"); });
    where_possible([&] { return user.decrypt(signature); });
    where_possible([&] { return user.sign(digest); });
    where_possible([&] { return user.verify(digest, signature); });
    const auto number = again([&] { return session.create(User{"number"}, std::string(200, '\x7f')); });
    where_possible([&] { return diffie_hellman<User>(number, number, number); });
    where_possible([&] { return diffie_hellman<User>(number, number, number, "sha256", "", 32); });
  });
}

const faults::Register registered[] = {
    {"keyring", &keys},
    {"keyring_rings", &rings},
    {"process_mark", &process_mark},
    {"possession", &possession},
    {"ring_thread", &ring_thread},
    {"upcall_handler", &upcall_handler},
    {"upcall_late", &upcall_late},
    {"upcall_authority", &authority},
    {"watch", &watch},
    {"played_public_keys", &played_public_keys},
    {"public_keys", &public_keys},
};

}  // namespace
