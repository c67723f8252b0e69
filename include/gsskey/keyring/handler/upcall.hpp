// gsskey/keyring/handler/upcall: a whole program for /sbin/request-key as one function.
// SPDX-License-Identifier: MIT
#pragma once

#include <grp.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include <cstdio>
#include <type_traits>

#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/keyring/detail/upcall_deadline.hpp>
#include <gsskey/keyring/handler/authority.hpp>
#include <gsskey/keyring/handler/requester.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// What a handler answers when a payload alone is not all.
struct Instantiation {
  SecretBytes payload;
  Timeout timeout = no_timeout;
  Permissions permissions = {};  ///< nothing: the kernel's default
  Destination destination = Destination::none();
};

/// Says who wants which key. The process that reads it is the handler: started by the kernel as root in the initial
/// namespaces, with a session ring of its own that holds the authority. Move-only.
///
/// request_key() without callout info searches the requester's rings too; with it, it may start another handler.
/// Neither must be for the key that is requested: the handler would wait for itself, and its requester with it, until
/// the deadline (UpcallOptions).
/// Threads: one at a time; any number while nobody changes or moves it.
class KeyRequest {
 public:
  /// Reads the arguments "create <key> <uid> <gid> <thread ring> <process ring> <session ring>", which the kernel gives
  /// to /sbin/request-key, and a line of request_key_line() (rule.hpp) to a handler. Ids of 2^31 and more come as
  /// negative numbers, to a handler that is /sbin/request-key itself: that of keyutils 1.6.3 takes them for options and
  /// starts nothing, so that such a requester gets ENOKEY.
  /// Errors: usage, for other arguments, and for the id -1, which is nobody's.
  [[nodiscard]] static Result<KeyRequest> parse(int argc, const char* const* argv) noexcept {
    using namespace keyring_detail;
    KeyRequest request;
    key_serial_t serials[4] = {};
    bool fits = argc == 8 && detail::view_of(argv[1]) == "create";
    for (int at = 0; fits && at < 4; ++at) {
      fits = parse_number(detail::view_of(argv[at == 0 ? 2 : 4 + at]), 10, serials[at]) && serials[at] >= 0;
    }
    if (!fits || serials[0] == 0 || !parse_id(detail::view_of(argv[3]), request.user_) ||
        !parse_id(detail::view_of(argv[4]), request.group_)) {
      return unexpected(Error::usage("KeyRequest::parse", "the arguments are not: create key uid gid ring ring ring"));
    }
    if (request.user_ == nobodys_id || request.group_ == nobodys_id) {
      return unexpected(Error::usage("KeyRequest::parse", "-1 is nobody's user or group id"));
    }
    request.key_ = AnyKeyRef::from_serial(serials[0]);
    for (int ring = 0; ring < 3; ++ring) request.rings_[ring] = KeyringRef::from_serial(serials[1 + ring]);
    return request;
  }

  [[nodiscard]] AnyKeyRef key() const noexcept { return key_; }
  [[nodiscard]] uid_t user() const noexcept { return user_; }
  [[nodiscard]] gid_t group() const noexcept { return group_; }
  /// Returns a ring of the requester; an empty one if the requester has none.
  [[nodiscard]] KeyringRef thread_ring() const noexcept { return rings_[0]; }
  [[nodiscard]] KeyringRef process_ring() const noexcept { return rings_[1]; }
  [[nodiscard]] KeyringRef session_ring() const noexcept { return rings_[2]; }
  /// Returns the description of the key: any bytes but NUL, which the requester chose.
  [[nodiscard]] std::string_view description() const noexcept GSSKEY_LIFETIMEBOUND { return info_.description(); }
  [[nodiscard]] std::string_view type() const noexcept GSSKEY_LIFETIMEBOUND { return info_.type(); }
  /// Returns what the requester said; the requester chose this too.
  [[nodiscard]] std::string_view callout_info() const noexcept GSSKEY_LIFETIMEBOUND { return callout_info_.text(); }

