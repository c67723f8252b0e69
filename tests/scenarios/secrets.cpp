// What is left of a secret in the memory of this process when its owners are gone: of each that goes through the
// headers, also where a call fails on the way. Run by valgrind: whether a branch or an address depends on one; what a
// comparison of MACs comes to is told to everybody, so that is where a secret ends. tests/headers/secret_paths.py sees
// to it that all are here, by the names that paths have.
#include <gsskey/gss.hpp>
#include <gsskey/gss/context/expiring.hpp>
#include <gsskey/gss/context/export.hpp>
#include <gsskey/gss/context/in_place.hpp>
#include <gsskey/gss/context/iov.hpp>
#include <gsskey/gss/context/options.hpp>
#include <gsskey/gss/context/ordering.hpp>
#include <gsskey/gss/context/prf.hpp>
#include <gsskey/gss/credential/transfer.hpp>
#include <gsskey/handoff/credential_cache.hpp>
#include <gsskey/handoff/envelope.hpp>
#include <gsskey/handoff/parked_context.hpp>
#include <gsskey/http/negotiate.hpp>
#include <gsskey/http/session.hpp>
#include <gsskey/io/co_drive.hpp>
#include <gsskey/io/co_framing.hpp>
#include <gsskey/io/framing.hpp>
#include <gsskey/io/record_layer.hpp>
#include <gsskey/io/task.hpp>
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/asymmetric.hpp>
#include <gsskey/keyring/diffie_hellman.hpp>
#include <gsskey/keyring/encrypted.hpp>
#include <gsskey/keyring/handler/authority.hpp>
#include <gsskey/keyring/handler/upcall.hpp>
#include <gsskey/krb5/enctype.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/lucid.hpp>
#include <gsskey/messages/batch.hpp>
#include <gsskey/messages/take_over.hpp>
#ifdef GSSKEY_TEST_LANES
#include <gsskey/messages/lanes.hpp>
#endif
#include <gsskey/sasl/line.hpp>
#include <gsskey/text/credential.hpp>
#include <gsskey/text/handshake.hpp>
#ifdef ASIO_STANDALONE
#include <gsskey/asio/handshake.hpp>
#include <gsskey/asio/secure_stream.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#endif

#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <coroutine>
#include <cstdarg>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/kdc_client.hpp"
#include "support/protector.hpp"
#include "support/realm.hpp"
#include "support/session.hpp"
#include "support/traces.hpp"

using namespace gsskey;
using support::must;
using support::Secrets;
using support::Traces;
using Krb5 = mech::Krb5;

