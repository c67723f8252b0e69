// gsskey/testing/detail/mit_kdc: MIT's KDC: its programs, its configuration and how to tell it things.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gsskey/core/error.hpp>
#include <gsskey/testing/detail/program.hpp>
#include <gsskey/testing/realm_options.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace test_detail {

/// What a realm runs; each is a path.
struct RealmPrograms {
  std::string kdc;
  std::string kdb5_util;  ///< MIT's only
  std::string kadmin;
  std::string kinit;  ///< MIT's
};

/// MIT's programs, and what one says to them. HeimdalKdc has the same members.
struct MitKdc {
  static constexpr const char* daemon = "krb5kdc";
  static constexpr const char* administration = "kadmin.local";

  [[nodiscard]] static Result<RealmPrograms> find(std::string_view folders) {
    auto krb5kdc = find_program("krb5kdc", "krb5-kdc", folders);
    if (!krb5kdc) return unexpected(krb5kdc.error());
    auto kdb5_util = find_program("kdb5_util", "krb5-kdc", folders);
    if (!kdb5_util) return unexpected(kdb5_util.error());
    auto kadmin_local = find_program("kadmin.local", "krb5-admin-server", folders);
    if (!kadmin_local) return unexpected(kadmin_local.error());
    auto kinit = find_program("kinit", "krb5-user", folders);
    if (!kinit) return unexpected(kinit.error());
    return RealmPrograms{*krb5kdc, *kdb5_util, *kadmin_local, *kinit};
  }

  [[nodiscard]] static std::string configuration(const TestRealmOptions& options, const std::string& folder,
                                                 std::uint16_t port) {
    const std::string address = options.kdc_address + ":" + std::to_string(port);
    std::string text = "[kdcdefaults]\n kdc_listen = " + address + "\n kdc_tcp_listen = " + address + "\n[realms]\n " +
                       options.realm + " = {\n  database_name = " + folder +
                       "/principal\n  key_stash_file = " + folder + "/stash\n  acl_file = " + folder +
                       "/acl\n  max_life = " + std::to_string(options.ticket_lifetime.count()) + "s\n";
    if (!options.permitted_enctypes.empty()) text += "  supported_enctypes = " + options.permitted_enctypes + "\n";
    for (const auto& line : options.kdc_settings) text += "  " + line + "\n";
    return text + " }\n[logging]\n kdc = FILE:" + folder + "/kdc.log\n";
  }
  [[nodiscard]] static std::vector<std::string> daemon_command(const RealmPrograms& programs, const std::string&) {
    return {programs.kdc, "-n"};
  }
  [[nodiscard]] static std::vector<std::string> kadmin_command(const RealmPrograms& programs, const std::string&) {
    return {programs.kadmin, "-p", "test/admin"};
  }
  [[nodiscard]] static Result<void> create_database(const RealmPrograms& programs,
                                                    const std::vector<std::string>& environment) {
    auto created = run("kdb5_util", {programs.kdb5_util, "create", "-s", "-P", "master"}, environment);
    if (!created) return unexpected(created.error());
    return {};
  }
  [[nodiscard]] static std::string first_commands(const TestRealmOptions&) { return {}; }

  /// One argument of a command.
  [[nodiscard]] static std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char letter : text) result.append(letter == '"' ? 2 : 1, letter);
    return result += '"';
  }
  [[nodiscard]] static std::string add(const TestUser& user) {
    return "addprinc -clearpolicy -pw " + quoted(user.password) + " " + quoted(user.name) + "\n";
  }
  [[nodiscard]] static std::string add_with_random_key(std::string_view service) {
    return "addprinc -clearpolicy -randkey " + quoted(service) + "\n";
  }
  [[nodiscard]] static std::string export_keys(std::string_view principal, std::string_view keytab) {
    return "ktadd -norandkey -k " + quoted(keytab) + " " + quoted(principal) + "\n";
  }
  [[nodiscard]] static Result<std::string> allow(const TestDelegation& delegation) {
    if (!delegation.targets.empty()) {
      return unexpected(Error::usage("TestRealm::start", "S4U2Proxy needs Kdc::heimdal: MIT's database refuses it"));
    }
    return "modprinc +ok_to_auth_as_delegate " + quoted(delegation.service) + "\n";
  }
  /// What is written to stderr is a complaint, but for this notice.
  [[nodiscard]] static bool is_notice(std::string_view line) {
    return line.find("defaulting to no policy") != std::string_view::npos;
  }
};

}  // namespace test_detail
GSSKEY_END_ABI
}  // namespace gsskey
