// tests/support/pkinit_realm: certificates for PKINIT, and a realm whose KDC has one, and gives tickets to whoever asks
// for no name.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/testing/test_realm.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/certificates.hpp"
#include "support/heimdal_root.hpp"
#include "support/must.hpp"

namespace support {

/// A certificate authority, and the certificates that it gives for PKINIT: all with one key, since who holds it is not
/// what differs (RFC 4556 sections 3.2.2 and 3.2.4).
class PkinitAuthority {
 public:
  static constexpr const char* for_kdc = "1.3.6.1.5.2.3.5";     ///< id-pkinit-KPKdc
  static constexpr const char* for_client = "1.3.6.1.5.2.3.4";  ///< id-pkinit-KPClientAuth
  static constexpr const char* for_web = "clientAuth";

  explicit PkinitAuthority(std::string realm, std::string name = "authority")
      : realm_{std::move(realm)}, name_{std::move(name)} {
    files_.make(name_);
    files_.run("openssl req -new -newkey rsa:2048 -nodes -config config -subj /CN=subject -keyout key -out request");
  }

  /// What pkinit_anchors names.
  [[nodiscard]] std::string anchor() const { return "FILE:" + files_.path(name_ + ".pem"); }
  [[nodiscard]] std::string key() const { return files_.path("key"); }

  /// The path of a new certificate of the realm's principal with these components, or of nobody, or of a host. Of
  /// fewer than 0 days: it has ended.
  std::string certify(const std::vector<std::string>& principal, const char* purpose = for_client, int days = 30,
                      const std::string& host = {}) {
    const std::string name = "certificate" + std::to_string(++certificates_);
    std::string text = std::string{"[subject]\nextendedKeyUsage="} + purpose +
                       "\nkeyUsage=digitalSignature,keyEncipherment,keyAgreement\n";
    if (!principal.empty()) text += "subjectAltName=otherName:1.3.6.1.5.2.2;SEQUENCE:name\n";  // id-pkinit-san
    if (!host.empty()) text += "subjectAltName=DNS:" + host + "\n";
    text +=
        "[name]\nrealm=EXP:0,GeneralString:" + realm_ +
        "\nprincipal=EXP:1,SEQUENCE:principal\n[principal]\ntype=EXP:0,INTEGER:" + (principal.size() == 1 ? "1" : "2") +
        "\nparts=EXP:1,SEQUENCE:parts\n[parts]\n";
    for (const auto& part : principal) {
      text += "part" + std::to_string(&part - principal.data()) + "=GeneralString:" + part + "\n";
    }
    files_.write(name + ".conf", text);
    files_.run("openssl x509 -req -sha256 -days " + std::to_string(days) + " -in request -CA " + name_ +
               ".pem -CAkey " + name_ + ".key -CAcreateserial -extfile " + name + ".conf -extensions subject -out " +
               name + ".pem");
    return files_.path(name + ".pem");
  }
  /// Takes a certificate back, and returns what pkinit_revoke names: the list of those (RFC 5280 section 5).
  std::string revoke(const std::string& certificate) {
    files_.write("ca.conf", "[ca]\ndefault_ca=own\n[own]\ndatabase=revoked\ndefault_md=sha256\ndefault_crl_days=30\n");
    files_.write("revoked", "");
    const std::string ca = "openssl ca -config ca.conf -cert " + name_ + ".pem -keyfile " + name_ + ".key ";
    files_.run(ca + "-revoke " + certificate);
    files_.run(ca + "-gencrl -out revoked.pem");
    return "FILE:" + files_.path("revoked.pem");
  }
  /// What the KDC's pkinit_identity names.
  std::string kdc_identity() { return identity(certify({"krbtgt", realm_}, for_kdc)); }
  /// What pkinit_identities names.
  [[nodiscard]] std::string identity(const std::string& certificate) const {
    return "FILE:" + certificate + "," + key();
  }
  /// The same, of which the key is encrypted.
  [[nodiscard]] std::string identity_with_pin(const std::string& certificate, const std::string& pin) const {
    files_.run("openssl pkey -in key -aes256 -passout pass:" + pin + " -out locked.key");
    return "FILE:" + certificate + "," + files_.path("locked.key");
  }

 private:
  std::string realm_;
  std::string name_;
  Certificates files_;
  int certificates_ = 0;
};

/// nullptr, or what is missing for PkinitRealm.
inline const char* missing_for_pkinit(gsskey::Kdc kdc) {
  if (!Certificates::can_make()) return "openssl is not installed";
  if (kdc == gsskey::Kdc::heimdal && !has_heimdal_kdc()) return "heimdal-kdc is not unpacked";
  std::error_code ignored;
  for (const auto& folder : std::filesystem::directory_iterator{"/usr/lib", ignored}) {
    if (std::filesystem::exists(folder.path() / "krb5/plugins/preauth/pkinit.so", ignored)) return nullptr;
  }
  return "krb5-pkinit is not installed";
}

class PkinitRealm {
 public:
  explicit PkinitRealm(gsskey::TestRealmOptions options)
      : authority_{options.realm}, realm_{must(start(std::move(options), authority_))} {}
  [[nodiscard]] const gsskey::TestRealm* operator->() const noexcept { return &realm_; }
  [[nodiscard]] PkinitAuthority& authority() noexcept { return authority_; }

 private:
  static gsskey::Result<gsskey::TestRealm> start(gsskey::TestRealmOptions options, PkinitAuthority& authority) {
    const bool is_mit = options.kdc == gsskey::Kdc::mit;
    options.libdefaults.push_back("pkinit_anchors = " + authority.anchor());
    options.kdc_settings.push_back("pkinit_anchors = " + authority.anchor());
    options.kdc_settings.push_back("pkinit_identity = " + authority.kdc_identity());
    if (!is_mit) {
      options.kdc_settings.emplace_back("enable-pkinit = yes");
      options.kdc_settings.emplace_back("allow-anonymous = yes");
    }
    auto realm = gsskey::TestRealm::start(std::move(options));
    if (realm && is_mit) must(realm->kadmin("addprinc -randkey WELLKNOWN/ANONYMOUS"));
    return realm;
  }

  PkinitAuthority authority_;
  gsskey::TestRealm realm_;
};

}  // namespace support
