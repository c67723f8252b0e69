// examples/hosts/password_cache: what a user typed serves a few minutes for other disks and programs of the same user,
// as systemd's ask-password has it: a key in the user's ring, several passwords with a NUL after each.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>

#include <gsskey/keyring.hpp>

/// The user's ring, possessed by this thread: not every way to log in links it into the session.
inline gsskey::Result<gsskey::KeyringRef> possessed_user_ring() {
  auto own = gsskey::Keyring::install_thread();
  auto user = gsskey::Keyring::user();
  if (!own || !user) return own ? user : own;
  if (auto linked = own->link(*user); !linked) return gsskey::unexpected(linked.error());
  return user;
}

/// All of them, in memory that is wiped. ENOKEY: there are none; EKEYEXPIRED: the time is over.
inline gsskey::Result<gsskey::SecretBytes> remembered(const std::string& name) {
  const auto ring = possessed_user_ring();
  if (!ring) return gsskey::unexpected(ring.error());
  const auto key = ring->search<gsskey::key_type::User>(name);
  return key ? key->read() : gsskey::unexpected(key.error());
}

/// One more, and all that are there, for two minutes and a half from now on.
inline gsskey::Result<void> remember(const std::string& name, gsskey::ByteView password) {
  const auto ring = possessed_user_ring();
  if (!ring) return gsskey::unexpected(ring.error());
  const auto before = remembered(name);
  const gsskey::ByteView known = before ? gsskey::ByteView{*before} : gsskey::ByteView{};
  const auto key = ring->put_pieces(gsskey::key_type::User{name}, {known, password, {"\0", 1}},
                                    {.timeout = std::chrono::seconds{150}});
  return key ? gsskey::Result<void>{} : gsskey::unexpected(key.error());
}
