// gsskey/testing/realm_options: what a TestRealm is to be: its KDC, principals, lifetimes and configuration.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gsskey/core/seconds.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Says whose KDC a realm has. Clients of any implementation may use either.
enum class Kdc {
  /// MIT krb5. Its database refuses S4U2Proxy.
  mit,
  /// Heimdal. Its Debian packages conflict with krb5-user, whose kinit a realm needs: unpack heimdal-kdc and
  /// heimdal-clients somewhere (`dpkg -x`), and say where in $GSSKEY_HEIMDAL_ROOT.
  heimdal,
};

/// Names a user of a realm.
struct TestUser {
  std::string name;
  std::string password;
};

/// Names a service that may get tickets to itself for any user (S4U2Self), and with these go on to other services.
struct TestDelegation {
  std::string service;                    ///< one of TestRealmOptions::services
  std::vector<std::string> targets = {};  ///< S4U2Proxy: Kdc::heimdal only
};

/// Says what a TestRealm is to be.
struct TestRealmOptions {
  std::string realm = "GSSKEY.TEST";
  std::vector<TestUser> users = {};
  std::vector<std::string> services = {};  ///< principals with random keys, "host/localhost"; all are in keytab()
  Seconds ticket_lifetime = Seconds{10 * 3600};
  std::string kdc_address = "127.0.0.1";  ///< 127.x.y.z
  /// The KDC's port, 0 for a free one. Any other must be this realm's alone: a KDC would share it with a second one
  /// that is started meanwhile.
  std::uint16_t kdc_port = 0;
  bool canonicalize_hostnames = false;  ///< false: no DNS at all
  std::string permitted_enctypes =
      {};  ///< "aes256-cts-hmac-sha1-96", for clients, services and KDC; empty: the default
  Kdc kdc = Kdc::mit;
  std::vector<TestDelegation> delegations = {};
  std::vector<std::string> libdefaults = {};   ///< more lines of [libdefaults] in krb5.conf, "clockskew = 10"
  std::vector<std::string> kdc_settings = {};  ///< more lines of the realm in MIT's kdc.conf, or of [kdc] in Heimdal's
};

/// Says how TestRealm::login() gets its ticket.
struct LoginOptions {
  std::string password = {};  ///< empty: the one that start() was given
  Seconds lifetime = {};      ///< 0: the realm's ticket_lifetime, which is also the most
  std::string armor = {};     ///< a cache that login() returned, whose ticket protects this login (FAST, RFC 6113)
};

GSSKEY_END_ABI
}  // namespace gsskey
