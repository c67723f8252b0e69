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

/// A ring that is somebody else's: the session's, the user's. One's own is a Key<key_type::Keyring>, owned like any
/// other key: created in another ring, and unlinked from it at the end.
using KeyringRef = KeyRef<key_type::Keyring>;

/// What can be done with a ring, whoever owns it.
template <class Owner>
class RingOperations : public KeyOperations<Owner, key_type::Keyring> {
  using Base = KeyOperations<Owner, key_type::Keyring>;
  friend Owner;
  RingOperations() noexcept = default;

 public:
  /// A new key in this ring, which appears there with its permissions and timeout set, or not at all; EEXIST if the
  /// ring has one of that type and description, whoever else creates one meanwhile. One that has expired, or was
  /// revoked or invalidated, is none: it is replaced, though not while the ring has other members that cannot be
  /// viewed. Of several that create(), one does; what add_key of another program puts over the dead key at that very
  /// moment is replaced too. add_key into a scratch ring inside this one, keyctl_set_timeout, keyctl_setperm,
  /// keyctl_move with KEYCTL_MOVE_EXCL. The right to write the ring; EDQUOT. The permissions must leave the right to
  /// link to possessor or user, which the move needs; set_permissions() takes it away afterwards. Where no scratch ring
  /// can be, in a ring that is restricted (EPERM, EOPNOTSUPP) or six rings deep (EACCES): create_through().
  template <KeyType T>
  [[nodiscard]] Result<Key<T>> create(const T& type, const typename T::Payload& payload,
                                      KeyOptions options = {}) const noexcept {
    return create_aside(KeyringRef{}, type, payload, options, &Draft::place);
  }
  /// The same by way of `own` in place of a scratch ring, which saves three calls: a ring that nobody else can reach,
  /// as that of the thread (install_thread()), and without a key of that type and description, which this would take.
  /// If the process is killed on the way, the key goes with `own`. Where `own` is this ring itself nothing is moved,
  /// and the permissions need no right to link.
  template <KeyType T>
  [[nodiscard]] Result<Key<T>> create_through(KeyringRef own, const T& type, const typename T::Payload& payload,
                                              KeyOptions options = {}) const noexcept {
    if (!own) return unexpected(keyring_detail::failed("add_key", 0));
    return create_aside(own, type, payload, options, &Draft::place);
  }
  /// A new, empty ring in this one.
  [[nodiscard]] Result<Key<key_type::Keyring>> create(const key_type::Keyring& type,
                                                      KeyOptions options = {}) const noexcept {
    return create(type, ByteView{}, options);
  }
  /// The same in place of the key of that type and description that the ring has, living or dead, in one step: there is
  /// no moment without one. It is another key, with its own serial number; who has a link to the old one keeps that,
  /// and who owned it owns nothing any more.
  template <KeyType T>
    requires(!std::same_as<T, key_type::Keyring>)  // its members would die
  [[nodiscard]] Result<Key<T>> create_or_replace(const T& type, const typename T::Payload& payload,
                                                 KeyOptions options = {}) const noexcept {
    return create_aside(KeyringRef{}, type, payload, options, &Draft::place_over);
  }
  /// And nobody owns it, for a key that outlives this program. A secret for ten minutes, again and again:
  ///     ring.put(key_type::User{"db:password"}, secret, {.timeout = 10min})
  template <KeyType T>
    requires(!std::same_as<T, key_type::Keyring>)
  [[nodiscard]] Result<KeyRef<T>> put(const T& type, const typename T::Payload& payload,
                                      KeyOptions options = {}) const noexcept {
    auto key = create_or_replace(type, payload, options);
    if (!key) return unexpected(key.error());
    return (*std::move(key)).release();
  }
  /// create() and put() of a payload in pieces, a header and a secret, say: joined in memory that is wiped.
  ///     ring.create_pieces(key_type::User{"disk"}, {header, secret})
  template <KeyType T, std::size_t N>
    requires std::same_as<typename T::Payload, ByteView>
  [[nodiscard]] Result<Key<T>> create_pieces(const T& type, const ByteView (&pieces)[N],
                                             KeyOptions options = {}) const noexcept {
    const auto payload = keyring_detail::joined(pieces, N);
    if (!payload) return unexpected(payload.error());
    return create(type, *payload, options);
  }
  template <KeyType T, std::size_t N>
    requires(std::same_as<typename T::Payload, ByteView> && !std::same_as<T, key_type::Keyring>)
  [[nodiscard]] Result<KeyRef<T>> put_pieces(const T& type, const ByteView (&pieces)[N],
                                             KeyOptions options = {}) const noexcept {
    const auto payload = keyring_detail::joined(pieces, N);
    if (!payload) return unexpected(payload.error());
    return put(type, *payload, options);
  }

