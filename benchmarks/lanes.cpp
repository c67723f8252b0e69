// benchmarks/lanes: 64 messages at once on one core by MessageLanes, beside MessageProtector one by one, gss_wrap,
// gss_unwrap and gss_get_mic, OpenSSL's bare cipher and checksum, and bare lanes over the same bytes. In the thread's
// own time, in rounds in which all take turns. Prints lines of: name, microseconds for a message of each, in that
// order. Then 256 messages on two cores, and on one, in real time: name, microseconds for a message on two, and on one.
// SPDX-License-Identifier: MIT
#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <future>
#include <gsskey/gss.hpp>
#include <gsskey/messages/lanes.hpp>
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

struct Protectors {
  explicit Protectors(Handshakes&& both)
      : sender{value(take_over(std::move(both.initiator)))}, receiver{value(take_over(std::move(both.acceptor)))} {}
  MessageProtector sender;
  MessageProtector receiver;
};

double now(::clockid_t clock = CLOCK_THREAD_CPUTIME_ID) {
  ::timespec time{};
  ::clock_gettime(clock, &time);
  return 1e6 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_nsec);
}

struct Contender {
  std::function<void()> prepare;  ///< its memory is in the cache then
  std::function<void()> run;      ///< `messages` of them
};
/// Medians.
std::vector<double> compare(std::size_t messages, const std::vector<Contender>& contenders) {
  std::vector<std::vector<double>> times(contenders.size());
  for (std::size_t round = 0; round < 41; ++round) {
    for (std::size_t at = 0; at < contenders.size(); ++at) {
      const std::size_t which = (at + round) % contenders.size();
      contenders[which].prepare();
      const double start = now();
      contenders[which].run();
      times[which].push_back((now() - start) / static_cast<double>(messages));
    }
  }
  std::vector<double> medians;
  for (auto& each : times) {
    std::nth_element(each.begin(), each.begin() + 20, each.end());
    medians.push_back(each[20]);
  }
  return medians;
}
void print(const std::string& name, const std::vector<double>& medians) {
  std::printf("%s", name.c_str());
  for (const double each : medians) std::printf("\t%.6g", each);
  std::printf("\n");
  std::fflush(stdout);
}

/// The cipher and the checksum by OpenSSL: no token, no copy.
class BareOpenssl {
 public:
  explicit BareOpenssl(const rfc3961::EncryptionType& type)
      : hmac_{value(rfc3961::Hmac::create(type.digest, {key_, type.mac_key_size}))} {
    for (const bool encrypts : {false, true}) {
      cipher_[encrypts] = EVP_CIPHER_CTX_new();
      EVP_CIPHER* const algorithm = EVP_CIPHER_fetch(nullptr, type.cipher, nullptr);
      EVP_CipherInit_ex2(cipher_[encrypts], algorithm, key_, key_, encrypts, nullptr);
      EVP_CIPHER_CTX_set_padding(cipher_[encrypts], 0);
      EVP_CIPHER_free(algorithm);
    }
  }
  void run(unsigned char* bytes, std::size_t size, bool encrypts) {
    int written = 0;
    EVP_CipherUpdate(cipher_[encrypts], bytes, &written, bytes, static_cast<int>(size));
    checksum(bytes, size);
  }
  void checksum(const unsigned char* bytes, std::size_t size) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    if (!hmac_.start() || !hmac_.update({bytes, size}) || !hmac_.finish(mac)) std::abort();
  }

 private:
  const unsigned char key_[32] = {1};
  EVP_CIPHER_CTX* cipher_[2] = {};
  rfc3961::Hmac hmac_;
};

/// The same by libipsec-mb.
class BareLanes {
 public:
  explicit BareLanes(const rfc3961::EncryptionType& type) : type_{type} {
    manager_ = ::alloc_mb_mgr(0);
    IMB_ARCH ignored{};
    ::init_mb_mgr_auto(manager_, &ignored);
    const unsigned char key[32] = {1};
    if (type.key_size == 16) {
      IMB_AES_KEYEXP_128(manager_, key, encrypting_, decrypting_);
    } else {
      IMB_AES_KEYEXP_256(manager_, key, encrypting_, decrypting_);
    }
  }
  void run(const std::vector<unsigned char*>& all, std::size_t size, bool encrypts) {
    checksum(all, size);
    const auto count = static_cast<std::uint32_t>(all.size());
    const auto bits = type_.key_size == 16 ? IMB_KEY_128_BYTES : IMB_KEY_256_BYTES;
    if (IMB_SUBMIT_CIPHER_BURST(manager_, jobs_, count, IMB_CIPHER_CBC, encrypts ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
                                bits) != count) {
      std::abort();
    }
  }
  void checksum(const std::vector<unsigned char*>& all, std::size_t size) {
    const auto count = static_cast<std::uint32_t>(all.size());
    for (std::size_t at = 0; at < all.size(); ++at) {
      IMB_JOB& job = jobs_[at];
      job.enc_keys = encrypting_;
      job.dec_keys = decrypting_;
      job.key_len_in_bytes = type_.key_size;
      job.src = all[at];
      job.dst = all[at];
      job.msg_len_to_cipher_in_bytes = size;
      job.msg_len_to_hash_in_bytes = size;
      job.iv = iv_;
      job.iv_len_in_bytes = 16;
      job.auth_tag_output = all[at] + size;
      job.auth_tag_output_len_in_bytes = type_.mac_size;
      job.u.HMAC._hashed_auth_key_xor_ipad = pads_;
      job.u.HMAC._hashed_auth_key_xor_opad = pads_;
    }
    const auto hash = type_.mac_size == 12   ? IMB_AUTH_HMAC_SHA_1
                      : type_.mac_size == 16 ? IMB_AUTH_HMAC_SHA_256
                                             : IMB_AUTH_HMAC_SHA_384;
    if (IMB_SUBMIT_HASH_BURST(manager_, jobs_, count, hash) != count) std::abort();
  }

