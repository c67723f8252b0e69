/* benchmarks/anonymous: what the references ask of a peer's name, as AcceptorOptions::allow_anonymous does.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <gssapi/gssapi.h>
#include <string.h>

/* The flag does not tell whether a ticket of Kerberos is anonymous (RFC 8062). */
static inline int is_anonymous(gss_name_t name) {
  static const char nobody[] = "WELLKNOWN/ANONYMOUS@";
  OM_uint32 minor;
  gss_buffer_desc shown = GSS_C_EMPTY_BUFFER;
  gss_OID type = GSS_C_NO_OID;
  if (gss_display_name(&minor, name, &shown, &type) != GSS_S_COMPLETE) return 1;
  const int is_nobody = type == GSS_C_NT_ANONYMOUS ||
                        (shown.length >= sizeof nobody - 1 && memcmp(shown.value, nobody, sizeof nobody - 1) == 0);
  gss_release_buffer(&minor, &shown);
  return is_nobody;
}
