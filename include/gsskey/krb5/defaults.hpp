// gsskey/krb5/defaults: the cache and the keytab behind default credentials, as settings of a thread and a process.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>

#include <gsskey/core/error.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/platform/keytab_guard.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/functions.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Makes `name` the default cache of the calling thread, whatever KRB5CCNAME says, for everything that asks for default
/// credentials there, libraries too. With nullptr it is again what KRB5CCNAME and krb5.conf say; MIT krb5 only. That
/// such a cache exists is not checked. A program's own credentials come from Credential::acquire_from() or
/// import_cache().
/// Calls: gss_krb5_ccache_name.
/// Errors: usage, for an empty name; unavailable, without Capabilities::krb5_extensions, and for nullptr on Heimdal,
///   which crashes on it; gss.
/// Threads: others keep theirs. A coroutine that goes on elsewhere leaves the setting behind, and what runs here next
///   finds it.
[[nodiscard]] inline Result<void> set_thread_cache(const char* name) noexcept {
  constexpr const char* operation = "gss_krb5_ccache_name";
  if (name != nullptr && *name == '\0') return unexpected(Error::usage(operation, "the name is empty"));
  if constexpr (!capabilities.krb5_extensions) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_krb5_ccache_name"));
  }
  if (known_faults.default_names_crash && name == nullptr) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " cannot go back to the environment's cache"));
  }
  OM_uint32 minor = 0;
  const OM_uint32 major = gss_detail::gss_krb5_ccache_name(&minor, name, static_cast<const char**>(nullptr));
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<mech::Krb5>(operation, major, minor));
  return {};
}

/// Makes `name` the default keytab of every acceptor in this process, whatever KRB5_KTNAME says; credentials that were
/// acquired before keep theirs. With nullptr it is the default again, on Heimdal what krb5.conf and KRB5_KTNAME said
/// when the calling thread first asked. MIT krb5 looks at the keytab when it is used, Heimdal now.
/// Calls: krb5_gss_register_acceptor_identity.
/// Errors: usage, for an empty name; unavailable, without Capabilities::krb5_extensions; gss. On Heimdal also: usage,
///   for a name of 4096 bytes or more; gss, for a keytab that is cut off or none, and system, for one that cannot be
///   looked at: nothing has changed then; gss, for a keytab without content: the default is in force then.
/// Blocks: on the keytab's disk, on Heimdal.
/// Threads: for all of them. Those that need different keytabs have Credential::acquire_from() or import_keytab().
[[nodiscard]] inline Result<void> set_process_keytab(const char* name) noexcept {
  constexpr const char* operation = "krb5_gss_register_acceptor_identity";
  if (name != nullptr && *name == '\0') return unexpected(Error::usage(operation, "the name is empty"));
  if constexpr (!capabilities.krb5_extensions) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no krb5_gss_register_acceptor_identity"));
  }
#ifdef GSSKEY_GSS_KEYTABS_CRASH
  if (name != nullptr) {
    if (std::strlen(name) >= gss_detail::DefaultKeytab::max_size) {
      return unexpected(Error::usage(operation, "the name is too long"));
    }
    if (auto checked = gss_detail::check_keytab<mech::Krb5>(operation, name); !checked) return checked;
  }
  gss_detail::DefaultKeytab::set(name);
#endif
  if (known_faults.default_names_crash && name == nullptr) name = "";  // which is taken for the default
  const OM_uint32 major = gss_detail::krb5_gss_register_acceptor_identity(name);
  if (major == GSS_S_COMPLETE) return {};
#ifdef GSSKEY_GSS_KEYTABS_CRASH
  gss_detail::DefaultKeytab::set(nullptr);
#endif
  return unexpected(gss_detail::failed_call_of<mech::Krb5>(operation, major, 0));
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
