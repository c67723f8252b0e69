// Batches beside the same messages one by one: tokens and MICs that are altered, late, lost, repeated, of another kind.
#pragma once

#include <gsskey/messages/batch.hpp>
#include <gsskey/messages/protector.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/protector.hpp"

namespace support {

/// What became of a token or a MIC.
struct Outcome {
  bool taken;
  OM_uint32 major;
  std::uint64_t digest;

  template <class R>
  static Outcome of(const R& result) {
    if (!result) return {false, result.error().major_status(), static_cast<std::uint64_t>(result.error().domain())};
    Outcome outcome{true, 0, 0};
    if constexpr (requires { result->size(); }) {
      outcome.digest = result->size();
      for (const unsigned char octet : *result) outcome.digest = outcome.digest * 1099511628211u + octet;
    }
    return outcome;
  }
};
inline void check_same(const Outcome& got, const Outcome& expected) {
  REQUIRE(got.major == expected.major);
  REQUIRE(got.digest == expected.digest);
  REQUIRE(got.taken == expected.taken);
}

inline std::vector<gsskey::BatchToken> tokens_of(std::vector<Bytes>& memory) {
  std::vector<gsskey::BatchToken> tokens;
  for (Bytes& each : memory) {
    gsskey::BatchToken token;
    token.token = each;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

/// Unwraps them in the batch, and in a child by its protector, which is at the same point there.
inline void check_one_by_one(gsskey::MessageBatch& batch, gsskey::MessageProtector& protector,
                             const std::vector<Bytes>& tokens) {
  SharedMemory<Outcome> expected{tokens.size()};
  REQUIRE(in_child(60, [&] {
            for (std::size_t at = 0; at < tokens.size(); ++at) {
              Bytes token = tokens[at];
              expected[at] = Outcome::of(unwrap_in_place(protector, token));
            }
            return 0;
          }) == 0);
  auto memory = tokens;
  auto all = tokens_of(memory);
  batch.unwrap(all);
  for (std::size_t at = 0; at < tokens.size(); ++at) {
    CAPTURE(at, tokens.size());
    check_same(Outcome::of(all[at].message), expected[at]);
  }
}

/// `peer` is the other end of `ours`.
inline void check_tokens_in_disorder(gsskey::MessageBatch& batch, gsskey::MessageProtector& ours,
                                     gsskey::MessageProtector& peer) {
  const Bytes plain = message_of(53);
  std::vector<Bytes> all;
  for (std::size_t at = 0; at < 150; ++at) {
    all.push_back(bytes_of(must(peer.wrap(message_of(at * 11)))));
    if (at % 9 == 1) all.back()[at] = static_cast<unsigned char>(all.back()[at] ^ 1);  // altered
    if (at % 9 == 2) all.push_back(all[at / 2]);                                       // again
    if (at % 9 == 3) std::swap(all.back(), all[all.size() - 3]);                       // late
    if (at % 9 == 4) all.pop_back();                                                   // lost
    if (at % 9 == 5) all.push_back(bytes_of(must(peer.wrap_unencrypted(plain))));      // in clear text
    if (at % 9 == 6) all.push_back(bytes_of(must(peer.get_mic(plain))));               // of another kind
    if (at % 9 == 7) all.push_back(bytes_of(must(ours.wrap(plain))));                  // of the other direction
    if (at % 9 == 8) all.back()[2] = static_cast<unsigned char>(all.back()[2] ^ 4);    // under the other key
  }
  all.push_back(all[0]);  // old
  all.emplace_back();
  check_one_by_one(batch, ours, all);
}

/// MICs of each end for the other, some right behind their message.
inline void check_mics_in_disorder(gsskey::MessageBatch& batch, gsskey::MessageProtector& ours,
                                   gsskey::MessageProtector& peer) {
  must(peer.unwrap_with_ordering(must(ours.wrap("after what was lost"))));
  const std::size_t mic_size = must(ours.room()).trailer;
  std::vector<Bytes> memory;
  std::vector<gsskey::BatchMessage> messages;
  const auto size_of = [](std::size_t at) { return at % 50 == 49 ? at * 400 : at * 17; };
  for (std::size_t at = 0; at < 150; ++at) memory.push_back(message_of(size_of(at) + mic_size + 3));
  std::vector<Bytes> apart(150, Bytes(mic_size));
  for (std::size_t at = 0; at < 150; ++at) {
    messages.push_back({{memory[at].data(), size_of(at)},
                        at % 3 == 0 ? std::span{apart[at]} : std::span{memory[at]}.subspan(size_of(at))});
  }
  SharedMemory<unsigned char> of_child{150 * mic_size};  // with the same numbers
  REQUIRE(in_child(60, [&] {
            for (std::size_t at = 0; at < 150; ++at) {
              const auto mic = must(ours.get_mic(messages[at].message));
              std::copy(mic.begin(), mic.end(), &of_child[at * mic_size]);
            }
            return 0;
          }) == 0);
  must(batch.get_mic(messages));
  for (std::size_t at = 0; at < 150; ++at) {
    CAPTURE(at);
    const gsskey::ByteView mic{messages[at].memory.data(), mic_size};
    REQUIRE(mic == gsskey::ByteView{&of_child[at * mic_size], mic_size});
    must(peer.verify_mic(messages[at].message, mic));
  }
  must(peer.unwrap(must(ours.wrap("after"))));

  struct Sent {
    Bytes message;
    Bytes mic;
  };
  std::vector<Sent> sent;
  for (std::size_t at = 0; at < 150; ++at) {
    const Bytes message = message_of(size_of(at));
    sent.push_back({message, bytes_of(must(peer.get_mic(message)))});
    Sent& last = sent.back();
    if (at % 9 == 1) last.mic[at % mic_size] = static_cast<unsigned char>(last.mic[at % mic_size] ^ 1);  // altered
    if (at % 9 == 2) sent.push_back(sent[at / 2]);                                                       // again
    if (at % 9 == 3) std::swap(last, sent[sent.size() - 3]);                                             // late
    if (at % 9 == 4) sent.pop_back();                                                                    // lost
    if (at % 9 == 5) last.message.push_back(1);                                                          // of another
    if (at % 9 == 6) last.mic = bytes_of(must(peer.wrap(message)));     // of another kind
    if (at % 9 == 7) last.mic = bytes_of(must(ours.get_mic(message)));  // of the other direction
    if (at % 9 == 8) last.mic.pop_back();
  }
  for (std::size_t at = 0; at < mic_size; ++at) {  // every octet
    sent.push_back(sent[0]);
    sent.back().mic[at] = static_cast<unsigned char>(sent.back().mic[at] ^ (1u << at % 8));
  }
  SharedMemory<Outcome> outcomes{sent.size()};
  REQUIRE(in_child(60, [&] {
            for (std::size_t at = 0; at < sent.size(); ++at) {
              outcomes[at] = Outcome::of(ours.verify_mic(sent[at].message, sent[at].mic));
            }
            return 0;
          }) == 0);
  std::vector<Bytes> together;
  for (const Sent& each : sent) {
    together.push_back(each.message);
    together.back().insert(together.back().end(), each.mic.begin(), each.mic.end());
  }
  std::vector<gsskey::BatchMic> mics(sent.size());
  for (std::size_t at = 0; at < sent.size(); ++at) {
    mics[at].message = sent[at].message;
    mics[at].mic = sent[at].mic;
    if (at % 2 == 0) {
      mics[at].message = {together[at].data(), sent[at].message.size()};
      mics[at].mic = gsskey::ByteView{together[at]}.subview(sent[at].message.size());
    }
  }
  batch.verify_mic(mics);
  for (std::size_t at = 0; at < sent.size(); ++at) {
    CAPTURE(at);
    check_same(Outcome::of(mics[at].verified), outcomes[at]);
  }
}

}  // namespace support
