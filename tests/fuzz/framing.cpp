// Frames on a byte stream, in whatever portions they come: the token that was sent, memory for what has come and not
// for what was announced, and an error as soon as too much is announced. SPDX-License-Identifier: MIT
#include <gsskey/io/framing.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

/// Hands what was written out again, and ends.
struct Stream {
  fuzz::Bytes bytes;
  std::size_t at = 0;

  Result<void> write(ByteView header, ByteView body) {
    bytes.insert(bytes.end(), header.begin(), header.end());
    bytes.insert(bytes.end(), body.begin(), body.end());
    return {};
  }
  Result<void> read(void* to, std::size_t size) {
    if (size > bytes.size() - at) return unexpected(Error::transport("read", EPIPE));
    if (size != 0) std::memcpy(to, bytes.data() + at, size);
    at += size;
    return {};
  }
};

bool is_too_long(const Error& error) { return error.domain() == Domain::transport && error.minor_status() == EMSGSIZE; }

void in_portions(fuzz::Input& input) {
  const std::size_t max_size = input.number() % 5000;
  IncomingFrame frame{max_size};
  for (int count = 0; count < 20 && !input.at_end(); ++count) {
    fuzz::Bytes token(input.number() % (max_size + 100), static_cast<unsigned char>(count + 1));
    for (std::size_t at = 0; at < token.size(); ++at) token[at] = static_cast<unsigned char>(token[at] + at * 31);
    Stream wire;
    static_cast<void>(wire.write(FrameHeader::of(static_cast<std::uint32_t>(token.size())).bytes, token));
    while (!frame.is_complete()) {
      const auto room = frame.room();
      expect(room.size != 0, "there is room for what comes");
      if (wire.at >= FrameHeader::size) {
        const std::size_t body = wire.at - FrameHeader::size;
        expect(body + room.size <= token.size(), "no room for more than was announced");
        expect(room.size <= std::max(IncomingFrame::first_size, body + 1), "nor for much more than came");
      }
      const std::size_t portion = std::min<std::size_t>(room.size, 1 + input.number());
      expect(wire.read(room.data, portion).has_value(), "no more is asked for than was sent");
      const auto came = frame.came(portion);
      if (!came) {
        expect(wire.at == FrameHeader::size && token.size() > max_size && is_too_long(came.error()), "why it ends");
        return;
      }
      if (portion % 16 == 3) {
        IncomingFrame moved{std::move(frame)};
        expect(moved.has_begun() && !frame.has_begun(), "a frame that is moved goes on elsewhere");  // NOLINT: asked
        frame = std::move(moved);
      }
    }
    expect(token.size() <= max_size && frame.token() == ByteView{token}, "the token that was sent");
    expect(ByteView{frame.take()} == ByteView{token}, "exactly that");
    frame.restart();
    expect(!frame.has_begun() && frame.token().empty(), "the next one may come");
  }
}

void of_a_stranger(fuzz::Input& input) {
  const std::size_t max_size = input.number();
  Stream stream{fuzz::bytes_of(input.rest())};
  FramedTransport transport{stream};
  while (stream.at < stream.bytes.size()) {
    const ByteView rest = ByteView{stream.bytes}.subview(stream.at);
    const auto token = transport.receive(max_size);
    std::uint64_t length = 0;
    for (std::size_t at = 0; at < 4 && at < rest.size(); ++at) length = length << 8 | rest[at];
    if (!token) {
      expect(is_too_long(token.error()) == (rest.size() >= 4 && length > max_size), "too long, or cut off");
      expect(rest.size() < 4 || length > max_size || length > rest.size() - 4, "a whole token is received");
      return;
    }
    expect(ByteView{*token} == rest.subview(4, static_cast<std::size_t>(length)), "the token that was sent");
    Stream again;
    expect(
        FramedTransport{again}.send(*token).has_value() && ByteView{again.bytes} == rest.subview(0, 4 + token->size()),
        "one form for a token");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  if (input.byte() % 2u == 0) {
    in_portions(input);
  } else {
    of_a_stranger(input);
  }
  return 0;
}
