// Every operation of the key service is reached by the call of ours that is meant for it. Between libkeyutils and the
// kernel stand our own add_key, request_key and keyctl, which libkeyutils leaves to be replaced.
#include <gsskey/keyring.hpp>

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using key_type::Asymmetric;
using key_type::User;
using support::Answers;
using support::must;
using support::outcome;

namespace {

constexpr int add_key_number = -1;
constexpr int request_key_number = -2;

std::vector<int> reached;        // the operations since it was cleared
bool pretend_authority = false;  // assume_authority succeeds, though there is none
std::vector<long> dh_answers;    // of Diffie-Hellman, in place of the kernel's

unsigned long argument(const void* pointer) { return reinterpret_cast<unsigned long>(pointer); }
unsigned long argument(key_serial_t serial) { return static_cast<unsigned long>(static_cast<long>(serial)); }

}  // namespace

extern "C" {

key_serial_t add_key(const char* type, const char* description, const void* payload, std::size_t size,
                     key_serial_t ring) {
  reached.push_back(add_key_number);
  return static_cast<key_serial_t>(
      ::syscall(SYS_add_key, argument(type), argument(description), argument(payload), size, argument(ring)));
}

key_serial_t request_key(const char* type, const char* description, const char* callout_info, key_serial_t ring) {
  reached.push_back(request_key_number);
  return static_cast<key_serial_t>(
      ::syscall(SYS_request_key, argument(type), argument(description), argument(callout_info), argument(ring)));
}

long keyctl(int command, ...) {
  reached.push_back(command);
  unsigned long arguments[4];
  std::va_list list;
  va_start(list, command);
  for (unsigned long& each : arguments) each = va_arg(list, unsigned long);
  va_end(list);
  if (command == KEYCTL_ASSUME_AUTHORITY && pretend_authority) return 0;
  if (command == KEYCTL_DH_COMPUTE && !dh_answers.empty()) {
    const long answer = dh_answers.front();
    dh_answers.erase(dh_answers.begin());
    return answer;
  }
  return ::syscall(SYS_keyctl, command, arguments[0], arguments[1], arguments[2], arguments[3]);
}

}  // extern "C"

namespace {

/// What a call is made with: all in a session of its own.
struct Scene {
  KeyringRef session;
  Key<key_type::Keyring> ring;
  Key<User> key;
  std::string certificate;

