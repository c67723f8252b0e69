// examples/key_tree: a ring and what hangs in it, as this process sees it.
//
//   key_tree [@t | @p | @s | @u | @us | SERIAL]      the session ring, if none is named
//
// Each line: serial, the rights of possessor, user, group and other (set attributes, link, search, write, read, view),
// owner, what is left of the timeout, whether it is possessed, and the type and description.
// SPDX-License-Identifier: MIT
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <set>
#include <string>
#include <string_view>

#include <gsskey/keyring.hpp>

using namespace gsskey;

namespace {

std::string letters_of(Rights rights) {
  constexpr struct {
    Right right;
    char letter;
  } table[] = {{Right::set_attributes, 'a'}, {Right::link, 'l'}, {Right::search, 's'},
               {Right::write, 'w'},          {Right::read, 'r'}, {Right::view, 'v'}};
  std::string letters;
  for (const auto& [right, letter] : table) letters += rights.contains(right) ? letter : '-';
  return letters;
}

std::string letters_of(Permissions permissions) {
  return letters_of(permissions.possessor()) + ' ' + letters_of(permissions.user()) + ' ' +
         letters_of(permissions.group()) + ' ' + letters_of(permissions.other());
}

/// The owner of a key writes what he likes: nothing of it shall reach the terminal as a command.
std::string printable(std::string_view text) {
  std::string safe;
  for (const char letter : text) {
    if (letter >= ' ' && letter <= '~' && letter != '\\') {
      safe += letter;
      continue;
    }
    char escape[5];
    std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(letter)));
    safe += escape;
  }
  return safe;
}

class Tree {
 public:
  explicit Tree(ProcKeys table) : table_{std::move(table)} {}

  void print(AnyKeyRef key, int depth = 0) {
    const std::string indent(2 * static_cast<std::size_t>(depth), ' ');
    const auto info = key.describe();
    if (!info) {
      std::printf("%10d  %s(%s)\n", key.serial(), indent.c_str(), std::string{info.error().text()}.c_str());
      return;
    }
    const auto line = table_.find(key);  // no system call reads a timeout
    const std::string timeout{line ? line->timeout : "?"};
    std::printf("%10d  %s  %5u %5u  %5s  %c  %s%s: %s\n", key.serial(), letters_of(info->permissions()).c_str(),
                info->user(), info->group(), timeout.c_str(), is_possessed(key) ? 'P' : '-', indent.c_str(),
                std::string{info->type()}.c_str(), printable(info->description()).c_str());
    if (info->type() != "keyring") return;
    if (!seen_.insert(key.serial()).second) {  // two rings may link a third
      std::printf("%10s  %s  (see above)\n", "", indent.c_str());
      return;
    }
    const auto members = KeyringRef::from_serial(key.serial()).members();
    if (!members) {
      std::printf("%10s  %s  (%s)\n", "", indent.c_str(), std::string{members.error().text()}.c_str());
      return;
    }
    for (const AnyKeyRef member : *members) print(member, depth + 1);
  }

 private:
  ProcKeys table_;
  std::set<key_serial_t> seen_;
};

Result<KeyringRef> ring_named(std::string_view name) {
  if (name == "@t") return Keyring::thread();
  if (name == "@p") return Keyring::process();
  if (name == "@s") return Keyring::session();
  if (name == "@u") return Keyring::user();
  if (name == "@us") return Keyring::user_session();
  return KeyringRef::from_serial(std::atoi(std::string{name}.c_str()));
}

int failed(const Error& error) {
  std::fprintf(stderr, "key_tree: %s: %s\n", error.operation(), std::string{error.text()}.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string_view name = argc > 1 ? argv[1] : "@s";
  if (argc > 2 || name.empty() || name.starts_with('-')) {
    std::fputs("usage: key_tree [@t | @p | @s | @u | @us | SERIAL]\n", stderr);
    return 2;
  }
  const auto ring = ring_named(name);
  if (!ring) return failed(ring.error());
  const auto key = AnyKeyRef::from_serial(ring->serial());  // a serial may be that of a key that is no ring
  if (const auto info = key.describe(); !info) return failed(info.error());
  auto table = ProcKeys::acquire();
  if (!table) return failed(table.error());
  Tree{*std::move(table)}.print(key);
  return 0;
} catch (const std::exception& failure) {  // memory is short
  std::fprintf(stderr, "key_tree: %s\n", failure.what());
  return 1;
}
