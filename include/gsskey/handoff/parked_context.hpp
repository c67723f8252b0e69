// gsskey/handoff/parked_context: an established context goes to another process: sealed, with its key in the kernel,
// and taken by one.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/big_endian.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/context/expiring.hpp>
#include <gsskey/gss/context/export.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/credential/transfer.hpp>
#include <gsskey/gss/platform/gssproxy.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/handoff/envelope.hpp>
#include <gsskey/keyring/keyring.hpp>
#include <gsskey/keyring/ring_owner.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace handoff {
class ParkedContext;
}

namespace handoff_detail {
struct Parked;  // makes a ParkedContext

/// The description of the key that opens a parked context. Nothing in it is secret.
class KeyName {
 public:
  explicit KeyName(const SealKeyId& id) noexcept { detail::to_hex(id.bytes, detail::append(text_, prefix)); }
  [[nodiscard]] const char* c_str() const noexcept GSSKEY_LIFETIMEBOUND { return text_; }
  [[nodiscard]] std::size_t size() const noexcept { return sizeof text_ - 1; }

 private:
  GSSKEY_HIDDEN static constexpr std::string_view prefix = "gsskey-parked:";
  char text_[prefix.size() + 2 * sizeof SealKeyId::bytes + 1] = {};
};

/// What parking and claiming need of this process, whatever the context.
[[nodiscard]] inline Result<void> check_process(const char* operation) noexcept {
  if constexpr (!capabilities.context_export) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " cannot export contexts"));
  }
  if (gss_detail::is_proxied()) {
    return unexpected(Error::policy(operation, 0, "GSS_USE_PROXY: gssproxy crashes when it exports a context"));
  }
  return {};
}

/// Of a context what parking has to know. SecurityContext::inquire() would import names too, which takes longer than
/// all the rest.
struct Kind {
  Oid mechanism;
  bool is_initiator;
};
template <Mechanism M>
[[nodiscard]] inline Result<Kind> kind_of(const SecurityContext<M>& context) noexcept {
  constexpr const char* operation = "gss_inquire_context";
  if (!context) return unexpected(gsskey::detail::empty_context(operation));
  OM_uint32 minor = 0;
  gss_OID mechanism = GSS_C_NO_OID;
  int is_initiator = 0;
  const OM_uint32 major = gss_inquire_context(&minor, context.get(), nullptr, nullptr, nullptr, &mechanism, nullptr,
                                              &is_initiator, nullptr);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return Kind{Oid::copy_of(mechanism), is_initiator != 0};
}

/// What is sealed: length of the context (four bytes, big-endian), the context, the credential.
[[nodiscard]] inline Result<SecretBytes> joined(ByteView context, ByteView credential) noexcept {
  auto both = SecretBytes::with_size(4 + context.size() + credential.size());
  if (!both) return both;
  detail::to_big_endian(context.size(), both->data(), 4);
  std::memcpy(both->data() + 4, context.data(), context.size());
  if (!credential.empty()) std::memcpy(both->data() + 4 + context.size(), credential.data(), credential.size());
  return both;
}

/// Of what joined() made the context, and the rest: the credential, if one came along.
template <Mechanism M>
[[nodiscard]] inline Result<SecurityContext<M>> taken_apart(ByteView both, ByteView& credential) noexcept {
  detail::Reader in{both};
  ByteView exported;
  const bool is_whole = in.take_prefixed<4>(exported);
  credential = in.rest();
  return import_context<M>(is_whole ? exported : ByteView{});
}

/// What `look()` finds. While rings are hung up or taken down beside the one that something is in, the kernel overlooks
/// it now and then (Linux 6.18: it walks through the outer ring without a lock), and says ENOKEY, or EACCES as if this
/// thread did not possess it; the next look finds it.
template <class Look>
[[nodiscard]] inline auto looked_for(Look look) noexcept {
  for (int again = 4;; --again) {
    auto found = look();
    if (found || again == 0) return found;
    const auto error = static_cast<int>(found.error().minor_status());
    if (error != ENOKEY && error != EACCES) return found;
  }
}
/// By their numbers alone, which nobody else has.
[[nodiscard]] inline Result<void> unlink(AnyKeyRef key, KeyringRef box) noexcept {
  return looked_for([&]() -> Result<void> {
    if (keyctl_unlink(key.serial(), box.serial()) == 0) return {};
    return unexpected(Error::keyring("keyctl_unlink", errno, key.serial()));
  });
}

