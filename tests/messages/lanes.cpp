// Many messages at once on one core, with contexts of the library, and protectors, at the other end.
#include <gsskey/messages/lanes.hpp>
#include <gsskey/messages/take_over.hpp>

#include <dlfcn.h>
#include <openssl/sha.h>  // its SHA1 is no macro of another library

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "support/batches.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/heap.hpp"
#include "support/protector.hpp"

using namespace gsskey;
using mech::Krb5;
using rfc3961::Lanes;
using support::Bytes;
using support::bytes_of;
using support::message_of;
using support::must;
using support::taken;
using support::tokens_of;

namespace {

const char* const everything = std::getenv("GSSKEY_TEST_EVERYTHING");

void each_few(std::size_t at_once, auto all, auto work) {
  for (; !all.empty(); all = all.subspan(std::min(at_once, all.size()))) work(all.first(std::min(at_once, all.size())));
}

/// Messages of these sizes, each at its place in memory of its own, or elsewhere.
struct Messages {
  std::vector<Bytes> plain;
  std::vector<Bytes> memory;

  Messages(const MessageProtector& protector, const std::vector<std::size_t>& sizes) {
    const MessageRoom room = must(protector.room());
    for (const std::size_t size : sizes) {
      plain.push_back(message_of(size));
      memory.emplace_back(room.header + size + room.trailer);
    }
  }
  void wrap(MessageLanes& lanes, bool in_place, std::size_t at_once = 100'000) {
    std::vector<BatchMessage> all;
    for (std::size_t at = 0; at < plain.size(); ++at) {
      if (!in_place) {
        all.push_back({plain[at], memory[at]});
      } else {
        std::copy(plain[at].begin(), plain[at].end(), memory[at].begin() + 32);
        all.push_back({{memory[at].data() + 32, plain[at].size()}, memory[at]});
      }
    }
    each_few(at_once, std::span{all}, [&](auto few) { must(lanes.wrap(few)); });
  }
};

/// What a sender may do, and MIT krb5 and Heimdal do not (RFC 4121 section 4.2.5).
void rotate(Bytes& token, std::size_t count) {
  std::rotate(token.begin() + 16, token.end() - static_cast<std::ptrdiff_t>(count % (token.size() - 16)), token.end());
  token[6] = static_cast<unsigned char>(count >> 8);
  token[7] = static_cast<unsigned char>(count);
}

/// All of them take minutes; without GSSKEY_TEST_EVERYTHING all lengths modulo a block of the cipher and of the
/// digests.
std::vector<std::size_t> sizes_to_test() {
  std::vector<std::size_t> sizes;
  const std::size_t last = 4200;
  for (std::size_t size = 0; size <= last; size += everything || size < 290 ? 1 : 61) sizes.push_back(size);
  for (const std::size_t size : {16384u, 64999u, 65000u, 65001u, 70000u}) sizes.push_back(size);
  return sizes;
}

/// From and to contexts of the library, so many at once: five do not take all lanes.
void check_every_length(std::size_t at_once) {
  auto both = support::handshakes<Krb5>();
  auto ours = taken(std::move(both.initiator));
  auto theirs = must(std::move(both.acceptor).establish());
  auto lanes = must(MessageLanes::from_protector(ours));
  CHECK(lanes.has_lanes() == (std::string_view{ours.encryption_type()}.substr(0, 3) == "aes"));
  CHECK_FALSE(must(MessageBatch::from_protector(ours)).has_lanes());
  Messages messages{ours, sizes_to_test()};
  for (const bool in_place : {false, true}) {
    messages.wrap(lanes, in_place, at_once);
    for (std::size_t at = 0; at < messages.plain.size(); ++at) {
      CAPTURE(in_place, messages.plain[at].size());
      REQUIRE(bytes_of(must(theirs.unwrap(messages.memory[at]))) == messages.plain[at]);
    }
    must(theirs.unwrap(must(ours.wrap("between"))));
    const std::size_t mic_size = must(ours.room()).trailer;
    std::vector<BatchMessage> all;
    for (std::size_t at = 0; at < messages.plain.size(); ++at) {
      const std::span<unsigned char> memory{messages.memory[at]};
      const std::size_t size = messages.plain[at].size();
      std::copy(messages.plain[at].begin(), messages.plain[at].end(), memory.begin());
      all.push_back({in_place ? ByteView{memory.data(), size} : ByteView{messages.plain[at]}, memory.subspan(size)});
    }
    each_few(at_once, std::span{all}, [&](auto few) { must(lanes.get_mic(few)); });
    for (const BatchMessage& each : all) {
      CAPTURE(in_place, each.message.size());
      must(theirs.verify_mic(each.message, ByteView{each.memory.data(), mic_size}));
    }
  }

  std::vector<Bytes> sent;
  for (const Bytes& plain : messages.plain) sent.push_back(bytes_of(must(theirs.wrap(plain))));
  auto tokens = tokens_of(sent);
  each_few(at_once, std::span{tokens}, [&](auto few) { lanes.unwrap(few); });
  for (std::size_t at = 0; at < sent.size(); ++at) {
    CAPTURE(messages.plain[at].size());
    REQUIRE(ByteView{must(std::move(tokens[at].message))} == ByteView{messages.plain[at]});
  }
  must(ours.unwrap(must(theirs.wrap("after"))));

  std::vector<Bytes> made;
  for (const Bytes& plain : messages.plain) made.push_back(bytes_of(must(theirs.get_mic(plain))));
  std::vector<BatchMic> mics(made.size());
  for (std::size_t at = 0; at < made.size(); ++at) mics[at] = {messages.plain[at], made[at]};
  each_few(at_once, std::span{mics}, [&](auto few) { lanes.verify_mic(few); });
  for (std::size_t at = 0; at < made.size(); ++at) {
    CAPTURE(messages.plain[at].size());
    must(std::move(mics[at].verified));
  }
}

/// What is not whole or not in order.
void check_disorder() {
  auto both = support::handshakes<Krb5>();
  auto ours = taken(std::move(both.initiator));
  auto theirs = taken(std::move(both.acceptor));
  auto lanes = must(MessageLanes::from_protector(ours));
  const auto is_the_same = [&](const std::vector<Bytes>& tokens) { support::check_one_by_one(lanes, ours, tokens); };

  const auto next = [&](std::size_t size = 53) { return bytes_of(must(theirs.wrap(message_of(size)))); };
  std::vector<Bytes> all;
  const Bytes whole = next();
  for (std::size_t at = 0; at < whole.size(); ++at) {  // every octet changed
    all.push_back(whole);
    all.back()[at] = static_cast<unsigned char>(all.back()[at] ^ (1u << at % 8));
  }
  all.push_back(whole);
  is_the_same(all);

  all.clear();
  for (std::size_t size = 0; size < whole.size(); ++size) {  // every length
    const Bytes token = next();
    all.emplace_back(token.begin(), token.begin() + static_cast<std::ptrdiff_t>(size));
    all.push_back(token);
  }
  is_the_same(all);

  for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 53u, 255u}) {  // every rotation
    CAPTURE(size);
    all.clear();
    std::size_t count = 0;
    do {
      all.push_back(next(size));
      rotate(all.back(), count);
    } while (++count < 2 * all.back().size());
    is_the_same(all);
  }

  support::check_tokens_in_disorder(lanes, ours, theirs);
  support::check_mics_in_disorder(lanes, ours, theirs);
}

