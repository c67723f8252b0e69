// gsskey/keyring/ring: rings of links to keys, where keys are made, found, linked and moved.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <type_traits>

#include <gsskey/keyring/detail/making.hpp>
#include <gsskey/keyring/key.hpp>
#include <gsskey/keyring/key_list.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Names a ring that is somebody else's: the session's, the user's. One's own is a Key<key_type::Keyring>, owned like
/// any other key: created in another ring, and unlinked from it at the end.
using KeyringRef = KeyRef<key_type::Keyring>;

/// What can be done with a ring beyond what can be done with any key, whoever owns it.
/// Errors: keyring, with errno, as KeyOperations has them; usage, for an empty handle. Where a call names a key by its
///   description, so does the text.
/// Threads: possession is a matter of the calling thread, as KeyOperations says.
template <class Owner>
class RingOperations : public KeyOperations<Owner, key_type::Keyring> {
  using Base = KeyOperations<Owner, key_type::Keyring>;
  friend Owner;
  RingOperations() noexcept = default;

 public:
  /// Makes a key in this ring, which appears there with its permissions and timeout set, or not at all. The ring must
  /// have no key of that type and description, whoever else creates one meanwhile. A key that has expired, or was
  /// revoked or invalidated, does not count: it is replaced, though not while the ring has other members that cannot be
  /// viewed. Of several that create(), one does; what add_key of another program puts over the dead key at that very
  /// moment is replaced too.
  ///
  /// Needs the right to write the ring. The permissions must leave the right to link to possessor or user, which the
  /// move needs; set_permissions() takes it away afterwards. Where no scratch ring can be, because this ring is
  /// restricted (EPERM, EOPNOTSUPP) or six rings deep (EACCES), create_through() helps.
  /// Calls: add_key into a scratch ring inside this one, keyctl_set_timeout, keyctl_setperm, keyctl_move with
  ///   KEYCTL_MOVE_EXCL.
  /// Errors: those of the class; keyring: EEXIST, for a ring that has such a key, EDQUOT; usage, for what T says of
  ///   descriptions and payloads, a timeout that is over, and permissions without the right to link; policy, for
  ///   permissions that imply what they do not accept; system (getrandom, ENOMEM).
  /// Blocks: while somebody else replaces a dead key in this ring: some milliseconds, or 2 seconds if it is killed
  ///   meanwhile.
  /// Owner: of the link, the Key.
  /// See: add_key(2), keyctl_move(3).
  template <KeyType T>
  [[nodiscard]] Result<Key<T>> create(const T& type, const typename T::Payload& payload,
                                      KeyOptions options = {}) const noexcept {
    return create_aside(KeyringRef{}, type, payload, options, &Draft::place);
  }
  /// Makes a key as create() does, by way of `own` in place of a scratch ring, which saves three calls. `own` is a ring
  /// that nobody else can reach, such as that of the thread (install_thread()), and has no key of that type and
  /// description, which this would take. If the process is killed on the way, the key goes with `own`. Where `own` is
  /// this ring itself nothing is moved, and the permissions need no right to link.
  /// Calls: add_key into `own`; then those of create().
  /// Errors: those of create(); usage, if `own` is empty.
  template <KeyType T>
  [[nodiscard]] Result<Key<T>> create_through(KeyringRef own, const T& type, const typename T::Payload& payload,
                                              KeyOptions options = {}) const noexcept {
    if (!own) return unexpected(keyring_detail::failed("add_key", 0));
    return create_aside(own, type, payload, options, &Draft::place);
  }
  /// Makes a new, empty ring in this one.
  /// Errors: those of create().
  [[nodiscard]] Result<Key<key_type::Keyring>> create(const key_type::Keyring& type,
                                                      KeyOptions options = {}) const noexcept {
    return create(type, ByteView{}, options);
  }
  /// Makes a key as create() does, in place of the key of that type and description that the ring has, living or dead,
  /// in one step: there is no moment without one. The key is another one, with its own serial number: whoever has a
  /// link to the old one keeps that, and whoever owned the old one owns nothing any more.
  /// Errors: those of create() but EEXIST.
  template <KeyType T>
    requires(!std::same_as<T, key_type::Keyring>)  // its members would die
  [[nodiscard]] Result<Key<T>> create_or_replace(const T& type, const typename T::Payload& payload,
                                                 KeyOptions options = {}) const noexcept {
    return create_aside(KeyringRef{}, type, payload, options, &Draft::place_over);
  }
  /// Makes a key as create_or_replace() does, and nobody owns it: for a key that outlives this program. A secret for
  /// ten minutes, again and again:
  ///     ring.put(key_type::User{"db:password"}, secret, {.timeout = 10min})
  /// Errors: those of create_or_replace().
  template <KeyType T>
    requires(!std::same_as<T, key_type::Keyring>)
  [[nodiscard]] Result<KeyRef<T>> put(const T& type, const typename T::Payload& payload,
                                      KeyOptions options = {}) const noexcept {
    auto key = create_or_replace(type, payload, options);
    if (!key) return unexpected(key.error());
    return (*std::move(key)).release();
  }
  /// Makes a key as create() does of a payload in pieces, a header and a secret, say: joined in memory that is wiped.
  ///     ring.create_pieces(key_type::User{"disk"}, {header, secret})
  /// Errors: those of create().
  template <KeyType T, std::size_t N>
    requires std::same_as<typename T::Payload, ByteView>
  [[nodiscard]] Result<Key<T>> create_pieces(const T& type, const ByteView (&pieces)[N],
                                             KeyOptions options = {}) const noexcept {
    const auto payload = keyring_detail::joined(pieces, N);
    if (!payload) return unexpected(payload.error());
    return create(type, *payload, options);
  }
  /// Makes a key as put() does of a payload in pieces.
  template <KeyType T, std::size_t N>
    requires(std::same_as<typename T::Payload, ByteView> && !std::same_as<T, key_type::Keyring>)
  [[nodiscard]] Result<KeyRef<T>> put_pieces(const T& type, const ByteView (&pieces)[N],
                                             KeyOptions options = {}) const noexcept {
    const auto payload = keyring_detail::joined(pieces, N);
    if (!payload) return unexpected(payload.error());
    return put(type, *payload, options);
  }

