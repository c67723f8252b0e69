// A copied handle would be closed twice. The twin moves.
// expect: deleted
#include <utility>

#include <gsskey/core/unique_handle.hpp>

struct Traits {
  using Handle = int;
  static constexpr Handle none = -1;
  static void close(Handle) noexcept {}
};

gsskey::UniqueHandle<Traits> twin(gsskey::UniqueHandle<Traits> owner) {
#ifdef MUST_FAIL
  gsskey::UniqueHandle<Traits> other = owner;
#else
  gsskey::UniqueHandle<Traits> other = std::move(owner);
#endif
  return other;
}
