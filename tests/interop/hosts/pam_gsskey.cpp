// A PAM module that checks a password by Kerberos:
//
//   auth required pam_gsskey.so HOST      the key of host/HOST must be in the keytab
//
// SPDX-License-Identifier: MIT
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <syslog.h>

#include <string_view>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/gss/name/local.hpp>
#include <gsskey/krb5/status.hpp>

using namespace gsskey;
using mech::Krb5;

namespace {

/// Who knows the password may still have made up the KDC that says so: it does not know the key of this host.
Result<void> log_in(const char* user, std::string_view password, const char* host) {
  GSSKEY_TRY(const auto name, Name::user(user));
  GSSKEY_TRY(const auto credential, Credential<Krb5, Initiate>::acquire_with_password(name, password));
  GSSKEY_TRY(auto target, Name::host_service("host", host));
  GSSKEY_TRY(const auto key, Credential<Krb5, Accept>::acquire(target));
  Initiator<Krb5> initiator{std::move(target), credential};
  Acceptor<Krb5> acceptor{key};
  Buffer token;
  while (!acceptor.is_complete()) {
    auto sent = initiator.step(token);
    if (!sent) return unexpected(std::move(sent).error().error);
    auto answered = acceptor.step(sent->token);
    if (!answered) return unexpected(std::move(answered).error().error);
    token = std::move(answered->token);
  }
  GSSKEY_TRY(const auto accepted, std::move(acceptor).accept());
  return may_act_as(accepted.peer, user);
}

int in_terms_of_pam(const Error& error) {
  switch (krb5_status(error)) {
    case Krb5Status::client_unknown:
      return PAM_USER_UNKNOWN;
    case Krb5Status::password_expired:
      return PAM_NEW_AUTHTOK_REQD;
    case Krb5Status::preauth_failed:
    case Krb5Status::bad_integrity:
      return PAM_AUTH_ERR;
    default:
      return error.domain() == Domain::policy ? PAM_PERM_DENIED : PAM_AUTHINFO_UNAVAIL;
  }
}

}  // namespace

extern "C" int pam_sm_authenticate(pam_handle_t* handle, int, int argc, const char** argv) {
  const char* user = nullptr;
  const char* password = nullptr;
  if (argc != 1) return PAM_SERVICE_ERR;
  if (const int code = pam_get_user(handle, &user, nullptr); code != PAM_SUCCESS) return code;
  if (const int code = pam_get_authtok(handle, PAM_AUTHTOK, &password, nullptr); code != PAM_SUCCESS) return code;
  const auto done = log_in(user, password, argv[0]);
  if (done) return PAM_SUCCESS;
  const auto why = done.error().text();
  pam_syslog(handle, LOG_NOTICE, "%s: %.*s", done.error().operation(), static_cast<int>(why.size()), why.data());
  return in_terms_of_pam(done.error());
}
extern "C" int pam_sm_setcred(pam_handle_t*, int, int, const char**) { return PAM_SUCCESS; }