  [[nodiscard]] Authority<User> authority() const {
    pretend_authority = true;
    return must(Authority<User>::assume(key));
  }
  [[nodiscard]] Key<Asymmetric> asymmetric() const { return must(session.create(Asymmetric{"x"}, certificate)); }
};

struct Operation {
  int number;
  const char* name;
  long (*call)(const Scene& scene);
};

long watch(const Scene& scene) {
  int ends[2];
  if (::pipe(ends) != 0) return -1;
  ::close(ends[1]);
  return outcome(KeyWatch::adopt(ends[0]).add(scene.key, 1));
}

long persistent(const Scene& scene) {
  const bool had_one = support::has_persistent_ring();
  const auto ring = Keyring::persistent(scene.session);
  if (ring && !had_one) must(ring->invalidate());
  return outcome(ring);
}

/// In a child, whose parent is no shell: that gets the session.
long session_to_parent(const Scene&) {
  const Answers answers = support::as_user(::geteuid(), [](Answers& found) {
    reached.clear();
    static_cast<void>(Keyring::session_to_parent());
    for (const int number : reached) found.push_back(number);
  });
  for (const long number : answers) reached.push_back(static_cast<int>(number));
  return 0;
}

using S = const Scene&;

// Named as in the headers of the C library and the kernel.
const Operation operations[] = {
    {add_key_number, "add_key", [](S s) { return outcome(s.session.upsert(User{"new"}, "x")); }},
    {request_key_number, "request_key", [](S) { return outcome(request_key<User>("lizard")); }},
    {0, "KEYCTL_GET_KEYRING_ID", [](S) { return outcome(Keyring::session()); }},
    {1, "KEYCTL_JOIN_SESSION_KEYRING", [](S) { return outcome(Keyring::join_session()); }},
    {2, "KEYCTL_UPDATE", [](S s) { return outcome(s.key.update("x", no_timeout)); }},
    {3, "KEYCTL_REVOKE", [](S s) { return outcome(s.key.revoke()); }},
    {4, "KEYCTL_CHOWN", [](S s) { return outcome(s.key.set_owner(::geteuid())); }},
    {5, "KEYCTL_SETPERM", [](S s) { return outcome(s.key.set_permissions(Permissions{}.possessor(all_rights))); }},
    {6, "KEYCTL_DESCRIBE", [](S s) { return outcome(s.key.describe()); }},
    {7, "KEYCTL_CLEAR", [](S s) { return outcome(s.ring.clear()); }},
    {8, "KEYCTL_LINK", [](S s) { return outcome(s.ring.link(s.key)); }},
    {9, "KEYCTL_UNLINK", [](S s) { return outcome(s.session.unlink(s.key)); }},
    {10, "KEYCTL_SEARCH", [](S s) { return outcome(s.session.search<User>("lizard")); }},
    {11, "KEYCTL_READ", [](S s) { return outcome(s.key.read()); }},
    {12, "KEYCTL_INSTANTIATE", [](S s) { return outcome(s.authority().instantiate("x")); }},
    {13, "KEYCTL_NEGATE", [](S s) { return outcome(s.authority().negate(Seconds{1})); }},
    {14, "KEYCTL_SET_REQKEY_KEYRING", [](S) { return outcome(request_key_ring()); }},
    {15, "KEYCTL_SET_TIMEOUT", [](S s) { return outcome(s.key.set_timeout(Seconds{7200})); }},
    {16, "KEYCTL_ASSUME_AUTHORITY", [](S s) { return outcome(Authority<User>::assume(s.key)); }},
    {17, "KEYCTL_GET_SECURITY", [](S s) { return outcome(s.key.security_label()); }},
    {18, "KEYCTL_SESSION_TO_PARENT", session_to_parent},
    {19, "KEYCTL_REJECT", [](S s) { return outcome(s.authority().reject({EKEYREJECTED, Seconds{1}})); }},
    {20, "KEYCTL_INSTANTIATE_IOV", [](S s) { return outcome(s.authority().instantiate_pieces({"a", "b"})); }},
    {21, "KEYCTL_INVALIDATE", [](S s) { return outcome(s.key.invalidate()); }},
    {22, "KEYCTL_GET_PERSISTENT", persistent},
    {23, "KEYCTL_DH_COMPUTE", [](S s) { return outcome(diffie_hellman<User>(s.key, s.key, s.key)); }},
    {24, "KEYCTL_PKEY_QUERY",
     [](S s) {
       const auto key = s.asymmetric();
       return outcome(must(PublicKey::from_key(key, "pkcs1")).query());
     }},
    {25, "KEYCTL_PKEY_ENCRYPT",
     [](S s) {
       const auto key = s.asymmetric();
       return outcome(must(PublicKey::from_key(key, "pkcs1")).encrypt("x"));
     }},
    {26, "KEYCTL_PKEY_DECRYPT",
     [](S s) {
       const auto key = s.asymmetric();
       return outcome(must(PublicKey::from_key(key, "pkcs1")).decrypt(std::string(256, 'x')));
     }},
    {27, "KEYCTL_PKEY_SIGN",
     [](S s) {
       const auto key = s.asymmetric();
       return outcome(must(PublicKey::from_key(key, "pkcs1", "sha256")).sign(std::string(32, 'x')));
     }},
    {28, "KEYCTL_PKEY_VERIFY",
     [](S s) {
       const auto key = s.asymmetric();
       return outcome(
           must(PublicKey::from_key(key, "pkcs1", "sha256")).verify(std::string(32, 'x'), std::string(256, 'x')));
     }},
    {29, "KEYCTL_RESTRICT_KEYRING", [](S s) { return outcome(s.ring.refuse_links()); }},
    {30, "KEYCTL_MOVE", [](S s) { return outcome(s.session.move(s.key, s.ring)); }},
    {31, "KEYCTL_CAPABILITIES", [](S) { return outcome(keyring_capabilities()); }},
    {32, "KEYCTL_WATCH_KEY", watch},
};

/// The operations that a C header defines: decimal numbers. Flags and capabilities are hexadecimal.
std::map<std::string, int> operations_in(const char* path) {
  std::ifstream file{path};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const std::regex define{R"(#[ \t]*define[ \t]+(KEYCTL_\w+)[ \t]+(\d+)(?![\dxX]))"};
  std::map<std::string, int> found;
  for (std::sregex_iterator at{text.begin(), text.end(), define}; at != std::sregex_iterator{}; ++at) {
    found[(*at)[1]] = std::stoi((*at)[2]);
  }
  return found;
}

}  // namespace

