// tests/faults/inquiries: what else names, credentials, contexts and mechanisms can be asked, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>
#include <gsskey/gss/context/export.hpp>
#include <gsskey/gss/context/options.hpp>
#include <gsskey/gss/credential/add.hpp>
#include <gsskey/gss/credential/impersonation.hpp>
#include <gsskey/gss/credential/options.hpp>
#include <gsskey/gss/credential/renewing.hpp>
#include <gsskey/gss/credential/transfer.hpp>
#include <gsskey/gss/mechanism_inquiry.hpp>
#include <gsskey/gss/name/attributes.hpp>
#include <gsskey/gss/name/local.hpp>
#include <gsskey/krb5/defaults.hpp>
#include <gsskey/krb5/enctype.hpp>
#include <gsskey/krb5/lucid.hpp>
#include <gsskey/krb5/ticket.hpp>

#include <cstdlib>
#include <string>
#include <utility>

#include "faults/faults.hpp"
#include "faults/pair.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using faults::again;
using faults::check;
using faults::need;
using faults::where_possible;
using mech::Krb5;
using mech::Spnego;

namespace {

constexpr Oid protects_messages{"1.3.6.1.5.5.13.18"};
constexpr Oid unknown_option{"1.2.3.4"};

void mechanisms() {
  check(again([] { return indicate_mechanisms(); }).size() > 0, "mechanisms");
  check(again([] { return name_types_of<Krb5>(); }).size() > 0, "name types");
  const auto alice = again([] { return Name::user("alice"); });
  where_possible([&] { return mechanisms_for(alice); });
  where_possible([] { return attributes_of<Krb5>(); });
  where_possible([] { return indicate_mechanisms_by({}); });
  where_possible([] { return display_attribute(protects_messages); });
  where_possible([] { return sasl_name_of<Krb5>(); });
  where_possible([] { return mechanism_for_sasl_name("GS2-KRB5"); });
}

void names() {
  const auto plain = again([] { return Name::user("alice"); });
  auto alice = again([&] { return plain.canonicalize<Krb5>(); });
  where_possible([&] { return local_name<Krb5>(alice); });
  where_possible([&] { return local_uid<Krb5>(alice); });
  where_possible([&] { return may_act_as(alice, plain); });
  where_possible([&] { return may_act_as(alice, "alice"); });
  where_possible([&] { return inquire_name(alice); });
  where_possible([&] { return name_attribute(alice, "urn:none"); });
  where_possible([&] { return set_name_attribute(alice, "urn:none", "x"); });
  where_possible([&] { return delete_name_attribute(alice, "urn:none"); });
  where_possible([&] { return export_name_composite(alice); });
  where_possible([&] { return display_name_as<name_type::user>(alice); });
}

void credentials() {
  const auto alice = again([] { return Name::user("alice"); });
  auto fresh = again([&] { return Credential<Krb5, Initiate>::acquire_with_password(alice, "secret"); });
  check(!again([&] { return fresh.inquire(); }).lifetime.is_indefinite(), "a ticket ends");
  where_possible([&] { return Credential<Krb5, Initiate>::acquire(alice); });
  const std::string cache = std::getenv("KRB5CCNAME");
  where_possible([&] { return Credential<Krb5, Initiate>::acquire_from({.ccache = cache.c_str()}); });
  where_possible([&] { return Credential<Krb5, Initiate>::acquire_from({.ccache = cache.c_str()}, alice); });
  where_possible([&] { return inquire_use(fresh); });
  where_possible([&] { return inquire_credential<unknown_option>(fresh); });
  where_possible([&] { return set_no_ci_flags(fresh); });
  where_possible([&] { return set_allowable_enctypes(fresh, {Enctype::aes256_cts_hmac_sha1_96}); });
  where_possible([&] { return impersonator(fresh); });
  where_possible([&] { return impersonate(fresh, alice); });
  const auto key = again([] { return Credential<Krb5, Accept>::acquire_default(); });
  where_possible([&] { return add_credential<Spnego>(key); });
  where_possible([&] { return add_credential<Spnego>(fresh, {.ccache = cache.c_str()}); });
  where_possible([] { return set_process_keytab(nullptr); });
  where_possible([&] { return set_thread_cache(cache.c_str()); });
  const std::string other = cache + "-faults";
  where_possible([&] { return store_credential_into(fresh, {.ccache = other.c_str()}, {.overwrite = true}); });
  where_possible([&] { return store_credential(fresh, {.overwrite = true}); });
  RenewingCredential renewing{[] { return Credential<Krb5, Initiate>::acquire_default(); }};
  const auto lease = need(renewing.lease());  // it tries again after a second
  check(static_cast<bool>(*lease), "the credential of a lease");
  static_cast<void>(again([&] { return renewing.renew(); }));
}

using Corporate = mech::Negotiate<mech::Krb5>;
void negotiated() {
  const auto key = again([] { return Credential<Corporate, Accept>::acquire_default(); });
  const auto ticket = again([] { return Credential<Corporate, Initiate>::acquire_default(); });
  Initiator<Corporate> initiator{again([] { return Name::host_service("host", "localhost"); }), ticket};
  Acceptor<Corporate> acceptor{key};
  faults::step_all(initiator, acceptor);
  auto ours = need(std::move(initiator).establish());
  auto theirs = need(std::move(acceptor).establish());
  check(need(theirs.unwrap(need(ours.wrap("negotiated")))).text() == "negotiated", "a message");
}

void contexts() {
  auto ends = faults::pair<Krb5>();
  auto& [ours, theirs] = ends;
  where_possible([&] { return ticket_flags(theirs); });
  where_possible([&] { return authentication_time(theirs); });
  where_possible([&] { return authorization_data(theirs, 1); });
  where_possible([&] { return set_context_option<unknown_option>(ours, "x"); });
  auto lucid = export_lucid(std::move(ours));
  if (!lucid) {
    faults::note(lucid.error());
    if (ours) lucid = export_lucid(std::move(ours));
  }
}

/// What really fails, so that something fails while it is told.
void errors() {
  auto ends = faults::pair<Krb5>();
  faults::refused(ends.acceptor.unwrap("no token"));
  faults::refused(import_context<Krb5>("no context"));
  faults::refused(Credential<Krb5, Initiate>::acquire_with_password(need(Name::user("alice")), "wrong"));
  Acceptor<Krb5> acceptor;
  check(!acceptor.step("no token"), "what is no token is refused");
}

const faults::Register registered[] = {
    {"mechanisms", &mechanisms}, {"more_of_names", &names},       {"more_of_credentials", &credentials},
    {"negotiated", &negotiated}, {"more_of_contexts", &contexts}, {"errors", &errors},
};

}  // namespace
