// Mechanisms as types, a user's own among them: what they accept and prefer.
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/security_context.hpp>

#include "support/catch.hpp"

using namespace gsskey;

namespace {

// Mechanisms.
static_assert(Mechanism<mech::Krb5> && Mechanism<mech::Spnego> && Mechanism<mech::Iakerb> && Mechanism<mech::Ntlmssp> &&
              Mechanism<mech::Any> && Mechanism<mech::Negotiate<mech::Krb5, mech::Ntlmssp>>);
static_assert(!Mechanism<int> && !Mechanism<Initiate> && !Mechanism<Oid>);
static_assert(mech::Krb5::oid == Oid{"1.2.840.113554.1.2.2"} && mech::Krb5::oid != mech::Spnego::oid);
static_assert(mech::Krb5::accepts(mech::Krb5::oid) && !mech::Krb5::accepts(mech::Ntlmssp::oid));
static_assert(mech::Negotiate<mech::Krb5, mech::Ntlmssp>::accepts(mech::Ntlmssp::oid));
static_assert(!mech::Negotiate<mech::Krb5>::accepts(mech::Ntlmssp::oid));
static_assert(!mech::Spnego::accepts(Oid{}) && !mech::Any::accepts(Oid{}));
template <class... Ms>
constexpr bool negotiates = requires { typename mech::Negotiate<Ms...>; };
static_assert(negotiates<mech::Krb5> && !negotiates<> && !negotiates<mech::Spnego> && !negotiates<mech::Any>);

/// A user's own mechanism.
struct Lipkey {
  static constexpr const char* name = "lipkey";
  static constexpr Oid oid{"1.3.6.1.5.5.9"};
  static constexpr bool negotiates = false;
  static constexpr ContextFlags acceptor_demand{ContextFlag::integrity};
  [[nodiscard]] static constexpr bool accepts(const Oid& actual) noexcept { return actual == oid; }
};
static_assert(Mechanism<Lipkey>);
static_assert(sizeof(SecurityContext<Lipkey>) == sizeof(gss_ctx_id_t));

}  // namespace

TEST_CASE("a negotiation accepts what it names, prefers the first, and demands what all of them report") {
  using First = mech::Negotiate<mech::Krb5, mech::Ntlmssp>;
  using Second = mech::Negotiate<mech::Ntlmssp, mech::Krb5>;
  CHECK(First::prefers(mech::Krb5::oid));
  CHECK_FALSE(First::prefers(mech::Ntlmssp::oid));
  CHECK(Second::prefers(mech::Ntlmssp::oid));
  CHECK(mech::Negotiate<mech::Iakerb>::accepts(mech::Krb5::oid));  // what an IAKERB context is in the end
  CHECK(mech::Spnego::accepts(Lipkey::oid));
  CHECK_FALSE(mech::Spnego::prefers(Lipkey::oid));
  CHECK(mech::Negotiate<mech::Krb5>::acceptor_demand == mech::Krb5::acceptor_demand);
  CHECK(First::acceptor_demand == mech::Ntlmssp::acceptor_demand);
  CHECK(First::acceptor_demand == Second::acceptor_demand);
  CHECK((First::oid == mech::Spnego::oid && std::string_view{First::name} == "spnego"));
  const auto offer = First::offer();
  REQUIRE(offer->count == 2);
  CHECK(Oid::copy_of(&offer->elements[0]) == mech::Krb5::oid);
  CHECK(Oid::copy_of(&offer->elements[1]) == mech::Ntlmssp::oid);
}
