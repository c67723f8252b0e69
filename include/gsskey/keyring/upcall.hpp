// gsskey/keyring/upcall: a whole program for /sbin/request-key as one function.
// SPDX-License-Identifier: MIT
#pragma once

#include <grp.h>
#include <unistd.h>

#include <cstdio>
#include <type_traits>

#include <gsskey/keyring/authority.hpp>

namespace gsskey::inline GSSKEY_ABI {

/// What a handler answers when a payload alone is not all.
struct Instantiation {
  SecretBytes payload;
  Timeout timeout = no_timeout;
  Permissions permissions = {};  ///< nothing: the kernel's default
  Destination destination = Destination::none();
};

/// Who wants which key. The process that reads it is the handler: started by the kernel as root in the initial
/// namespaces, with a session ring of its own that holds the authority. request_key() without callout info searches the
/// requester's rings too; with one it may start another handler. Neither must be for the same key: the handler would
/// wait for itself, and its requester with it, until somebody kills it.
class KeyRequest {
 public:
  /// The arguments "create <key> <uid> <gid> <thread ring> <process ring> <session ring>", which the kernel gives to
  /// /sbin/request-key, and request_key_line() (request_key_conf.hpp) to a handler. Errors: usage.
  [[nodiscard]] static Result<KeyRequest> parse(int argc, const char* const* argv) noexcept {
    using keyring_detail::parse_number;
    const auto refused = [] {
      return unexpected(Error::usage("KeyRequest::parse", "the arguments are not: create key uid gid ring ring ring"));
    };
    if (argc != 8 || detail::view_of(argv[1]) != "create") return refused();
    std::int64_t numbers[6] = {};
    for (int at = 0; at < 6; ++at) {
      if (!parse_number(detail::view_of(argv[at + 2]), 10, numbers[at])) return refused();
      if (numbers[at] < 0 || numbers[at] > (at == 1 || at == 2 ? 0xffffffffLL : 0x7fffffffLL)) return refused();
    }
    if (numbers[0] == 0) return refused();
    KeyRequest request;
    request.key_ = AnyKeyRef::from_serial(static_cast<key_serial_t>(numbers[0]));
    request.user_ = static_cast<uid_t>(numbers[1]);
    request.group_ = static_cast<gid_t>(numbers[2]);
    for (int ring = 0; ring < 3; ++ring) {
      request.rings_[ring] = KeyringRef::from_serial(static_cast<key_serial_t>(numbers[3 + ring]));
    }
    return request;
  }

  [[nodiscard]] AnyKeyRef key() const noexcept { return key_; }
  [[nodiscard]] uid_t user() const noexcept { return user_; }
  [[nodiscard]] gid_t group() const noexcept { return group_; }
  /// Empty if the requester has none.
  [[nodiscard]] KeyringRef thread_ring() const noexcept { return rings_[0]; }
  [[nodiscard]] KeyringRef process_ring() const noexcept { return rings_[1]; }
  [[nodiscard]] KeyringRef session_ring() const noexcept { return rings_[2]; }
  /// Any bytes but NUL: the requester chose them.
  [[nodiscard]] std::string_view description() const noexcept { return info_.description(); }
  [[nodiscard]] std::string_view type() const noexcept { return info_.type(); }
  /// What the requester said; the requester chose this too.
  [[nodiscard]] std::string_view callout_info() const noexcept { return callout_info_.text(); }

  /// From here on this process is the requester's user and group, with no other groups: setgroups, setresgid,
  /// setresuid. The authority stays. Errors: system; the process must then not go on for the requester.
  [[nodiscard]] Result<void> become_requester() const noexcept {
    if (::setgroups(0, nullptr) != 0) return unexpected(Error::system("setgroups", errno));
    if (::setresgid(group_, group_, group_) != 0) return unexpected(Error::system("setresgid", errno));
    if (::setresuid(user_, user_, user_) != 0) return unexpected(Error::system("setresuid", errno));
    return {};
  }

