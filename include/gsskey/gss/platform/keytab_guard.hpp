// gsskey/gss/platform/keytab_guard: keytab files that Heimdal would crash on are refused before it reads them.
// Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/memory.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/platform/select.hpp>

#ifdef GSSKEY_GSS_KEYTABS_CRASH
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// One entry of a keytab file of version 2, or 1, whose numbers are in the order of the machine's bytes and whose count
/// of components has the realm in it. What follows the key (a longer key version, flags) may be anything.
class KeytabEntry {
 public:
  KeytabEntry(ByteView bytes, bool is_first_version) noexcept : in_{bytes}, is_first_version_{is_first_version} {}

  [[nodiscard]] bool is_whole() noexcept {
    std::int16_t components = 0;
    if (!take_number(components)) return false;
    if (is_first_version_) --components;
    if (components < 0 || !skip_counted()) return false;  // the realm
    while (components-- > 0) {
      if (!skip_counted()) return false;
    }
    const std::size_t name_type = is_first_version_ ? 0 : 4;
    constexpr std::size_t timestamp = 4, key_version = 1, key_type = 2;
    return in_.skip(name_type) && in_.skip(timestamp + key_version + key_type) && skip_counted();
  }

 private:
  [[nodiscard]] bool take_number(std::int16_t& number) noexcept {
    std::uint16_t bits = 0;
    constexpr bool is_little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    if (!(is_first_version_ && is_little ? in_.take_little_endian(bits) : in_.take_big_endian(bits))) return false;
    number = static_cast<std::int16_t>(bits);
    return true;
  }
  [[nodiscard]] bool skip_counted() noexcept {
    std::int16_t size = 0;
    return take_number(size) && size >= 0 && in_.skip(static_cast<std::size_t>(size));
  }

  detail::Reader in_;
  bool is_first_version_;
};

/// Whether Heimdal 7.8 can read this file: a keytab whose entries are all whole, or what it sees at once to be none.
/// What it believes is a number of 32 bits before each entry and of 16 before each string, and when the file ends
/// before them it frees the parts of an entry that it has not written yet.
[[nodiscard]] inline bool is_readable_keytab(ByteView file) noexcept {
  detail::Reader in{file};
  unsigned char format = 0;
  unsigned char version = 0;
  if (!in.take_byte(format) || format != 5 || !in.take_byte(version)) return true;
  const bool is_first_version = version == 1;
  constexpr bool is_little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
  while (in.rest().size() >= 4) {
    std::uint32_t bits = 0;
    if (!(is_first_version && is_little ? in.take_little_endian(bits) : in.take_big_endian(bits))) return false;
    const std::int64_t size = static_cast<std::int32_t>(bits);
    if (size == -(std::int64_t{1} << 31)) return false;  // which has no opposite in 32 bits
    if (size < 0) {                                      // an entry that was deleted
      if (!in.skip(static_cast<std::size_t>(-size))) return true;
      continue;
    }
    ByteView entry;
    if (!in.take(static_cast<std::size_t>(size), entry) || !KeytabEntry{entry, is_first_version}.is_whole()) {
      return false;
    }
  }
  return true;
}

#ifdef GSSKEY_GSS_KEYTABS_CRASH

extern "C" [[nodiscard]] char* secure_getenv(const char* name) noexcept;  // <cstdlib> takes as long as the whole guard

constexpr std::size_t max_keytab_name = 4096;

struct DefaultKeytabState {
  ::pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  bool is_set = false;
  char name[max_keytab_name] = {};
};
GSSKEY_SHARED constinit DefaultKeytabState default_keytab;  // as Heimdal has one

/// What Heimdal takes for the default keytab, and what set_process_keytab() says in its place.
class DefaultKeytab {
 public:
  static constexpr std::size_t max_size = max_keytab_name;

  /// nullptr: that of environment and configuration again.
  static void set(const char* name) noexcept {
    ::pthread_mutex_lock(&default_keytab.mutex);
    default_keytab.is_set = name != nullptr;
    copy(default_keytab.name, default_keytab.is_set ? name : "");
    ::pthread_mutex_unlock(&default_keytab.mutex);
  }
  static void get(char (&name)[max_size]) noexcept {
    ::pthread_mutex_lock(&default_keytab.mutex);
    const char* const variable = default_keytab.is_set ? nullptr : secure_getenv("KRB5_KTNAME");
    if (variable == nullptr && default_keytab.name[0] == '\0') read_configuration();
    const char* const known =
        default_keytab.name[0] != '\0' ? default_keytab.name : "/etc/krb5.keytab";  // for this once
    copy(name, variable != nullptr ? variable : known);
    ::pthread_mutex_unlock(&default_keytab.mutex);
  }