 private:
  const rfc3961::EncryptionType& type_;
  IMB_MGR* manager_;
  IMB_JOB jobs_[64] = {};
  alignas(64) unsigned char encrypting_[240] = {};
  alignas(64) unsigned char decrypting_[240] = {};
  alignas(64) unsigned char pads_[64] = {};
  unsigned char iv_[16] = {};
};

struct Measured {
  Protectors both{Handshakes{}};
  Protectors laned{Handshakes{}};
  MessageLanes sending = value(MessageLanes::from_protector(laned.sender));
  MessageLanes receiving = value(MessageLanes::from_protector(laned.receiver));
};

enum class Operation { wrap, unwrap, get_mic };

/// Contexts of their own for each: what was not unwrapped is a gap.
void measure(const rfc3961::EncryptionType& type, std::size_t size, Operation operation) {
  constexpr std::size_t count = 64;
  Measured ends;
  Handshakes library;
  auto their_sender = value(std::move(library.initiator).establish());
  auto their_receiver = value(std::move(library.acceptor).establish());
  BareOpenssl openssl{type};
  BareLanes lanes{type};
  const MessageRoom room = value(ends.both.sender.room());
  const std::size_t inside = size + 32;
  std::vector<Bytes> ours(count, Bytes(room.header + size + room.trailer, 'm'));
  std::vector<Bytes> singly = ours;
  std::vector<Bytes> theirs(count);
  std::vector<Bytes> bare = ours;
  std::vector<Bytes> bare_lanes = ours;
  std::vector<unsigned char*> places;
  std::vector<BatchMessage> messages;
  std::vector<BatchMessage> mics;
  for (std::size_t at = 0; at < count; ++at) {
    places.push_back(bare_lanes[at].data() + rfc4121::header_size);
    messages.push_back({{ours[at].data() + room.header, size}, ours[at]});
    mics.push_back({{ours[at].data() + room.header, size}, std::span{ours[at]}.subspan(room.header + size)});
  }
  const Bytes message(size, 'm');
  OM_uint32 minor = 0;
  const auto wrap_ours = [&] { value(ends.sending.wrap(messages)); };
  const auto wrap_singly = [&] {
    for (Bytes& each : singly) {
      static_cast<void>(value(wrap_in_place(ends.both.sender, MessageBlock{each, room.header, size})));
    }
  };
  const auto wrap_theirs = [&] {
    gss_buffer_desc in{size, const_cast<unsigned char*>(message.data())};
    for (Bytes& each : theirs) {
      gss_buffer_desc out{0, nullptr};
      if (gss_wrap(&minor, their_sender.get(), 1, GSS_C_QOP_DEFAULT, &in, nullptr, &out) != GSS_S_COMPLETE)
        std::abort();
      each.assign(static_cast<unsigned char*>(out.value), static_cast<unsigned char*>(out.value) + out.length);
      gss_release_buffer(&minor, &out);
    }
  };
  const auto run_openssl = [&](bool encrypts) {
    for (Bytes& each : bare) openssl.run(each.data() + rfc4121::header_size, inside, encrypts);
  };
  const auto run_lanes = [&](bool encrypts) { lanes.run(places, inside, encrypts); };
  const std::string suffix =
      (size < 1024 ? std::to_string(size) + " B " : std::to_string(size / 1024) + " KiB ") + type.name;
  // Four times, after which confounders have been drawn once.
  const auto fourfold = [](auto work) {
    return Contender{work, [work] {
                       for (int turn = 0; turn < 4; ++turn) work();
                     }};
  };
  if (operation == Operation::get_mic) {
    const auto sign_ours = [&] { value(ends.sending.get_mic(mics)); };
    const auto sign_singly = [&] {
      for (std::size_t at = 0; at < count; ++at) static_cast<void>(value(ends.both.sender.get_mic(message)));
    };
    const auto sign_theirs = [&] {
      gss_buffer_desc in{size, const_cast<unsigned char*>(message.data())};
      for (std::size_t at = 0; at < count; ++at) {
        gss_buffer_desc out{0, nullptr};
        if (gss_get_mic(&minor, their_sender.get(), GSS_C_QOP_DEFAULT, &in, &out) != GSS_S_COMPLETE) std::abort();
        gss_release_buffer(&minor, &out);
      }
    };
    const auto openssl_alone = [&] {
      for (const Bytes& each : bare) openssl.checksum(each.data(), size + 16);
    };
    print("get_mic " + suffix,
          compare(4 * count, {fourfold(sign_ours), fourfold(sign_singly), fourfold(sign_theirs),
                              fourfold(openssl_alone), fourfold([&] { lanes.checksum(places, size + 16); })}));
    return;
  }
  if (operation == Operation::wrap) {
    print("wrap " + suffix,
          compare(4 * count, {fourfold(wrap_ours), fourfold(wrap_singly), fourfold(wrap_theirs),
                              fourfold([&] { run_openssl(true); }), fourfold([&] { run_lanes(true); })}));
    return;
  }
  std::vector<BatchToken> tokens(count);
  for (std::size_t at = 0; at < count; ++at) tokens[at].token = ours[at];
  const auto unwrap_ours = [&] {
    ends.receiving.unwrap(tokens);
    for (const BatchToken& each : tokens) static_cast<void>(value(each.message));
  };
  const auto unwrap_singly = [&] {
    for (Bytes& each : singly) static_cast<void>(value(unwrap_in_place(ends.both.receiver, each)));
  };
  const auto unwrap_theirs = [&] {
    for (Bytes& each : theirs) {
      gss_buffer_desc in{each.size(), each.data()};
      gss_buffer_desc out{0, nullptr};
      if (gss_unwrap(&minor, their_receiver.get(), &in, &out, nullptr, nullptr) != GSS_S_COMPLETE) std::abort();
      gss_release_buffer(&minor, &out);
    }
  };
  print("unwrap " + suffix, compare(count, {{wrap_ours, unwrap_ours},
                                            {wrap_singly, unwrap_singly},
                                            {wrap_theirs, unwrap_theirs},
                                            {[&] { run_openssl(false); }, [&] { run_openssl(false); }},
                                            {[&] { run_lanes(false); }, [&] { run_lanes(false); }}}));
}

