// gsskey/testing/detail/heimdal_kdc: Heimdal's KDC: its programs, its configuration and how to tell it things.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <gsskey/core/error.hpp>
#include <gsskey/testing/detail/mit_kdc.hpp>
#include <gsskey/testing/detail/program.hpp>
#include <gsskey/testing/realm_options.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace test_detail {

/// Heimdal's programs, and what one says to them.
struct HeimdalKdc {
  static constexpr const char* daemon = "kdc";
  static constexpr const char* administration = "kadmin.heimdal";

  /// The folders are for kinit; the others are below $GSSKEY_HEIMDAL_ROOT.
  [[nodiscard]] static Result<RealmPrograms> find(std::string_view folders) {
    const char* root = std::getenv("GSSKEY_HEIMDAL_ROOT");
    const std::string below{root != nullptr ? root : ""};
    auto kdc = find_program("kdc", "heimdal-kdc", below + "/usr/lib/heimdal-servers");
    if (!kdc) return unexpected(kdc.error());
    auto kadmin = find_program("kadmin.heimdal", "heimdal-clients", below + "/usr/bin");
    if (!kadmin) return unexpected(kadmin.error());
    auto kinit = find_program("kinit", "krb5-user", folders);
    if (!kinit) return unexpected(kinit.error());
    return RealmPrograms{*kdc, {}, *kadmin, *kinit};
  }

  [[nodiscard]] static std::string configuration(const TestRealmOptions& options, const std::string& folder,
                                                 std::uint16_t port) {
    std::string text = "[kdc]\n addresses = " + options.kdc_address + "\n ports = " + std::to_string(port) +
                       "\n database = {\n  realm = " + options.realm + "\n  dbname = " + folder +
                       "/principal\n  mkey_file = " + folder + "/stash\n  acl_file = " + folder +
                       "/acl\n  log_file = " + folder + "/kadmin.log\n }\n";
    for (const auto& line : options.kdc_settings) text += " " + line + "\n";
    if (!options.permitted_enctypes.empty()) {
      text += "[kadmin]\n default_keys =";
      std::string_view rest = options.permitted_enctypes;
      while (!rest.empty()) {
        const std::string_view enctype = rest.substr(0, rest.find_first_of(" ,"));
        rest.remove_prefix(enctype.size() == rest.size() ? enctype.size() : enctype.size() + 1);
        if (!enctype.empty()) text.append(" ").append(enctype).append(":pw-salt");
      }
      text += "\n";
    }
    return text + "[logging]\n kdc = FILE:" + folder + "/kdc.log\n";
  }
  [[nodiscard]] static std::vector<std::string> daemon_command(const RealmPrograms& programs,
                                                               const std::string& configuration) {
    return {programs.kdc, "--testing", "-c", configuration};  // in one process; otherwise it forks one per processor
  }
  [[nodiscard]] static std::vector<std::string> kadmin_command(const RealmPrograms& programs,
                                                               const std::string& configuration) {
    return {programs.kadmin, "-l", "-c", configuration};
  }
  /// The first of the commands makes it.
  [[nodiscard]] static Result<void> create_database(const RealmPrograms&, const std::vector<std::string>&) {
    return {};
  }
  [[nodiscard]] static std::string first_commands(const TestRealmOptions& options) {
    return "init --realm-max-renewable-life=unlimited --realm-max-ticket-life=" +
           quoted(std::to_string(options.ticket_lifetime.count()) + " seconds") + " " + quoted(options.realm) + "\n";
  }

  [[nodiscard]] static std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char letter : text) {
      if (letter == '"' || letter == '\\') result += '\\';
      result += letter;
    }
    return result += '"';
  }
  [[nodiscard]] static std::string add(const TestUser& user) {
    return "add --use-defaults --password=" + quoted(user.password) + " " + quoted(user.name) + "\n";
  }
  [[nodiscard]] static std::string add_with_random_key(std::string_view service) {
    return "add --use-defaults --random-key " + quoted(service) + "\n";
  }
  [[nodiscard]] static std::string export_keys(std::string_view principal, std::string_view keytab) {
    return "ext_keytab --keytab=" + quoted(keytab) + " " + quoted(principal) + "\n";
  }
  [[nodiscard]] static Result<std::string> allow(const TestDelegation& delegation) {
    std::string command = "modify --attributes=+trusted-for-delegation";
    for (const auto& target : delegation.targets) command += " --constrained-delegation=" + quoted(target);
    return command + " " + quoted(delegation.service) + "\n";
  }
  [[nodiscard]] static bool is_notice(std::string_view) { return false; }
};

/// Calls `call` with an object of the type that has the members for `kdc`.
template <class Call>
[[nodiscard]] inline auto with_kdc(Kdc kdc, Call call) {
  return kdc == Kdc::heimdal ? call(HeimdalKdc{}) : call(MitKdc{});
}

}  // namespace test_detail
GSSKEY_END_ABI
}  // namespace gsskey
