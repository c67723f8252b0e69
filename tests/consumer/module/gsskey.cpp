// A program that imports the GSS-API half, with the macro that no module has: names, sets of flags, a handshake.
#include <gsskey/core/try.hpp>

#include <cstdio>
#include <string>

import gsskey;
using namespace gsskey;

namespace {

Result<void> run() {
  GSSKEY_TRY(const auto name, Name::user("alice"));
  GSSKEY_TRY(const auto shown, name.display());
  if (shown.text() != "alice") return unexpected(Error::usage("run", "another name"));
  Initiator<mech::Krb5> empty;
  const auto refused = empty.step();
  if (refused || refused.error().error.domain() != Domain::usage)
    return unexpected(Error::usage("run", "a step without a target"));
  constexpr ContextFlags flags = ContextFlag::mutual | ContextFlag::confidentiality;
  static_assert(flags.contains(ContextFlag::mutual));
  return {};
}

}  // namespace

int main() {
  const auto done = run();
  if (!done) std::printf("%s: %s\n", done.error().operation(), std::string{done.error().text()}.c_str());
  return done ? 0 : 1;
}
