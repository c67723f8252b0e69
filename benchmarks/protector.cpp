// benchmarks/protector: messages by MessageProtector, beside gss_wrap, gss_unwrap and their kin, and beside nothing but
// the cipher and the checksum. Medians over rounds in which all take turns. Prints lines of: name, microseconds of
// ours, of the reference, of the bare functions. SPDX-License-Identifier: MIT
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <future>
#include <gsskey/gss.hpp>
#include <gsskey/messages/batch.hpp>
#include <gsskey/messages/take_over.hpp>
#include <gsskey/testing/test_realm.hpp>
#include <string>
#include <utility>
#include <vector>

#include "handshakes.hpp"

namespace {

using namespace gsskey;
using mech::Krb5;
using Bytes = std::vector<unsigned char>;

/// The same pair twice: one is protected by the library, one by us.
struct Ends {
  Handshakes first;
  Handshakes second;
  SecurityContext<Krb5> their_initiator = value(std::move(first.initiator).establish());
  SecurityContext<Krb5> their_acceptor = value(std::move(first.acceptor).establish());
  MessageProtector our_initiator = value(take_over(std::move(second.initiator)));
  MessageProtector our_acceptor = value(take_over(std::move(second.acceptor)));
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// What one contender does `turns` times, after `prepare`.
struct Contender {
  std::function<void()> prepare;
  std::function<void(std::size_t)> run;  ///< one turn
};

double microseconds(::clockid_t clock) {
  ::timespec now{};
  ::clock_gettime(clock, &now);
  return 1e6 * static_cast<double>(now.tv_sec) + 1e-3 * static_cast<double>(now.tv_nsec);
}

/// By default in the thread's own time, so that what else runs on the machine slows nobody.
void compare(const std::string& name, std::size_t turns, const std::vector<Contender>& contenders,
             ::clockid_t clock = CLOCK_THREAD_CPUTIME_ID) {
  std::vector<std::vector<double>> times(contenders.size());
  const int rounds = turns > 2 ? 41 : 21;
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t at = 0; at < contenders.size(); ++at) {
      const std::size_t which = (at + static_cast<std::size_t>(round)) % contenders.size();
      contenders[which].prepare();
      const double start = microseconds(clock);
      for (std::size_t turn = 0; turn < turns; ++turn) contenders[which].run(turn);
      times[which].push_back((microseconds(clock) - start) / static_cast<double>(turns));
    }
  }
  std::printf("%s", name.c_str());
  for (const auto& each : times) std::printf("\t%.9g", median(each));
  std::printf("\n");
  std::fflush(stdout);
}

/// The cipher and the checksum over the same bytes, as an application would call them: no token, no copy.
class Floor {
 public:
  explicit Floor(const rfc3961::EncryptionType& type) {
    cipher_ = EVP_CIPHER_CTX_new();
    EVP_CIPHER* const algorithm = EVP_CIPHER_fetch(nullptr, type.cipher, nullptr);
    const bool has_hmac = type.digest != nullptr;
    EVP_MAC* const mac = EVP_MAC_fetch(nullptr, has_hmac ? "HMAC" : "CMAC", nullptr);
    mac_ = EVP_MAC_CTX_new(mac);
    const unsigned char key[32] = {1};
    const OSSL_PARAM parameters[] = {has_hmac ? rfc3961::detail::text_parameter(OSSL_MAC_PARAM_DIGEST, type.digest)
                                              : rfc3961::detail::text_parameter(OSSL_MAC_PARAM_CIPHER, type.cipher),
                                     OSSL_PARAM_construct_end()};
    EVP_CipherInit_ex2(cipher_, algorithm, key, key, 1, nullptr);
    decipher_ = EVP_CIPHER_CTX_new();
    EVP_CipherInit_ex2(decipher_, algorithm, key, key, 0, nullptr);
    EVP_CIPHER_CTX_set_padding(decipher_, 0);
    EVP_MAC_init(mac_, key, type.mac_key_size, parameters);
    EVP_CIPHER_free(algorithm);
    EVP_MAC_free(mac);
  }
  void checksum(const Bytes& message) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    std::size_t mac_size = 0;
    EVP_MAC_init(mac_, nullptr, 0, nullptr);
    EVP_MAC_update(mac_, message.data(), message.size());
    EVP_MAC_final(mac_, mac, &mac_size, sizeof mac);
  }
  void run(const Bytes& message, Bytes& out, bool encrypts) {
    const unsigned char iv[16] = {};
    int written = 0;
    EVP_CIPHER_CTX* const cipher = encrypts ? cipher_ : decipher_;
    EVP_CipherInit_ex2(cipher, nullptr, nullptr, iv, -1, nullptr);
    EVP_CipherUpdate(cipher, out.data(), &written, message.data(), static_cast<int>(message.size()));
    checksum(message);
  }

 private:
  EVP_CIPHER_CTX* cipher_;
  EVP_CIPHER_CTX* decipher_;
  EVP_MAC_CTX* mac_;
};

