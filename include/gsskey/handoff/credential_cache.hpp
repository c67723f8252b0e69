// gsskey/handoff/credential_cache: a Kerberos credential cache in the kernel (KEYRING:), as long as an object.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/random.h>

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/credential/transfer.hpp>
#include <gsskey/keyring/keyring.hpp>
#include <gsskey/keyring/proc_keys.hpp>
#include <gsskey/keyring/quota.hpp>
#include <gsskey/keyring/ring_owner.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace handoff {

/// Where a CredentialCache may be made.
struct CredentialCacheOptions {
  /// Also in a session that is another user's (su, sudo and set-uid programs inherit one), who then authenticates as
  /// this one.
  bool in_session_of_another_user = false;
};

/// Owns a credential cache of a name that nobody else uses, in the session ring of the thread that made it: every
/// thread and child process of that session can use it, by its name, and no environment variable is involved. It is
/// filled by whoever makes it, and gone with the object; credentials of it are of no use then. What a killed process
/// leaves of one ends with its ticket, and so does its part of the quota. Whoever acquires from it while the clock says
/// that its ticket has ended ends it, a second later, unless somebody acquires by the right clock before. Move-only.
/// Errors: those of the calls that are named; keyring, EDQUOT with the figures, when the user has too many keys (200 of
///   20,000 bytes altogether; a cache with one ticket has seven; wait_for_quota() may help); policy, for a session that
///   belongs to another user (check_ring()); system (getrandom); unavailable, but on MIT krb5.
/// Blocks: while a KDC is asked, where there is no ticket yet.
/// Threads: one at a time; any number of objects side by side. The end must come on a thread of that session.
/// Fork: a child's copy names the cache and does nothing at its end. exec, _exit and a signal leave the cache in the
///   session, until its ticket ends.
class [[nodiscard]] CredentialCache {
 public:
  /// Fills a cache with initial tickets for a password, which you wipe yourself.
  /// Calls: gss_acquire_cred_with_password, gss_store_cred_into, gss_inquire_cred.
  [[nodiscard]] static Result<CredentialCache> acquire_with_password(const Name& name, ByteView password,
                                                                     CredentialCacheOptions options = {}) noexcept {
    return filled(options, [&] { return Initiating::acquire_with_password(name, password); });
  }
  /// Fills a cache with initial tickets for a key of a keytab ("FILE:/etc/krb5.keytab").
  /// Calls: gss_acquire_cred_from, gss_inquire_cred.
  [[nodiscard]] static Result<CredentialCache> acquire_with_keytab(const Name& name, const char* keytab,
                                                                   CredentialCacheOptions options = {}) noexcept {
    auto cache = create(options);
    if (!cache) return cache;
    const auto credential = Initiating::acquire_from({.ccache = cache->name(), .client_keytab = keytab}, name);
    if (!credential) return unexpected(cache->explained(credential.error()));
    // Tickets come when they are first needed, which is now.
    if (auto ends = cache->end_with(credential->lifetime()); !ends) return unexpected(cache->explained(ends.error()));
    return cache;
  }
  /// Fills a cache with the tickets of another ("FILE:/tmp/krb5cc_0"), which stays as it is.
  /// Calls: gss_acquire_cred_from, gss_store_cred_into, gss_inquire_cred.
  [[nodiscard]] static Result<CredentialCache> from_cache(const char* other,
                                                          CredentialCacheOptions options = {}) noexcept {
    return filled(options, [&] { return Initiating::acquire_from({.ccache = other}); });
  }
  /// Fills a cache with the tickets of a credential: a delegated one, say.
  /// Calls: gss_store_cred_into, gss_inquire_cred.
  template <Usage U>
    requires(!std::same_as<U, Accept>)
  [[nodiscard]] static Result<CredentialCache> from_credential(const Credential<mech::Krb5, U>& credential,
                                                               CredentialCacheOptions options = {}) noexcept {
    auto cache = create(options);
    if (!cache) return cache;
    return stored(*std::move(cache), credential);
  }

  /// Returns the name, for CredentialStore::ccache: "KEYRING:session:gsskey-0123456789abcdef"; "" when this object is
  /// empty. A copy of the name must not be used later than the object: without a word libkrb5 makes an empty cache of
  /// that name in the session, which nobody owns and nobody takes away.
  /// Owner: of the text, this object, as long as it stays where it is.
  [[nodiscard]] const char* name() const noexcept GSSKEY_LIFETIMEBOUND { return ring_ ? name_ : ""; }
  /// Returns what is in it, to authenticate with. From here on the cache ends with the ticket that is there now, which
  /// a client keytab may have renewed.
  /// Calls: keyctl_read, gss_acquire_cred_from, gss_inquire_cred, keyctl_set_timeout.
  /// Errors: usage, for one that was moved from; keyring, for one that is gone from the session; those of
  ///   Credential::acquire_from().
  [[nodiscard]] Result<Credential<mech::Krb5, Initiate>> credential() const noexcept {
    if (const auto there = ring_.members(); !there) return unexpected(there.error());
    auto credential = Initiating::acquire_from({.ccache = name_});
    if (!credential) return credential;
    if (auto ends = end_with(credential->lifetime()); !ends) return unexpected(std::move(ends).error());
    return credential;
  }
  /// Returns the ring that it is in the kernel.
  [[nodiscard]] KeyringRef ring() const noexcept { return ring_; }