  /// Makes a key, or gives another payload to the one that the ring has of that type and description, which keeps its
  /// serial number and permissions. Which of the two it was cannot be known, so nobody owns what comes back. The kernel
  /// drops the timeout of a key that is there. If the new one cannot be set (EACCES, where the ring is not possessed),
  /// the key is taken out of the ring, new or not: a secret that was to end does not stay for ever.
  /// Calls: add_key, keyctl_set_timeout if there is a timeout; after a failure keyctl_read, keyctl_unlink.
  /// Errors: those of the class; keyring, EDQUOT; usage, for what T says of descriptions and payloads, and for a
  ///   timeout that is over.
  /// Blocks: while such a key is under construction.
  /// See: add_key(2).
  template <KeyType T>
    requires(T::can_update && !std::same_as<T, key_type::Keyring>)  // what cannot be updated would be replaced
  [[nodiscard]] Result<KeyRef<T>> upsert(const T& type, const typename T::Payload& payload,
                                         Timeout timeout = no_timeout) const noexcept {
    const ByteView bytes{payload};
    if (const char* fault = fault_of(type, bytes)) return refused(Error::usage("add_key", fault), type);
    if (auto fit = keyring_detail::check_timeout("add_key", timeout); !fit) return refused(fit.error(), type);
    const key_serial_t serial = ::add_key(T::name, type.description.c_str(), bytes.empty() ? nullptr : bytes.data(),
                                          bytes.size(), this->serial());
    if (serial < 0) return refused(this->failed("add_key"), type);
    const KeyRef<T> key = KeyRef<T>::from_serial(serial);
    if (!timeout.is_none()) {
      if (auto set = key.set_timeout(timeout); !set) {
        // The ring may be one that can be written and not read: then it is taken out by its name alone.
        if (!keyring_detail::unlink(this->serial(), serial)) keyctl_unlink(serial, this->serial());
        return refused(set.error(), type);
      }
    }
    return key;
  }

  /// Looks for a key in this ring and the rings that it links, breadth first, six deep. Rings between without the right
  /// to search are passed over. No handler is ever started.
  /// Calls: keyctl_search.
  /// Errors: those of the class: keyring, EACCES, for this ring or the key; usage, for what T says of descriptions.
  /// See: keyctl_search(3).
  template <KeyType T>
  [[nodiscard]] Result<KeyRef<T>> search(decltype(T::description) description) const noexcept {
    return search_into<T>(description, 0);
  }
  /// Looks for a key, and links it into `into`.
  template <KeyType T>
  [[nodiscard]] Result<KeyRef<T>> search(decltype(T::description) description, KeyringRef into) const noexcept {
    if (!into) return unexpected(keyring_detail::failed("keyctl_search", 0));
    return search_into<T>(description, into.serial());
  }

