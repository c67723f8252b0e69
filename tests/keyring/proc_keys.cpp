// Lines of /proc/keys, of this test and of the kernel.
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/proc_keys.hpp>

#include <unistd.h>

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/session.hpp"

using namespace gsskey;
using key_type::User;
using support::error_of;
using support::must;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> found;
  ProcKeys{must(SecretBytes::copy_of(text))}.for_each([&](const ProcKey& entry) {
    found.push_back(std::to_string(entry.key.serial()) + " " + std::string{entry.type} + " [" +
                    std::string{entry.text} + "]");
  });
  return found;
}

}  // namespace

TEST_CASE("lines of /proc/keys") {
  const std::string user = "00000010 I--Q---     1 perm 3f010000     0     0 user      krb:alice: 16\n";
  const std::string ring = "3a5b0c1d I------    12  59m 3f1f0000     0 65534 keyring   _ses: 2\n";
  CHECK(lines_of(user + ring) == std::vector<std::string>{"16 user [krb:alice: 16]", "979045405 keyring [_ses: 2]"});
  CHECK(lines_of("").empty());
  CHECK(lines_of("nonsense\n").empty());
  // a description with a line feed, one of more than 1023 bytes, one with spaces
  CHECK(lines_of("00000010 I--Q---     1 perm 3f010000     0     0 user      two\nlines: 3\n" + ring).front() ==
        "16 user [two\nlines: 3]");
  const std::string large(1500, 'x');
  CHECK(lines_of("00000010 I--Q---     1 perm 3f010000     0     0 user      " + large + "\n").front() ==
        "16 user [" + large + "]");
  CHECK(lines_of("00000010 I--Q---     1 perm 3f010000     0     0 dns_resol a b c: 1\n").front() ==
        "16 dns_resol [a b c: 1]");
  // a type of nine characters leaves no space; no line feed at the end
  CHECK(lines_of("00000010 IR-QUNi     1 expd 3f010000  1000    -1 asymmetri CN: 0a: X509.rsa").front() ==
        "16 asymmetri [CN: 0a: X509.rsa]");
}

TEST_CASE("every field of a line") {
  const ProcKeys keys{must(SecretBytes::copy_of("00000010 IR-QUNi    17 expd 3f010204  1000    -1 user      a: 1\n"))};
  const auto entry = must(keys.find(AnyKeyRef::from_serial(16)));
  CHECK(entry.flags == "IR-QUNi");
  CHECK(entry.usage == 17);
  CHECK(entry.timeout == "expd");
  CHECK(entry.permissions.bits() == 0x3f010204);
  CHECK(entry.user == 1000);
  CHECK(entry.group == 0xffffffff);
  CHECK(error_of(keys.find(AnyKeyRef::from_serial(17))) == ENOKEY);
}

TEST_CASE("the real /proc/keys") {
  const support::Session session;
  const std::string description = "gsskey: line\nfeed " + std::string(2000, 'x');
  const auto key = must(session->create(User{description}, "four"));
  const auto keys = must(ProcKeys::acquire());
  const auto entry = must(keys.find(key));
  CHECK(entry.type == "user");
  CHECK(entry.text == description + ": 4");
  CHECK(entry.user == ::geteuid());
  CHECK(entry.permissions.bits() == 0x3f010000);
  CHECK(entry.flags.starts_with("I--Q"));
}