/// Which is changed: one error, and nothing of it is left.
void check_one_of_64() {
  auto both = support::handshakes<Krb5>();
  auto ours = taken(std::move(both.initiator));
  auto theirs = must(std::move(both.acceptor).establish());
  auto lanes = must(MessageLanes::from_protector(ours));
  for (std::size_t bad = 0; bad < 64; bad += 9) {
    std::vector<Bytes> memory;
    for (std::size_t at = 0; at < 64; ++at) memory.push_back(bytes_of(must(theirs.wrap(message_of(100 + at)))));
    const Bytes good = memory[bad];
    memory[bad].back() ^= 1;
    auto tokens = tokens_of(memory);
    lanes.unwrap(tokens);
    for (std::size_t at = 0; at < 64; ++at) {
      CAPTURE(bad, at);
      if (at == bad) {
        CHECK(routine_error(tokens[at].message.error()) == RoutineError::bad_mic);
      } else if (at == bad + 1) {  // as far as anybody knows one is missing
        CHECK(tokens[at].message.error().major_status() == GSS_S_GAP_TOKEN);
      } else {
        REQUIRE(ByteView{must(std::move(tokens[at].message))} == ByteView{message_of(100 + at)});
      }
    }
    for (const std::size_t at : {bad, std::min<std::size_t>(bad + 1, 63)}) {
      if (at == 63 && bad != 63) continue;
      const Bytes plain = message_of(100 + at);
      const Bytes& left = memory[at];
      CHECK(std::search(left.begin(), left.end(), plain.begin() + 3, plain.begin() + 19) == left.end());
    }
    CHECK(must(ours.unwrap_with_ordering(good)).ordering != Ordering::duplicate);
  }
}

}  // namespace

