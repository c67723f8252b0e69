// tests/support/pkinit_realm: a realm whose KDC has a certificate, and gives tickets to whoever asks for no name.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/testing/test_realm.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "support/certificates.hpp"
#include "support/heimdal_root.hpp"
#include "support/must.hpp"

namespace support {

/// One file per certificate authority: authority.pem, kdc.pem, kdc.key (RFC 4556 section 3.2.4).
class KdcCertificate {
 public:
  explicit KdcCertificate(const std::string& realm) {
    files_.make("authority");
    files_.write("kdc.conf",
                 "[kdc]\nextendedKeyUsage=1.3.6.1.5.2.3.5\n"  // id-pkinit-KPKdc
                 "keyUsage=digitalSignature,keyEncipherment,keyAgreement\n"
                 "subjectAltName=otherName:1.3.6.1.5.2.2;SEQUENCE:name\n"  // id-pkinit-san
                 "[name]\nrealm=EXP:0,GeneralString:" +
                     realm +
                     "\nprincipal=EXP:1,SEQUENCE:principal\n"
                     "[principal]\ntype=EXP:0,INTEGER:2\nparts=EXP:1,SEQUENCE:parts\n"
                     "[parts]\nfirst=GeneralString:krbtgt\nsecond=GeneralString:" +
                     realm + "\n");
    files_.run("openssl req -new -newkey rsa:2048 -nodes -config config -subj /CN=kdc -keyout kdc.key -out kdc.csr");
    files_.run(
        "openssl x509 -req -sha256 -days 30 -in kdc.csr -CA authority.pem -CAkey authority.key -CAcreateserial "
        "-extfile kdc.conf -extensions kdc -out kdc.pem");
  }
  [[nodiscard]] std::string authority() const { return "FILE:" + files_.path("authority.pem"); }
  [[nodiscard]] std::string identity() const { return "FILE:" + files_.path("kdc.pem") + "," + files_.path("kdc.key"); }

 private:
  Certificates files_;
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
      : certificate_{options.realm}, realm_{must(start(std::move(options), certificate_))} {}
  [[nodiscard]] const gsskey::TestRealm* operator->() const noexcept { return &realm_; }

 private:
  static gsskey::Result<gsskey::TestRealm> start(gsskey::TestRealmOptions options, const KdcCertificate& certificate) {
    const bool is_mit = options.kdc == gsskey::Kdc::mit;
    options.libdefaults.push_back("pkinit_anchors = " + certificate.authority());
    options.kdc_settings.push_back("pkinit_anchors = " + certificate.authority());
    options.kdc_settings.push_back("pkinit_identity = " + certificate.identity());
    if (!is_mit) {
      options.kdc_settings.emplace_back("enable-pkinit = yes");
      options.kdc_settings.emplace_back("allow-anonymous = yes");
    }
    auto realm = gsskey::TestRealm::start(std::move(options));
    if (realm && is_mit) must(realm->kadmin("addprinc -randkey WELLKNOWN/ANONYMOUS"));
    return realm;
  }

  KdcCertificate certificate_;
  gsskey::TestRealm realm_;
};

}  // namespace support