  /// Returns which thread and process asked, and whether in other namespaces than this one.
  /// Calls: keyctl_get_keyring_ID; stat. Reads /proc/keys and /proc/THREAD/status.
  /// Errors: keyring, with errno: ENOKEY, outside of an upcall; EBADMSG, where /proc/keys does not tell, or tells of
  ///   two; system, where /proc cannot be read.
  [[nodiscard]] Result<Requester> requester() const noexcept { return keyring_detail::find_requester(); }

  /// Makes this process the requester's user and group, with no other groups, and without capabilities unless the
  /// requester is root; each is looked at afterwards. The authority stays. After an Error the process must not go on
  /// for the requester.
  /// Calls: setgroups, setresgid, setresuid; then getresuid, getresgid, getgroups, capget.
  /// Errors: system, with errno; policy, for what was not dropped (SECBIT_NO_SETUID_FIXUP, PR_SET_KEEPCAPS).
  [[nodiscard]] Result<void> become_requester() const noexcept {
    if (::setgroups(0, nullptr) != 0) return unexpected(Error::system("setgroups", errno));
    if (::setresgid(group_, group_, group_) != 0) return unexpected(Error::system("setresgid", errno));
    if (::setresuid(user_, user_, user_) != 0) return unexpected(Error::system("setresuid", errno));
    const auto refused = [](const char* text) { return unexpected(Error::policy("become_requester", 0, text)); };
    uid_t users[3];
    gid_t groups[3];
    if (::getresuid(&users[0], &users[1], &users[2]) != 0 || ::getresgid(&groups[0], &groups[1], &groups[2]) != 0) {
      return unexpected(Error::system("getresuid", errno));
    }
    for (int at = 0; at < 3; ++at) {
      if (users[at] != user_ || groups[at] != group_) return refused("a user or group id is not the requester's");
    }
    const int count = ::getgroups(0, nullptr);
    if (count < 0) return unexpected(Error::system("getgroups", errno));
    if (count != 0) return refused("supplementary groups are left");
    ::__user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    ::__user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capget, &header, sets) != 0) return unexpected(Error::system("capget", errno));
    for (const auto& set : sets) {
      if (user_ != 0 && (set.permitted | set.effective) != 0) return refused("capabilities are left");
    }
    return {};
  }

  /// Asks what the key is, and what the requester said; handle_upcall() does it.
  /// Calls: keyctl_describe; keyctl_read of the authorisation key.
  /// Errors: keyring, with errno; usage, for a key of another type; system (ENOMEM).
  template <KeyType T>
  [[nodiscard]] Result<void> load(const Authority<T>& authority) noexcept {
    auto info = key_.describe();
    if (!info) return unexpected(info.error());
    info_ = *std::move(info);
    if (type() != detail::view_of(T::name)) {
      return unexpected(Error::usage("handle_upcall", "the requested key is of another type than the handler's"));
    }
    auto callout = authority.callout_info();
    if (!callout) return unexpected(callout.error());
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

/// A function that is told what a handler could not do, in place of log_upcall(). `request` is as far as it is known:
/// at worst nothing of it.
/// Threads: the handler's; when the deadline has passed, in a signal handler.
using UpcallLog = void (*)(const KeyRequest& request, const Error& error) noexcept;

/// Writes "user;krb:alice for uid 1000: keyctl_instantiate: Disk quota exceeded" to syslog (LOG_AUTHPRIV, LOG_ERR) and
/// to stderr: the kernel starts handlers with /dev/null there. Control characters become '?': the requester has a say.
/// Calls: syslog, fprintf.
inline void log_upcall(const KeyRequest& request, const Error& error) noexcept {
  const auto part = [](std::string_view text) { return static_cast<int>(text.size() < 200 ? text.size() : 200); };
  char line[800];
  int size = 0;
  if (!request.type().empty()) {
    size = std::snprintf(line, sizeof line, "%.*s;%.*s for uid %lu: ", part(request.type()), request.type().data(),
                         part(request.description()), request.description().data(),
                         static_cast<unsigned long>(request.user()));
  }
  std::snprintf(line + size, sizeof line - static_cast<std::size_t>(size), "%s: %.*s", error.operation(),
                part(error.text()), error.text().data());
  for (char* letter = line; *letter != '\0'; ++letter) {
    if (static_cast<unsigned char>(*letter) < 0x20 || *letter == 0x7f) *letter = '?';
  }
  ::syslog(LOG_AUTHPRIV | LOG_ERR, "request-key: %s", line);
  std::fprintf(stderr, "%s\n", line);
}

/// What handle_upcall() does beside asking the handler.
struct UpcallOptions {
  /// How long the handler may take. When it is over the requester gets ETIMEDOUT, the log is told, and the process
  /// ends, by SIGKILL where that takes a second: nobody could end the requester's wait otherwise. Waiting in the kernel
  /// that no signal ends (a dead NFS server's) goes on.
  Timeout deadline = Seconds{60};
  /// The namespaces in which the requester may live elsewhere than the handler, which the kernel starts in the initial
  /// ones, for containers too. All others are refused with EKEYREJECTED, and so is everybody where /proc does not tell.
  /// The files and processes that such a requester means are not those that the handler finds.
  Namespaces may_differ = {};
  /// nullptr: nobody is told.
  UpcallLog log = &log_upcall;
};

namespace keyring_detail {

/// What the kernel refuses is the requester's to know about: EDQUOT, for one.
template <KeyType T>
[[nodiscard]] inline Result<void> refuse_with(Authority<T>& authority, const Error& error) noexcept {
  const bool is_errno = error.domain() == Domain::keyring || error.domain() == Domain::system;
  static_cast<void>(std::move(authority).reject({.error = is_errno ? static_cast<int>(error.minor_status()) : ENOKEY}));
  return unexpected(error);
}
template <KeyType T>
[[nodiscard]] inline Result<void> instantiate(Authority<T>& authority, const typename T::Payload& payload,
                                              Destination destination = Destination::none()) noexcept {
  auto done = std::move(authority).instantiate(payload, destination);
  return done ? done : refuse_with(authority, done.error());
}

/// keyctl_setperm has no exception for handlers: it wants the key possessed, which it is through the requester's rings,
/// unless the ring that the requester named is none of these. Then through that ring, linked here for the moment.
[[nodiscard]] inline Result<void> set_permissions_of(AnyKeyRef key, Permissions permissions) noexcept {
  auto set = key.set_permissions(permissions);
  if (set || set.error().domain() != Domain::keyring || set.error().minor_status() != EACCES) return set;
  const auto own = Keyring::install_thread();
  if (!own) return set;
  const auto hold = own->create(key_type::Keyring{"gsskey-requestor"});
  if (!hold || keyctl_link(requestor_ring, hold->serial()) < 0) return set;
  return key.set_permissions(permissions);
}

/// Timeout and permissions first: with the payload the authority ends.
template <KeyType T>
[[nodiscard]] inline Result<void> answer(Authority<T>& authority, const Instantiation& made) noexcept {
  if (made.timeout.is_over()) {
    static_cast<void>(std::move(authority).reject({.error = EKEYEXPIRED}));
    return check_timeout("handle_upcall", made.timeout);
  }
  if (!made.timeout.is_none()) {
    if (auto set = authority.key().set_timeout(made.timeout); !set) return refuse_with(authority, set.error());
  }
  if (!made.permissions.is_default()) {
    const auto key = AnyKeyRef::from_serial(authority.key().serial());
    if (auto set = set_permissions_of(key, made.permissions); !set) return refuse_with(authority, set.error());
  }
  return keyring_detail::instantiate(authority, made.payload, made.destination);
}

/// What the signal handler needs. Nothing in it waits but, perhaps, the log; and then there is SIGKILL.
struct Overdue {
  const KeyRequest& request;
  UpcallLog log;
  static void passed(void* context) noexcept {
    const auto& overdue = *static_cast<const Overdue*>(context);
    constexpr unsigned seconds = 3;  // the requester sees it when the process has ended, a second later at worst
    keyctl_reject(overdue.request.key().serial(), seconds, ETIMEDOUT, 0);
    if (overdue.log != nullptr) {
      overdue.log(overdue.request, Error::usage("handle_upcall", "the handler did not answer before its deadline"));
    }
    ::_exit(1);
  }
};

[[nodiscard]] inline Result<void> check_namespaces(const KeyRequest& request, Namespaces may_differ) noexcept {
  if (may_differ.contains(every_namespace)) return {};
  const auto requester = request.requester();
  if (!requester) return unexpected(requester.error());
  if (may_differ.contains(requester->elsewhere)) return {};
  return unexpected(Error::policy("handle_upcall", 0,
                                  "the requester is in another mount, process or user namespace, which "
                                  "UpcallOptions::may_differ does not allow"));
}

template <KeyType T, class Handler>
[[nodiscard]] inline Result<void> serve(KeyRequest& request, Handler& handler, const UpcallOptions& options) {
  auto authority = Authority<T>::assume(KeyRef<T>::from_serial(request.key().serial()));
  if (!authority) return unexpected(authority.error());
  if (auto loaded = request.load(*authority); !loaded) return loaded;
  if (auto fits = check_namespaces(request, options.may_differ); !fits) {
    static_cast<void>(std::move(*authority).reject({.error = EKEYREJECTED}));
    return fits;
  }
  using Handled = std::remove_cvref_t<decltype(handler(static_cast<const KeyRequest&>(request)))>;
  const auto handled = [&]() -> Handled {
    Overdue overdue{request, options.log};
    const UpcallDeadline deadline{options.deadline, &Overdue::passed, &overdue};
    if (!deadline.is_good()) return unexpected(Rejection{EAGAIN});
    return handler(static_cast<const KeyRequest&>(request));  // an exception: ~Authority rejects
  };
  auto answered = handled();
  if (!answered) return std::move(*authority).reject(answered.error());
  using Answer = std::remove_cvref_t<decltype(*answered)>;
  if constexpr (std::is_same_v<Answer, Instantiation>) {
    return keyring_detail::answer(*authority, *answered);
  } else {
    return keyring_detail::instantiate(*authority, *answered);
  }
}

}  // namespace keyring_detail

/// Runs a handler for keys of type T, as main() of its program:
///     int main(int argc, char** argv) {
///       return handle_upcall<key_type::User>(argc, argv, [](const KeyRequest& request) { … });
///     }
/// `handler` returns expected<SecretBytes, Rejection>, or expected<Instantiation, Rejection>, and not before it knows
/// the answer: a process left behind has no authority. Timeout and permissions are set before the payload. What comes
/// back is the exit status: 0 when the kernel has its answer. What went wrong is told to the log.
///
/// There is an answer in every case: what the handler returns, or, for a moment, ENOKEY if it throws, ETIMEDOUT if it
/// takes too long, the kernel's errno if that refuses what it returned (EDQUOT, EINVAL). The kernel answers ENOKEY, for
/// a minute, where the arguments are none or the process is killed.
/// Calls: keyctl_assume_authority, keyctl_describe, keyctl_read; keyctl_set_timeout, keyctl_setperm; keyctl_instantiate
///   or keyctl_reject. The deadline: timer_create, twice, with SIGRTMAX and SIGKILL.
/// Blocks: as long as `handler` does, until the deadline at most.
/// Threads: in a process, one at a time.
/// See: request-key(8), request_key(2).
template <KeyType T, class Handler>
[[nodiscard]] inline int handle_upcall(int argc, const char* const* argv, Handler handler, UpcallOptions options = {}) {
  auto request = KeyRequest::parse(argc, argv);
  Result<void> served = keyring_detail::check_timeout("handle_upcall", options.deadline);
  if (!request) {
    served = unexpected(request.error());
  } else if (served) {
#if defined(__cpp_exceptions)
    try {
      served = keyring_detail::serve<T>(*request, handler, options);
    } catch (...) {
      served = unexpected(Error::usage("handle_upcall", "the handler threw an exception"));
    }
#else
    served = keyring_detail::serve<T>(*request, handler, options);
#endif
  }
  if (served) return 0;
  const KeyRequest unknown;
  if (options.log != nullptr) options.log(request ? *request : unknown, served.error());
  return 1;
}

GSSKEY_END_ABI
}  // namespace gsskey