/// Opens `parked`, and takes the key out of its ring, which hangs in `ring`: of all that try, the kernel lets one
/// unlink it, and there is no other link, because it cannot be linked. It is read before, because then it is gone; a
/// claim that was too late forgets it, and what it opened. Killed in between, or short of memory, a process leaves what
/// it found.
template <Mechanism M>
[[nodiscard]] inline Result<SecretBytes> take(ByteView parked, const SealKeyId& id, KeyringRef ring) noexcept {
  const auto not_there = [](const Error& error) {
    switch (static_cast<int>(error.minor_status())) {
      case EKEYEXPIRED:
        return Error{error}.with_text(error.text(), "; the time to live of the parked context is over");
      case EACCES:
      case ENOENT:
      case ENOKEY:
      case EKEYREVOKED:
        return Error{error}.with_text(
            error.text(), "; the parked context was claimed or given up, or this thread does not possess the ring");
      default:
        return error;
    }
  };
  const KeyName name{id};
  const auto box = looked_for([&] { return ring.search<key_type::Keyring>(name); });
  if (!box) return unexpected(not_there(box.error()));
  const auto key = looked_for([&] { return box->template search<key_type::User>(name); });
  if (!key) return unexpected(not_there(key.error()));
  auto bytes = looked_for([&] { return key->read(); });
  if (!bytes) return unexpected(not_there(bytes.error()));
  const auto sealing = SealKey::from_bytes(*std::move(bytes));
  auto token = sealing ? open_seal<M>(*sealing, parked) : Result<SecretBytes>{unexpected(sealing.error())};
  if (!token && token.error().domain() == Domain::system) return token;
  if (auto taken = unlink(*key, *box); !taken) return unexpected(not_there(taken.error()));
  if (keyctl_unlink(box->serial(), ring.serial()) < 0) static_cast<void>(box->invalidate());  // it hangs deeper
  return token;
}
/// What joined() made, out of what was parked.
template <Mechanism M>
[[nodiscard]] inline Result<SecretBytes> unsealed(ByteView parked, KeyringRef ring) noexcept {
  if (auto can = check_process("handoff::claim"); !can) return unexpected(can.error());
  const auto id = SealKeyId::parse(parked);
  if (!id) return unexpected(id.error());
  return take<M>(parked, *id, ring);
}
}  // namespace handoff_detail

namespace handoff {

/// How a context is parked, and where it may be.
template <Mechanism M>
struct ParkOptions {
  /// How long it can be claimed; the kernel sees to it. Shorter if the context ends before.
  Seconds time_to_live = Seconds{30};
  /// What the initiator delegated (Accepted::delegated), to go along in the same seal; it stays good here too.
  /// nullptr: nothing goes along.
  const Credential<M, Initiate>* delegated = nullptr;
  /// The ring may be another user's, who can claim then (check_ring()).
  bool in_ring_of_another_user = false;
  /// The ring may be one that every process of this user has or can link, its default session above all, which a
  /// process has that joined none (check_ring()).
  bool in_ring_of_all_processes = false;
  /// What MIT krb5 adds to the lifetime of an acceptor's context (clockskew of krb5.conf): taken off again.
  Seconds acceptor_skew = Seconds{300};
};

/// What claim_all() gives.
template <Mechanism M>
struct Claimed {
  SecurityContext<M> context;
  Credential<M, Initiate> delegated;  ///< empty: none came along
};

/// A context that waits to be claimed. At its end, on a thread that possesses the ring, it gives up what was not
/// claimed: nobody can claim it then, not even those who have linked its ring elsewhere. Move-only.
/// Threads: one at a time. The end must come on a thread that possesses the ring.
/// Fork: a child's copy gives up nothing at its end; of all copies, one can be claimed.
/// Owner: of the key in the kernel, this object.
class [[nodiscard]] ParkedContext {
 public:
  /// Returns what claim() in another process takes: the sealed context. No secret to those who do not possess the ring.
  /// Owner: of the bytes, this object.
  /// Units: about 600 bytes, or 64 KiB with a large ticket.
  [[nodiscard]] ByteView bytes() const noexcept GSSKEY_LIFETIMEBOUND { return sealed_; }
  /// Returns where it was parked.
  [[nodiscard]] KeyringRef ring() const noexcept { return box_.ring(); }
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(box_); }

  /// Gives ownership up, and returns the bytes: from here on the key goes when it is claimed, or with the time to live.
  [[nodiscard]] SecretBytes release() && noexcept {
    static_cast<void>(std::move(box_).release());
    return std::move(sealed_);
  }