TEST_CASE("each operation is reached by its call") {
  const support::Session session;
  if (!support::Certificates::can_make()) return support::skip("openssl is not installed");
  support::Certificates certificates;
  const auto certificate = certificates.make("lizard");
  for (const Operation& operation : operations) {
    CAPTURE(operation.name);
    // In a child: what the call does to its process ends with it.
    const Answers answers = support::as_user(::geteuid(), [&](Answers& found) {
      Scene scene;
      scene.session = must(Keyring::session());
      scene.ring = must(scene.session.create(key_type::Keyring{"ring"}));
      scene.key = must(scene.session.create(User{"lizard"}, "gizzard"));
      scene.certificate = certificate;
      reached.clear();
      static_cast<void>(operation.call(scene));
      found.push_back(std::count(reached.begin(), reached.end(), operation.number) != 0);
    });
    CHECK(answers == Answers{1});
  }
}

TEST_CASE("without authority nothing is instantiated, negated or rejected") {
  const support::Session session;
  for (const uid_t user : support::users()) {
    CAPTURE(user);
    const Answers answers = support::as_user(user, [](Answers& found) {
      Scene scene;
      scene.session = must(Keyring::session());
      scene.key = must(scene.session.create(User{"lizard"}, "gizzard"));
      found.push_back(outcome(Authority<User>::assume(scene.key)));
      const auto try_all = [&] {
        found.push_back(outcome(scene.authority().instantiate("x")));
        found.push_back(outcome(scene.authority().instantiate_pieces({"a", "b"})));
        found.push_back(outcome(scene.authority().negate(Seconds{1})));
        found.push_back(outcome(scene.authority().reject({EKEYREJECTED, Seconds{1}})));
        found.push_back(outcome(scene.authority().callout_info()));
      };
      try_all();  // a key that is there and whole
      found.push_back(must(scene.key.read()).text() == "gizzard");
      must(scene.key.invalidate());
      try_all();
      pretend_authority = false;
      found.push_back(outcome(Authority<User>::assume(scene.key)));
    });
    CHECK(answers ==
          Answers{ENOKEY, EPERM, EPERM, EPERM, EPERM, ENOKEY, 1, EPERM, EPERM, EPERM, EPERM, ENOKEY, ENOKEY});
  }
}

TEST_CASE("Diffie-Hellman with a prime that changes between the two looks") {
  const support::Session session;
  const auto number = must(session->create(User{"number"}, "\x05"));
  const KeyRef<User> key = number;
  dh_answers = {256, 192};  // a shorter one: what is there is the number, and no zeros after it
  CHECK(must(diffie_hellman(key, key, key)).size() == 192);
  CHECK(dh_answers.empty());
}

TEST_CASE("the table has every operation of <keyutils.h> and <linux/keyctl.h>") {
  std::map<int, std::string> table;
  for (const Operation& operation : operations) table[operation.number] = operation.name;
  CHECK(table.size() == std::size(operations));
  for (const char* path : {"/usr/include/keyutils.h", "/usr/include/linux/keyctl.h"}) {
    CAPTURE(path);
    const auto found = operations_in(path);
    CHECK(found.size() >= 33);
    for (const auto& [name, number] : found) {
      CAPTURE(name, number);
      CHECK(table.contains(number));
      CHECK(table[number] == name);
    }
  }
}
