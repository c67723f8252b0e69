// The text lives in what display() returned, which ends with the expression; `->` has not asked for an error either.
// expect: deleted
#include <gsskey/gss.hpp>

#include <string_view>

using namespace gsskey;

bool is_alice(const Name& name) {
#ifdef MUST_FAIL
  const std::string_view text = name.display()->text();
  return text == "alice";
#else
  const auto shown = name.display();
  return shown && shown->text() == "alice";
#endif
}