  ParkedContext(ParkedContext&&) noexcept = default;
  ParkedContext& operator=(ParkedContext&& other) noexcept {
    if (this != &other) {
      give_up();
      box_ = std::move(other.box_);
      key_ = other.key_;
      sealed_ = std::move(other.sealed_);
    }
    return *this;
  }
  ~ParkedContext() { give_up(); }

 private:
  ParkedContext(Key<key_type::Keyring> box, KeyRef<key_type::User> key, SecretBytes sealed) noexcept
      : box_{std::move(box)}, key_{key}, sealed_{std::move(sealed)} {}
  friend struct handoff_detail::Parked;

  /// Takes the key as a claim would: one of the two does, never both.
  void give_up() noexcept {
    if (!box_ || !box_.is_ours()) return;
    const int saved = errno;
    static_cast<void>(handoff_detail::unlink(key_, box_));
    errno = saved;
  }

  Key<key_type::Keyring> box_;  ///< a ring of its own, for nothing but the key
  KeyRef<key_type::User> key_;
  SecretBytes sealed_;
};

}  // namespace handoff

struct handoff_detail::Parked {
  [[nodiscard]] static handoff::ParkedContext with(Key<key_type::Keyring> box, KeyRef<key_type::User> key,
                                                   SecretBytes sealed) noexcept {
    return {std::move(box), key, std::move(sealed)};
  }
};

namespace handoff_detail {
/// Of what joined() made both.
template <Mechanism M>
[[nodiscard]] inline Result<handoff::Claimed<M>> all_taken_apart(ByteView both) noexcept {
  ByteView credential;
  auto context = taken_apart<M>(both, credential);
  if (!context) return unexpected(std::move(context).error());
  if (credential.empty()) return handoff::Claimed<M>{*std::move(context), {}};
  // SPNEGO's is the one that was delegated within.
  auto imported = import_credential<std::conditional_t<M::negotiates, mech::Krb5, M>, Initiate>(credential);
  if (!imported) return unexpected(std::move(imported).error());
  return handoff::Claimed<M>{*std::move(context), Credential<M, Initiate>::adopt(imported->release())};
}
}  // namespace handoff_detail