  /// Reads the links that the ring has now, of all types. Needs the right to read, or possession and the right to
  /// search.
  /// Calls: keyctl_read.
  /// Errors: those of the class; system (ENOMEM).
  /// See: keyctl_read(3).
  [[nodiscard]] Result<KeyList> members() const noexcept {
    const key_serial_t ring = this->serial();
    auto serials = keyring_detail::read_all("keyctl_read", ring, [ring](char* buffer, std::size_t size) noexcept {
      return keyctl_read(ring, buffer, size);
    });
    if (!serials) return unexpected(serials.error());
    return KeyList{*std::move(serials)};
  }

  /// Links the key into this ring too, in place of one of the same type and description. Needs the right to link the
  /// key and to write the ring.
  /// Calls: keyctl_link.
  /// Errors: those of the class; keyring: EDEADLK, for a cycle, ELOOP, for too deep a nest, ENFILE, for a full ring,
  ///   EDQUOT.
  /// Blocks: while the key is under construction.
  /// See: keyctl_link(3).
  [[nodiscard]] Result<void> link(const KeyHandle auto& key) const noexcept {
    return on("keyctl_link", key, [&](key_serial_t ring) { return keyctl_link(key.serial(), ring); });
  }
  /// Takes this very key out of the ring; another one of its type and description stays. Needs the right to write the
  /// ring and to read it, or to search one that is possessed. The kernel goes by type and description: another key of
  /// that name that somebody puts there after the ring was read is what it takes. Where that can be, use revoke() or
  /// invalidate(), which go by serial number.
  /// Calls: keyctl_read, to see that the ring links this key; keyctl_unlink.
  /// Errors: those of the class; keyring, ENOENT, if the ring does not link this key; system (ENOMEM).
  /// See: keyctl_unlink(3).
  [[nodiscard]] Result<void> unlink(const KeyHandle auto& key) const noexcept {
    return keyring_detail::unlink(this->serial(), key.serial());
  }
  /// Moves this very key's link from this ring to the other in one step, which of several that try succeeds for one.
  /// What unlink() says of the kernel is so here too. Needs the right to link the key and to write both rings.
  /// Calls: keyctl_read, to see that the ring links this key; keyctl_move with KEYCTL_MOVE_EXCL.
  /// Errors: those of the class; keyring: EEXIST, if the other has a key of that type and description, a dead one too,
  ///   ENOENT, if this ring does not link this key; system (ENOMEM).
  /// Blocks: while the key is under construction.
  /// See: keyctl_move(3).
  [[nodiscard]] Result<void> move(const KeyHandle auto& key, KeyringRef to) const noexcept {
    return move_with(key, to, KEYCTL_MOVE_EXCL);
  }
  /// Moves the link as move() does, in place of one that the other ring has.
  [[nodiscard]] Result<void> move_displacing(const KeyHandle auto& key, KeyringRef to) const noexcept {
    return move_with(key, to, 0);
  }
  /// Takes all links out of the ring. Needs the right to write it.
  /// Calls: keyctl_clear.
  /// See: keyctl_clear(3).
  [[nodiscard]] Result<void> clear() const noexcept { return this->done("keyctl_clear", keyctl_clear(this->serial())); }

  /// Lets the ring take no link any more, for good (EPERM from then on). To keep others from undoing it with the ring,
  /// take set_attributes and write away after this. The kernel has a gap here: the key that an upcall of request_key(2)
  /// makes is linked into a restricted ring all the same, if whoever asks names that ring and may write it.
  /// Calls: keyctl_restrict_keyring.
  /// Errors: those of the class; keyring, EEXIST, for a ring that is restricted already.
  /// See: keyctl_restrict_keyring(3).
  [[nodiscard]] Result<void> refuse_links() const noexcept {
    return this->done("keyctl_restrict_keyring", keyctl_restrict_keyring(this->serial(), nullptr, nullptr));
  }
  /// Lets the ring take only keys of type T that its type accepts: for Asymmetric "builtin_trusted",
  /// "key_or_keyring:<serial>[:chain]".
  /// Calls: keyctl_restrict_keyring.
  /// Errors: those of refuse_links(); usage, for a restriction that is empty or holds a NUL.
  /// See: keyrings(7), keyctl_restrict_keyring(3).
  template <KeyType T>
  [[nodiscard]] Result<void> restrict_links(Description<NonEmptyText> restriction) const noexcept {
    if (restriction.c_str() == nullptr) {
      return unexpected(Error::usage("keyctl_restrict_keyring", "a restriction is text without NUL, and not empty"));
    }
    return this->done("keyctl_restrict_keyring", keyctl_restrict_keyring(this->serial(), T::name, restriction.c_str()));
  }

