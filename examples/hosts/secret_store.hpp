// examples/hosts/secret_store: secrets that a key server gave, kept in the kernel and not in the heap, as Ceph's
// gateway does: added or replaced, read, removed, added again, and gone with the store. SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <utility>

#include <gsskey/keyring.hpp>

class SecretStore {
 public:
  /// A ring in the session: all threads share it, whenever they start, and after daemon(3) too.
  static gsskey::Result<SecretStore> open(const std::string& name) {
    auto session = gsskey::Keyring::session();
    if (!session) return gsskey::unexpected(session.error());
    if (auto own = gsskey::check_ring(*session); !own) return gsskey::unexpected(own.error());  // not by su
    auto ring = session->create(gsskey::key_type::Keyring{name});
    if (!ring) return gsskey::unexpected(ring.error());
    SecretStore store;
    store.ring_ = *std::move(ring);
    return store;
  }
  gsskey::Result<void> put(const std::string& id, gsskey::ByteView secret, gsskey::Timeout timeout) {
    auto key = ring_.create_or_replace(gsskey::key_type::User{id}, secret, {.timeout = timeout});
    if (!key) return gsskey::unexpected(key.error());
    keys_[id] = *std::move(key);
    return {};
  }
  gsskey::Result<gsskey::SecretBytes> get(const std::string& id) const {
    auto key = ring_.search<gsskey::key_type::User>(id);
    return key ? key->read() : gsskey::unexpected(key.error());
  }
  void remove(const std::string& id) { keys_.erase(id); }

 private:
  gsskey::Key<gsskey::key_type::Keyring> ring_;
  std::map<std::string, gsskey::Key<gsskey::key_type::User>> keys_;  // end before their ring
};
