// Tokens of RFC 4121 under keys of our own, altered: one that is taken holds what was sent. Every encryption type, both
// kinds of wrap token, MICs, and the lanes beside them (-DGSSKEY_TEST_LANES); also the input itself as a token, and
// base keys of any length. SPDX-License-Identifier: MIT
#include <gsskey/messages/detail/keys.hpp>
#ifdef GSSKEY_TEST_LANES
#include <gsskey/messages/detail/lanes.hpp>
#endif

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

struct Ends {
  rfc4121::Sender sender;
  rfc4121::Receiver receiver;
};

Ends& ends(std::size_t type) {
  static std::optional<Ends> made[std::size(rfc3961::encryption_types)];
  if (!made[type]) {
    const rfc3961::EncryptionType& chosen = rfc3961::encryption_types[type];
    const fuzz::Bytes key(chosen.key_size, 0x42);
    auto sender = rfc4121::Sender::create({&chosen, key, false});
    auto receiver = rfc4121::Receiver::create({&chosen, key, false});
    if (!sender || !receiver) std::abort();
    made[type].emplace(Ends{*std::move(sender), *std::move(receiver)});
  }
  return *made[type];
}

#ifdef GSSKEY_TEST_LANES
rfc3961::LaneKeys lane_keys(const rfc3961::EncryptionType& type, bool seals) {
  const fuzz::Bytes key(type.key_size, 0x42);
  const auto derived = [&](rfc3961::Purpose purpose) {
    auto made = rfc3961::derive_key(type, key, seals ? 24 : 25, purpose);
    if (!made) std::abort();
    return *std::move(made);
  };
  const auto encryption = derived(rfc3961::Purpose::encryption);
  const auto integrity = derived(seals ? rfc3961::Purpose::integrity : rfc3961::Purpose::checksum);
  auto made = rfc3961::LaneKeys::create(type, rfc3961::Lanes::of_thread().manager(),
                                        seals ? ByteView{encryption} : ByteView{}, integrity);
  if (!made) std::abort();
  return *std::move(made);
}
/// What is behind the header, as the lanes open it: `expected` is what OpenSSL made of it.
void compare_lanes(std::size_t type, fuzz::Bytes token, const rfc4121::WrapToken& wrap,
                   const std::optional<fuzz::Bytes>& expected) {
  const auto& chosen = rfc3961::encryption_types[type];
  auto& lanes = rfc3961::Lanes::of_thread();
  if (chosen.digest == nullptr || !wrap.is_sealed() || !lanes.serve(chosen)) return;
  static std::optional<rfc3961::LaneKeys> keys[std::size(rfc3961::encryption_types)];
  if (!keys[type]) keys[type].emplace(lane_keys(chosen, true));
  const auto rest = token.begin() + rfc4121::header_size;
  std::rotate(rest, rest + wrap.header.rotation % (token.end() - rest), token.end());
  const std::size_t size = wrap.body_size + 2 * rfc3961::block_size;
  // For few there may be a manager of its own; the others are copies of the message, behind zeros.
  std::vector<fuzz::Bytes> copies(size % 2 * 16, fuzz::Bytes(rfc3961::block_size));
  std::vector<rfc3961::LaneText> texts{{token.data() + rfc4121::header_size, size, false}};
  for (fuzz::Bytes& copy : copies) {
    copy.insert(copy.end(), rest, token.end());
    texts.push_back({copy.data() + rfc3961::block_size, size, false});
  }
  expect(lanes.open(*keys[type], texts), "lanes do not fail");
  rfc3961::LaneText text = texts[0];
  for (const auto& copy : texts) expect(copy.is_whole == text.is_whole, "all lanes say the same");
  unsigned char* const inner = text.bytes + text.size - rfc4121::header_size;
  std::fill_n(inner + 6, 2, static_cast<unsigned char>(0));
  std::fill_n(token.begin() + 6, 2, static_cast<unsigned char>(0));
  const bool whole = text.is_whole && std::equal(inner, inner + rfc4121::header_size, token.begin());
  expect(whole == expected.has_value(), "lanes say what OpenSSL says");
  if (whole) expect(std::equal(expected->begin(), expected->end(), text.bytes + rfc3961::block_size), "one plaintext");
}
void compare_lanes(std::size_t type, ByteView message, ByteView mic, bool expected) {
  const auto& chosen = rfc3961::encryption_types[type];
  auto& lanes = rfc3961::Lanes::of_thread();
  if (chosen.digest == nullptr || !lanes.serve(chosen)) return;
  static std::optional<rfc3961::LaneKeys> keys[std::size(rfc3961::encryption_types)];
  if (!keys[type]) keys[type].emplace(lane_keys(chosen, false));
  unsigned char checksum[rfc3961::max_mac_size];
  const rfc3961::LaneMic all{message, mic.data(), checksum};
  if (!lanes.takes(all)) return;
  expect(lanes.sign(*keys[type], {&all, 1}), "lanes do not fail");
  const bool whole =
      CRYPTO_memcmp(checksum, mic.data() + rfc4121::header_size, chosen.mac_size) == 0;  // see are_same()
  expect(whole == expected, "lanes say of a MIC what OpenSSL says");
}
#endif

