// Tokens of RFC 4121 under keys of our own, altered: one that is taken holds what was sent. Every encryption type, both
// kinds of wrap token, MICs; also the input itself as a token, and base keys of any length.
// SPDX-License-Identifier: MIT
#include <gsskey/messages/detail/keys.hpp>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

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

/// The plaintext, if the token is whole.
std::optional<fuzz::Bytes> opened(Ends& ends, ByteView token) {
  rfc4121::WrapToken wrap;
  if (!wrap.read(token, ends.receiver.mac_size())) return {};
  expect(wrap.message_size <= wrap.body_size && wrap.body_size <= token.size(), "lengths fit");
  fuzz::Bytes body(wrap.body_size);
  const auto verdict = ends.receiver.open(wrap, token, body.data());
  expect(verdict != rfc3961::Opened::failed, "OpenSSL does not fail");
  if (verdict != rfc3961::Opened::whole) {
    expect(std::all_of(body.begin(), body.end(), [](unsigned char octet) { return octet == 0; }), "nothing is left");
    return {};
  }
  body.resize(wrap.message_size);
  return body;
}
bool is_mic_of(Ends& ends, ByteView message, ByteView token) {
  rfc4121::Header header;
  if (!header.read(token, false) || token.size() != rfc4121::header_size + ends.receiver.mac_size()) return false;
  return ends.receiver.check(message, token) == rfc3961::Opened::whole;
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
    expect(!opened(both, input.rest()), "a token that nobody made is taken");
    expect(!is_mic_of(both, "message", input.rest()), "a MIC that nobody made is taken");
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
  if (kind == 2) {
    expect(is_mic_of(both, message, changed) == (changed == token), "a MIC is taken if it is whole");
    return 0;
  }
  const auto plain = opened(both, changed);
  if (plain) expect(*plain == message, "what is taken is what was sent");
  if (changed == token) expect(plain.has_value(), "what was sent is taken");
  return 0;
}