namespace handoff {

/// Parks a context in `ring`, for claim() in this process or another one: exports it, seals it with a key made for it
/// alone, and leaves that key in the ring, for the time to live, in a small ring of its own and with a mask that nobody
/// can change and that lets nobody link it: it is in one place, and of all that claim() one takes it from there.
///
/// Whoever possesses `ring` can claim, and nobody else: a ring of the session serves a process and its children, of
/// other users too. Whoever possesses it can also read the key, as claim() does: processes of one session are not
/// protected from each other. The key goes through the ring of the calling thread, which is made if there is none, and
/// is in `ring` only with its timeout: a process that is killed leaves nothing that outlives it. It takes two keys of
/// the user's quota.
/// Calls: gss_inquire_context, gss_context_time, gss_export_cred, gss_export_sec_context; keyctl_describe, add_key,
///   keyctl_set_timeout, keyctl_setperm, keyctl_move; those of seal().
/// Errors: usage, for an empty context, and for a time to live of 0; gss, RoutineError::context_expired too; keyring:
///   EACCES, if the calling thread does not possess `ring`, EDQUOT; policy, for a ring of another user or of all
///   processes unless the options say so, with GSS_USE_PROXY, and if OpenSSL refuses; system (ENOMEM); unavailable,
///   without Capabilities::context_export.
/// Owner: of the context, what comes back; `context` is empty then. On failure it is as before, or empty if
///   the implementation lost it or cannot take it back, and no key stays.
template <Mechanism M>
[[nodiscard]] inline Result<ParkedContext> park(SecurityContext<M>&& context, KeyringRef ring,
                                                ParkOptions<M> options = {}) noexcept {
  constexpr const char* operation = "handoff::park";
  if (auto can = handoff_detail::check_process(operation); !can) return unexpected(can.error());
  if (options.time_to_live == Seconds{}) return unexpected(Error::usage(operation, "a time to live of 0 seconds"));
  const auto info = handoff_detail::kind_of(context);
  if (!info) return unexpected(info.error());
  if (auto good = check_ring(ring, {.of_another_user = options.in_ring_of_another_user,
                                    .of_all_processes = options.in_ring_of_all_processes});
      !good) {
    return unexpected(good.error());
  }
  const auto lifetime = context.lifetime();
  if (!lifetime) return unexpected(lifetime.error());
  const Seconds skew = gss_detail::added_skew(info->is_initiator, info->mechanism, options.acceptor_skew);
  Seconds left = gss_detail::without_skew(*lifetime, skew);
  if (left == Seconds{}) return unexpected(gss_detail::context_expired<M>(operation));
  if (options.time_to_live < left) left = options.time_to_live;

  SecretBytes credential;
  if (options.delegated != nullptr && *options.delegated) {
    auto exported = export_credential(*options.delegated);
    if (!exported) return unexpected(exported.error());
    credential = *std::move(exported);
  }

  const auto sealing = SealKey::generate();
  if (!sealing) return unexpected(sealing.error());
  // Without the right to set attributes: nobody shall prolong it. Without the right to link: so it cannot be moved, and
  // goes to its place in a ring that can.
  constexpr auto mask =
      Permissions{}.possessor(Right::view | Right::read | Right::search).accepting(Risk::nobody_may_change_again);
  const auto own = Keyring::install_thread();
  if (!own) return unexpected(own.error());
  const handoff_detail::KeyName name{sealing->id()};
  auto box = own->create_through(*own, key_type::Keyring{name}, ByteView{}, {.timeout = left});
  if (!box) return unexpected(box.error());
  auto made = box->create_through(*box, key_type::User{name}, sealing->bytes(), {.permissions = mask, .timeout = left});
  if (!made) return unexpected(made.error());
  const auto key = std::move(*made).release();
  if (auto moved = box->move_to(ring); !moved) return unexpected(moved.error());
  if (auto seen = handoff_detail::looked_for([&] { return key.describe(); }); !seen) {  // by possession alone
    return unexpected(std::move(seen).error().with_text(
        "this thread does not possess the ring: nobody here could claim what is parked there"));
  }

  const auto exported = export_context(std::move(context));  // from here on the context is in the token
  if (!exported) return unexpected(exported.error());
  const auto token = handoff_detail::joined(*exported, credential);
  auto sealed = token ? seal(*sealing, *token, info->mechanism, left) : Result<SecretBytes>{unexpected(token.error())};
  if (!sealed) {
    if (auto again = import_context<M>(*exported)) context = *std::move(again);
    return unexpected(sealed.error());
  }
  return handoff_detail::Parked::with(*std::move(box), key, *std::move(sealed));
}

/// Takes a parked context: `parked` is ParkedContext::bytes(), `ring` where it was parked, or a ring that leads there.
/// Of all that call this, in whatever processes and through whatever rings, one gets the key, and whatever comes of it
/// then, nobody else will. Take `ring` from your own process and not from whoever sends the bytes: whoever can put a
/// key there can have any context claimed.
/// Calls: keyctl_search, keyctl_read, keyctl_unlink; gss_import_sec_context; those of open_seal().
/// Errors: keyring, if it is claimed already or over, or the ring not possessed; seal, of which seal_fault() tells what
///   is wrong; policy, with GSS_USE_PROXY, and if OpenSSL refuses; system (ENOMEM), and the context waits still; those
///   of import_context(); unavailable, without Capabilities::context_export.
template <Mechanism M>
[[nodiscard]] inline Result<SecurityContext<M>> claim(ByteView parked, KeyringRef ring) noexcept {
  const auto token = handoff_detail::unsealed<M>(parked, ring);
  if (!token) return unexpected(token.error());
  ByteView credential;
  return handoff_detail::taken_apart<M>(*token, credential);
}
/// Takes a parked context where its object is.
template <Mechanism M>
[[nodiscard]] inline Result<SecurityContext<M>> claim(const ParkedContext& parked) noexcept {
  return claim<M>(parked.bytes(), parked.ring());
}

/// Takes a parked context as claim() does, and the credential that came along.
/// Calls: those of claim(); gss_import_cred.
/// Errors: those of claim() and import_credential().
template <Mechanism M>
[[nodiscard]] inline Result<Claimed<M>> claim_all(ByteView parked, KeyringRef ring) noexcept {
  const auto token = handoff_detail::unsealed<M>(parked, ring);
  if (!token) return unexpected(token.error());
  return handoff_detail::all_taken_apart<M>(*token);
}
/// Takes all that was parked where its object is.
template <Mechanism M>
[[nodiscard]] inline Result<Claimed<M>> claim_all(const ParkedContext& parked) noexcept {
  return claim_all<M>(parked.bytes(), parked.ring());
}

}  // namespace handoff
GSSKEY_END_GSS_ABI
}  // namespace gsskey