 private:
  static void copy(char (&to)[max_size], const char* from) noexcept {
    const std::size_t size = ::strnlen(from, max_size - 1);
    std::memcpy(to, from, size);
    to[size] = '\0';
  }
  /// krb5.conf is Heimdal's to read. No program has to link with libkrb5 for that: libgssapi has loaded it.
  static void read_configuration() noexcept {
    void* const library = ::dlopen("libkrb5.so.26", RTLD_NOLOAD | RTLD_LAZY);
    if (library == nullptr) return;
    const auto init = reinterpret_cast<int (*)(void**)>(::dlsym(library, "krb5_init_context"));
    const auto ask = reinterpret_cast<int (*)(void*, char*, std::size_t)>(::dlsym(library, "krb5_kt_default_name"));
    const auto free = reinterpret_cast<void (*)(void*)>(::dlsym(library, "krb5_free_context"));
    void* context = nullptr;
    if (init != nullptr && ask != nullptr && free != nullptr && init(&context) == 0) {
      char asked[max_size];
      if (ask(context, asked, sizeof asked) == 0) copy(default_keytab.name, asked);
      free(context);
    }
    ::dlclose(library);
  }
};

struct KnownKeytab {
  KnownKeytab* next;
  const void* credential;
  // and then the name
};
struct KnownKeytabsState {
  ::pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  KnownKeytab* first = nullptr;
};
GSSKEY_SHARED constinit KnownKeytabsState known_keytabs;

/// Of the credentials of acceptors, which keytab each was acquired from. Heimdal reads that one in each handshake, and
/// does not tell its name.
class KnownKeytabs {
 public:
  /// False if there is no memory.
  [[nodiscard]] static bool add(const void* credential, const char* name) noexcept {
    const std::size_t size = std::strlen(name) + 1;
    auto* const known = static_cast<KnownKeytab*>(gsskey::detail::allocate(sizeof(KnownKeytab) + size));
    if (known == nullptr) return false;
    std::memcpy(known + 1, name, size);
    ::pthread_mutex_lock(&known_keytabs.mutex);
    *known = {known_keytabs.first, credential};
    known_keytabs.first = known;
    ::pthread_mutex_unlock(&known_keytabs.mutex);
    return true;
  }
  /// Before the credential is released, or given to somebody else: another one may then have its address.
  static void remove(const void* credential) noexcept {
    ::pthread_mutex_lock(&known_keytabs.mutex);
    KnownKeytab** link = &known_keytabs.first;
    while (*link != nullptr && (*link)->credential != credential) link = &(*link)->next;
    KnownKeytab* const found = *link;
    if (found != nullptr) *link = found->next;
    ::pthread_mutex_unlock(&known_keytabs.mutex);
    gsskey::detail::deallocate(found);
  }
  /// The default, if it is not known.
  static void get(const void* credential, char (&name)[max_keytab_name]) noexcept {
    ::pthread_mutex_lock(&known_keytabs.mutex);
    const KnownKeytab* known = known_keytabs.first;
    while (known != nullptr && known->credential != credential) known = known->next;
    if (known != nullptr) {
      const auto* const kept = reinterpret_cast<const char*>(known + 1);
      std::memcpy(name, kept, std::strlen(kept) + 1);
    }
    ::pthread_mutex_unlock(&known_keytabs.mutex);
    if (known == nullptr) DefaultKeytab::get(name);
  }
};

