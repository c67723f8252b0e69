// Mechanisms by their attributes and SASL names, and whether our mech:: types say what the library says.
#include <gsskey/gss/mechanism_inquiry.hpp>

#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

TEST_CASE("the SASL name of Kerberos, and back") {
  const auto name = must(sasl_name_of<mech::Krb5>());
  CHECK(name.sasl_name.text() == "GS2-KRB5");
  CHECK_FALSE(name.mechanism_name.empty());
  CHECK_FALSE(name.description.empty());
  CHECK(must(mechanism_for_sasl_name(name.sasl_name)) == mech::Krb5::oid);
}

TEST_CASE("a SASL name that no mechanism has") {
  for (const std::string_view name : {"GS2-NOPE", "GSSAPI", "GS2-KRB5-PLUS", "gs2-krb5", ""}) {
    CAPTURE(name);
    const auto mechanism = mechanism_for_sasl_name(name);
    REQUIRE_FALSE(mechanism);
    CHECK(mechanism.error().domain() == Domain::gss);
    CHECK(routine_error(mechanism.error()) == RoutineError::bad_mech);
    CHECK(std::string{mechanism.error().operation()} == "gss_inquire_mech_for_saslname");
  }
}

#if defined(GSSKEY_GSS_GNU)
TEST_CASE("GNU GSS has no mechanism attributes, and says so") {
  for (const Error& error : {attributes_of<mech::Krb5>().error(), indicate_mechanisms_by({}).error(),
                             display_attribute(mech_attribute::wrap).error()}) {
    CHECK(error.domain() == Domain::unavailable);
    CHECK(error.text() == "GNU GSS has no mechanism attributes");
  }
}
#else
namespace {

struct Nobody : mech::Krb5 {
  static constexpr Oid oid{"1.2.3.4.5"};
};

/// What the type says, and what the library says.
template <Mechanism M>
void check_claims() {
  const auto found = must(attributes_of<M>());
  CHECK(found.attributes.contains(mech_attribute::negotiates) == M::negotiates);
  CHECK(found.attributes.contains(mech_attribute::concrete) == !M::negotiates);
  CHECK(must(indicate_mechanisms()).contains(M::oid));
  if (M::negotiates) return;  // it has the attributes of what it negotiates
  struct {
    ContextFlag flag;
    Oid attribute;
  } const rows[] = {{ContextFlag::integrity, mech_attribute::integrity},
                    {ContextFlag::confidentiality, mech_attribute::confidentiality},
                    {ContextFlag::replay, mech_attribute::replay}};
  for (const auto& row : rows) {
    CAPTURE(row.attribute.to_text().view());
    CHECK(found.attributes.contains(row.attribute) ==
          (M::acceptor_demand.all() | M::acceptor_demand.one_of()).contains(row.flag));
  }
}

}  // namespace

TEST_CASE("the types of the mechanisms claim what the library says of them") {
  check_claims<mech::Krb5>();
  check_claims<mech::Spnego>();
  CHECK(must(indicate_mechanisms()).contains(mech::Iakerb::oid) == capabilities.iakerb);
  if constexpr (capabilities.iakerb) check_claims<mech::Iakerb>();
#if defined(GSSKEY_GSS_MIT)
  if (must(indicate_mechanisms()).contains(mech::Ntlmssp::oid)) check_claims<mech::Ntlmssp>();  // a plugin
#endif
}

TEST_CASE("what Kerberos can do") {
  const auto found = must(attributes_of<mech::Krb5>());
  for (const Oid& attribute :
       {mech_attribute::concrete, mech_attribute::framed, mech_attribute::authenticates_initiator,
        mech_attribute::authenticates_target, mech_attribute::delegation, mech_attribute::mic, mech_attribute::wrap,
        mech_attribute::protection_ready, mech_attribute::sequence, mech_attribute::channel_bindings,
        mech_attribute::context_transfer}) {
    CAPTURE(attribute.to_text().view());
    CHECK(found.attributes.contains(attribute));
    CHECK(found.known.contains(attribute));
  }
  for (const Oid& attribute : {mech_attribute::pseudo, mech_attribute::composite, mech_attribute::glue,
                               mech_attribute::not_mechanism, mech_attribute::deprecated, mech_attribute::not_default,
                               mech_attribute::anonymous_target, mech_attribute::compression}) {
    CAPTURE(attribute.to_text().view());
    CHECK_FALSE(found.attributes.contains(attribute));
  }
}