  /// keyctl_describe and keyctl_read of the authorisation key; done by handle_upcall().
  template <KeyType T>
  [[nodiscard]] Result<void> load(const Authority<T>& authority) noexcept {
    auto info = key_.describe();
    if (!info) return unexpected(info.error());
    if (info->type() != detail::view_of(T::name)) {
      return unexpected(Error::usage("handle_upcall", "the requested key is of another type than the handler's"));
    }
    auto callout = authority.callout_info();
    if (!callout) return unexpected(callout.error());
    info_ = *std::move(info);
    callout_info_ = *std::move(callout);
    return {};
  }

 private:
  AnyKeyRef key_;
  uid_t user_ = 0;
  gid_t group_ = 0;
  KeyringRef rings_[3];
  KeyInfo info_;
  SecretBytes callout_info_;
};

namespace keyring_detail {

/// A payload that the kernel refuses is the requester's to know about: EDQUOT, for one.
template <KeyType T>
[[nodiscard]] Result<void> instantiate(Authority<T>& authority, const typename T::Payload& payload,
                                       Destination destination = Destination::none()) noexcept {
  auto done = std::move(authority).instantiate(payload, destination);
  if (!done) static_cast<void>(std::move(authority).reject({.error = static_cast<int>(done.error().minor_status())}));
  return done;
}

/// Timeout and permissions first: with the payload the authority ends.
template <KeyType T>
[[nodiscard]] Result<void> answer(Authority<T>& authority, const Instantiation& made) noexcept {
  if (!made.timeout.is_none()) {
    if (auto set = authority.key().set_timeout(made.timeout); !set) return set;
  }
  if (!made.permissions.is_default()) {
    if (auto set = authority.key().set_permissions(made.permissions); !set) return set;
  }
  return keyring_detail::instantiate(authority, made.payload, made.destination);
}

template <KeyType T, class Handler>
[[nodiscard]] Result<void> serve(KeyRequest& request, Handler& handler) {
  auto authority = Authority<T>::assume(KeyRef<T>::from_serial(request.key().serial()));
  if (!authority) return unexpected(authority.error());
  if (auto loaded = request.load(*authority); !loaded) return loaded;
  auto answered = handler(static_cast<const KeyRequest&>(request));  // an exception: ~Authority rejects
  if (!answered) return std::move(*authority).reject(answered.error());
  using Answer = std::remove_cvref_t<decltype(*answered)>;
  if constexpr (std::is_same_v<Answer, Instantiation>) {
    return keyring_detail::answer(*authority, *answered);
  } else {
    return keyring_detail::instantiate(*authority, *answered);
  }
}

}  // namespace keyring_detail

/// main() of a handler for keys of type T:
///     int main(int argc, char** argv) {
///       return handle_upcall<key_type::User>(argc, argv, [](const KeyRequest& request) { … });
///     }
/// `handler` returns expected<SecretBytes, Rejection>, or expected<Instantiation, Rejection>. Assumes the authority,
/// sets timeout and permissions before the payload, and answers in every case: with what the handler returns, or, for a
/// second, with ENOKEY if it throws, with the kernel's errno if that refuses the payload (EDQUOT, EINVAL). It must not
/// return before it knows the answer: a process left behind has no authority. Returns the exit status: 0 when the
/// kernel has its answer. Errors go to stderr.
template <KeyType T, class Handler>
[[nodiscard]] int handle_upcall(int argc, const char* const* argv, Handler handler) {
  auto request = KeyRequest::parse(argc, argv);
  Result<void> served;
  if (!request) {
    served = unexpected(request.error());
  } else {
#if defined(__cpp_exceptions)
    try {
      served = keyring_detail::serve<T>(*request, handler);
    } catch (...) {
      served = unexpected(Error::usage("handle_upcall", "the handler threw an exception"));
    }
#else
    served = keyring_detail::serve<T>(*request, handler);
#endif
  }
  if (served) return 0;
  const std::string_view text = served.error().text();
  std::fprintf(stderr, "%s: %.*s\n", served.error().operation(), static_cast<int>(text.size()), text.data());
  return 1;
}

}  // namespace gsskey::inline GSSKEY_ABI
