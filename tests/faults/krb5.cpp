// tests/faults/krb5: credentials from and to what libkrb5 has open, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>
#include <gsskey/krb5/credential.hpp>
#include <gsskey/krb5/defaults.hpp>

#include <krb5.h>

#include <cstdlib>
#include <string_view>

#include "faults/faults.hpp"

using namespace gsskey;
using faults::again;
using faults::check;

namespace {

void of_libkrb5() {
  krb5_context context = nullptr;
  krb5_ccache cache = nullptr;
  krb5_ccache other = nullptr;
  krb5_keytab keytab = nullptr;
  krb5_principal service = nullptr;
  check(krb5_init_context(&context) == 0 && krb5_cc_default(context, &cache) == 0 &&
            krb5_cc_resolve(context, "MEMORY:faults", &other) == 0 && krb5_kt_default(context, &keytab) == 0 &&
            krb5_parse_name(context, "host/localhost@GSSKEY.TEST", &service) == 0,
        "libkrb5");
  try {
    const auto ticket = again([&] { return import_cache(cache); });
    check(!again([&] { return ticket.lifetime(); }).is_indefinite(), "the ticket of a cache");
    static_cast<void>(again([&] { return import_keytab(keytab); }));
    again([&] { return copy_to_cache(ticket, other); });
    again([&] { return forget_ticket(context, other, service); });
  } catch (const faults::Stopped&) {
  }
  krb5_free_principal(context, service);
  krb5_kt_close(context, keytab);
  krb5_cc_destroy(context, other);
  krb5_cc_close(context, cache);
  krb5_free_context(context);
}

#if defined(GSSKEY_GSS_HEIMDAL)
/// The keytab that krb5.conf names. What does not say so is asked again.
void default_keytab() {
  ::unsetenv("KRB5_KTNAME");
  again([] { return set_process_keytab(nullptr); });
  for (int time = 0; time < 2; ++time) {
    static_cast<void>(again([] { return Credential<mech::Krb5, Accept>::acquire_default(); }));
  }
  char name[gss_detail::DefaultKeytab::max_size];
  gss_detail::DefaultKeytab::get(name);
  check(std::string_view{name}.ends_with("/keytab"), "the realm's keytab");
}
#endif

const faults::Register registered[] = {
    {"krb5", &of_libkrb5},
#if defined(GSSKEY_GSS_HEIMDAL)
    {"default_keytab", &default_keytab},
#endif
};

}  // namespace
