// What is built with GSSKEY_GSS_APPLE, over the public part of Heimdal's headers: every header compiles, what is public
// works, what is private says so.
#include <gsskey/gss.hpp>
#include <gsskey/gss/context/expiring.hpp>
#include <gsskey/gss/context/export.hpp>
#include <gsskey/gss/context/in_place.hpp>
#include <gsskey/gss/context/options.hpp>
#include <gsskey/gss/context/ordering.hpp>
#include <gsskey/gss/context/prf.hpp>
#include <gsskey/gss/credential/impersonation.hpp>
#include <gsskey/gss/credential/options.hpp>
#include <gsskey/gss/credential/renewing.hpp>
#include <gsskey/gss/credential/transfer.hpp>
#include <gsskey/gss/mechanism_inquiry.hpp>
#include <gsskey/gss/name/attributes.hpp>
#include <gsskey/gss/name/local.hpp>
#include <gsskey/krb5/advice.hpp>
#include <gsskey/krb5/credential.hpp>
#include <gsskey/krb5/defaults.hpp>
#include <gsskey/krb5/enctype.hpp>
#include <gsskey/krb5/lucid.hpp>
#include <gsskey/krb5/status.hpp>
#include <gsskey/krb5/ticket.hpp>

#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

/// The call is refused without having been made, and says whose fault that is.
template <class T>
void check_unavailable(const Result<T>& result) {
  REQUIRE_FALSE(result);
  CHECK(result.error().domain() == Domain::unavailable);
  CHECK(result.error().text().find("Apple's GSS") != std::string_view::npos);
}

}  // namespace

TEMPLATE_TEST_CASE("handshake, messages, MICs, keys, and the context in another place", "", mech::Krb5, mech::Spnego,
                   mech::Negotiate<mech::Krb5>) {
  auto ends = support::pair<TestType>();
  CHECK(must(ends.acceptor.inquire()).mechanism == mech::Krb5::oid);
  CHECK(must(ends.acceptor.unwrap(must(ends.initiator.wrap("there")))).text() == "there");
  CHECK(must(ends.initiator.unwrap(must(ends.acceptor.wrap("back")))).text() == "back");
  must(ends.acceptor.verify_mic("signed", must(ends.initiator.get_mic("signed"))));
  CHECK(must(pseudo_random(ends.initiator, "label", 32)).text() ==
        must(pseudo_random(ends.acceptor, "label", 32)).text());
  auto moved = must(import_context<TestType>(must(export_context(std::move(ends.acceptor)))));
  CHECK(must(moved.unwrap(must(ends.initiator.wrap("later")))).text() == "later");
}

TEST_CASE("a password, a credential taken along, attributes of a mechanism") {
  support::realm();
  const auto bob = must(Credential<mech::Krb5, Initiate>::acquire_with_password(must(Name::user("bob")), "hunter2"));
  const auto ends =
      must(support::establish(Initiator<mech::Krb5>{support::target(), bob}, support::acceptor<mech::Krb5>()));
  CHECK(must(must(ends.acceptor.inquire()).initiator.display()).text() == support::realm().realm.principal("bob"));
  const auto exported = must(export_credential(support::initiator_credential<mech::Krb5>()));
  CHECK(must(import_credential<mech::Krb5, Initiate>(exported)));
  CHECK(must(indicate_mechanisms()).contains(mech::Krb5::oid));
  CHECK(must(attributes_of<mech::Krb5>()).attributes.contains(mech_attribute::wrap));
}

TEST_CASE("what is in private headers is unavailable") {
  auto ends = support::pair<mech::Krb5>();
  const auto info = must(ends.acceptor.inquire());
  check_unavailable(local_name<mech::Krb5>(info.initiator));
  check_unavailable(inquire_name(info.initiator));
  check_unavailable(ends.initiator.room());
  check_unavailable(ticket_flags(ends.initiator));
  check_unavailable(export_lucid(std::move(ends.initiator)));
  check_unavailable(set_thread_cache("MEMORY:mine"));
  check_unavailable(
      set_allowable_enctypes(support::initiator_credential<mech::Krb5>(), {Enctype::aes256_cts_hmac_sha1_96}));
  check_unavailable(store_credential(support::initiator_credential<mech::Krb5>()));
}
