// What the types of gss/ are, and what they must not be. Nothing runs.
#include <gsskey/gss.hpp>
#include <gsskey/gss/context/export.hpp>
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
constexpr bool has_export = requires(T&& object) { export_context(std::move(object)); };
static_assert(has_wrap<Context> && !has_wrap<Initiator<mech::Krb5>> && !has_wrap<Acceptor<mech::Krb5>>);
static_assert(!has_step<Context> && has_step<Initiator<mech::Krb5>> && has_step<Acceptor<mech::Krb5>>);
static_assert(has_export<Context> && !has_export<Initiator<mech::Krb5>>);
// What consumes wants to be told so: an rvalue.
template <class T>
constexpr bool exports_lvalue = requires(T& object) { export_context(object); };
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

static_assert(static_cast<std::uint32_t>(RoutineError::bad_mech) == GSS_S_BAD_MECH);
static_assert(static_cast<std::uint32_t>(RoutineError::bad_mic) == GSS_S_BAD_MIC);
static_assert(static_cast<std::uint32_t>(RoutineError::name_not_mn) == GSS_S_NAME_NOT_MN);
static_assert(static_cast<std::uint32_t>(CallingError::bad_structure) == GSS_S_CALL_BAD_STRUCTURE);
static_assert(static_cast<std::uint32_t>(Supplementary::gap_token) == GSS_S_GAP_TOKEN);
static_assert(static_cast<std::uint32_t>(Supplementary::unsequenced_token) == GSS_S_UNSEQ_TOKEN);

}  // namespace

int main() {}
