// tests/support/active_directory: a domain of Active Directory for as long as the object lives: Samba's KDC, on
// loopback and in a folder of its own, with users in nested groups, and one in a thousand. SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/krb5/sid.hpp>
#include <gsskey/testing/detail/daemon.hpp>
#include <gsskey/testing/detail/files.hpp>
#include <gsskey/testing/detail/port.hpp>
#include <gsskey/testing/detail/program.hpp>

#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/environment.hpp"
#include "support/eventually.hpp"
#include "support/must.hpp"

namespace support {

/// tests/support/active_directory, which GSSKEY_ACTIVE_DIRECTORY names, makes it: 3 seconds. Users have one password;
/// the environment of this process points to it.
class ActiveDirectory {
 public:
  static constexpr std::string_view password = "Secret-1234";

  /// Or why there is none: what is not installed, or what it said.
  [[nodiscard]] static gsskey::Result<std::unique_ptr<ActiveDirectory>> start() {
    namespace detail = gsskey::test_detail;
    const auto samba = detail::find_program("samba", "samba", detail::program_folders());
    if (!samba) return gsskey::unexpected(samba.error());
    auto folder = detail::TempFolder::create("gsskey-ad-");
    if (!folder) return gsskey::unexpected(folder.error());
    auto port = detail::ReservedPort::reserve("127.0.0.1", 0);
    if (!port) return gsskey::unexpected(port.error());
    const std::string path = folder->path();
    const std::vector<std::string> environment{"PATH=" + detail::program_folders(), "LC_ALL=C", "TDB_NO_FSYNC=1",
                                               "KRB5_CONFIG=" + path + "/krb5.conf"};
    const auto made =
        detail::run("active_directory", {GSSKEY_ACTIVE_DIRECTORY, path, std::to_string(port->number)}, environment);
    if (!made) return gsskey::unexpected(made.error());
    auto daemon = detail::Daemon::start({*samba, "-i", "-M", "single", "-s", path + "/etc/smb.conf"}, environment,
                                        path + "/samba.log", path);
    if (!daemon) return gsskey::unexpected(daemon.error());
    if (!eventually([&] { return !daemon->running() || detail::accepts_connections("127.0.0.1", port->number); },
                    1000) ||
        !daemon->running()) {
      return gsskey::unexpected(
          detail::program_error("samba", "did not start", detail::read_file(path + "/samba.log")));
    }
    return std::unique_ptr<ActiveDirectory>{
        new ActiveDirectory{*std::move(folder), *std::move(port), *std::move(daemon)}};
  }

  [[nodiscard]] std::uint16_t kdc_port() const { return port_.number; }
  /// Of a group, or a user.
  [[nodiscard]] gsskey::Sid sid(const std::string& name) const {
    std::string text;
    lines(name) >> text;
    return must(gsskey::Sid::parse(text));
  }
  /// Of the user and of all groups that he is in, as LDAP's tokenGroups has them.
  [[nodiscard]] std::set<gsskey::Sid> token_groups(const std::string& user) const {
    std::set<gsskey::Sid> sids;
    std::istringstream in = lines(user);
    for (std::string text; in >> text;) sids.insert(must(gsskey::Sid::parse(text)));
    return sids;
  }

 private:
  ActiveDirectory(gsskey::test_detail::TempFolder folder, gsskey::test_detail::ReservedPort port,
                  gsskey::test_detail::Daemon daemon)
      : folder_{std::move(folder)}, port_{std::move(port)}, daemon_{std::move(daemon)} {}

  [[nodiscard]] std::istringstream lines(const std::string& name) const {
    return std::istringstream{gsskey::test_detail::read_file(folder_.path() + "/sids/" + name)};
  }

  gsskey::test_detail::TempFolder folder_;
  gsskey::test_detail::ReservedPort port_;
  gsskey::test_detail::Daemon daemon_;
  Environment config_{"KRB5_CONFIG", folder_.path() + "/krb5.conf"};
  Environment keytab_{"KRB5_KTNAME", "FILE:" + folder_.path() + "/keytab"};
  Environment cache_{"KRB5CCNAME", "FILE:" + folder_.path() + "/ccache"};
  Environment replays_{"KRB5RCACHENAME", "file2:" + folder_.path() + "/rcache"};
  Environment plugins_{"GSS_MECH_CONFIG", "/dev/null"};
};

}  // namespace support
