// What the types of gsskey/keyring promise at compile time.
// SPDX-License-Identifier: MIT
#include <gsskey/keyring.hpp>

#include <string>
#include <type_traits>

using namespace gsskey;

template <class T>
concept MoveOnly = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                   !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;

// An owner is a pointer to its serial and its ring, a reference the serial alone.
static_assert(sizeof(Key<key_type::User>) == 12 && sizeof(Key<key_type::Keyring>) == 12);
static_assert(sizeof(Key<key_type::User, OnDestroy::revoke_then_unlink>) == 12);
static_assert(sizeof(KeyRef<key_type::User>) == 4 && sizeof(KeyringRef) == 4 && sizeof(AnyKeyRef) == 4);
static_assert(MoveOnly<Key<key_type::User>> && MoveOnly<Key<key_type::Keyring>> &&
              MoveOnly<Authority<key_type::User>> && MoveOnly<KeyWatch> && MoveOnly<KeyInfo>);
static_assert(std::is_trivially_copyable_v<KeyRef<key_type::User>> && std::is_trivially_copyable_v<KeyringRef>);

// A reference comes from an owner that lives on, and from nothing else without asking.
static_assert(std::is_convertible_v<const Key<key_type::User>&, KeyRef<key_type::User>>);
static_assert(!std::is_constructible_v<KeyRef<key_type::User>, Key<key_type::User>&&>);
static_assert(!std::is_constructible_v<KeyRef<key_type::User>, const Key<key_type::Logon>&>);
static_assert(!std::is_constructible_v<KeyRef<key_type::User>, KeyRef<key_type::Any>>);
static_assert(!std::is_constructible_v<KeyRef<key_type::User>, KeyRef<key_type::Logon>>);
static_assert(!std::is_constructible_v<KeyRef<key_type::Any>, Key<key_type::User>&&>);
static_assert(std::is_convertible_v<KeyRef<key_type::User>, AnyKeyRef> && std::is_convertible_v<KeyringRef, AnyKeyRef>);
static_assert(std::is_convertible_v<const Key<key_type::User, OnDestroy::keep>&, AnyKeyRef>);
static_assert(std::is_trivially_copyable_v<AnyKeyRef>);
static_assert(!std::is_constructible_v<KeyRef<key_type::User>, key_serial_t>);
static_assert(!std::is_constructible_v<Key<key_type::User>, key_serial_t>);
static_assert(!std::is_convertible_v<KeyRef<key_type::User>, key_serial_t>);

// What a type cannot do is not there.
template <class K>
concept Reads = requires(const K& key) { key.read(); };
template <class K, class Payload>
concept Updates = requires(const K& key, const Payload& payload) { key.update(payload, no_timeout); };
template <class K>
concept HasMembers = requires(const K& key) { key.members(); };
static_assert(Reads<KeyRef<key_type::User>> && Reads<KeyRef<key_type::BigKey>> && Reads<KeyRef<key_type::Any>>);
static_assert(Reads<KeyRef<key_type::Encrypted>> && Reads<KeyRef<key_type::Trusted>>);
static_assert(!Reads<KeyRef<key_type::Logon>> && !Reads<KeyRef<key_type::Asymmetric>> && !Reads<KeyringRef>);
static_assert(Updates<KeyRef<key_type::User>, ByteView> && Updates<KeyRef<key_type::Logon>, ByteView>);
static_assert(!Updates<KeyRef<key_type::Asymmetric>, ByteView> && !Updates<KeyringRef, ByteView> &&
              !Updates<KeyRef<key_type::Any>, ByteView>);
static_assert(Updates<KeyRef<key_type::Encrypted>, EncryptedUpdate> &&
              !Updates<KeyRef<key_type::Encrypted>, EncryptedPayload> &&
              !Updates<KeyRef<key_type::Encrypted>, ByteView>);
static_assert(HasMembers<Key<key_type::Keyring>> && HasMembers<KeyringRef> && !HasMembers<Key<key_type::User>>);

// One's own key type.
struct DnsResolver {
  static constexpr const char* name = "dns_resolver";
  static constexpr std::size_t max_payload = 32767;
  static constexpr bool can_read = true, can_update = false;
  using Payload = ByteView;
  Description<NonEmptyText> description;
};
static_assert(KeyType<DnsResolver> && Reads<KeyRef<DnsResolver>> && !Updates<KeyRef<DnsResolver>, ByteView>);
static_assert(KeyType<key_type::User> && KeyType<key_type::Encrypted> && !KeyType<int>);

// Lines of /etc/request-key.d, checked at compile time.
static_assert(!check_request_key_conf("# comment\n\ncreate user krb:* * /sbin/handler %o %k %u %g %T %P %S\n"));
static_assert(check_request_key_conf("create user krb:* /sbin/handler\n").line == 1);

int main() {}
