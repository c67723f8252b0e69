// examples/hosts/service_keys: a service that keeps keys for itself, started by systemd with KeyringMode=private or
// shared (a session ring of its own), or inherit, or from a shell, by su, without a session. SPDX-License-Identifier:
// MIT
#pragma once

#include <cstdlib>
#include <string>

#include <gsskey/keyring.hpp>

/// Whether systemd made this session for this service: it puts there what $INVOCATION_ID says (systemd.exec(5)).
inline bool is_session_of_this_service() {
  const char* const wanted = std::getenv("INVOCATION_ID");
  const auto session = gsskey::Keyring::session();
  if (wanted == nullptr || !session) return false;
  const auto key = session->search<gsskey::key_type::User>("invocation_id");
  const auto id = key ? key->read() : gsskey::unexpected(key.error());
  if (!id) return false;
  std::string text;
  for (const unsigned char byte : *id) text += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  return text == wanted;
}

/// First thing in main(), before there are threads: a session is the calling thread's, and of what it starts later.
inline gsskey::Result<gsskey::Key<gsskey::key_type::Keyring>> open_service_ring() {
  const auto session = is_session_of_this_service() ? gsskey::Keyring::session() : gsskey::Keyring::join_session();
  if (!session) return gsskey::unexpected(session.error());
  return session->create(gsskey::key_type::Keyring{"keys of this service"});
}
