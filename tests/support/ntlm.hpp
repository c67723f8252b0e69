// tests/support/ntlm: a second mechanism in the same process, gss-ntlmssp from Debian, which MIT krb5 loads as a
// plugin. SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "support/realm.hpp"

namespace support {

/// The realm, with the plugin and a file of NTLM users, whose first, carol, is its default one. False: the plugin is
/// not installed, or the library takes none; then there is the realm alone. Before the first gss call.
inline bool has_ntlm() {
  constexpr const char* plugin = "/etc/gss/mech.d/mech.ntlmssp.conf";
#if defined(GSSKEY_GSS_MIT)
  static const bool ready = ::access(plugin, R_OK) == 0;
#else
  static const bool ready = false;
#endif
  if (ready) ::setenv("GSS_MECH_CONFIG", plugin, 1);
  static const std::string users = realm().realm.folder() + "/ntlm-users";
  if (ready && ::access(users.c_str(), R_OK) != 0) {
    std::ofstream{users} << "GSSKEY:carol:secret\n";
    ::setenv("NTLM_USER_FILE", users.c_str(), 1);
  }
  return ready;
}

}  // namespace support
