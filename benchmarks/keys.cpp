// The same with gsskey.
// SPDX-License-Identifier: MIT
#include "keys.h"

#include <gsskey/keyring.hpp>

#include <cstdio>
#include <cstdlib>

namespace {

using namespace gsskey;
using key_type::User;

template <class T>
T value(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s: %d\n", result.error().operation(), static_cast<int>(result.error().minor_status()));
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

KeyringRef ring;
KeyRef<User> key;
constexpr char payload_text[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";
constexpr ByteView payload{payload_text, sizeof payload_text};

void connect_key() {
  ring = value(Keyring::session());
  key = value(ring.upsert(User{"gsskey:bench"}, payload));
}
void read_key(std::size_t turns) {
  for (std::size_t turn = 0; turn < turns; ++turn) value(key.read());
}
void describe(std::size_t turns) {
  for (std::size_t turn = 0; turn < turns; ++turn) {
    if (value(key.describe()).permissions().bits() != 0x3f010000) std::exit(1);
  }
}
void search(std::size_t turns) {
  for (std::size_t turn = 0; turn < turns; ++turn) value(ring.search<User>("gsskey:bench"));
}
void update(std::size_t turns) {
  for (std::size_t turn = 0; turn < turns; ++turn) value(key.update(payload, no_timeout));
}
void request(std::size_t turns) {
  for (std::size_t turn = 0; turn < turns; ++turn) value(request_key<User>("gsskey:bench"));
}
void add_unlink(std::size_t turns) {
  for (std::size_t turn = 0; turn < turns; ++turn) {
    value(ring.unlink(value(ring.upsert(User{"gsskey:other"}, payload))));
  }
}
void create(std::size_t turns) {
  for (std::size_t turn = 0; turn < turns; ++turn) {
    const auto created = value(ring.create(User{"gsskey:other"}, payload, {.timeout = Seconds{60}}));
  }
}
void upcall(std::size_t turns) {
  for (std::size_t turn = 0; turn < turns; ++turn) {
    value(ring.unlink(value(request_key<User>("gsskey-bench:gsskey", "callout", ring))));
  }
}

}  // namespace

const key_way keys_with_gsskey = {
    "gsskey", connect_key, read_key, describe, search, update, request, add_unlink, create, upcall,
};