TEST_CASE("lanes: octets, errors and order are those of one by one, with contexts of the library at the other end") {
  const auto row = GENERATE(from_range(std::begin(support::enctypes), std::end(support::enctypes)));
  CAPTURE(row.name);
  support::in_realm_of(row.name, [] {
    for (const std::size_t at_once : {100'000u, 5u}) check_every_length(at_once);
    check_disorder();
    check_one_of_64();
  });
}

TEST_CASE("lanes: filler of any length, and messages under the key from before the acceptor's subkey") {
  auto both = support::handshakes_in_realm();
  const auto peer = must(export_lucid(must(std::move(both.initiator).establish())));
  auto ours = taken(std::move(both.acceptor));
  auto lanes = must(MessageLanes::from_protector(ours));
  REQUIRE(peer.has_acceptor_subkey());
  std::uint64_t sequence = peer.send_sequence();
  std::vector<Bytes> memory;
  for (const bool subkey : {true, false}) {
    const LucidKey key = subkey ? peer.acceptor_subkey() : peer.context_key();
    const auto& type = *rfc3961::find_encryption_type(static_cast<std::int32_t>(key.type));
    auto sealing = must(rfc3961::SealingKey::derive(type, key.bytes, 24));
    for (const std::uint16_t filler : std::initializer_list<std::uint16_t>{0, 1, 15, 16, 300}) {
      const std::string body = "a message" + std::string(filler, 'x');
      memory.emplace_back(16 + 16 + body.size() + 16 + type.mac_size);
      rfc4121::Header{.is_wrap = true,
                      .flags = rfc4121::sealed | (subkey ? rfc4121::acceptor_subkey : 0u),
                      .extra_count = filler,
                      .rotation = 0,
                      .sequence = sequence++}
          .write(memory.back().data());
      const Bytes confounder(16, 'c');
      REQUIRE(sealing.seal(confounder.data(), body, {memory.back().data(), 16}, memory.back().data() + 16));
    }
  }
  auto tokens = tokens_of(memory);
  lanes.unwrap(tokens);
  for (auto& token : tokens) CHECK(ByteView{must(std::move(token.message))}.text() == "a message");
}

TEST_CASE("lanes: memory that is too small, and contexts that have ended") {
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = must(std::move(both.acceptor).establish());
  auto lanes = must(MessageLanes::from_protector(ours));
  Messages messages{ours, std::vector<std::size_t>(10, 30)};
  messages.memory[7].pop_back();
  std::vector<BatchMessage> all;
  for (std::size_t at = 0; at < 10; ++at) all.push_back({messages.plain[at], messages.memory[at]});
  CHECK(lanes.wrap(all).error().domain() == Domain::usage);
  must(lanes.wrap(std::span<const BatchMessage>{}));
  lanes.unwrap(std::span<BatchToken>{});
  must(theirs.unwrap(must(ours.wrap("after"))));  // no number was used up
  BatchToken token;
  CHECK(token.message.error().domain() == Domain::usage);
  std::vector<Bytes> sent(10, bytes_of(must(theirs.wrap("late"))));
  auto tokens = tokens_of(sent);
  auto elsewhere = std::move(ours);
  CHECK(lanes.wrap(std::span<const BatchMessage>{}).error().domain() == Domain::usage);
  lanes.unwrap(tokens);
  for (const BatchToken& each : tokens) CHECK(each.message.error().domain() == Domain::usage);
}

TEST_CASE("lanes: they take a protector over, and are moved with it") {
  static_assert(WrapsManyMessages<MessageLanes> && !WrapsManyMessages<MessageProtector>);
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = must(std::move(both.acceptor).establish());
  if (support::heap::Exhausted::possible) {
    const support::heap::Exhausted exhausted;
    CHECK(MessageLanes::from_protector(std::move(ours)).error().minor_status() == ENOMEM);
  }
  must(theirs.unwrap(must(ours.wrap("still the caller's"))));
  const auto limit = must(ours.wrap_size_limit(1000));
  const auto room = must(ours.room());
  Messages messages{ours, std::vector<std::size_t>(10, 30)};
  auto made = must(MessageLanes::from_protector(std::move(ours)));
  CHECK_FALSE(ours);  // NOLINT: asked
  CHECK(MessageLanes::from_protector(std::move(ours)).error().domain() == Domain::usage);
  auto lanes = std::move(made);
  messages.wrap(lanes, false);
  for (std::size_t at = 0; at < 10; ++at) {
    CHECK(bytes_of(must(theirs.unwrap(messages.memory[at]))) == messages.plain[at]);
  }
  CHECK(must(theirs.unwrap(must(lanes.wrap("one")))).text() == "one");
  CHECK(must(lanes.unwrap(must(theirs.wrap("back")))).text() == "back");
  CHECK(must(lanes.wrap_size_limit(1000)) == limit);
  CHECK(must(lanes.room()).header == room.header);
  CHECK(must(lanes.room()).trailer == room.trailer);
}

TEST_CASE("lanes: no memory is allocated for a message") {
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = taken(std::move(both.acceptor));
  auto sending = must(MessageLanes::from_protector(ours));
  auto receiving = must(MessageLanes::from_protector(theirs));
  Messages messages{ours, std::vector<std::size_t>(64, 1000)};
  std::vector<BatchMessage> all;
  for (std::size_t at = 0; at < 64; ++at) all.push_back({messages.plain[at], messages.memory[at]});
  const std::size_t mic_size = must(ours.room()).trailer;
  for (int round = 0; round < 3; ++round) {
    std::vector<BatchMic> mics(64);
    for (std::size_t at = 0; at < 64; ++at) mics[at] = {messages.plain[at], {messages.memory[at].data(), mic_size}};
    const long so_far = support::heap::allocations;
    const auto signed_all = sending.get_mic(all);
    receiving.verify_mic(mics);
    const long made_for_mics = support::heap::allocations - so_far;
    must(signed_all);
    for (auto& each : mics) must(std::move(each.verified));
    if (round != 0) CHECK(made_for_mics == 0);  // at first the manager, and memory for copies
    auto tokens = tokens_of(messages.memory);
    const long before = support::heap::allocations;
    const auto wrapped = sending.wrap(all);
    receiving.unwrap(tokens);
    const long made = support::heap::allocations - before;
    must(wrapped);
    for (std::size_t at = 0; at < 64; ++at)
      REQUIRE(ByteView{must(std::move(tokens[at].message))} == ByteView{messages.plain[at]});
    if (round != 0) CHECK(made == 0);  // at first the manager
  }
}

namespace {

std::uint32_t does_nothing(IMB_MGR*, IMB_JOB*, std::uint32_t count, IMB_CIPHER_MODE, IMB_CIPHER_DIRECTION,
                           IMB_KEY_SIZE_BYTES) {
  return count;
}
std::uint32_t refuses(IMB_MGR*, IMB_JOB*, std::uint32_t, IMB_HASH_ALG) { return 0; }
bool few_are_refused = false;

/// How often the 16 octets of one of `secrets` are in the manager.
std::size_t found_in(IMB_MGR& manager, const std::vector<Bytes>& secrets) {
  const auto* const begin = reinterpret_cast<const unsigned char*>(&manager);
  const std::size_t size = ::imb_get_mb_mgr_size();
  std::size_t found = 0;
  for (const Bytes& secret : secrets) {
    for (std::size_t at = 0; at + 16 <= secret.size(); at += 16) {
      for (const auto* from = begin;; ++found, ++from) {
        from = std::search(from, begin + size, secret.data() + at, secret.data() + at + 16);
        if (from == begin + size) break;
      }
    }
  }
  return found;
}

}  // namespace

/// Of the manager for few messages under SHA-256, before they are looked at.
extern "C" void init_mb_mgr_avx2(IMB_MGR* manager) {
  static const auto real = reinterpret_cast<void (*)(IMB_MGR*)>(::dlsym(RTLD_NEXT, "init_mb_mgr_avx2"));
  real(manager);
  if (few_are_refused) manager->submit_hash_burst = &refuses;
}

TEST_CASE("lanes: those that do not give what OpenSSL gives are not used") {
  for (const auto& type : rfc3961::encryption_types) {
    if (type.digest == nullptr) continue;
    CAPTURE(type.name);
    Lanes sound;
    CHECK(sound.serve(type));
    sound.manager().submit_cipher_burst = &does_nothing;
    const auto same = type;  // as another library of this process has it
    CHECK(sound.serve(same));
    Lanes idle;
    must(idle.start());
    idle.manager().submit_cipher_burst = &does_nothing;
    CHECK_FALSE(idle.serve(type));
    Lanes refusing;
    must(refusing.start());
    refusing.manager().submit_hash_burst = &refuses;
    CHECK_FALSE(refusing.serve(type));
    Lanes few;
    must(few.start());  // which may use AVX2, too
    few_are_refused = true;
    const bool served = few.serve(type);
    few_are_refused = false;
    CHECK(served == (few.manager_for_few() == nullptr));
  }
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = must(std::move(both.acceptor).establish());
  auto lanes = must(MessageLanes::from_protector(ours));
  Messages messages{ours, std::vector<std::size_t>(64, 1000)};
  const auto wrap = [&] {
    must(Lanes::of_thread().start());
    Lanes::of_thread().manager().submit_cipher_burst = &does_nothing;
    messages.wrap(lanes, true);
  };
  std::async(std::launch::async, wrap).get();  // a thread with lanes of its own
  for (std::size_t at = 0; at < 64; ++at) {
    REQUIRE(bytes_of(must(theirs.unwrap(messages.memory[at]))) == messages.plain[at]);
  }
}

TEST_CASE("lanes: where they fail, no plaintext stays in the memory of tokens") {
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = must(std::move(both.acceptor).establish());
  auto lanes = must(MessageLanes::from_protector(ours));
  Messages messages{ours, std::vector<std::size_t>(20, 1000)};
  std::vector<BatchMessage> all;
  for (std::size_t at = 0; at < 20; ++at) all.push_back({messages.plain[at], messages.memory[at]});
  std::vector<Bytes> answers;
  for (const Bytes& plain : messages.plain) answers.push_back(bytes_of(must(theirs.wrap(plain))));
  auto tokens = tokens_of(answers);
  const auto mic = must(theirs.get_mic(messages.plain[0]));
  std::vector<BatchMic> mics(20);
  for (BatchMic& each : mics) each = {messages.plain[0], mic};
  const auto fail = [&] {
    must(lanes.wrap(all));
    Lanes::of_thread().manager().submit_hash_burst = &refuses;
    lanes.unwrap(tokens);
    lanes.verify_mic(mics);
    CHECK(lanes.get_mic(all).error().domain() == Domain::system);
    return lanes.wrap(all);
  };
  REQUIRE_FALSE(std::async(std::launch::async, fail).get());  // a thread with lanes of its own
  for (const BatchMic& each : mics) CHECK(each.verified.error().domain() == Domain::system);
  for (std::size_t at = 0; at < 20; ++at) {
    REQUIRE_FALSE(tokens[at].message);
    for (const Bytes* left : {&messages.memory[at], &answers[at]}) {
      const auto piece = messages.plain[at].begin() + 500;
      CHECK(std::search(left->begin(), left->end(), piece, piece + 16) == left->end());
    }
  }
}

TEST_CASE("lanes: no key and no plaintext stays in the manager") {
  for (const auto& type : rfc3961::encryption_types) {
    if (type.digest == nullptr) continue;
    CAPTURE(type.name);
    Lanes lanes;
    REQUIRE(lanes.serve(type));
    IMB_MGR& manager = lanes.manager();
    const auto found_in_both = [&](const std::vector<Bytes>& secrets) {
      IMB_MGR* const few = lanes.manager_for_few();
      return found_in(manager, secrets) + (few != nullptr ? found_in(*few, secrets) : 0);
    };
    const Bytes encryption = message_of(type.key_size);
    const Bytes integrity = message_of(type.mac_key_size + 100);
    const auto keys = must(rfc3961::LaneKeys::create(type, manager, encryption, ByteView{integrity}.subview(100)));
    alignas(64) unsigned char rounds[2][15 * 16];
    if (type.key_size == 16) {
      IMB_AES_KEYEXP_128(&manager, encryption.data(), rounds[0], rounds[1]);
    } else {
      IMB_AES_KEYEXP_256(&manager, encryption.data(), rounds[0], rounds[1]);
    }
    const std::size_t used = type.key_size == 16 ? 11 * 16 : 15 * 16;
    Bytes text = message_of(1000);
    for (auto& octet : text) octet = static_cast<unsigned char>(octet ^ 0x5a);
    const std::vector<Bytes> secrets{Bytes(rounds[0], rounds[0] + used), Bytes(rounds[1], rounds[1] + used), integrity,
                                     text};
    for (const std::size_t count : {5u, 64u}) {
      std::vector<Bytes> memory(count, Bytes(16 + 1000 + 24));
      std::vector<rfc3961::LaneText> texts;
      for (std::size_t at = 0; at < count; ++at) {
        std::copy(text.begin(), text.end(), memory[at].begin() + 16);
        texts.push_back({memory[at].data() + 16, 1000 - at, false});
      }
      CHECK(lanes.seal(keys, texts));
      CHECK(found_in_both(secrets) == 0);
      CHECK(lanes.open(keys, texts));
      CHECK(texts[count - 1].is_whole);
      CHECK(found_in_both(secrets) == 0);
    }
    // While a job waits for others they are there: this looks at the right place.
    unsigned char out[24];
    IMB_JOB* const job = IMB_GET_NEXT_JOB(&manager);
    *job = IMB_JOB{};
    job->cipher_mode = IMB_CIPHER_CBC;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_CIPHER_HASH;
    job->hash_alg = IMB_AUTH_NULL;
    job->enc_keys = rounds[0];
    job->dec_keys = rounds[1];
    job->key_len_in_bytes = type.key_size;
    job->src = text.data();
    job->dst = text.data();
    job->msg_len_to_cipher_in_bytes = 992;
    job->iv = encryption.data();
    job->iv_len_in_bytes = 16;
    job->auth_tag_output = out;
    job->auth_tag_output_len_in_bytes = 12;
    CHECK(IMB_SUBMIT_JOB(&manager) == nullptr);
    CHECK(found_in(manager, {encryption}) != 0);
    CHECK(IMB_FLUSH_JOB(&manager) != nullptr);
  }
}

TEST_CASE("lanes: a thread sends while another receives, and others have lanes of their own") {
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = taken(std::move(both.acceptor));
  auto our_lanes = must(MessageLanes::from_protector(ours));
  auto their_lanes = must(MessageLanes::from_protector(theirs));
  Messages messages{ours, std::vector<std::size_t>(70, 500)};
  Messages answers{theirs, std::vector<std::size_t>(70, 600)};
  for (int round = 0; round < 3; ++round) {
    answers.wrap(their_lanes, false);
    auto received = tokens_of(answers.memory);
    auto sent = std::async(std::launch::async, [&] { messages.wrap(our_lanes, true); });
    our_lanes.unwrap(received);
    sent.get();
    auto tokens = tokens_of(messages.memory);
    std::async(std::launch::async, [&] { their_lanes.unwrap(tokens); }).get();
    for (std::size_t at = 0; at < 70; ++at) {
      REQUIRE(ByteView{must(std::move(received[at].message))} == ByteView{answers.plain[at]});
      REQUIRE(ByteView{must(std::move(tokens[at].message))} == ByteView{messages.plain[at]});
    }
  }
}

TEST_CASE("lanes: on several threads, each with lanes of its own, octets, errors and order are the same") {
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = taken(std::move(both.acceptor));
  auto threads = must(BatchThreads::start(GENERATE(2u, 4u)));
  auto lanes = must(MessageLanes::from_protector(ours, &threads));
  auto their_lanes = must(MessageLanes::from_protector(theirs, &threads));
  for (int round = 0; round < 3; ++round) {
    support::check_tokens_in_disorder(lanes, ours, theirs);
    support::check_mics_in_disorder(lanes, ours, theirs);
    must(theirs.unwrap_with_ordering(must(ours.wrap("after what was lost"))));
    Messages messages{ours, std::vector<std::size_t>(200, 2000)};
    messages.wrap(lanes, true);
    auto tokens = tokens_of(messages.memory);
    their_lanes.unwrap(tokens);
    for (std::size_t at = 0; at < 200; ++at) {
      REQUIRE(ByteView{must(std::move(tokens[at].message))} == ByteView{messages.plain[at]});
    }
  }
}

TEST_CASE("lanes: a forked child has confounders of its own") {
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = must(std::move(both.acceptor).establish());
  auto lanes = must(MessageLanes::from_protector(ours));
  Messages messages{ours, std::vector<std::size_t>(20, 50)};
  messages.wrap(lanes, true);
  for (const Bytes& token : messages.memory) must(theirs.unwrap(token));
  const std::size_t size = messages.memory[0].size();
  support::SharedMemory<unsigned char> of_child{20 * size};
  REQUIRE(support::in_child(60, [&] {
            messages.wrap(lanes, true);
            for (std::size_t at = 0; at < 20; ++at) std::memcpy(&of_child[at * size], messages.memory[at].data(), size);
            return 0;
          }) == 0);
  messages.wrap(lanes, true);
  for (std::size_t at = 0; at < 20; ++at) {
    REQUIRE(std::memcmp(&of_child[at * size], messages.memory[at].data(), 16) == 0);  // the same number,
    REQUIRE(std::memcmp(&of_child[at * size + 16], messages.memory[at].data() + 16, 16) != 0);
    REQUIRE(bytes_of(must(theirs.unwrap(messages.memory[at]))) == messages.plain[at]);
  }
}