void measure(const rfc3961::EncryptionType& type, std::size_t size) {
  Ends ends;
  if (std::string{ends.our_initiator.encryption_type()} != type.name) std::abort();
  Floor floor{type};
  const Bytes message(size, 'm');
  Bytes memory(size + 128);
  const std::size_t turns = std::max<std::size_t>(2, 400000 / (size + 2000));
  const std::string suffix = std::string{" "} +
                             (size < 1024         ? std::to_string(size) + " B"
                              : size < (1u << 20) ? std::to_string(size / 1024) + " KiB"
                                                  : "1 MiB") +
                             " " + type.name;
  const auto nothing = [] {};
  OM_uint32 minor = 0;
  gss_buffer_desc in{size, const_cast<unsigned char*>(message.data())};

  compare(
      "wrap" + suffix, turns,
      {{nothing, [&](std::size_t) { static_cast<void>(value(wrap_into(ends.our_acceptor, message, memory))); }},
       {nothing,
        [&](std::size_t) {
          gss_buffer_desc out{0, nullptr};
          if (gss_wrap(&minor, ends.their_acceptor.get(), 1, GSS_C_QOP_DEFAULT, &in, nullptr, &out) != GSS_S_COMPLETE) {
            std::abort();
          }
          gss_release_buffer(&minor, &out);
        }},
       {nothing, [&](std::size_t) { floor.run(message, memory, true); }}});

  std::vector<Bytes> ours(turns);
  std::vector<Bytes> theirs(turns);
  const auto copy = [](ByteView bytes) { return Bytes{bytes.begin(), bytes.end()}; };
  compare("unwrap" + suffix, turns,
          {{[&] {
              for (Bytes& token : ours) token = copy(value(ends.our_initiator.wrap(message)));
            },
            [&](std::size_t turn) { static_cast<void>(value(unwrap_into(ends.our_acceptor, ours[turn], memory))); }},
           {[&] {
              for (Bytes& token : theirs) token = copy(value(ends.their_initiator.wrap(message)));
            },
            [&](std::size_t turn) {
              gss_buffer_desc token{theirs[turn].size(), theirs[turn].data()};
              gss_buffer_desc out{0, nullptr};
              if (gss_unwrap(&minor, ends.their_acceptor.get(), &token, &out, nullptr, nullptr) != GSS_S_COMPLETE) {
                std::abort();
              }
              gss_release_buffer(&minor, &out);
            }},
           {nothing, [&](std::size_t) { floor.run(message, memory, false); }}});

  compare("get_mic" + suffix, turns,
          {{nothing, [&](std::size_t) { static_cast<void>(value(ends.our_initiator.get_mic(message))); }},
           {nothing,
            [&](std::size_t) {
              gss_buffer_desc out{0, nullptr};
              if (gss_get_mic(&minor, ends.their_initiator.get(), GSS_C_QOP_DEFAULT, &in, &out) != GSS_S_COMPLETE) {
                std::abort();
              }
              gss_release_buffer(&minor, &out);
            }},
           {nothing, [&](std::size_t) { floor.checksum(message); }}});
}

/// 256 messages of 16 KiB on two threads, and on one.
void measure_batch() {
  Ends ends;
  auto threads = value(BatchThreads::start(2));
  auto one = value(MessageBatch::from_protector(ends.our_initiator));
  auto two = value(MessageBatch::from_protector(ends.our_acceptor, &threads));
  const Bytes message(16384, 'm');
  std::vector<Bytes> memory(256, Bytes(message.size() + 128));
  std::vector<BatchMessage> batch;
  for (Bytes& each : memory) batch.push_back({message, each});
  const auto nothing = [] {};
  compare("batch of 256, 16 KiB, two threads : one", 1,
          {{nothing, [&](std::size_t) { value(two.wrap(batch)); }},
           {nothing, [&](std::size_t) { value(one.wrap(batch)); }}},
          CLOCK_MONOTONIC);
}

}  // namespace

/// Arguments: names of encryption types; none: all that the library has.
int main(int argc, char** argv) {
  for (const auto& type : rfc3961::encryption_types) {
    const bool wanted = argc == 1 || std::find(argv + 1, argv + argc, std::string{type.name}) != argv + argc;
#ifdef GSSKEY_GSS_HEIMDAL  // 7.8 has no Camellia
    if (type.digest == nullptr) continue;
#endif
    if (!wanted) continue;
    const auto realm = value(TestRealm::start(
        {.users = {{"alice", "secret"}}, .services = {"host/localhost"}, .permitted_enctypes = type.name}));
    const auto cache = value(realm.login("alice"));
    const auto environment = value(realm.enter(cache));
    // Heimdal reads krb5.conf once in a thread.
    std::async(std::launch::async, [&] {
      for (const std::size_t size : {64u, 256u, 1024u, 4096u, 16384u, 65536u, 1u << 20}) measure(type, size);
      if (type.number == 18) measure_batch();
    }).get();
  }
}