/// Whether Heimdal can read this file, as it is at this moment. What cannot be opened it finds out by itself. Errors:
/// gss (RoutineError::no_cred); system, where it cannot be looked at.
[[nodiscard]] inline Result<void> check_keytab_file(const char* operation, const char* mechanism,
                                                    const char* path) noexcept {
  const auto refuse = [&](const char* fault) {
    return unexpected(Error::gss(operation, GSS_S_NO_CRED, 0, mechanism)
                          .with_text("no credentials, or they cannot be used; the keytab ", path, ": ", fault));
  };
  constexpr std::size_t max_file = std::size_t{64} << 20;
  const int file = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return {};
  struct ::stat status{};
  if (::fstat(file, &status) != 0) {
    const int error = errno;
    ::close(file);
    return unexpected(Error::system("fstat", error));
  }
  const std::size_t size = status.st_size >= 0 ? static_cast<std::size_t>(status.st_size) : 0;
  SecretBytes bytes;
  auto sized = bytes.resize(size < max_file ? size + 1 : 1);  // room to see that it grows
  std::size_t got = 0;
  int error = 0;
  while (sized && error == 0 && got < bytes.size()) {
    const ::ssize_t count = ::read(file, bytes.data() + got, bytes.size() - got);
    if (count == 0) break;
    if (count > 0) got += static_cast<std::size_t>(count);
    if (count < 0 && errno != EINTR) error = errno;
  }
  ::close(file);
  if (!sized) return sized;
  if (error != 0 && error != EISDIR) return unexpected(Error::system("read", error));
  if (got == bytes.size()) return refuse("it grows while it is read, or is no keytab");
  if (!is_readable_keytab({bytes.data(), got})) return refuse("it is cut off, or is no keytab");
  return {};
}

/// Whether `type`, what stands before a colon, begins `name`, in whatever case: so Heimdal looks for it.
[[nodiscard]] inline bool is_keytab_type(const char* type, std::size_t size, const char* name) noexcept {
  return ::strncasecmp(type, name, size) == 0;
}

/// Whether Heimdal may read the keytab of this name, or each of the files that it names together. Errors: gss
/// (RoutineError::no_cred); system, where a file cannot be looked at.
template <Mechanism M>
[[nodiscard]] inline Result<void> check_keytab(const char* operation, const char* name) noexcept {
  const char* colon = *name == '/' ? nullptr : std::strchr(name, ':');
  const std::size_t type = colon == nullptr ? 0 : static_cast<std::size_t>(colon - name);
  const char* path = colon == nullptr ? name : colon + 1;
  if (is_keytab_type(name, type, "FILE") || is_keytab_type(name, type, "WRFILE") ||
      is_keytab_type(name, type, "JAVA14")) {
    return check_keytab_file(operation, M::name, path);
  }
  if (!is_keytab_type(name, type, "ANY")) return {};
  while (*path != '\0') {
    char one[DefaultKeytab::max_size];
    const std::size_t size = std::strcspn(path, ",");
    if (size >= sizeof one) return {};
    std::memcpy(one, path, size);
    one[size] = '\0';
    if (auto checked = check_keytab<M>(operation, one); !checked) return checked;
    path += path[size] == ',' ? size + 1 : size;
  }
  return {};
}

#endif

/// Before each call that reads the keytab of an acceptor's credential, or the default one where there is none yet:
/// nullptr. Without a lock: who replaces a keytab is to write another file and
/// to rename it; one that is written where it is can be seen cut off, and that is an error until it is whole.
template <Mechanism M>
[[nodiscard]] inline Result<void> check_keytab_of([[maybe_unused]] const char* operation,
                                                  [[maybe_unused]] const void* credential) noexcept {
#ifdef GSSKEY_GSS_KEYTABS_CRASH
  if constexpr (!std::same_as<M, mech::Ntlmssp>) {
    char name[max_keytab_name];
    KnownKeytabs::get(credential, name);
    return check_keytab<M>(operation, name);
  }
#endif
  return {};
}
/// After an acceptor's credential was acquired from the default keytab.
[[nodiscard]] inline Result<void> remember_keytab([[maybe_unused]] const char* operation,
                                                  [[maybe_unused]] const void* credential) noexcept {
#ifdef GSSKEY_GSS_KEYTABS_CRASH
  char name[max_keytab_name];
  DefaultKeytab::get(name);
  if (!KnownKeytabs::add(credential, name)) return unexpected(Error::system(operation, ENOMEM));
#endif
  return {};
}
inline void forget_keytab([[maybe_unused]] const void* credential) noexcept {
#ifdef GSSKEY_GSS_KEYTABS_CRASH
  KnownKeytabs::remove(credential);
#endif
}

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
