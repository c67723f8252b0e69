// What the types of gss/ are, and what they must not be. Nothing runs.
#include <gsskey/gss.hpp>
#include <gsskey/gss/fwd.hpp>

#include <type_traits>
#include <utility>

using namespace gsskey;

namespace {

using Context = SecurityContext<mech::Krb5>;
using Client = Credential<mech::Krb5, Initiate>;
using Server = Credential<mech::Krb5, Accept>;
using Twin = Credential<mech::Krb5, Both>;

// Owners cost what the handle costs, and have one owner.
template <class Owner, class Handle>
constexpr bool is_owner_of =
    sizeof(Owner) == sizeof(Handle) && std::is_nothrow_move_constructible_v<Owner> &&
    std::is_nothrow_move_assignable_v<Owner> && !std::is_copy_constructible_v<Owner> &&
    !std::is_copy_assignable_v<Owner> && !std::is_convertible_v<Owner, Handle> && !std::is_convertible_v<Handle, Owner>;
static_assert(is_owner_of<Context, gss_ctx_id_t>);
static_assert(is_owner_of<SecurityContext<mech::Negotiate<mech::Krb5, mech::Ntlmssp>>, gss_ctx_id_t>);
static_assert(is_owner_of<Client, gss_cred_id_t>);
static_assert(is_owner_of<Name, gss_name_t>);
static_assert(is_owner_of<MechName<mech::Krb5>, gss_name_t>);
static_assert(is_owner_of<OidSet, gss_OID_set>);
static_assert(is_owner_of<Buffer, gss_buffer_desc>);
static_assert(sizeof(CredentialRef<mech::Krb5, Accept>) == sizeof(gss_cred_id_t));

// A handshake moves between threads and legs, and is no context.
static_assert(std::is_nothrow_move_constructible_v<Initiator<mech::Krb5>>);
static_assert(std::is_nothrow_move_assignable_v<Acceptor<mech::Spnego>>);
static_assert(!std::is_copy_constructible_v<Initiator<mech::Krb5>>);
template <class T>
constexpr bool has_wrap = requires(T& object) { object.wrap(ByteView{}); };
template <class T>
constexpr bool has_step = requires(T& object) { object.step(ByteView{}); };
template <class T>
constexpr bool has_export = requires(T&& object) { std::move(object).export_context(); };
static_assert(has_wrap<Context> && !has_wrap<Initiator<mech::Krb5>> && !has_wrap<Acceptor<mech::Krb5>>);
static_assert(!has_step<Context> && has_step<Initiator<mech::Krb5>> && has_step<Acceptor<mech::Krb5>>);
static_assert(has_export<Context> && !has_export<Initiator<mech::Krb5>>);
// What consumes wants to be told so: an rvalue.
template <class T>
constexpr bool exports_lvalue = requires(T& object) { object.export_context(); };
static_assert(!exports_lvalue<Context>);

// Credentials cross neither mechanisms nor sides; temporaries are not borrowed.
template <class M, class U, class From>
constexpr bool lends = std::is_constructible_v<CredentialRef<M, U>, From>;
static_assert(lends<mech::Krb5, Initiate, const Client&>);
static_assert(lends<mech::Krb5, Initiate, const Twin&> && lends<mech::Krb5, Accept, const Twin&>);
static_assert(!lends<mech::Krb5, Accept, const Client&> && !lends<mech::Krb5, Initiate, const Server&>);
static_assert(!lends<mech::Spnego, Accept, const Server&> && !lends<mech::Krb5, Both, const Server&>);
static_assert(!lends<mech::Negotiate<mech::Krb5>, Initiate, const Client&>);
static_assert(!lends<mech::Krb5, Initiate, Client> && !lends<mech::Krb5, Accept, Twin>);
static_assert(!std::is_constructible_v<Client, Twin>);

// Where the credential says what may be negotiated, there is none by default: an Acceptor without arguments is empty.
static_assert(std::is_constructible_v<Acceptor<mech::Krb5>>);
static_assert(
    !std::is_constructible_v<Acceptor<mech::Negotiate<mech::Krb5>>, AcceptorOptions<mech::Negotiate<mech::Krb5>>>);
static_assert(!std::is_constructible_v<Initiator<mech::Negotiate<mech::Krb5>>, Name>);

// Only a mechanism name is exported.
template <class N>
constexpr bool exports = requires(const N& name) { name.export_name(); };
static_assert(exports<MechName<mech::Krb5>> && !exports<Name>);

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

// Options: what is demanded by default, and that it can be replaced.
static_assert(InitiatorOptions{}.demand == ContextFlags{ContextFlag::mutual, ContextFlag::confidentiality,
                                                        ContextFlag::integrity, ContextFlag::replay,
                                                        ContextFlag::sequence});
static_assert(AcceptorOptions<mech::Krb5>{}.demand ==
              ContextDemand{ContextFlag::integrity, ContextFlag::confidentiality}.and_one_of(ContextFlag::replay |
                                                                                             ContextFlag::sequence));
static_assert(AcceptorOptions<mech::Negotiate<mech::Krb5, mech::Ntlmssp>>{}.demand ==
              ContextDemand{ContextFlag::integrity, ContextFlag::confidentiality});
static_assert(AcceptorOptions<mech::Krb5>{.demand = {}}.demand.empty());
static_assert(ContextFlags::from_bits(0x40000020).contains(ContextFlag::integrity));
static_assert(ContextFlags::from_bits(0x40000020).without(ContextFlag::integrity).bits() == 0x40000000);

// The flags are those of the C header.
static_assert(static_cast<unsigned>(ContextFlag::delegate) == GSS_C_DELEG_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::mutual) == GSS_C_MUTUAL_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::replay) == GSS_C_REPLAY_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::sequence) == GSS_C_SEQUENCE_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::confidentiality) == GSS_C_CONF_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::integrity) == GSS_C_INTEG_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::anonymous) == GSS_C_ANON_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::prot_ready) == GSS_C_PROT_READY_FLAG);
static_assert(static_cast<unsigned>(ContextFlag::transferable) == GSS_C_TRANS_FLAG);
static_assert(static_cast<std::uint32_t>(RoutineError::bad_mech) == GSS_S_BAD_MECH);
static_assert(static_cast<std::uint32_t>(RoutineError::bad_mic) == GSS_S_BAD_MIC);
static_assert(static_cast<std::uint32_t>(RoutineError::name_not_mn) == GSS_S_NAME_NOT_MN);
static_assert(static_cast<std::uint32_t>(CallingError::bad_structure) == GSS_S_CALL_BAD_STRUCTURE);
static_assert(static_cast<std::uint32_t>(Supplementary::gap_token) == GSS_S_GAP_TOKEN);
static_assert(static_cast<std::uint32_t>(Supplementary::unsequenced_token) == GSS_S_UNSEQ_TOKEN);

}  // namespace

int main() {}