 private:
  using Draft = keyring_detail::Draft;

  template <KeyType T>
  [[nodiscard]] static unexpected<Error> refused(const Error& error, const T& type) noexcept {
    return unexpected(keyring_detail::about(error, T::name, type.description.c_str()));
  }
  /// Why add_key need not be called, or nullptr.
  template <KeyType T>
  [[nodiscard]] static const char* fault_of(const T& type, ByteView payload) noexcept {
    if (type.description.c_str() == nullptr) return type.description.rule;
    if (payload.size() > T::max_payload) return "the payload is larger than a key of this type can be";
    return nullptr;
  }
  template <KeyType T>
  [[nodiscard]] static Result<void> check(const T& type, ByteView payload, const KeyOptions& options,
                                          bool is_moved) noexcept {
    if (const char* fault = fault_of(type, payload)) return unexpected(Error::usage("add_key", fault));
    if (is_moved && !options.permissions.is_default() && !options.permissions.owner_rights().contains(Right::link)) {
      return unexpected(Error::usage("keyctl_move", "the permissions leave nobody the right to link, which it needs"));
    }
    return keyring_detail::check_timeout("add_key", options.timeout);
  }
  /// In `own`, or in a scratch ring, and from there into this ring.
  template <KeyType T>
  [[nodiscard]] Result<Key<T>> create_aside(KeyringRef own, const T& type, ByteView payload, const KeyOptions& options,
                                            Result<key_serial_t> (Draft::*place)() noexcept) const noexcept {
    const bool is_moved = own.serial() != this->serial();
    if (auto fit = check(type, payload, options, is_moved); !fit) return refused(fit.error(), type);
    if (this->serial() == 0) return refused(this->failed("add_key"), type);
    const keyring_detail::Scratch scratch{own ? 0 : this->serial()};
    if (!own && scratch.serial < 0) {
      if (scratch.failed == detail::view_of("getrandom")) return unexpected(Error::system("getrandom", errno));
      return refused(this->failed("add_key"), type);
    }
    Draft draft{own ? own.serial() : scratch.serial, this->serial()};
    if (auto made = draft.make(T::name, type.description.c_str(), payload, options); !made) {
      return refused(made.error(), type);
    }
    const auto placed = (draft.*place)();
    if (!placed) return refused(placed.error(), type);
    Key<T> key;
    *key.link_.put() = {*placed, this->serial(), detail::this_process()};
    return key;
  }
  template <KeyType T>
  [[nodiscard]] Result<KeyRef<T>> search_into(decltype(T::description) description, key_serial_t into) const noexcept {
    if (description.c_str() == nullptr) return unexpected(Error::usage("keyctl_search", description.rule));
    const long serial = keyctl_search(this->serial(), T::name, description.c_str(), into);
    if (serial < 0) {
      return unexpected(keyring_detail::about(this->failed("keyctl_search"), T::name, description.c_str()));
    }
    return KeyRef<T>::from_serial(static_cast<key_serial_t>(serial));
  }
  // The kernel does not say which of the two was empty, and a serial of 0 is no mistake of the kernel's.
  template <class Call>
  [[nodiscard]] Result<void> on(const char* operation, const KeyHandle auto& key, Call call) const noexcept {
    if (call(this->serial()) >= 0) return {};
    return unexpected(this->serial() == 0 ? this->failed(operation) : keyring_detail::failed(operation, key.serial()));
  }
  [[nodiscard]] Result<void> move_with(const KeyHandle auto& key, KeyringRef to, unsigned flags) const noexcept {
    if (!to) return unexpected(keyring_detail::failed("keyctl_move", 0));
    return keyring_detail::move(key.serial(), this->serial(), to.serial(), flags);
  }
};

template <KeyType T, OnDestroy Policy>
inline KeyRef<key_type::Keyring> Key<T, Policy>::ring() const noexcept {
  return KeyringRef::from_serial(link_.get().ring);
}

template <KeyType T, OnDestroy Policy>
inline Result<void> Key<T, Policy>::move_to(KeyRef<key_type::Keyring> ring) noexcept {
  if (!is_ours()) return unexpected(Error::usage("Key::move_to", keyring_detail::is_the_parents));
  auto moved = this->ring().move(*this, ring);
  if (moved) link_.inout()->ring = ring.serial();
  return moved;
}

static_assert(sizeof(Key<key_type::Keyring>) == 12 && sizeof(KeyringRef) == 4);

GSSKEY_END_ABI
}  // namespace gsskey
