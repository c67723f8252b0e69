// tests/support/upcalls: whether the kernel starts, for keys on demand, the /sbin/request-key that this process sees.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/keyring.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace support {

/// In the initial namespaces, the kernel does: in a chroot or a container it is another file, which knows other rules.
/// nullptr, or why not; found out once, by a rule for one description that keyutils alone can answer.
inline const char* missing_for_upcalls() {
  static const char* const reason = []() -> const char* {
    if (::access("/sbin/request-key", X_OK) != 0) return "/sbin/request-key is not installed";
    if (::access("/bin/keyctl", X_OK) != 0) return "/bin/keyctl is not installed";
    if (::access("/etc/request-key.d", W_OK) != 0) return "/etc/request-key.d cannot be written";
    const std::string name = "gsskey-test-" + std::to_string(::getpid());
    const std::string rule = "/etc/request-key.d/" + name + ".conf";
    std::ofstream{rule} << "create user " << name << ":probe * /bin/keyctl instantiate %k here 0\n" << std::flush;
    bool is_answered = false;
    std::thread{[&] {  // in a session of its own, which takes the key with it
      if (!gsskey::Keyring::join_session()) return;
      is_answered = gsskey::request_key<gsskey::key_type::User>(name + ":probe", "probe").has_value();
    }}
        .join();
    std::filesystem::remove(rule);
    return is_answered ? nullptr : "the kernel starts another /sbin/request-key than the one here: chroot or container";
  }();
  return reason;
}

}  // namespace support
