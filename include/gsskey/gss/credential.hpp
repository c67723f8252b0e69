// gsskey/gss/credential: what one authenticates with, typed by mechanism and by the side that it is for.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/core/unique_handle.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/credential_store.hpp>
#include <gsskey/gss/detail/about_place.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/platform/keytab_guard.hpp>
#include <gsskey/gss/usage.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
struct CredentialTraits {
  using Handle = gss_cred_id_t;
  static constexpr Handle none = nullptr;
  static void close(Handle credential) noexcept {
    forget_keytab(credential);
    OM_uint32 minor = 0;
    (void)gss_release_cred(&minor, &credential);
  }
};

/// Whether the environment says that caches are in a directory; asked only where that matters.
[[nodiscard]] inline bool has_cache_directory() noexcept {
  const char* cache = variable("KRB5CCNAME");
  return cache != nullptr && std::strncmp(cache, "DIR:", 4) == 0;
}

/// gss_set_neg_mechs: what a new credential of mech::Negotiate offers.
template <Mechanism M>
[[nodiscard]] inline Result<void> limit_offer(gss_cred_id_t credential) noexcept {
  if constexpr (capabilities.neg_mechs && LimitsOffer<M>) {
    OM_uint32 minor = 0;
    const OM_uint32 major = gss_detail::gss_set_neg_mechs(&minor, credential, M::offer());
    if (major != GSS_S_COMPLETE) return unexpected(failed_call_of<M>("gss_set_neg_mechs", major, minor));
  }
  return {};
}
}  // namespace gss_detail

/// What inquire() says of a credential.
struct CredentialInfo {
  Name name;         ///< of an acceptor for all keys of a keytab one of them (MIT krb5); Heimdal: empty for acceptors
  Seconds lifetime;  ///< of the initiating part; 0: expired
  OidSet mechanisms;
};

template <Mechanism M>
class Initiator;

/// Owns a credential of mechanism M for the side U. Move-only; empty by default and after a move, and refused then
/// wherever a credential is needed: empty never means "the default". It is never converted to another mechanism,
/// because MIT krb5 would silently use the default credential instead. It dies with its ticket: RenewingCredential
/// (gss/credential/renewing.hpp) does not. Of a cache in a file Heimdal reads whatever is there at each handshake:
/// where another user's tickets were put in its place, it initiates as that user.
/// Calls: gss_release_cred, when it goes.
/// Errors: gss, with the name in its words where one was given; usage, for an empty name; unavailable; system, on
///   Heimdal, for a keytab that cannot be looked at (KnownFaults::keytabs_crash).
/// Blocks: in what acquires, on files, DNS and a KDC.
/// Threads: any number, also at the same time.
/// Fork: a child of a process with one thread uses and releases it as its parent does. Where another thread was in the
///   library at the fork, MIT krb5's locks stay locked in the child for ever: any call may hang there, that which
///   releases it too. Fork before there are threads, or end the child with _exit() or exec.
/// Owner: of the gss_cred_id_t, until release().
template <Mechanism M, Usage U>
class Credential {
  template <class T>
  using Result = detail::Dependent<gsskey::Result<T>, M>;  // the same type; only who calls a function pays for it

 public:
  Credential() noexcept = default;