  /// add_key, and keyctl_set_timeout if there is a timeout: a new key, or the payload of the one that the ring has of
  /// that type and description, which keeps its serial number and permissions. Whose it is cannot be known, so nobody
  /// owns what comes back. The kernel drops the timeout of a key that is there. Should the second call fail (EACCES,
  /// where the ring is not possessed), the key is taken out of the ring, new or not: a secret that was to end does not
  /// stay for ever.
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

  /// keyctl_search: in this ring and the rings that it links, breadth first, six deep. ENOKEY, EKEYREVOKED,
  /// EKEYEXPIRED; EACCES for this ring or the key, rings between without the right to search are passed over. Never an
  /// upcall.
  template <KeyType T>
  [[nodiscard]] Result<KeyRef<T>> search(decltype(T::description) description) const noexcept {
    return search_into<T>(description, 0);
  }
  /// And links what was found into `into`.
  template <KeyType T>
  [[nodiscard]] Result<KeyRef<T>> search(decltype(T::description) description, KeyringRef into) const noexcept {
    if (!into) return unexpected(keyring_detail::failed("keyctl_search", 0));
    return search_into<T>(description, into.serial());
  }

  /// keyctl_read of a ring: the links that it has now, of all types.
  [[nodiscard]] Result<KeyList> members() const noexcept {
    const key_serial_t ring = this->serial();
    auto serials = keyring_detail::read_all("keyctl_read", ring, [ring](char* buffer, std::size_t size) noexcept {
      return keyctl_read(ring, buffer, size);
    });
    if (!serials) return unexpected(serials.error());
    return KeyList{*std::move(serials)};
  }

  /// keyctl_link: this ring links the key too, in place of one of the same type and description. EDEADLK for a cycle,
  /// ELOOP for too deep a nest, ENFILE for a full ring.
  [[nodiscard]] Result<void> link(const KeyHandle auto& key) const noexcept {
    return on("keyctl_link", key, [&](key_serial_t ring) { return keyctl_link(key.serial(), ring); });
  }
  /// keyctl_unlink, once keyctl_read has shown that the ring links this very key: ENOENT if not, and what it may have
  /// of that type and description stays. The right to write the ring and to read it, or to search one that is
  /// possessed. The kernel itself goes by type and description: another key of that name that somebody puts there
  /// between the two calls is what it takes. Where that can be: revoke() or invalidate(), which go by serial number.
  [[nodiscard]] Result<void> unlink(const KeyHandle auto& key) const noexcept {
    return keyring_detail::unlink(this->serial(), key.serial());
  }
  /// keyctl_move with KEYCTL_MOVE_EXCL, once keyctl_read has shown that this ring links this very key (as in unlink()):
  /// the link goes from this ring to the other in one step, which of several that try succeeds for one. EEXIST if the
  /// other has one of that type and description, dead ones too; ENOENT if this ring does not have it.
  [[nodiscard]] Result<void> move(const KeyHandle auto& key, KeyringRef to) const noexcept {
    return move_with(key, to, KEYCTL_MOVE_EXCL);
  }
  /// The same, in place of one that the other ring has.
  [[nodiscard]] Result<void> move_displacing(const KeyHandle auto& key, KeyringRef to) const noexcept {
    return move_with(key, to, 0);
  }
  /// keyctl_clear: all links go.
  [[nodiscard]] Result<void> clear() const noexcept { return this->done("keyctl_clear", keyctl_clear(this->serial())); }

  /// keyctl_restrict_keyring: no link is taken any more, for good (EPERM from then on). EEXIST if it is restricted
  /// already. To keep others from undoing it with the ring, take set_attributes and write away after this. The kernel
  /// has a gap here: the key that an upcall of request_key(2) makes is linked into a restricted ring all the same, if
  /// who asks names that ring and may write it.
  [[nodiscard]] Result<void> refuse_links() const noexcept {
    return this->done("keyctl_restrict_keyring", keyctl_restrict_keyring(this->serial(), nullptr, nullptr));
  }
  /// keyctl_restrict_keyring: only keys of type T that its type accepts: for Asymmetric "builtin_trusted",
  /// "key_or_keyring:<serial>[:chain]". keyrings(7).
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
