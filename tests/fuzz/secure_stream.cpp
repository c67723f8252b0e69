// What SecureStream cuts, seals, frames and takes apart, without I/O: however transfers are cut off and writes given
// up, the reader gets what was reported as sent, in order, and nothing else; whatever a hostile peer sends ends in an
// error. SPDX-License-Identifier: MIT
#include <gsskey/asio/secure_stream.hpp>

#include <asio/buffer.hpp>

#include <cerrno>
#include <cstring>
#include <utility>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

/// Two octets, a mark and a sequence number, before the message.
class Context {
 public:
  [[nodiscard]] Result<SecretBytes> wrap(ByteView message) {
    auto token = SecretBytes::with_size(message.size() + 2);
    if (!token) return token;
    token->data()[0] = 0x5a;
    token->data()[1] = sent_++;
    if (!message.empty()) std::memcpy(token->data() + 2, message.data(), message.size());
    return token;
  }
  [[nodiscard]] Result<SecretBytes> unwrap(ByteView token) {
    if (token.size() < 2 || token[0] != 0x5a || token[1] != received_) {
      return unexpected(Error::policy("unwrap", 0, "not one of ours"));
    }
    ++received_;
    return SecretBytes::copy_of(token.subview(2));
  }
  [[nodiscard]] Result<SecretBytes> get_mic(ByteView message) { return wrap(message); }
  [[nodiscard]] Result<void> verify_mic(ByteView, ByteView) { return {}; }
  [[nodiscard]] Result<std::uint32_t> wrap_size_limit(std::uint32_t size) const {
    if (size < 3) return unexpected(Error::policy("wrap_size_limit", 0, "too small"));
    return size - 2;
  }

 private:
  unsigned char sent_ = 0;
  unsigned char received_ = 0;
};
using Core = gsskey::detail::SecureStreamCore<Context>;

/// Hands `count` octets of what is on the wire to the reader, and reads what it then has.
void deliver(Core& reader, fuzz::Bytes& wire, std::size_t count, fuzz::Bytes& got) {
  while (!reader.has_plain() && !reader.broken() && count != 0 && !wire.empty()) {
    const asio::mutable_buffer room = reader.next_read();
    expect(room.size() != 0, "there is room for what comes");
    const std::size_t part = std::min({count, room.size(), wire.size()});
    std::memcpy(room.data(), wire.data(), part);
    wire.erase(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(part));
    count -= part;
    static_cast<void>(reader.received(part, {}));
  }
  unsigned char buffer[7];
  while (reader.has_plain()) {
    const std::size_t taken = reader.take(asio::buffer(buffer));
    expect(taken != 0, "what is there is taken");
    got.insert(got.end(), buffer, buffer + taken);
  }
}

void honest(fuzz::Input& input) {
  const SecureStreamOptions options{.max_packet_size = 7u + input.byte()};
  Core writer{Context{}, options};
  Core reader{Context{}, options};
  fuzz::Bytes wire;
  fuzz::Bytes sent;
  fuzz::Bytes got;
  fuzz::Bytes given_up;  // the message of a write that has to be repeated
  while (!input.at_end()) {
    const unsigned char what = input.byte();
    if (what % 2 == 0) {
      deliver(reader, wire, input.number(), got);
      continue;
    }
    fuzz::Bytes message = (what & 2) != 0 && !given_up.empty() ? given_up : fuzz::Bytes(input.byte(), what);
    if (message.empty()) continue;
    const asio::const_buffer buffer = asio::buffer(message);
    if (writer.seal(buffer)) {
      expect(!given_up.empty() && message != given_up, "a write is refused that is not the one to be repeated");
      continue;
    }
    expect(message.size() >= given_up.size() && std::equal(given_up.begin(), given_up.end(), message.begin()),
           "no other bytes are sent");
    const auto parts = writer.next_write();
    const std::size_t total = parts[0].size() + parts[1].size();
    const std::size_t cut = (what & 4) != 0 ? total : input.byte() % (total + 1);
    for (std::size_t at = 0; at < cut; ++at) {
      const bool is_header = at < parts[0].size();
      const asio::const_buffer part = parts[is_header ? 0 : 1];
      wire.push_back(static_cast<const unsigned char*>(part.data())[is_header ? at : at - parts[0].size()]);
    }
    const std::size_t count = writer.sent(cut);
    expect((count != 0) == (cut == total), "a packet is sent when all of it is");
    expect(count <= message.size(), "no more is sent than was given");
    if (count != 0) {
      sent.insert(sent.end(), message.begin(), message.begin() + static_cast<std::ptrdiff_t>(count));
      given_up.clear();
    } else {
      writer.abandon(buffer);
      message.resize(std::min<std::size_t>(message.size(), options.max_packet_size - 6u));
      if (given_up.empty()) given_up = message;
    }
  }
  deliver(reader, wire, wire.size(), got);
  while (!wire.empty() && !reader.broken()) deliver(reader, wire, wire.size(), got);
  expect(!reader.broken(), "an honest stream does not break");
  expect(got == sent, "what was sent comes, in order, once");
}

void hostile(fuzz::Input& input) {
  Core reader{Context{}, {.max_packet_size = 7u + input.byte()}};
  fuzz::Bytes wire = fuzz::bytes_of(input.rest());
  const std::size_t size = wire.size();
  fuzz::Bytes got;
  while (!wire.empty() && !reader.broken()) deliver(reader, wire, 3, got);
  expect(got.size() <= size, "no more comes than was sent");
  if (reader.broken()) expect(reader.last_error().has_value(), "there is an error that says why");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  if (input.byte() % 4u == 0) {
    hostile(input);
  } else {
    honest(input);
  }
  return 0;
}
