// tests/faults/krb5: credentials from and to what libkrb5 has open, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>
#include <gsskey/krb5/credential.hpp>
#include <gsskey/krb5/defaults.hpp>
#include <gsskey/krb5/impersonated_ticket.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/kdc_list.hpp>
#include <gsskey/krb5/pac.hpp>
#include <gsskey/krb5/principal.hpp>
#include <gsskey/krb5/renewed_ticket.hpp>

#include <krb5.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "faults/faults.hpp"
#include "faults/pair.hpp"
#include "support/environment.hpp"
#include "support/kdc_client.hpp"
#include "support/pac_of_alice.hpp"
#include "support/realm.hpp"

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

void of_caches() {
  const auto alice = again([] { return TicketCache::resolve(std::getenv("KRB5CCNAME")); });
  static_cast<void>(again([&] { return alice.credential(); }));
  static_cast<void>(again([] { return TicketCache::in_memory(); }));
}

#if defined(GSSKEY_GSS_MIT)
void of_exchanges() {
  const auto& realm = support::realm().realm;
  const auto carry = [&](const KdcStep& step) {
    const faults::Pause pause;
    return support::ask_kdc(realm.port(), true, step.request);
  };
  /// An exchange that fails is over.
  const auto carry_out = [&](auto exchange) {
    auto next = exchange.step();
    while (next && !next->is_done()) next = exchange.step(carry(*next));
    return next;
  };
  check(again([] { return KdcList::of_realm("GSSKEY.TEST"); })[0].port == realm.port(), "the realm's KDC");
  static_cast<void>(again([] { return KdcDnsPolicy::of_profile(); }));
  const auto cache = again([] { return TicketCache::in_memory(); });
  const auto alice = again([] { return Name::user("alice"); });
  static const std::string keytab = [&] {
    const faults::Pause pause;
    return "FILE:" + support::must(realm.export_keytab("alice"));
  }();
  faults::need(carry_out(again([&] { return InitialTicket::with_keytab(cache, alice, keytab.c_str()); })));
  faults::need(carry_out(again([&] { return InitialTicket::with_password(cache, alice, "secret"); })));
  const auto other = again([] { return TicketCache::in_memory(); });
  faults::need(
      carry_out(again([&] { return InitialTicket::with_password(other, alice, "secret", {.armor = &cache}); })));
  const auto answer = [](const LoginQuestion&) { return SecretBytes::copy_of("secret"); };
  faults::need(carry_out(again([&] { return InitialTicket::with_answers(other, alice, {.answers = answer}); })));
  static_cast<void>(again([&] {
    return InitialTicket::with_certificate(other, alice, "FILE:/nonexistent", {.anchors = "FILE:/nonexistent"});
  }));
  const auto bob = again([] { return Name::user("bob"); });  // whose tickets the KDC never makes renewable
  faults::need(carry_out(again([&] { return InitialTicket::with_password(other, bob, "hunter2"); })));
  faults::refused(carry_out(again([&] { return RenewedTicket::in(other); })));
  {
    static const std::string renewing = [&] {
      const faults::Pause pause;
      support::must(realm.kadmin("modprinc -maxrenewlife 1d alice\nmodprinc -maxrenewlife 1d krbtgt/GSSKEY.TEST"));
      const std::string path = realm.folder() + "/renewing.conf";
      support::must(test_detail::write_file(path, "[libdefaults]\n renew_lifetime = 1d\n"));
      return realm.krb5_conf() + ":" + path;
    }();
    const support::Environment configuration{"KRB5_CONFIG", renewing};
    faults::need(carry_out(again([&] { return InitialTicket::with_password(cache, alice, "secret"); })));
    faults::need(carry_out(again([&] { return RenewedTicket::in(cache); })));
  }
  const auto target = again([] { return Name::principal("host/localhost@GSSKEY.TEST"); });
  const auto target_of_proxy = again([] { return Name::principal("other/localhost@GSSKEY.TEST"); });
  faults::need(carry_out(again([&] { return ServiceTicket::for_target(cache, target); })));
  const auto own = again([] { return TicketCache::in_memory(); });
  const std::string keys = "FILE:" + realm.keytab();
  faults::need(carry_out(again([&] { return InitialTicket::with_keytab(own, target, keys.c_str()); })));
  faults::need(carry_out(again([&] { return ImpersonatedTicket::for_user(other, own, bob, keys.c_str()); })));
  faults::refused(carry_out(again([&] { return ImpersonatedTicket::for_target(other, own, target_of_proxy); })));
  faults::need(carry_out(again([&] { return ImpersonatedTicket::for_target(other, own, target); })));  // it is there
}
#endif

void of_principals() {
  const auto alice = again([] { return gsskey::Principal::parse("alice@GSSKEY.TEST"); });
  const auto name = again([&] { return alice.name(); });
  check(again([&] { return gsskey::Principal::from_name(name); }) == alice, "the principal of a name");
}

void of_pacs() {
  const std::string alice = support::pac_of_alice();
  check(again([&] { return gsskey::detail::read_pac(alice); })->logon.has_value(), "the PAC of a KDC of Samba");
  const auto ends = faults::pair<mech::Krb5>();
  check(again([&] { return Pac::from(ends.acceptor); }).client() != nullptr, "the PAC of a ticket");
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
    {"caches", &of_caches},
#if defined(GSSKEY_GSS_MIT)
    {"exchanges", &of_exchanges},
#endif
    {"principals", &of_principals},
    {"pacs", &of_pacs},
#if defined(GSSKEY_GSS_HEIMDAL)
    {"default_keytab", &default_keytab},
#endif
};

}  // namespace