/// In rounds in which they take turns; the least of each, for what else the machine does only adds to it.
void measure_two_cores(const rfc3961::EncryptionType& type, std::size_t size) {
  constexpr std::size_t count = 256;
  auto threads = value(BatchThreads::start(2));
  double best[2][3] = {};
  std::vector<Bytes> memory(count, Bytes(size + 128, 'm'));
  for (const bool two : {true, false}) {
    Protectors both{Handshakes{}};
    auto sending = value(MessageLanes::from_protector(both.sender, two ? &threads : nullptr));
    auto receiving = value(MessageLanes::from_protector(both.receiver, two ? &threads : nullptr));
    const MessageRoom room = value(both.sender.room());
    std::vector<BatchMessage> messages;
    std::vector<BatchMessage> mics;
    std::vector<BatchToken> tokens(count);
    for (std::size_t at = 0; at < count; ++at) {
      memory[at].resize(room.header + size + room.trailer);
      messages.push_back({{memory[at].data() + room.header, size}, memory[at]});
      mics.push_back({messages[at].message, std::span{memory[at]}.subspan(room.header + size)});
      tokens[at].token = memory[at];
    }
    for (int round = 0; round < 41; ++round) {
      double* to = best[two];
      const auto time = [&](auto work) {
        const double start = now(CLOCK_MONOTONIC);
        work();
        const double taken = (now(CLOCK_MONOTONIC) - start) / count;
        *to = round == 0 || taken < *to ? taken : *to;
        ++to;
      };
      time([&] { value(sending.wrap(messages)); });
      time([&] { receiving.unwrap(tokens); });
      for (const BatchToken& each : tokens) static_cast<void>(value(each.message));
      time([&] { value(sending.get_mic(mics)); });
      std::vector<BatchMic> checked(count);  // else there is a gap before the next token
      for (std::size_t at = 0; at < count; ++at)
        checked[at] = {mics[at].message, {mics[at].memory.data(), room.trailer}};
      receiving.verify_mic(checked);
      for (BatchMic& each : checked) value(std::move(each.verified));
    }
  }
  const char* const names[] = {"wrap", "unwrap", "get_mic"};
  for (int at = 0; at < 3; ++at) {
    print(std::string{"two cores: "} + names[at] + " " + std::to_string(size / 1024) + " KiB " + type.name,
          {best[true][at], best[false][at]});
  }
}

}  // namespace

int main() {
  for (const auto& type : rfc3961::encryption_types) {
    if (type.digest == nullptr) continue;
    const auto realm = value(TestRealm::start(
        {.users = {{"alice", "secret"}}, .services = {"host/localhost"}, .permitted_enctypes = type.name}));
    const auto cache = value(realm.login("alice"));
    const auto environment = value(realm.enter(cache));
    // Heimdal reads krb5.conf once in a thread.
    std::async(std::launch::async, [&] {
      for (const std::size_t size : {64u, 1024u, 16384u}) {
        for (const auto each : {Operation::wrap, Operation::unwrap, Operation::get_mic}) measure(type, size, each);
      }
      for (const std::size_t size : {1024u, 16384u}) measure_two_cores(type, size);
    }).get();
  }
}