TEST_CASE("attributes by name: the constants are those of RFC 5587") {
  struct {
    Oid attribute;
    std::string_view name;
  } const rows[] = {
      {mech_attribute::concrete, "GSS_C_MA_MECH_CONCRETE"},
      {mech_attribute::pseudo, "GSS_C_MA_MECH_PSEUDO"},
      {mech_attribute::composite, "GSS_C_MA_MECH_COMPOSITE"},
      {mech_attribute::negotiates, "GSS_C_MA_MECH_NEGO"},
      {mech_attribute::glue, "GSS_C_MA_MECH_GLUE"},
      {mech_attribute::not_mechanism, "GSS_C_MA_NOT_MECH"},
      {mech_attribute::deprecated, "GSS_C_MA_DEPRECATED"},
      {mech_attribute::not_default, "GSS_C_MA_NOT_DFLT_MECH"},
      {mech_attribute::framed, "GSS_C_MA_ITOK_FRAMED"},
      {mech_attribute::authenticates_initiator, "GSS_C_MA_AUTH_INIT"},
      {mech_attribute::authenticates_target, "GSS_C_MA_AUTH_TARG"},
      {mech_attribute::authenticates_initiator_initially, "GSS_C_MA_AUTH_INIT_INIT"},
      {mech_attribute::authenticates_target_initially, "GSS_C_MA_AUTH_TARG_INIT"},
      {mech_attribute::anonymous_initiator, "GSS_C_MA_AUTH_INIT_ANON"},
      {mech_attribute::anonymous_target, "GSS_C_MA_AUTH_TARG_ANON"},
      {mech_attribute::delegation, "GSS_C_MA_DELEG_CRED"},
      {mech_attribute::integrity, "GSS_C_MA_INTEG_PROT"},
      {mech_attribute::confidentiality, "GSS_C_MA_CONF_PROT"},
      {mech_attribute::mic, "GSS_C_MA_MIC"},
      {mech_attribute::wrap, "GSS_C_MA_WRAP"},
      {mech_attribute::protection_ready, "GSS_C_MA_PROT_READY"},
      {mech_attribute::replay, "GSS_C_MA_REPLAY_DET"},
      {mech_attribute::sequence, "GSS_C_MA_OOS_DET"},
      {mech_attribute::channel_bindings, "GSS_C_MA_CBINDINGS"},
      {mech_attribute::forward_secrecy, "GSS_C_MA_PFS"},
      {mech_attribute::compression, "GSS_C_MA_COMPRESS"},
      {mech_attribute::context_transfer, "GSS_C_MA_CTX_TRANS"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const auto text = must(display_attribute(row.attribute));
    CHECK(text.name.text() == row.name);
    CHECK_FALSE(text.short_description.empty());
  }
  for (const Oid& other : {mech::Krb5::oid, Oid{}}) {
    const auto text = display_attribute(other);
    REQUIRE_FALSE(text);
    CHECK(routine_error(text.error()) == RoutineError::bad_mech_attr);
    CHECK(std::string{text.error().operation()} == "gss_display_mech_attr");
  }
}

TEST_CASE("mechanisms are found by what they have, have not and know of") {
  const auto all = must(indicate_mechanisms_by({}));
  CHECK(all.contains(mech::Krb5::oid));
  CHECK(all.contains(mech::Spnego::oid));
  const auto negotiating = must(indicate_mechanisms_by({.desired = raw_oid_set<mech_attribute::negotiates>()}));
  CHECK(negotiating.size() == 1);
  CHECK(negotiating.contains(mech::Spnego::oid));
  const auto protecting =
      must(indicate_mechanisms_by({.desired = raw_oid_set<mech_attribute::wrap, mech_attribute::mic>(),
                                   .except = raw_oid_set<mech_attribute::not_default>()}));
  CHECK(protecting.contains(mech::Krb5::oid));
  CHECK_FALSE(protecting.contains(mech::Spnego::oid));
  CHECK_FALSE(protecting.contains(mech::Iakerb::oid));
  const auto others = must(indicate_mechanisms_by({.except = raw_oid_set<mech_attribute::wrap>()}));
  CHECK_FALSE(others.contains(mech::Krb5::oid));
  CHECK(others.contains(mech::Spnego::oid));
  CHECK(must(indicate_mechanisms_by({.critical = raw_oid_set<mech_attribute::wrap>()})).contains(mech::Krb5::oid));
  CHECK(must(indicate_mechanisms_by({.critical = raw_oid_set<mech::Krb5::oid>()})).size() == 0);
}

TEST_CASE("a mechanism that is not there") {
  const auto found = attributes_of<Nobody>();
  REQUIRE_FALSE(found);
  CHECK(routine_error(found.error()) == RoutineError::bad_mech);
  CHECK(std::string{found.error().operation()} == "gss_inquire_attrs_for_mech");
}

TEST_CASE("SPNEGO has a SASL name too") {
  const auto name = must(sasl_name_of<mech::Spnego>());
  CHECK(name.sasl_name.text() == "SPNEGO");
  CHECK(must(mechanism_for_sasl_name(name.sasl_name)) == mech::Spnego::oid);
}
#endif