  /// Acquires the default credential for M: of initiators that of the default cache, of acceptors every key of the
  /// default keytab. It stays that, whatever becomes of the environment: with KnownFaults::default_is_chosen_late an
  /// initiator's would be chosen at the first use and by the target (.k5identity), so it is asked at once, which reads
  /// the cache (some 30 us, once), and asks a KDC if there is a client keytab and no ticket. An Initiator without a
  /// credential chooses by the target.
  /// Calls: gss_acquire_cred; with that fault gss_inquire_cred.
  /// Errors: gss, system, unavailable, as of the class.
  /// See: RFC 2744 section 5.2.
  [[nodiscard]] static Result<Credential> acquire_default() noexcept {
    auto credential = acquire_unresolved();
    if constexpr (known_faults.default_is_chosen_late && !std::same_as<U, Accept>) {
      if (!credential) return credential;
      OM_uint32 minor = 0;
      OM_uint32 lifetime = 0;
      const OM_uint32 major = gss_inquire_cred(&minor, credential->get(), nullptr, &lifetime, nullptr, nullptr);
      if (major != GSS_S_COMPLETE && (major & 0x00ff0000u) != GSS_S_CREDENTIALS_EXPIRED) {
        return unexpected(
            gss_detail::about_place<M>(gss_detail::failed_call_of<M>("gss_inquire_cred", major, minor), false));
      }
    }
    return credential;
  }
  /// Acquires the credential of `name`.
  /// Calls: gss_acquire_cred; with KnownFaults::acquire_releases_bad_name gss_duplicate_name too.
  /// Errors: those of the class; unavailable too, with KnownFaults::names_crash_in_directories for initiators where
  ///   KRB5CCNAME is "DIR:…".
  /// See: RFC 2744 section 5.2.
  [[nodiscard]] static Result<Credential> acquire(const Name& name) noexcept {
    if (!name) return unexpected(no_name("gss_acquire_cred"));
    if constexpr (known_faults.acquire_releases_bad_name) {
      auto copy = name.duplicate<detail::Dependent<Name, M>>();
      if (!copy) return unexpected(copy.error());
      auto credential = named(name, acquire_raw(copy->get()));
      if (!credential && routine_error(credential.error()) == RoutineError::bad_name)
        static_cast<void>(copy->release());
      return credential;
    }
    if constexpr (known_faults.names_crash_in_directories && !std::same_as<U, Accept>) {
      if (gss_detail::has_cache_directory()) {
        return unexpected(Error::unavailable(
            "gss_acquire_cred", GSSKEY_GSS_NAME " crashes on a directory of caches: let KRB5CCNAME name one file"));
      }
    }
    return named(name, acquire_raw(name.get()));
  }
  /// Acquires the default credential of what `store` names, for which the environment is not asked.
  /// Calls: gss_acquire_cred_from.
  /// Errors: those of the class; usage too, if `store` names nothing; unavailable, without
  ///   Capabilities::credential_store.
  [[nodiscard]] static Result<Credential> acquire_from(const CredentialStore& store) noexcept {
    return acquire_from_raw(GSS_C_NO_NAME, store);
  }
  /// Acquires the credential of `name` from what `store` names.
  [[nodiscard]] static Result<Credential> acquire_from(const CredentialStore& store, const Name& name) noexcept {
    if (!name) return unexpected(no_name("gss_acquire_cred_from"));
    return named(name, acquire_from_raw(name.get(), store));
  }
  /// Acquires the credential of `name` by its password. Some mechanisms ask the KDC only when the credential is first
  /// used: a wrong password can show as late as there.
  /// Calls: gss_acquire_cred_with_password.
  /// Errors: those of the class; usage too, for more than limits.password, and for none; unavailable, without
  ///   Capabilities::password, and for SPNEGO with KnownFaults::spnego_refuses_derived_credentials.
  /// Owner: of `password`, the caller, who is to wipe it.
  [[nodiscard]] static Result<Credential> acquire_with_password(const Name& name, ByteView password) noexcept
    requires(!std::same_as<U, Accept>)
  {
    constexpr const char* operation = "gss_acquire_cred_with_password";
    if (!name) return unexpected(no_name(operation));
    if constexpr (!capabilities.password) {
      return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_acquire_cred_with_password"));
    }
    if constexpr (known_faults.spnego_refuses_derived_credentials && M::negotiates) {
      return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " negotiates with no password: use mech::Krb5"));
    }
    if (password.empty()) return unexpected(Error::usage(operation, "the password is empty"));
    if (!limits.password.admits(password.size())) return unexpected(gss_detail::too_long(operation, limits.password));
    gss_buffer_desc raw_password = gss_detail::borrow(password);
    OM_uint32 minor = 0;
    Credential credential;
    const OM_uint32 major = gss_detail::gss_acquire_cred_with_password(
        &minor, name.get(), &raw_password, GSS_C_INDEFINITE, gss_detail::desired_mechs<M>(), U::usage,
        credential.handle_.put(), static_cast<gss_OID_set*>(nullptr), static_cast<OM_uint32*>(nullptr));
    return named(name, finish(operation, major, minor, std::move(credential), {}));
  }

  /// Takes a credential over that a gss_* call returned; that it is one of M is the caller's word.
  [[nodiscard]] static Credential adopt(gss_cred_id_t raw) noexcept {
    Credential credential;
    credential.handle_ = decltype(handle_)::adopt(raw);
    return credential;
  }
  [[nodiscard]] gss_cred_id_t get() const noexcept GSSKEY_LIFETIMEBOUND { return handle_.get(); }
  /// Gives the credential up: the caller owns it.
  [[nodiscard]] gss_cred_id_t release() noexcept {
    gss_detail::forget_keytab(handle_.get());
    return handle_.release();
  }
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

  /// Returns name, lifetime and mechanisms.
  /// Calls: gss_inquire_cred.
  /// Errors: usage, if it is empty; gss.
  /// Blocks: on files; with MIT krb5 on a KDC, if there is a client keytab and no ticket.
  /// See: RFC 2744 section 5.21.
  [[nodiscard]] Result<CredentialInfo> inquire() const noexcept {
    if (!handle_) return unexpected(empty("gss_inquire_cred"));
    OM_uint32 minor = 0;
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 lifetime = 0;
    CredentialInfo info;
    constexpr bool asks_name = !known_faults.acceptor_names_crash || U::usage != GSS_C_ACCEPT;
    const OM_uint32 major =
        gss_inquire_cred(&minor, handle_.get(), asks_name ? &name : nullptr, &lifetime, nullptr, info.mechanisms.put());
    info.name = Name::adopt(name);
    info.lifetime = Seconds{lifetime};
    if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>("gss_inquire_cred", major, minor));
    return info;
  }
  /// Returns how long it is good for; 0 when it has expired.
  /// Calls: gss_inquire_cred.
  /// Errors: usage, if it is empty; gss.
  /// Blocks: as inquire() does.
  [[nodiscard]] Result<Seconds> lifetime() const noexcept {
    if (!handle_) return unexpected(empty("gss_inquire_cred"));
    OM_uint32 minor = 0;
    OM_uint32 lifetime = 0;
    const OM_uint32 major = gss_inquire_cred(&minor, handle_.get(), nullptr, &lifetime, nullptr, nullptr);
    if ((major & 0x00ff0000u) == GSS_S_CREDENTIALS_EXPIRED) return Seconds{};
    if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>("gss_inquire_cred", major, minor));
    return Seconds{lifetime};
  }

 private:
  [[nodiscard]] static Error no_name(const char* operation) noexcept { return gsskey::detail::empty_name(operation); }
  [[nodiscard]] static Error empty(const char* operation) noexcept {
    return gsskey::detail::empty_credential(operation);
  }
  template <Mechanism>
  friend class Initiator;
  template <Mechanism, Usage>
  friend class Credential;
  [[nodiscard]] static Result<Credential> acquire_unresolved() noexcept { return acquire_raw(GSS_C_NO_NAME); }
  /// With the name in the error.
  [[nodiscard]] static Result<Credential> named(const Name& name, Result<Credential> credential) noexcept {
    if (!credential) return unexpected(gss_detail::about(name, std::move(credential).error()));
    return credential;
  }
  [[nodiscard]] static Result<Credential> acquire_raw(gss_name_t name) noexcept {
    if constexpr (!capabilities.initiator_credentials && !std::same_as<U, Accept>) {
      return unexpected(Error::unavailable(
          "gss_acquire_cred", GSSKEY_GSS_NAME " has only the default credential: give the Initiator none"));
    }
    // Who initiates and has no ticket uses the keytab, too.
    if (auto checked = gss_detail::check_keytab_of<M>("gss_acquire_cred", nullptr); !checked) {
      return unexpected(std::move(checked).error());
    }
    OM_uint32 minor = 0;
    Credential credential;
    const OM_uint32 major = gss_acquire_cred(&minor, name, GSS_C_INDEFINITE, gss_detail::desired_mechs<M>(), U::usage,
                                             credential.handle_.put(), nullptr, nullptr);
    auto finished = finish("gss_acquire_cred", major, minor, std::move(credential), {},
                           [name] { return Credential<mech::Krb5, U>::acquire_raw(name); });
    if constexpr (known_faults.keytabs_crash && !std::same_as<U, Initiate>) {
      if (!finished) return finished;
      if (auto kept = gss_detail::remember_keytab("gss_acquire_cred", finished->get()); !kept) {
        return unexpected(std::move(kept).error());
      }
    }
    return finished;
  }
  [[nodiscard]] static Result<Credential> acquire_from_raw(gss_name_t name, const CredentialStore& store) noexcept {
    constexpr const char* operation = "gss_acquire_cred_from";
    if constexpr (!capabilities.credential_store) {
      return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_acquire_cred_from"));
    }
    const gss_detail::KeyValueList options{store};
    if (options.empty()) return unexpected(Error::usage(operation, "the credential store names nothing"));
    if (store.password != nullptr && *store.password == '\0') {
      return unexpected(Error::usage(operation, "the password is empty"));
    }
    OM_uint32 minor = 0;
    Credential credential;
    const OM_uint32 major = gss_detail::gss_acquire_cred_from(
        &minor, name, GSS_C_INDEFINITE, gss_detail::desired_mechs<M>(), U::usage, options.get(),
        credential.handle_.put(), static_cast<gss_OID_set*>(nullptr), static_cast<OM_uint32*>(nullptr));
    return finish(operation, major, minor, std::move(credential), store,
                  [&] { return Credential<mech::Krb5, U>::acquire_from_raw(name, store); });
  }
  /// Checks the call, and limits what a Negotiate credential offers. `of_krb5`: the same for Kerberos alone. Of a
  /// password there is none: a wrong one would count twice at the KDC.
  template <class OfKrb5 = std::nullptr_t>
  [[nodiscard]] static Result<Credential> finish(const char* operation, OM_uint32 major, OM_uint32 minor,
                                                 Credential credential, const CredentialStore& store,
                                                 [[maybe_unused]] OfKrb5 of_krb5 = {}) noexcept {
    if (major != GSS_S_COMPLETE) {
      auto error = gss_detail::failed_call_of<M>(operation, major, minor);
      if constexpr (known_faults.spnego_drops_reason && M::negotiates && M::accepts(mech::Krb5::oid) &&
                    !std::same_as<OfKrb5, std::nullptr_t>) {
        if (!gss_detail::is_of_kerberos(error.minor_status())) {
          const auto krb5 = of_krb5();
          if (!krb5) {
            error = Error::gss(operation, major, krb5.error().minor_status(), M::name).with_text(krb5.error().text());
          }
        }
      }
      return unexpected(gss_detail::about_place<M>(std::move(error), std::same_as<U, Accept>, store));
    }
    if (!credential) return unexpected(Error::gss(operation, GSS_S_NO_CRED, 0, M::name));
    if (auto limited = gss_detail::limit_offer<M>(credential.get()); !limited) return unexpected(limited.error());
    return credential;
  }

  UniqueHandle<gss_detail::CredentialTraits> handle_;
};

/// Borrows a credential for a handshake. It is made of a Credential of this mechanism for this side or for Both, and of
/// no temporary.
/// Owner: the Credential, which must outlive the handshake.
template <Mechanism M, Usage U>
class CredentialRef {
 public:
  CredentialRef(const Credential<M, U>& owner GSSKEY_LIFETIMEBOUND) noexcept : handle_{owner.get()} {}
  CredentialRef(const Credential<M, Both>& owner GSSKEY_LIFETIMEBOUND) noexcept
    requires(!std::same_as<U, Both>)
      : handle_{owner.get()} {}
  CredentialRef(const Credential<M, U>&&) = delete;
  CredentialRef(const Credential<M, Both>&&)
    requires(!std::same_as<U, Both>)
  = delete;

  [[nodiscard]] gss_cred_id_t get() const noexcept { return handle_; }
  [[nodiscard]] explicit operator bool() const noexcept { return handle_ != nullptr; }

 private:
  gss_cred_id_t handle_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
