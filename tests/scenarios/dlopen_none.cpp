// As dlopen_side.cpp, for a library that is none: which call is the first to say so.
#include "dlopen_side.hpp"

#include <gsskey/core/try.hpp>
#include <gsskey/gss/loaded.hpp>
#include <gsskey/gss/name.hpp>

using namespace gsskey;

namespace {

Result<std::string> session() {
  GSSKEY_TRY(const auto name, Name::user("alice"));
  GSSKEY_TRY(const auto shown, name.display());
  return std::string{shown.text()};
}

}  // namespace

const Side& SIDE() {
  static constexpr Side side{loaded_capabilities, session};
  return side;
}