/// The plaintext and its filler, if the token is whole.
std::optional<fuzz::Bytes> opened(Ends& ends, ByteView token, rfc4121::WrapToken& wrap) {
  if (!wrap.header.read(token, true) || !wrap.read_rest(token, ends.receiver.mac_size())) return {};
  expect(wrap.message_size <= wrap.body_size && wrap.body_size <= token.size(), "lengths fit");
  fuzz::Bytes body(wrap.body_size);
  const auto verdict = ends.receiver.open(wrap, token, body.data());
  expect(verdict != rfc3961::Opened::failed, "OpenSSL does not fail");
  if (verdict != rfc3961::Opened::whole) {
    expect(std::all_of(body.begin(), body.end(), [](unsigned char octet) { return octet == 0; }), "nothing is left");
    return {};
  }
  return body;
}
bool is_mic_of(std::size_t type, ByteView message, ByteView token) {
  Ends& both = ends(type);
  rfc4121::Header header;
  if (!header.read(token, false) || token.size() != rfc4121::header_size + both.receiver.mac_size()) return false;
  const bool whole = both.receiver.check(message, token) == rfc3961::Opened::whole;
#ifdef GSSKEY_TEST_LANES
  compare_lanes(type, message, token, whole);
#endif
  return whole;
}

std::optional<fuzz::Bytes> opened(std::size_t type, ByteView token) {
  rfc4121::WrapToken wrap;
  auto plain = opened(ends(type), token, wrap);
#ifdef GSSKEY_TEST_LANES
  if (rfc4121::WrapToken fits; fits.header.read(token, true) && fits.read_rest(token, ends(type).receiver.mac_size())) {
    compare_lanes(type, {token.begin(), token.end()}, wrap, plain);
  }
#endif
  if (plain) plain->resize(wrap.message_size);
  return plain;
}

/// Turns what follows the header, as a sender may (section 4.2.5).
void rotate(fuzz::Bytes& token, std::size_t count) {
  const std::size_t size = token.size() - rfc4121::header_size;
  count %= size;
  std::rotate(token.begin() + rfc4121::header_size, token.end() - static_cast<std::ptrdiff_t>(count), token.end());
  token[6] = static_cast<unsigned char>(count >> 8);
  token[7] = static_cast<unsigned char>(count);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  const unsigned kind = input.byte() % 6u;
  const std::size_t type = input.byte() % std::size(rfc3961::encryption_types);
  Ends& both = ends(type);
  if (kind == 4) {
    expect(!opened(type, input.rest()), "a token that nobody made is taken");
    expect(!is_mic_of(type, "message", input.rest()), "a MIC that nobody made is taken");
    return 0;
  }
  if (kind == 5) {
    const auto& chosen = rfc3961::encryption_types[type];
    const auto made = rfc4121::Sender::create({&chosen, input.rest().subview(0, 100), true});
    expect(made.has_value() == (input.rest().subview(0, 100).size() == chosen.key_size), "a key of another length");
    return 0;
  }
  fuzz::Bytes message(input.number() % 20000);
  for (std::size_t at = 0; at < message.size(); ++at) message[at] = static_cast<unsigned char>(at * 31 + 1);
  const std::size_t mac_size = both.receiver.mac_size();
  fuzz::Bytes token;
  bool made = false;
  if (kind == 0 || kind == 3) {
    token.resize(2 * rfc4121::header_size + rfc3961::block_size + message.size() + mac_size);
    made = both.sender.wrap(message, token.data());
  } else if (kind == 1) {
    token.resize(rfc4121::header_size + message.size() + mac_size);
    made = both.sender.wrap_unencrypted(message, token.data());
  } else {
    token.resize(rfc4121::header_size + mac_size);
    made = both.sender.get_mic(message, token.data());
  }
  expect(made, "OpenSSL does not fail");
  if (kind == 3) rotate(token, input.number());
  const fuzz::Bytes changed = input.altered(token);
  const bool is_same = fuzz::are_same(changed, token);
  if (kind == 2) {
    expect(is_mic_of(type, message, changed) == is_same, "a MIC is taken if it is whole");
    return 0;
  }
  const auto plain = opened(type, changed);
  if (plain) expect(*plain == message, "what is taken is what was sent");
  if (is_same) expect(plain.has_value(), "what was sent is taken");
  return 0;
}