namespace {

extern "C" const char __executable_start, etext;
/// Where what fails is called from: libraries of C are not what is tested, and GSS libraries do not survive it.
bool is_ours(const void* caller) noexcept { return caller >= &__executable_start && caller < &etext; }

/// The call of C that fails, of those below, counted on the path's thread from 1 on; 0: none. Either it does nothing,
/// or it has done all that it can before it says that it failed.
thread_local long fails_at = 0;
bool is_late = false;
bool fails_now() noexcept { return fails_at > 0 && --fails_at == 0; }

template <class Function>
Function* library(const char* name) noexcept {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

/// Learns what is drawn as a key.
Secrets* drawing = nullptr;

/// The kernel's part, where it is played: every key has the secret of the path for its payload, and all goes well.
const Secrets* played = nullptr;
std::size_t played_size = 0;
long play(int command, const unsigned long* words) noexcept {
  const auto write = [](unsigned long to, unsigned long room) {
    // As kernels before 5.6: what fits of a longer one.
    played->write(reinterpret_cast<unsigned char*>(to), std::min<std::size_t>(room, played_size));
    return static_cast<long>(played_size);
  };
  switch (command) {
    case KEYCTL_READ:
    case KEYCTL_GET_SECURITY:
      return write(words[1], words[2]);
    case KEYCTL_DH_COMPUTE:
      return write(words[1], words[2]);
    case KEYCTL_PKEY_QUERY:
      reinterpret_cast<struct ::keyctl_pkey_query*>(words[3])->max_dec_size = static_cast<unsigned short>(played_size);
      return 0;
    case KEYCTL_PKEY_DECRYPT:
      return write(words[3], played_size) - 3;
    case KEYCTL_DESCRIBE: {
      constexpr std::string_view text = "user;0;0;3f010000;name";
      if (words[2] > text.size()) std::memcpy(reinterpret_cast<char*>(words[1]), text.data(), text.size() + 1);
      return static_cast<long>(text.size() + 1);
    }
    case KEYCTL_SEARCH:
      errno = ENOKEY;
      return -1;
    default:
      return 0;
  }
}

}  // namespace

#define FAILS_AT_TIMES(Result, name, parameters, arguments, failure)                  \
  Result name parameters {                                                            \
    static auto* const next = library<decltype(name)>(#name);                         \
    if (!is_ours(__builtin_return_address(0)) || !fails_now()) return next arguments; \
    if (is_late) static_cast<void>(next arguments);                                   \
    return failure;                                                                   \
  }

#if defined(GSSKEY_GSS_HEIMDAL)
using LentContext = gss_const_ctx_id_t;
using LentCredential = gss_const_cred_id_t;
using LentOid = gss_OID;
#else
using LentContext = gss_ctx_id_t;
using LentCredential = gss_cred_id_t;
using LentOid = const gss_OID;
#endif

extern "C" {
FAILS_AT_TIMES(int, EVP_CipherUpdate, (EVP_CIPHER_CTX * c, unsigned char* o, int* s, const unsigned char* i, int n),
               (c, o, s, i, n), 0)
FAILS_AT_TIMES(int, EVP_EncryptUpdate, (EVP_CIPHER_CTX * c, unsigned char* o, int* s, const unsigned char* i, int n),
               (c, o, s, i, n), 0)
FAILS_AT_TIMES(int, EVP_DecryptUpdate, (EVP_CIPHER_CTX * c, unsigned char* o, int* s, const unsigned char* i, int n),
               (c, o, s, i, n), 0)
FAILS_AT_TIMES(int, EVP_EncryptFinal_ex, (EVP_CIPHER_CTX * c, unsigned char* o, int* s), (c, o, s), 0)
FAILS_AT_TIMES(int, EVP_DecryptFinal_ex, (EVP_CIPHER_CTX * c, unsigned char* o, int* s), (c, o, s), 0)
FAILS_AT_TIMES(int, EVP_CipherInit_ex2,
               (EVP_CIPHER_CTX * c, const EVP_CIPHER* t, const unsigned char* k, const unsigned char* i, int e,
                const OSSL_PARAM* p),
               (c, t, k, i, e, p), 0)
FAILS_AT_TIMES(int, EVP_EncryptInit_ex2,
               (EVP_CIPHER_CTX * c, const EVP_CIPHER* t, const unsigned char* k, const unsigned char* i,
                const OSSL_PARAM* p),
               (c, t, k, i, p), 0)
FAILS_AT_TIMES(int, EVP_DecryptInit_ex2,
               (EVP_CIPHER_CTX * c, const EVP_CIPHER* t, const unsigned char* k, const unsigned char* i,
                const OSSL_PARAM* p),
               (c, t, k, i, p), 0)
FAILS_AT_TIMES(int, EVP_KDF_derive, (EVP_KDF_CTX * c, unsigned char* o, std::size_t n, const OSSL_PARAM* p),
               (c, o, n, p), 0)
FAILS_AT_TIMES(int, EVP_MAC_init, (EVP_MAC_CTX * c, const unsigned char* k, std::size_t n, const OSSL_PARAM* p),
               (c, k, n, p), 0)
FAILS_AT_TIMES(int, EVP_Digest,
               (const void* i, std::size_t n, unsigned char* o, unsigned* s, const EVP_MD* t, ENGINE* e),
               (i, n, o, s, t, e), 0)
/// In the place of OpenSSL's, which our comparisons call: the same work, and its outcome is no secret.
int CRYPTO_memcmp(const void* a, const void* b, std::size_t size) {
  unsigned char difference = 0;
  for (std::size_t at = 0; at < size; ++at) {
    difference = static_cast<unsigned char>(
        difference | (static_cast<const unsigned char*>(a)[at] ^ static_cast<const unsigned char*>(b)[at]));
  }
  support::show({&difference, sizeof difference});
  return difference;
}
FAILS_AT_TIMES(int, RAND_bytes, (unsigned char* o, int n), (o, n), 0)
int RAND_priv_bytes(unsigned char* out, int size) {
  static auto* const next = library<decltype(RAND_priv_bytes)>("RAND_priv_bytes");
  const bool fails = is_ours(__builtin_return_address(0)) && fails_now();
  if (fails && !is_late) return 0;
  const int result = next(out, size);
  if (drawing != nullptr) drawing->learn({out, static_cast<std::size_t>(size)});
  return fails ? 0 : result;
}
FAILS_AT_TIMES(OM_uint32, gss_unwrap,
               (OM_uint32 * m, LentContext c, gss_buffer_t i, gss_buffer_t o, int* f, gss_qop_t* q), (m, c, i, o, f, q),
               GSS_S_FAILURE)
FAILS_AT_TIMES(OM_uint32, gss_export_sec_context, (OM_uint32 * m, gss_ctx_id_t* c, gss_buffer_t o), (m, c, o),
               GSS_S_FAILURE)
FAILS_AT_TIMES(OM_uint32, gss_inquire_context,
               (OM_uint32 * m, LentContext c, gss_name_t* s, gss_name_t* t, OM_uint32* l, gss_OID* o, OM_uint32* f,
                int* i, int* e),
               (m, c, s, t, l, o, f, i, e), GSS_S_FAILURE)
FAILS_AT_TIMES(OM_uint32, gss_inquire_cred,
               (OM_uint32 * m, LentCredential c, gss_name_t* n, OM_uint32* l, gss_cred_usage_t* u, gss_OID_set* o),
               (m, c, n, l, u, o), GSS_S_FAILURE)
FAILS_AT_TIMES(OM_uint32, gss_export_cred, (OM_uint32 * m, gss_cred_id_t c, gss_buffer_t o), (m, c, o), GSS_S_FAILURE)
FAILS_AT_TIMES(OM_uint32, gss_inquire_sec_context_by_oid,
               (OM_uint32 * m, LentContext c, LentOid o, gss_buffer_set_t* s), (m, c, o, s), GSS_S_FAILURE)
FAILS_AT_TIMES(OM_uint32, gss_pseudo_random,
               (OM_uint32 * m, gss_ctx_id_t c, int k, const gss_buffer_t i, ::ssize_t n, gss_buffer_t o),
               (m, c, k, i, n, o), GSS_S_FAILURE)

key_serial_t add_key(const char* type, const char* description, const void* payload, std::size_t size,
                     key_serial_t ring) {
  if (fails_now()) {
    errno = ENOMEM;
    return -1;
  }
  if (played != nullptr) return 7;
  return static_cast<key_serial_t>(::syscall(SYS_add_key, type, description, payload, size, ring));
}
long keyctl(int command, ...) {
  unsigned long words[5];
  std::va_list list;
  va_start(list, command);
  for (unsigned long& each : words) each = va_arg(list, unsigned long);
  va_end(list);
  const bool fails = fails_now();
  long result = -1;
  if (!fails || is_late) {
    result = played != nullptr ? play(command, words)
                               : ::syscall(SYS_keyctl, command, words[0], words[1], words[2], words[3]);
  }
  if (!fails) return result;
  errno = ENOMEM;
  return -1;
}
}  // extern "C"

namespace {

long paths = 0;
long runs = 0;
/// Told at the end.
const struct Figures {
  ~Figures() {
    std::printf("%ld paths, %ld runs, %.1f GB looked at\n", paths, runs,
                static_cast<double>(support::traces::scanned) / 1e9);
  }
} figures;

/// Which allocation fails, or which call; 0: none.
long failing_allocation = 0;
long failing_call = 0;
support::heap::NthFails failing{0};
void disarm() noexcept {
  failing.arm(0);
  fails_at = 0;
}
/// What fails is counted from here on: for paths that begin with something else, after disarm().
void from_here() noexcept {
  support::heap::NthFails::counts = &is_ours;
  failing.arm(failing_allocation);
  fails_at = failing_call;
}

/// The path, once without a fault, and then once for each allocation and for each call that fails, in turn.
struct Found {
  Traces whole;
  Traces faulty;  ///< the worst
};
template <class Path>
Traces traces_in(Path path) {
  auto traces = support::traces_of(path);
  // The first time ld.so looks functions up, and saves registers on the stack meanwhile.
  if (traces.sum() != 0) traces = support::traces_of(path);
  ++runs;
  return traces;
}
template <class Path>
Found found_on(Path path, bool with_faults) {
  ++paths;
  Found found{traces_in([&](Secrets& secrets) { path(secrets); }), {}};
  const auto fail_each = [&](long& at) {
    for (at = 1;; ++at) {
      bool failed = false;
      const auto traces = traces_in([&](Secrets& secrets) {
        from_here();
        try {
          path(secrets);
        } catch (...) {  // of must(): its own
        }
        failed = failing.has_failed(failing_allocation) || (failing_call != 0 && fails_at == 0);
        disarm();
      });
      if (!failed) break;
      if (traces.sum() > found.faulty.sum()) {
        found.faulty = traces;
        found.faulty.where += (is_late ? " (late fault " : " (fault ") + std::to_string(at) + ")";
      }
    }
    at = 0;
  };
  if (!with_faults || support::is_on_valgrind()) return found;
  is_late = false;
  fail_each(failing_allocation);
  fail_each(failing_call);
  is_late = true;
  fail_each(failing_call);
  return found;
}

/// Nothing is left, whatever fails.
template <class Path>
void leaves_nothing(const char* name, Path path, bool with_faults = true) {
  const auto found = found_on(path, with_faults);
  INFO(name << ": " << found.whole.where << "; " << found.faulty.where);
  CAPTURE(found.whole.freed, found.whole.library_freed, found.whole.on_stack, found.whole.elsewhere);
  CAPTURE(found.whole.decisions);
  CAPTURE(found.faulty.freed, found.faulty.library_freed, found.faulty.on_stack, found.faulty.elsewhere);
  CHECK(found.whole.sum() == 0);
  CHECK(found.faulty.sum() == 0);
}

}  // namespace

TEST_CASE("what is left is found") {
  const auto traces = [](auto path) { return support::traces_of(path); };
  if (support::is_on_valgrind()) {
    CHECK(traces([](Secrets& secrets) {
            const volatile auto letter = *secrets.bytes(1).data();
            if (letter == 'q') std::printf("q\n");
          }).decisions == 1);
    return;
  }
  CHECK(traces([](Secrets&) {}).sum() == 0);
  CHECK(traces([](Secrets& secrets) { static_cast<void>(secrets.bytes(100)); }).sum() == 0);
  CHECK(traces([](Secrets& secrets) {
          unsigned char stack[8192];  // more than what is called next takes for itself
          secrets.write(stack, sizeof stack);
          asm volatile("" : : "r"(stack) : "memory");  // compilers leave out what nobody reads
        }).on_stack > 0);
  CHECK(traces([](Secrets& secrets) {
          std::vector<unsigned char> heap(32);
          secrets.write(heap.data(), heap.size());
        }).freed == 1);
  static unsigned char data[64];
  CHECK(traces([](Secrets& secrets) { secrets.write(data + 3, 16); }).elsewhere > 0);
  CHECK(traces([](Secrets& secrets) {
          const auto key = secrets.bytes(16);
          for (std::size_t at = 0; at < 16; ++at) data[at] = static_cast<unsigned char>(key.data()[at] ^ 0x5c);
        }).elsewhere > 0);
  CHECK(traces([](Secrets& secrets) {
          std::memset(data, 0, sizeof data);
          auto made = must(SecretBytes::with_size(32));
          REQUIRE(RAND_bytes(made.data(), 32) == 1);
          secrets.learn(made);
          std::memcpy(data, made.data() + 16, 8);
        }).elsewhere == 1);
  std::memset(data, 0, sizeof data);
}

TEST_CASE("core: SecretBytes") {
  leaves_nothing("SecretBytes, SecretBytes::with_size, SecretBytes::adopt, SecretBytes::copy_of, SecretBytes::resize",
                 [](Secrets& secrets) {
                   auto bytes = secrets.bytes(100);
                   auto copy = SecretBytes::copy_of(bytes);
                   if (copy) static_cast<void>(copy->resize(40));
                   if (copy) static_cast<void>(copy->resize(400));
                   bytes = secrets.bytes(300);
                   SecretBytes moved{std::move(bytes)};
                   moved.wipe();
                 });
}

TEST_CASE("openssl: keys") {
  using namespace rfc3961;
  for (const EncryptionType& type : encryption_types) {
    CAPTURE(type.name);
    const bool with_faults = type.key_size == 32;  // one type of each way to derive
    leaves_nothing(
        "derive_key",
        [&](Secrets& secrets) {
          const auto base = secrets.bytes(type.key_size);
          for (const auto purpose : {Purpose::checksum, Purpose::encryption, Purpose::integrity}) {
            if (const auto key = derive_key(type, base, 22, purpose)) secrets.learn(*key);
          }
        },
        with_faults);
    leaves_nothing(
        "Checksum::create, Hmac, Hmac::create",
        [&](Secrets& secrets) {
          const auto key = secrets.bytes(type.mac_key_size);
          unsigned char mac[max_mac_size];
          auto made = rfc3961::Checksum::create(type, key);
          if (made) static_cast<void>(made->start() && made->update("message") && made->finish(mac));
        },
        with_faults);
    leaves_nothing(
        "ChainedCipher::create",
        [&](Secrets& secrets) {
          const auto key = secrets.bytes(type.key_size);
          unsigned char block[block_size] = {};
          for (const bool encrypts : {true, false}) {
            auto made = ChainedCipher::create(type, key, encrypts);
            if (made) static_cast<void>(made->start() && made->update(block, sizeof block, block));
          }
        },
        with_faults);
    leaves_nothing(
        "SealingKey::with_keys, OpeningKey::with_keys",
        [&](Secrets& secrets) {
          const auto encryption = secrets.bytes(type.key_size);
          const auto integrity = secrets.bytes(type.mac_key_size);
          static_cast<void>(SealingKey::with_keys(type, encryption, integrity));
          static_cast<void>(OpeningKey::with_keys(type, encryption, integrity));
        },
        with_faults);
    leaves_nothing(
        "SealingKey, SealingKey::derive, OpeningKey, OpeningKey::derive, Sender, Receiver",
        [&](Secrets& secrets) {
          const auto base = secrets.bytes(type.key_size);
          static_cast<void>(SealingKey::derive(type, base, 22));
          static_cast<void>(OpeningKey::derive(type, base, 22));
          static_cast<void>(rfc4121::Sender::create({&type, base, false}));
          static_cast<void>(rfc4121::Receiver::create({&type, base, true}));
        },
        with_faults);
  }
}

namespace {

/// Around the sizes at which a message is put together in other ways.
constexpr std::size_t message_sizes[] = {16, 100, 464, 479, 480, 481, 496, 497, 512, 1000, 9000};

/// As many bytes as there are, of which the first, one in the middle or the last is another.
std::vector<support::Bytes> altered(const support::Bytes& token) {
  std::vector<support::Bytes> all;
  for (const std::size_t at : {std::size_t{0}, std::size_t{20}, token.size() / 2, token.size() - 1}) {
    all.push_back(token);
    all.back()[at] ^= 1;
  }
  return all;
}

}  // namespace

TEST_CASE("openssl: messages") {
  using namespace rfc4121;
  for (const auto& type : rfc3961::encryption_types) {
    CAPTURE(type.name);
    for (const std::size_t size : message_sizes) {
      CAPTURE(size);
      const bool with_faults = type.key_size == 32 && (size == 480 || size == 1000);
      support::Bytes token(2 * header_size + rfc3961::block_size + size + type.mac_size);
      leaves_nothing(
          "Sender::wrap, Sender::wrap_at, Sender::get_mic, SealingKey::seal",
          [&](Secrets& secrets) {
            disarm();
            const auto base = secrets.bytes(type.key_size);
            auto sender = must(Sender::create({&type, base, false}));
            const auto message = secrets.bytes(size);
            unsigned char mic[100];
            from_here();
            static_cast<void>(sender.get_mic(message, mic));
            static_cast<void>(sender.wrap(message, token.data()));
            static_cast<void>(sender.wrap_at(3, message, token.data()));
          },
          with_faults);
      leaves_nothing(
          "Receiver::open, Receiver::check, OpeningKey::open",
          [&](Secrets& secrets) {
            disarm();
            const auto base = secrets.bytes(type.key_size);
            auto sender = must(Sender::create({&type, base, false}));
            auto receiver = must(Receiver::create({&type, base, false}));
            const auto message = secrets.bytes(size);
            REQUIRE(sender.wrap(message, token.data()));
            support::show(token);
            auto all = altered(token);
            all.push_back(token);
            from_here();
            for (const auto& bytes : all) {
              WrapToken wrap;
              if (!wrap.header.read(bytes, true) || !wrap.read_rest(bytes, type.mac_size)) continue;
              auto body = must(SecretBytes::with_size(wrap.body_size));
              static_cast<void>(receiver.open(wrap, bytes, body.data()));
            }
            static_cast<void>(receiver.check(message, token));
          },
          with_faults);
#ifdef GSSKEY_TEST_LANES
      if (type.digest == nullptr || size < 2 * rfc3961::block_size) continue;
      leaves_nothing(
          "LaneKeys::create, Lanes::seal, Lanes::open",
          [&](Secrets& secrets) {
            disarm();
            auto& lanes = rfc3961::Lanes::of_thread();
            must(lanes.start());
            const auto encryption = secrets.bytes(type.key_size);
            const auto integrity = secrets.bytes(type.mac_key_size);
            const auto message = secrets.bytes(size);
            from_here();
            const auto keys = rfc3961::LaneKeys::create(type, lanes.manager(), encryption, integrity);
            if (!keys) return;
            std::vector<support::Bytes> tokens(5, support::Bytes(header_size + size + type.mac_size));
            std::vector<rfc3961::LaneText> texts;
            for (auto& each : tokens) {
              std::memcpy(each.data() + header_size, message.data(), size);
              texts.push_back({each.data() + header_size, size, false});
            }
            static_cast<void>(lanes.seal(*keys, texts));
            for (const auto& each : tokens) support::show(each);
            tokens[1].back() ^= 1;
            static_cast<void>(lanes.open(*keys, texts));
            for (auto& each : tokens) OPENSSL_cleanse(each.data(), each.size());
          },
          with_faults);
#endif
    }
  }
}

TEST_CASE("openssl: seals") {
  const auto other = must(SealKey::generate());
  leaves_nothing("SealKey, SealKey::generate, SealKey::bytes", [](Secrets& secrets) {
    if (const auto key = SealKey::generate()) secrets.learn(key->bytes());
  });
  for (const std::size_t size : {std::size_t{31}, SealKey::size}) {
    leaves_nothing("SealKey::from_bytes",
                   [&](Secrets& secrets) { static_cast<void>(SealKey::from_bytes(secrets.bytes(size))); });
  }
  for (const std::size_t size : {100u, 5000u}) {
    leaves_nothing("seal, open_seal", [&](Secrets& secrets) {
      const auto token = secrets.bytes(size);
      auto bytes_of_key = secrets.bytes(SealKey::size);
      support::show(bytes_of_key);  // of which the seal tells an id
      const auto key = SealKey::from_bytes(std::move(bytes_of_key));
      if (!key) return;
      secrets.learn(key->bytes());
      const auto sealed = seal(*key, token, Krb5::oid, Seconds{60});
      if (!sealed) return;
      support::show(*sealed);
      const support::Bytes whole{sealed->begin(), sealed->end()};
      static_cast<void>(open_seal<Krb5>(*key, whole));
      static_cast<void>(open_seal<Krb5>(other, whole));
      static_cast<void>(open_seal<mech::Ntlmssp>(*key, whole));
      for (const auto& bytes : altered(whole)) static_cast<void>(open_seal<Krb5>(*key, bytes));
      const auto late = seal(*key, token, Krb5::oid, Seconds{0});
      if (!late) return;
      support::show(*late);
      static_cast<void>(open_seal<Krb5>(*key, *late));
    });
  }
}

namespace {

/// While one lives, the kernel is played: payloads are this long.
struct Played {
  Played(const Secrets& secrets, std::size_t size) noexcept {
    played_size = size;
    played = &secrets;
  }
  Played(const Played&) = delete;
  Played& operator=(const Played&) = delete;
  ~Played() { played = nullptr; }
};

}  // namespace

TEST_CASE("keyring") {
  const auto key = KeyRef<key_type::User>::from_serial(3);
  const auto ring = KeyringRef::from_serial(4);
  const auto asymmetric = KeyRef<key_type::Asymmetric>::from_serial(5);
  for (const std::size_t size : {40u, 512u, 513u, 5000u}) {
    CAPTURE(size);
    leaves_nothing("KeyOperations::read, KeyOperations::security_label", [&](Secrets& secrets) {
      const Played kernel{secrets, size};
      static_cast<void>(key.read());
      static_cast<void>(key.security_label());
    });
    leaves_nothing("Authority::callout_info", [&](Secrets& secrets) {
      const Played kernel{secrets, size};
      const auto authority = Authority<key_type::User>::assume(key);
      if (authority) static_cast<void>(authority->callout_info());
    });
    leaves_nothing("PublicKey::decrypt, diffie_hellman", [&](Secrets& secrets) {
      const Played kernel{secrets, size};
      const auto made = PublicKey::from_key(asymmetric, "pkcs1");
      if (made) static_cast<void>(made->decrypt("encrypted"));
      static_cast<void>(diffie_hellman(key, key, key));
      static_cast<void>(diffie_hellman(key, key, key, "sha256", "", std::min<std::size_t>(size + 4, 1024)));
    });
    if (size == 512 || size == 5000) continue;
    leaves_nothing("RingOperations::unlink, RingOperations::move", [&](Secrets& secrets) {
      secrets.may_decide("numbers of keys: what is read is taken for a ring");
      const Played kernel{secrets, size};
      static_cast<void>(ring.unlink(key));
      static_cast<void>(ring.move(key, ring));
    });
    leaves_nothing(
        "KeyOperations::update, RingOperations::create, RingOperations::create_through, "
        "RingOperations::create_or_replace, RingOperations::put, RingOperations::upsert",
        [&](Secrets& secrets) {
          const auto payload = secrets.bytes(size);
          secrets.may_decide("what is read are rings: numbers of keys");
          const Played kernel{secrets, size};
          const key_type::User name{"name"};
          static_cast<void>(key.update(payload, Seconds{60}));
          static_cast<void>(ring.create(name, payload, {.timeout = Seconds{60}}));
          static_cast<void>(ring.create_through(ring, name, payload));
          static_cast<void>(ring.create_or_replace(name, payload));
          static_cast<void>(ring.put(name, payload));
          static_cast<void>(ring.upsert(name, payload, Seconds{60}));
        });
    leaves_nothing("RingOperations::create_pieces, RingOperations::put_pieces", [&](Secrets& secrets) {
      const auto payload = secrets.bytes(size);
      secrets.may_decide("what is read are rings: numbers of keys");
      const Played kernel{secrets, size};
      const key_type::User name{"name"};
      static_cast<void>(ring.create_pieces(name, {"header", payload}));
      static_cast<void>(ring.put_pieces(name, {"header", payload}));
    });
    leaves_nothing("Authority::instantiate, Authority::instantiate_pieces", [&](Secrets& secrets) {
      const Played kernel{secrets, size};
      const auto payload = secrets.bytes(size);
      auto authority = Authority<key_type::User>::assume(key);
      if (authority) static_cast<void>(std::move(*authority).instantiate(payload));
      authority = Authority<key_type::User>::assume(key);
      if (authority) static_cast<void>(std::move(*authority).instantiate_pieces({"header", payload}));
    });
    leaves_nothing("Instantiation, handle_upcall, KeyRequest::load, KeyRequest", [&](Secrets& secrets) {
      const Played kernel{secrets, size};
      const char* const arguments[] = {"request-key", "create", "3", "0", "0", "0", "0", "0"};
      const UpcallOptions options{.log = nullptr};
      static_cast<void>(handle_upcall<key_type::User>(
          8, arguments, [&](const KeyRequest&) { return expected<SecretBytes, Rejection>{secrets.bytes(size)}; },
          options));
      static_cast<void>(handle_upcall<key_type::User>(
          8, arguments,
          [&](const KeyRequest&) {
            return expected<Instantiation, Rejection>{
                Instantiation{.payload = secrets.bytes(size), .timeout = Seconds{60}}};
          },
          options));
    });
    leaves_nothing(
        "EncryptedPayload::load, TrustedPayload::load, TrustedPayload::generate, TrustedPayload::seal_with, "
        "EncryptedPayload, TrustedPayload, EncryptedUpdate",
        [&](Secrets& secrets) {
          secrets.may_decide("blobs are encrypted; an authority is hexadecimal, which is looked for spaces");
          const auto blob = secrets.bytes(size);
          static_cast<void>(EncryptedPayload::load(blob));
          static_cast<void>(TrustedPayload::load(blob));
          const TrustedOptions options{.key_authority = blob.text(), .blob_authority = blob.text()};
          static_cast<void>(TrustedPayload::generate(32, options));
          static_cast<void>(TrustedPayload::seal_with(options));
        });
  }
}

namespace {

/// A stream that has `bytes` to read, in pieces.
struct Given {
  ByteView bytes;
  Result<void> write(ByteView, ByteView) noexcept { return {}; }
  Result<void> read(void* data, std::size_t size) noexcept {
    if (size > bytes.size()) return unexpected(Error::transport("read", ECONNRESET));
    std::memcpy(data, bytes.data(), size);
    bytes = bytes.subview(size);
    return {};
  }
};

/// The same for a coroutine, which need not wait.
struct Awaited {
  struct Now {
    Result<std::size_t> count;
    [[nodiscard]] bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    [[nodiscard]] Result<std::size_t> await_resume() const { return count; }
  };
  Given given;
  Now async_write_some(ByteView header, ByteView body) noexcept { return {header.size() + body.size()}; }
  Now async_read_some(void* data, std::size_t size) noexcept {
    if (auto read = given.read(data, size); !read) return {unexpected(read.error())};
    return {size};
  }
};

}  // namespace

TEST_CASE("io and protocol") {
  for (const std::size_t size : {30u, 3000u}) {
    for (const std::size_t missing : {0u, 1u}) {
      CAPTURE(size, missing);
      leaves_nothing(
          "FramedTransport::receive, FramedTransport::send, CoFramedTransport::async_receive, "
          "CoFramedTransport::async_send",
          [&](Secrets& secrets) {
            const auto token = secrets.bytes(size - missing);
            auto frame = must(SecretBytes::with_size(4 + token.size()));
            frame.data()[2] = static_cast<unsigned char>(size >> 8);
            frame.data()[3] = static_cast<unsigned char>(size);
            std::memcpy(frame.data() + 4, token.data(), token.size());
            Given stream{frame};
            FramedTransport transport{stream};
            static_cast<void>(transport.receive(10000));
            static_cast<void>(transport.send(token));
            Awaited awaited{{frame}};
            CoFramedTransport<Task, Awaited> task_transport{awaited};
            static_cast<void>(sync_wait(task_transport.async_receive(10000)));
            static_cast<void>(sync_wait(task_transport.async_send(token)));
          });
      leaves_nothing("IncomingFrame, IncomingFrame::take", [&](Secrets& secrets) {
        const auto token = secrets.bytes(size - missing);
        const unsigned char header[4] = {0, 0, static_cast<unsigned char>(size >> 8), static_cast<unsigned char>(size)};
        IncomingFrame incoming{10000};
        static_cast<void>(incoming.put(header));
        static_cast<void>(incoming.put(token));
        if (incoming.is_complete()) static_cast<void>(incoming.take());
      });
    }
    leaves_nothing(
        "base64_decode, from_line, from_initial_response, parse_authorization, parse_www_authenticate, "
        "NegotiateHeader",
        [&](Secrets& secrets) {
          secrets.may_decide("tokens, which everybody sees who sees the header");
          // Letters are base64, too.
          auto text = secrets.bytes(size / 4 * 4);
          if (const auto decoded = base64_decode(text.text())) secrets.learn(*decoded);
          auto header = must(SecretBytes::with_size(10 + text.size()));
          std::memcpy(header.data(), "Negotiate ", 10);
          std::memcpy(header.data() + 10, text.data(), text.size());
          static_cast<void>(sasl::from_line(text.text()));
          static_cast<void>(sasl::from_initial_response(text.text()));
          static_cast<void>(parse_authorization(header.text()));
          static_cast<void>(parse_www_authenticate(header.text()));
          static_cast<void>(parse_www_authenticate(header.text(), 8));
          text.data()[text.size() - 5] = '!';
          static_cast<void>(base64_decode(text.text()));
        });
  }
}

namespace {

/// With the keys of both ends known.
template <class Work>
auto with_pair(Work work) {
  return [work](Secrets& secrets) {
    disarm();
    auto ends = support::pair<Krb5>();
    if (const auto key = session_key(ends.acceptor)) secrets.learn(key->key);
    from_here();
    work(ends.initiator, ends.acceptor, secrets);
  };
}
using Context = SecurityContext<Krb5>;

/// What a library of C leaves when the same is done without these headers, in `theirs`, is its own: nothing more is
/// left.
template <class Path, class Theirs>
void leaves_no_more(const char* name, Path path, Theirs theirs, bool with_faults = true) {
  const auto found = found_on(path, with_faults);
  if (support::is_on_valgrind()) {
    INFO(name);
    CHECK(found.whole.decisions == 0);
    return;
  }
  const auto reference = traces_in(theirs);
  INFO(name << ": " << found.whole.where << "; " << found.faulty.where << "; in C " << reference.where);
  for (const Traces& traces : {found.whole, found.faulty}) {
    CHECK(traces.freed == 0);
    CHECK(traces.on_stack <= reference.on_stack);
    CHECK(traces.library_freed <= reference.library_freed);
    CHECK(traces.elsewhere <= reference.elsewhere);
  }
  if (reference.sum() != 0) {
    std::printf("%s: the same in C leaves %ld on its stack, and %ld in freed blocks\n", name, reference.on_stack,
                reference.library_freed);
  }
}

}  // namespace

namespace {

/// The same in plain C, with what the caller owns wiped.
void release(gss_buffer_desc& buffer) {
  if (buffer.length != 0) explicit_bzero(buffer.value, buffer.length);
  OM_uint32 minor = 0;
  gss_release_buffer(&minor, &buffer);
}
void handshake_in_c(Secrets& secrets) {
  disarm();
  gss_ctx_id_t initiator = GSS_C_NO_CONTEXT;
  gss_ctx_id_t acceptor = GSS_C_NO_CONTEXT;
  gss_buffer_desc there{0, nullptr};
  gss_buffer_desc back{0, nullptr};
  const auto target = support::target();
  OM_uint32 minor = 0;
  OM_uint32 major = GSS_S_CONTINUE_NEEDED;
  while (major == GSS_S_CONTINUE_NEEDED) {
    major = gss_init_sec_context(&minor, support::initiator_credential<Krb5>().get(), &initiator, target.get(),
                                 gss_detail::raw_oid<Krb5::oid>(), GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG, 0,
                                 GSS_C_NO_CHANNEL_BINDINGS, &back, nullptr, &there, nullptr, nullptr);
    gss_release_buffer(&minor, &back);
    if (there.length == 0) break;
    const OM_uint32 accepted =
        gss_accept_sec_context(&minor, &acceptor, support::acceptor_credential<Krb5>().get(), &there,
                               GSS_C_NO_CHANNEL_BINDINGS, nullptr, nullptr, &back, nullptr, nullptr, nullptr);
    gss_release_buffer(&minor, &there);
    REQUIRE(accepted == GSS_S_COMPLETE);
  }
  REQUIRE(major == GSS_S_COMPLETE);
  gss_buffer_set_t keys = nullptr;
  REQUIRE(gss_inquire_sec_context_by_oid(&minor, acceptor, gss_detail::raw_oid<context_object::session_key>(), &keys) ==
          GSS_S_COMPLETE);
  secrets.learn({keys->elements[0].value, keys->elements[0].length});
  explicit_bzero(keys->elements[0].value, keys->elements[0].length);
  gss_release_buffer_set(&minor, &keys);
  gss_delete_sec_context(&minor, &initiator, GSS_C_NO_BUFFER);
  gss_delete_sec_context(&minor, &acceptor, GSS_C_NO_BUFFER);
}
void export_lucid_in_c(Context& ours, Context& theirs, Secrets&) {
  for (Context* const each : {&ours, &theirs}) {
    OM_uint32 minor = 0;
    gss_ctx_id_t raw = each->release();
    void* exported = nullptr;
    REQUIRE(gss_krb5_export_lucid_sec_context(&minor, &raw, 1, &exported) == GSS_S_COMPLETE);
    auto* const lucid = static_cast<gss_krb5_lucid_context_v1_t*>(exported);
    for (const auto& key : {lucid->cfx_kd.ctx_key, lucid->cfx_kd.acceptor_subkey}) {
      if (key.data != nullptr) explicit_bzero(key.data, key.length);
    }
    gss_krb5_free_lucid_sec_context(&minor, exported);
    gss_delete_sec_context(&minor, &raw, GSS_C_NO_BUFFER);
  }
}
void subkey_in_c(Context&, Context& context, Secrets&) {
  OM_uint32 minor = 0;
  gss_buffer_set_t answer = nullptr;  // which MIT krb5 does not give
  gss_inquire_sec_context_by_oid(&minor, context.get(), gss_detail::raw_oid<context_object::subkey>(), &answer);
  for (std::size_t at = 0; answer != nullptr && at < answer->count; ++at) {
    explicit_bzero(answer->elements[at].value, answer->elements[at].length);
  }
  gss_release_buffer_set(&minor, &answer);
}
void pseudo_random_in_c(Context&, Context& context, Secrets& secrets) {
  OM_uint32 minor = 0;
  gss_buffer_desc input{5, const_cast<char*>("input")};
  gss_buffer_desc output{0, nullptr};
  REQUIRE(gss_pseudo_random(&minor, context.get(), GSS_C_PRF_KEY_FULL, &input, 40, &output) == GSS_S_COMPLETE);
  secrets.learn({output.value, output.length});
  release(output);
}
/// Messages, each altered, whole, and whole again.
auto messages_in_c(std::size_t size, int count) {
  return with_pair([size, count](Context& ours, Context& theirs, Secrets& secrets) {
    const auto message = secrets.bytes(size);
    for (int turn = 0; turn < count; ++turn) {
      OM_uint32 minor = 0;
      gss_buffer_desc in = gss_detail::borrow(message);
      gss_buffer_desc out{0, nullptr};
      REQUIRE(gss_wrap(&minor, ours.get(), 1, GSS_C_QOP_DEFAULT, &in, nullptr, &out) == GSS_S_COMPLETE);
      const auto token = support::bytes_of({static_cast<const unsigned char*>(out.value), out.length});
      gss_release_buffer(&minor, &out);
      auto all = altered(token);
      all.insert(all.end(), 3, token);
      for (const auto& bytes : all) {
        in = gss_detail::borrow(bytes);
        gss_unwrap(&minor, theirs.get(), &in, &out, nullptr, nullptr);
        release(out);
      }
    }
  });
}
/// Three in place.
auto in_place_in_c(std::size_t size) {
  return with_pair([size](Context& ours, Context& theirs, Secrets& secrets) {
    for (int turn = 0; turn < 3; ++turn) {
      OM_uint32 minor = 0;
      gss_iov_buffer_desc parts[4] = {};
      const OM_uint32 types[] = {GSS_IOV_BUFFER_TYPE_HEADER, GSS_IOV_BUFFER_TYPE_DATA, GSS_IOV_BUFFER_TYPE_PADDING,
                                 GSS_IOV_BUFFER_TYPE_TRAILER};
      for (int at = 0; at < 4; ++at) parts[at].type = types[at];
      parts[1].buffer.length = size;
      REQUIRE(gss_wrap_iov_length(&minor, ours.get(), 1, GSS_C_QOP_DEFAULT, nullptr, parts, 4) == GSS_S_COMPLETE);
      const auto message = secrets.bytes(size);
      auto header = must(SecretBytes::with_size(parts[0].buffer.length));
      auto trailer = must(SecretBytes::with_size(parts[2].buffer.length + parts[3].buffer.length));
      parts[0].buffer.value = header.data();
      parts[1].buffer.value = const_cast<unsigned char*>(message.data());
      parts[2].buffer.value = trailer.data();
      parts[3].buffer.value = trailer.data() + parts[2].buffer.length;
      REQUIRE(gss_wrap_iov(&minor, ours.get(), 1, GSS_C_QOP_DEFAULT, nullptr, parts, 4) == GSS_S_COMPLETE);
      REQUIRE(gss_unwrap_iov(&minor, theirs.get(), nullptr, nullptr, parts, 4) == GSS_S_COMPLETE);
    }
  });
}
void export_in_c(Context&, Context& context, Secrets&) {
  OM_uint32 minor = 0;
  gss_ctx_id_t raw = context.release();
  gss_buffer_desc token{0, nullptr};
  REQUIRE(gss_export_sec_context(&minor, &raw, &token) == GSS_S_COMPLETE);
  REQUIRE(gss_import_sec_context(&minor, &token, &raw) == GSS_S_COMPLETE);
  release(token);
  gss_delete_sec_context(&minor, &raw, GSS_C_NO_BUFFER);
}

/// Keys are 32 bytes: as MIT krb5 writes them into an exported credential.
void learn_keys(ByteView exported, Secrets& secrets) {
  std::string_view text = exported.text();
  while (text.size() >= 46) {
    if (text[0] == '"' && text[45] == '"' && text[44] == '=') secrets.learn(ByteView{text.substr(1, 40)});
    text.remove_prefix(1);
  }
}

/// A user with a password that nobody in this process has.
const Secrets& password_of_carol() {
  static const Secrets password = [] {
    auto& realm = support::realm().realm;
    Secrets drawn;
    drawn.draw();
    const ::pid_t child = ::fork();
    if (child == 0) {
      const auto bytes = drawn.bytes(24);
      ::_exit(realm.kadmin("addprinc -pw " + std::string{bytes.text()} + " carol") ? 0 : 1);
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    REQUIRE(status == 0);
    return drawn;
  }();
  return password;
}
/// Its end is the password's, of 24 letters and a NUL.
SecretBytes with_nul(const Secrets& secrets) {
  auto text = must(SecretBytes::with_size(25));
  secrets.write(text.data(), 24);
  return text;
}
using Initiating = Credential<Krb5, Initiate>;

}  // namespace

TEST_CASE("gss: contexts") {
  support::initiator_credential<Krb5>();
  support::acceptor_credential<Krb5>();
  leaves_no_more("SecurityContext", with_pair([](Context&, Context&, Secrets&) {}), &handshake_in_c);
  leaves_no_more("session_key, SessionKey, inquire_context_object, BufferSet",
                 with_pair([](Context&, Context& context, Secrets&) { static_cast<void>(session_key(context)); }),
                 &handshake_in_c);
  leaves_no_more(
      "enctype, set_handshake_hook, HandshakeReport",
      [](Secrets& secrets) {
        static std::string log;
        set_handshake_hook([](const HandshakeReport& report) noexcept { append_line(log, report); });
        with_pair([](Context&, Context& context, Secrets&) { static_cast<void>(enctype(context)); })(secrets);
        set_handshake_hook(nullptr);
      },
      with_pair(subkey_in_c));
  leaves_no_more("pseudo_random", with_pair([](Context&, Context& context, Secrets& secrets) {
                   if (const auto bytes = pseudo_random(context, "input", 40)) secrets.learn(*bytes);
                 }),
                 with_pair(pseudo_random_in_c));
  leaves_no_more("export_lucid, LucidContext, LucidKey", with_pair([](Context& ours, Context& theirs, Secrets&) {
                   static_cast<void>(export_lucid(std::move(ours)));
                   static_cast<void>(export_lucid(std::move(theirs)));
                 }),
                 with_pair(export_lucid_in_c));
  leaves_no_more("export_context, import_context", with_pair([](Context&, Context& context, Secrets&) {
                   auto token = export_context(std::move(context));
                   if (!token) return;
                   static_cast<void>(import_context<mech::Krb5>(*token));
                   static_cast<void>(import_context<mech::Krb5>(ByteView{*token}.subview(0, 100)));
                 }),
                 with_pair(export_in_c));
}

TEST_CASE("gss: messages") {
  for (const std::size_t size : {100u, 5000u}) {
    leaves_no_more("SecurityContext::unwrap, SecurityContext::unwrap_unencrypted, Unwrapped, SecurityContext::wrap",
                   with_pair([size](Context& ours, Context& theirs, Secrets& secrets) {
                     const auto message = secrets.bytes(size);
                     const auto token = ours.wrap(message);
                     if (!token) return;
                     support::show(*token);
                     for (const auto& bytes : altered(support::bytes_of(*token))) {
                       static_cast<void>(theirs.unwrap(bytes));
                     }
                     static_cast<void>(theirs.unwrap(*token));
                     static_cast<void>(theirs.unwrap(*token));
                     static_cast<void>(theirs.unwrap_unencrypted(*token));
                   }),
                   messages_in_c(size, 1));
    leaves_no_more("unwrap_with_ordering, OrderedMessage, ExpiringContext::unwrap",
                   with_pair([size](Context& ours, Context& theirs, Secrets& secrets) {
                     const auto message = secrets.bytes(size);
                     const auto first = ours.wrap(message);
                     const auto second = ours.wrap(message);
                     if (!first || !second) return;
                     support::show(*first);
                     support::show(*second);
                     static_cast<void>(theirs.unwrap_with_ordering(*second));
                     static_cast<void>(theirs.unwrap_with_ordering(*first));
                     static_cast<void>(theirs.unwrap_with_ordering(*first));
                     auto expiring = ExpiringContext<Krb5>::from_context(std::move(theirs));
                     if (!expiring) return;
                     static_cast<void>(expiring->unwrap(*second));
                     const auto third = ours.wrap(message);
                     if (!third) return;
                     support::show(*third);
                     static_cast<void>(expiring->unwrap(*third));
                   }),
                   messages_in_c(size, 3), size == 100);
#if defined(GSSKEY_GSS_MIT)
    leaves_no_more("unwrap_aead", with_pair([size](Context& ours, Context& theirs, Secrets& secrets) {
                     const auto message = secrets.bytes(size);
                     const auto token = wrap_aead(ours, "beside", message);
                     if (!token) return;
                     support::show(*token);
                     static_cast<void>(unwrap_aead(theirs, "other", *token));
                     static_cast<void>(unwrap_aead(theirs, "beside", *token));
                   }),
                   with_pair([size](Context& ours, Context& theirs, Secrets& secrets) {
                     const auto message = secrets.bytes(size);
                     const auto token = must(wrap_aead(ours, "beside", message));
                     for (const ByteView text : {ByteView{"other"}, ByteView{"beside"}}) {
                       OM_uint32 minor = 0;
                       gss_buffer_desc in = gss_detail::borrow(token);
                       gss_buffer_desc beside = gss_detail::borrow(text);
                       gss_buffer_desc out{0, nullptr};
                       gss_unwrap_aead(&minor, theirs.get(), &in, &beside, &out, nullptr, nullptr);
                       release(out);
                     }
                   }),
                   size == 100);
#endif
    leaves_no_more("unwrap_in_place, wrap_in_place, wrap_into, unwrap_iov, wrap_iov",
                   with_pair([size](Context& ours, Context& theirs, Secrets& secrets) {
                     const auto room = ours.room();
                     if (!room) return;
                     const auto message = secrets.bytes(size);
                     auto memory = must(SecretBytes::with_size(room->header + size + room->trailer));
                     const std::span<unsigned char> all{memory.data(), memory.size()};
                     for (int turn = 0; turn < 3; ++turn) {
                       const auto token = wrap_into(ours, message, all);
                       if (!token) continue;
                       support::show(*token);
                       if (turn == 1) token->back() ^= 1;
                       static_cast<void>(unwrap_in_place(theirs, *token));
                     }
                   }),
                   in_place_in_c(size));
  }
}

namespace {

struct Completed {
  Initiator<Krb5> initiator = support::initiator<Krb5>();
  Acceptor<Krb5> acceptor = support::acceptor<Krb5>();
};
Completed completed() {
  Completed both;
  must(support::step_all(both.initiator, both.acceptor));
  return both;
}

}  // namespace

TEST_CASE("openssl: contexts") {
  support::initiator_credential<Krb5>();
  support::acceptor_credential<Krb5>();
  leaves_no_more(
      "take_over, take_over_after, TakeOverFailure, MessageProtector, ProtectorState",
      [](Secrets& secrets) {
        disarm();
        auto both = completed();
        {
          auto ours = must(std::move(both.initiator).establish());
          secrets.learn(must(session_key(ours)).key);
          from_here();
          static_cast<void>(take_over_after(std::move(ours), {0}));
        }
        static_cast<void>(take_over(std::move(both.acceptor)));
      },
      with_pair(export_lucid_in_c));
  for (const std::size_t size : {480u, 5000u}) {
    const auto with_protectors = [&](auto work) {
      return [&, work](Secrets& secrets) {
        disarm();
        auto both = completed();
        auto ours = support::taken(std::move(both.initiator));
        auto theirs = support::taken(std::move(both.acceptor));
        const auto message = secrets.bytes(size);
        from_here();
        work(ours, theirs, message);
      };
    };
    leaves_nothing(
        "MessageProtector::unwrap, MessageProtector::unwrap_unencrypted, "
        "MessageProtector::unwrap_with_ordering, MessageProtector::wrap",
        with_protectors([](MessageProtector& ours, MessageProtector& theirs, ByteView message) {
          const auto token = ours.wrap(message);
          if (!token) return;
          support::show(*token);
          for (const auto& bytes : altered(support::bytes_of(*token))) {
            static_cast<void>(theirs.unwrap(bytes));
          }
          static_cast<void>(theirs.unwrap(*token));
          static_cast<void>(theirs.unwrap(*token));
          static_cast<void>(theirs.unwrap_unencrypted(*token));
          static_cast<void>(theirs.unwrap_with_ordering(*token));
        }),
        false);
#ifdef GSSKEY_TEST_LANES
    leaves_nothing("MessageLanes, BatchToken",
                   with_protectors([size](MessageProtector& ours, MessageProtector& theirs, ByteView message) {
                     auto sending = MessageLanes::from_protector(ours);
                     auto receiving = MessageLanes::from_protector(theirs);
                     if (!sending || !receiving) return;
                     const auto room = must(ours.room());
                     support::Bytes sent[8];
                     std::vector<BatchMessage> all;
                     for (auto& token : sent) {
                       token.resize(room.header + size + room.trailer);
                       all.push_back({message, token});
                     }
                     if (!sending->wrap(all)) return;
                     for (const auto& token : sent) support::show(token);
                     std::vector<SecretBytes> memory;
                     const auto receive = [&](const support::Bytes& token) {
                       memory.push_back(must(SecretBytes::with_size(token.size())));
                       std::memcpy(memory.back().data(), token.data(), token.size());
                     };
                     for (const auto& token : sent) {
                       for (const auto& bytes : altered(token)) receive(bytes);
                       receive(token);
                     }
                     std::vector<BatchToken> tokens(memory.size());
                     for (std::size_t at = 0; at < memory.size(); ++at)
                       tokens[at].token = {memory[at].data(), memory[at].size()};
                     receiving->unwrap(tokens);
                   }),
                   false);
    leaves_nothing("MessageLanes, RecordLayer",
                   with_protectors([](MessageProtector& ours, MessageProtector& theirs, ByteView message) {
                     auto sending = MessageLanes::from_protector(std::move(ours));
                     auto receiving = MessageLanes::from_protector(std::move(theirs));
                     if (!sending || !receiving) return;
                     const auto token = sending->wrap(message);
                     if (!token) return;
                     support::show(*token);
                     static_cast<void>(receiving->unwrap(*token));
                     RecordLayer<MessageLanes> writer{*std::move(sending)};
                     RecordLayer<MessageLanes> reader{*std::move(receiving)};
                     auto text = must(SecretBytes::with_size(10'000));
                     std::memcpy(text.data() + 5000, message.data(), std::min<std::size_t>(message.size(), 5000));
                     for (const std::size_t lost : {0u, 100u}) {  // the other packets stay unread
                       if (!writer.seal(text)) return;
                       const ByteView packets = writer.unsent()[1];
                       support::show(packets);
                       static_cast<void>(reader.put(packets.subview(0, packets.size() - lost)));
                       reader.consume(1500);
                       writer.sent(packets.size() - lost);
                       writer.abandon(text);
                     }
                   }),
                   false);
#endif
    leaves_nothing(
        "unwrap_in_place and unwrap_into of MessageProtector, MessageBatch, MessageBatch::unwrap, MessageToken, "
        "MessageToken::to_secret",
        with_protectors([size](MessageProtector& ours, MessageProtector& theirs, ByteView message) {
          auto threads = BatchThreads::start(2);
          if (!threads) return;
          auto batch = MessageBatch::from_protector(ours, &*threads);
          auto receiving = MessageBatch::from_protector(theirs);
          if (!batch || !receiving) return;
          const auto room = must(ours.room());
          support::Bytes tokens[3];
          std::vector<BatchMessage> all;
          for (auto& token : tokens) {
            token.resize(room.header + size + room.trailer);
            all.push_back({message, token});
          }
          if (!batch->wrap(all)) return;
          for (const auto& token : tokens) support::show(token);
          auto memory = must(SecretBytes::with_size(tokens[0].size()));
          const std::span<unsigned char> place{memory.data(), memory.size()};
          for (auto& token : tokens) {
            for (const auto& bytes : altered(token)) {
              std::memcpy(memory.data(), bytes.data(), bytes.size());
              static_cast<void>(unwrap_in_place(theirs, place));
              static_cast<void>(unwrap_into(theirs, bytes, place));
              std::memcpy(memory.data(), bytes.data(), bytes.size());
              BatchToken altered_one[1];
              altered_one[0].token = place;
              receiving->unwrap(altered_one);
              static_cast<void>(receiving->unwrap(bytes));
            }
            std::memcpy(memory.data(), token.data(), token.size());
            BatchToken whole[1];
            whole[0].token = place;
            receiving->unwrap(whole);
            static_cast<void>(unwrap_into(theirs, token, place));
            std::memcpy(memory.data(), token.data(), token.size());
            static_cast<void>(unwrap_in_place(theirs, place));
          }
        }),
        false);
  }
}

TEST_CASE("io: handshakes and streams") {
  support::initiator_credential<Krb5>();
  support::acceptor_credential<Krb5>();
#ifdef ASIO_STANDALONE
  using Socket = asio::local::stream_protocol::socket;
  for (const std::size_t size : {100u, 5000u}) {
    leaves_nothing(
        "AsioTransport::async_receive, AsioTransport::async_send",
        [&](Secrets& secrets) {
          disarm();
          asio::io_context io;
          Socket one{io};
          Socket other{io};
          asio::local::connect_pair(one, other);
          const auto token = secrets.bytes(size);
          from_here();
          asio::co_spawn(
              io,
              [&]() -> asio::awaitable<void> {
                AsioTransport sending{one};
                AsioTransport receiving{other};
                if (!co_await sending.async_send(token)) co_return;
                static_cast<void>(co_await receiving.async_receive(10000));
              },
              asio::detached);
          io.run();
        },
        false);  // Asio ends the program where it finds no memory for a coroutine
    leaves_no_more("SecureStream", with_pair([size](Context& ours, Context& theirs, Secrets& secrets) {
                     asio::io_context io;
                     Socket one{io};
                     Socket other{io};
                     asio::local::connect_pair(one, other);
                     const auto message = secrets.bytes(size);
                     SecureStream sending{std::move(one), std::move(ours)};
                     SecureStream receiving{std::move(other), std::move(theirs)};
                     std::error_code code;
                     const asio::const_buffer whole{message.data(), message.size()};
                     const std::array<asio::const_buffer, 2> small{asio::buffer(whole, size / 3), whole + size / 3};
                     static_cast<void>(sending.write_some(small, code));
                     if (code) return;
                     auto part = must(SecretBytes::with_size(size / 2));
                     static_cast<void>(receiving.read_some(asio::buffer(part.data(), part.size()), code));
                   }),
                   in_place_in_c(size));
  }
#endif
}

TEST_CASE("handoff") {
  support::initiator_credential<Krb5>();
  support::acceptor_credential<Krb5>();
  const auto ring = must(Keyring::join_session());
  for (const bool is_altered : {false, true}) {
    leaves_no_more(
        "park, claim, ParkedContext",
        [&](Secrets& secrets) {
          disarm();
          auto ends = support::pair<Krb5>({.request = {ContextFlag::delegate}}, {.keep_delegated = true});
          secrets.learn(must(session_key(ends.acceptor)).key);
          secrets.may_decide("the key's id is its name, in digits: a hash of it");
          drawing = &secrets;
          from_here();
          const auto parked = handoff::park(std::move(ends.acceptor), ring, {.delegated = &ends.delegated});
          drawing = nullptr;
          if (!parked) return;
          auto bytes = support::bytes_of(parked->bytes());
          support::show(bytes);
          if (is_altered) bytes.back() ^= 1;
          static_cast<void>(handoff::claim_all<Krb5>(bytes, ring));
        },
        with_pair(export_in_c));
  }
  leaves_no_more(
      "HttpSessions",
      [&](Secrets& secrets) {
        disarm();
        auto ends = support::pair<Krb5>();
        secrets.learn(must(session_key(ends.acceptor)).key);
        const Accepted<Krb5> login{std::move(ends.acceptor), must(Name::user("alice")), {}, {}, {}};
        secrets.may_decide("the key's id is its name in the seal: a hash of it");
        drawing = &secrets;
        from_here();
        const auto sessions = HttpSessions::from_ring(ring, "www.example.com");
        const auto cookie = sessions ? sessions->issue(login) : unexpected(sessions.error());
        drawing = nullptr;
        if (!cookie) return;
        auto header = *cookie;
        support::show(header);
        static_cast<void>(sessions->open(header.substr(0, header.find(';'))));
        static_cast<void>(sessions->revoke_all());
      },
      &handshake_in_c);
  static_cast<void>(must(Keyring::join_session()));  // and what calls that failed have left there goes
}

namespace {

/// In C: acquired with a password, used, and stored, exported or left.
enum class Then { released, exported, stored };
void acquire_in_c(const Name& name, const Secrets& secrets, Then then, Secrets& learning) {
  const auto password = with_nul(secrets);
  OM_uint32 minor = 0;
  gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
  gss_buffer_desc raw{24, const_cast<unsigned char*>(password.data())};
  gss_OID_set_desc mechanism{1, gss_detail::raw_oid<Krb5::oid>()};
  REQUIRE(gss_acquire_cred_with_password(&minor, name.get(), &raw, GSS_C_INDEFINITE, &mechanism, GSS_C_INITIATE,
                                         &credential, nullptr, nullptr) == GSS_S_COMPLETE);
  if (then == Then::exported) {
    gss_buffer_desc token{0, nullptr};
    REQUIRE(gss_export_cred(&minor, credential, &token) == GSS_S_COMPLETE);
    learn_keys({token.value, token.length}, learning);
    gss_cred_id_t imported = GSS_C_NO_CREDENTIAL;
    for (int turn = 0; turn < 2; ++turn) {
      REQUIRE(gss_import_cred(&minor, &token, &imported) == GSS_S_COMPLETE);
      gss_release_cred(&minor, &imported);
    }
    release(token);
  }
#if defined(GSSKEY_GSS_MIT)
  if (then == Then::stored) {
    gss_key_value_element_desc element{"ccache", "MEMORY:gsskey-secrets"};
    const gss_key_value_set_desc store{1, &element};
    REQUIRE(gss_store_cred_into(&minor, credential, GSS_C_INITIATE, &*mechanism.elements, 1, 0, &store, nullptr,
                                nullptr) == GSS_S_COMPLETE);
  }
#endif
  gss_release_cred(&minor, &credential);
}

#if defined(GSSKEY_GSS_MIT)
/// A login by libkrb5's steps; `asked`: the password is given when it is asked for.
void log_in_in_c(const Secrets& secrets, bool asked) {
  const auto password = with_nul(secrets);
  const auto answer = [](krb5_context in, void* data, krb5_responder_context responder) {
    return krb5_responder_set_answer(in, responder, KRB5_RESPONDER_QUESTION_PASSWORD, static_cast<const char*>(data));
  };
  krb5_get_init_creds_opt* options = nullptr;
  krb5_context context = nullptr;
  krb5_principal client = nullptr;
  krb5_init_creds_context exchange = nullptr;
  REQUIRE(krb5_init_context(&context) == 0);
  REQUIRE(krb5_parse_name(context, "carol", &client) == 0);
  REQUIRE(krb5_get_init_creds_opt_alloc(context, &options) == 0);
  auto* const text = reinterpret_cast<char*>(const_cast<unsigned char*>(password.data()));
  if (asked) REQUIRE(krb5_get_init_creds_opt_set_responder(context, options, answer, text) == 0);
  REQUIRE(krb5_init_creds_init(context, client, nullptr, nullptr, 0, options, &exchange) == 0);
  if (!asked) REQUIRE(krb5_init_creds_set_password(context, exchange, text) == 0);
  std::string reply;
  for (unsigned flags = 1; flags != 0;) {
    krb5_data in{};
    in.data = reply.data();
    in.length = static_cast<unsigned>(reply.size());
    krb5_data out{};
    krb5_data place{};
    REQUIRE(krb5_init_creds_step(context, exchange, &in, &out, &place, &flags) == 0);
    if (flags != 0) reply = support::ask_kdc(support::realm().realm.port(), true, {out.data, out.length});
    krb5_free_data_contents(context, &out);
    krb5_free_data_contents(context, &place);
  }
  krb5_init_creds_free(context, exchange);
  krb5_get_init_creds_opt_free(context, options);
  krb5_free_principal(context, client);
  krb5_free_context(context);
}
#endif

}  // namespace

// Last: what libraries keep of it makes memory large.
TEST_CASE("gss: credentials") {
  support::initiator_credential<Krb5>();
  const auto& carols = password_of_carol();
  const auto carol = must(Name::user("carol"));
  const auto in_c = [&](Then then) {
    return [&carols, &carol, then](Secrets& secrets) {
      secrets = carols;
      acquire_in_c(carol, carols, then, secrets);
    };
  };
  leaves_no_more(
      "Credential::acquire_with_password, reported, set_credential_hook, CredentialReport",
      [&](Secrets& secrets) {
        static std::string log;
        set_credential_hook([](const CredentialReport& report) noexcept { append_line(log, report); });
        const auto wrong = reported([&] { return Initiating::acquire_with_password(carol, secrets.bytes(24)); });
        if (wrong) static_cast<void>(wrong->lifetime());
        secrets = carols;
        secrets.may_decide("what the KDC answers is read with it");
        const auto right = reported([&] { return Initiating::acquire_with_password(carol, secrets.bytes(24)); });
        if (right) static_cast<void>(right->lifetime());
        set_credential_hook(nullptr);
      },
      [&](Secrets& secrets) {
        secrets = carols;
        for (int turn = 0; turn < 2; ++turn) acquire_in_c(carol, carols, Then::released, secrets);
      });
#if defined(GSSKEY_GSS_MIT)
  for (const bool asked : {false, true}) {
    leaves_no_more(
        asked ? "InitialTicket::with_answers" : "InitialTicket::with_password",
        [&](Secrets& secrets) {
          secrets = carols;
          secrets.may_decide("what the KDC answers is read with it");
          const auto cache = TicketCache::in_memory();
          if (!cache) return;
          const auto answer = [&](const LoginQuestion&) { return SecretBytes::copy_of(secrets.bytes(24)); };
          auto login = asked ? InitialTicket::with_answers(*cache, carol, {.answers = answer})
                             : InitialTicket::with_password(*cache, carol, secrets.bytes(24));
          if (!login) return;
          try {
            static_cast<void>(support::carry_out(*login, [](const KdcStep& step) {
              return support::ask_kdc(support::realm().realm.port(), true, step.request);
            }));
          } catch (const std::exception&) {  // of a call that is made to fail on the way to the KDC
          }
        },
        [&](Secrets& secrets) {
          secrets = carols;
          log_in_in_c(carols, asked);
        });
  }
  leaves_no_more(
      "CredentialStore, Credential::acquire_from, store_credential_into",
      [&](Secrets& secrets) {
        secrets = carols;
        secrets.may_decide("what the KDC answers is read with it");
        const auto password = with_nul(secrets);
        const auto credential =
            Initiating::acquire_from({.password = reinterpret_cast<const char*>(password.data())}, carol);
        if (!credential) return;
        static_cast<void>(store_credential_into(*credential, {.ccache = "MEMORY:gsskey-secrets"}, {.overwrite = true}));
      },
      in_c(Then::stored));
  static_cast<void>(must(Keyring::join_session()));
  leaves_no_more(
      "CredentialCache::acquire_with_password",
      [&](Secrets& secrets) {
        secrets = carols;
        secrets.may_decide("what the KDC answers is read with it");
        static_cast<void>(handoff::CredentialCache::acquire_with_password(carol, secrets.bytes(24)));
      },
      in_c(Then::stored));
  static_cast<void>(must(Keyring::join_session()));
#endif
#if defined(GSSKEY_GSS_HEIMDAL)  // whose keytabs are looked at first
  const auto learn_service_key = [](Secrets& secrets) {
    disarm();
    const int file = ::open(support::realm().realm.keytab().c_str(), O_RDONLY | O_CLOEXEC);
    auto bytes = must(SecretBytes::with_size(4096));
    const auto size = ::read(file, bytes.data(), bytes.size());
    ::close(file);
    REQUIRE(size > 100);
    // The last key: its version, of four bytes, follows.
    secrets.learn(ByteView{bytes}.subview(static_cast<std::size_t>(size) - 20, 16));
  };
  leaves_no_more(
      "Credential::acquire_default",
      [&](Secrets& secrets) {
        learn_service_key(secrets);
        from_here();
        static_cast<void>(Credential<Krb5, Accept>::acquire_default());
      },
      [&](Secrets& secrets) {
        learn_service_key(secrets);
        OM_uint32 minor = 0;
        gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
        gss_OID_set_desc mechanism{1, gss_detail::raw_oid<Krb5::oid>()};
        REQUIRE(gss_acquire_cred(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanism, GSS_C_ACCEPT, &credential,
                                 nullptr, nullptr) == GSS_S_COMPLETE);
        gss_release_cred(&minor, &credential);
      });
#endif
  // Last: the library leaves the password in what it frees, where the paths above would find it in blocks of libc.
  leaves_no_more(
      "export_credential, import_credential",
      [&](Secrets& secrets) {
        secrets = carols;
        secrets.may_decide("what the KDC answers is read with it");
        const auto password = secrets.bytes(24);
        const auto credential = Initiating::acquire_with_password(carol, password);
        if (!credential) return;
        const auto exported = export_credential(*credential);
        if (!exported) return;
        learn_keys(*exported, secrets);
        static_cast<void>(import_credential<Krb5, Initiate>(*exported));
        static_cast<void>(import_credential<Krb5, Accept>(*exported));
      },
      in_c(Then::exported));
}