 private:
  using Initiating = Credential<mech::Krb5, Initiate>;
  GSSKEY_HIDDEN static constexpr std::string_view type = "KEYRING:session:";
  GSSKEY_HIDDEN static constexpr std::string_view ring_prefix = "_krb_";  // as libkrb5 calls it
  GSSKEY_HIDDEN static constexpr std::string_view own_prefix = "gsskey-";
  static constexpr std::size_t random_size = 8;
  struct RingName {
    char text[ring_prefix.size() + own_prefix.size() + 2 * random_size + 1] = {};
    [[nodiscard]] const char* c_str() const noexcept GSSKEY_LIFETIMEBOUND { return text; }
    [[nodiscard]] std::size_t size() const noexcept { return sizeof text - 1; }
  };

  CredentialCache() noexcept = default;

  /// Empty. The ring is made here, and found by libkrb5: so it is ours from the beginning.
  [[nodiscard]] static Result<CredentialCache> create(CredentialCacheOptions options) noexcept {
    if constexpr (!capabilities.keyring_caches) {
      return unexpected(
          Error::unavailable("handoff::CredentialCache", GSSKEY_GSS_NAME " has no credential caches of type KEYRING"));
    }
    unsigned char random[random_size];
    if (::getrandom(random, sizeof random, 0) != sizeof random) return unexpected(Error::system("getrandom", errno));
    RingName ring_name;
    detail::to_hex(random, detail::append(detail::append(ring_name.text, ring_prefix), own_prefix));
    CredentialCache cache;
    static_cast<void>(
        detail::append(detail::append(cache.name_, type), detail::view_of(ring_name.text + ring_prefix.size())));
    const auto session = Keyring::session();
    if (!session) return unexpected(session.error());
    if (auto good = check_ring(*session, {.of_another_user = options.in_session_of_another_user}); !good) {
      return unexpected(good.error());
    }
    constexpr Seconds to_be_filled{300};
    auto ring = wait_for_quota(
        Seconds{}, [&] { return session->create(key_type::Keyring{ring_name}, {.timeout = to_be_filled}); });
    if (!ring) return unexpected(ring.error());
    cache.ring_ = *std::move(ring);
    return cache;
  }
  template <class Acquire>
  [[nodiscard]] static Result<CredentialCache> filled(CredentialCacheOptions options, Acquire acquire) noexcept {
    auto cache = create(options);  // first: where there are none, no KDC is asked
    if (!cache) return cache;
    const auto credential = acquire();
    if (!credential) return unexpected(credential.error());
    return stored(*std::move(cache), *credential);
  }
  template <Usage U>
  [[nodiscard]] static Result<CredentialCache> stored(CredentialCache cache,
                                                      const Credential<mech::Krb5, U>& credential) noexcept {
    if (auto done = store_credential_into(credential, {.ccache = cache.name()}, {.make_default = true}); !done) {
      return unexpected(cache.explained(done.error()));
    }
    if (auto ends = cache.end_with(credential.lifetime()); !ends) return unexpected(cache.explained(ends.error()));
    return cache;
  }
  /// libkrb5 gives its tickets a timeout and the ring in between, but not what it keeps beside them.
  [[nodiscard]] Result<void> end_with(const Result<Seconds>& lifetime) const noexcept {
    if (!lifetime) return unexpected(lifetime.error());
    return ring_.set_timeout(*lifetime == Seconds{} ? Seconds{1} : *lifetime);
  }
  /// A gss call that failed with EDQUOT, as what it is.
  [[nodiscard]] Error explained(const Error& error) const noexcept {
    if (error.domain() != Domain::gss || error.minor_status() != static_cast<std::uint32_t>(EDQUOT)) return error;
    return keyring_detail::with_figures(Error::keyring(error.operation(), EDQUOT, ring_.serial()));
  }

  Key<key_type::Keyring> ring_;
  char name_[type.size() + own_prefix.size() + 2 * random_size + 1] = {};
};

}  // namespace handoff
GSSKEY_END_GSS_ABI
}  // namespace gsskey
