// An NSS module: who has a ticket in the default cache is a user of the machine. The C library loads it into whatever
// process looks users up, which may be one without C++.
// SPDX-License-Identifier: MIT
#include <nss.h>
#include <pwd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/gss/name/local.hpp>

using namespace gsskey;
using mech::Krb5;

namespace {

Result<Buffer> owner_of_the_ticket() {
  GSSKEY_TRY(const auto credential, Credential<Krb5, Initiate>::acquire_default());
  GSSKEY_TRY(const auto info, credential.inquire());
  return local_name<Krb5>(info.name);
}

}  // namespace

extern "C" nss_status _nss_gsskey_getpwnam_r(const char* name, passwd* entry, char* memory, std::size_t size,
                                             int* error) {
  const auto user = owner_of_the_ticket();
  if (!user || user->text() != std::string_view{name}) return NSS_STATUS_NOTFOUND;
  const std::size_t needed = std::strlen(name) + 1;
  if (needed > size) {
    *error = ERANGE;
    return NSS_STATUS_TRYAGAIN;
  }
  std::memcpy(memory, name, needed);
  char* const nothing = memory + needed - 1;
  *entry = {.pw_name = memory,
            .pw_passwd = nothing,
            .pw_uid = 65533,
            .pw_gid = 65533,
            .pw_gecos = nothing,
            .pw_dir = nothing,
            .pw_shell = nothing};
  return NSS_STATUS_SUCCESS;
}
