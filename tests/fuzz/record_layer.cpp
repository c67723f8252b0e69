// The record layer, without I/O: however transfers are cut off and writes given up, the reader gets what was reported
// as sent, in order, and nothing else; whatever a hostile peer sends ends in an error. SPDX-License-Identifier: MIT
#include <gsskey/io/record_layer.hpp>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "input.hpp"
#include "support/marked_context.hpp"

using namespace gsskey;
using fuzz::expect;
using One = RecordLayer<support::MarkedContext>;
using Many = RecordLayer<support::ManyMarked>;

namespace {

constexpr Protection protections[] = {Protection::encrypted, Protection::integrity, Protection::none};

/// Hands `count` octets of what is on the wire to the reader, in one of the two ways, and reads what it then has.
template <class Layer>
void deliver(Layer& reader, fuzz::Bytes& wire, std::size_t count, fuzz::Bytes& got) {
  bool is_broken = false;
  while (reader.opened().empty() && !is_broken && count != 0 && !wire.empty()) {
    const auto room = reader.room();
    if (!room) break;
    expect(room->size != 0, "there is room for what comes");
    std::size_t part = std::min(count, wire.size());
    if (count % 2 == 0) {
      part = std::min(part, room->size);
      std::memcpy(room->data, wire.data(), part);
      is_broken = !reader.received(part);
    } else {
      const auto used = reader.put(ByteView{wire}.subview(0, part));
      is_broken = !used;
      if (used) {
        expect(*used != 0 && *used <= part, "some of what comes is taken");
        part = *used;
      }
    }
    wire.erase(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(part));
    count -= part;
  }
  while (!reader.opened().empty()) {
    const ByteView some = reader.opened().subview(0, 7);
    got.insert(got.end(), some.begin(), some.end());
    reader.consume(some.size());
  }
}

template <class Layer>
void honest(fuzz::Input& input, Protection protection) {
  const RecordOptions options{.max_sent = 7u + input.byte(), .max_received = 262, .protection = protection};
  const std::size_t in_packet = options.max_sent - (protection == Protection::none ? 0u : 6u);
  const bool in_many = std::is_same_v<Layer, Many> && protection != Protection::none;
  const std::size_t longest = in_many ? 16 * in_packet : in_packet;
  Layer writer{{}, options};
  Layer reader{{}, options};
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
    const auto sealed = writer.seal(message);
    if (!sealed) {
      expect(!given_up.empty() && message != given_up, "a write is refused that is not the one to be repeated");
      continue;
    }
    expect(message.size() >= given_up.size() && std::equal(given_up.begin(), given_up.end(), message.begin()),
           "no other bytes are sent");
    expect(*sealed == std::min(message.size(), given_up.empty() ? longest : given_up.size()),
           "as much as is sealed at once");
    const auto parts = writer.unsent();
    fuzz::Bytes packet = fuzz::bytes_of(parts[0]);
    packet.insert(packet.end(), parts[1].begin(), parts[1].end());
    const std::size_t cut = (what & 4) != 0 ? packet.size() : input.byte() % (packet.size() + 1);
    wire.insert(wire.end(), packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(cut));
    writer.sent(cut);
    expect(writer.has_unsent() == (cut != packet.size()), "a packet is sent when all of it is");
    message.resize(*sealed);
    if (!writer.has_unsent()) {
      sent.insert(sent.end(), message.begin(), message.end());
      given_up.clear();
    } else {
      expect(!writer.seal(message), "one packet at a time");
      writer.abandon(message);
      expect(writer.abandoned() == message.size(), "what is to be repeated");
      given_up = message;
    }
  }
  if (!given_up.empty()) {
    const auto repeated = writer.seal(given_up);
    expect(repeated.has_value(), "it can be repeated");
    for (const ByteView part : writer.unsent()) wire.insert(wire.end(), part.begin(), part.end());
    sent.insert(sent.end(), given_up.begin(), given_up.end());
  }
  while (!wire.empty() && reader.room()) deliver(reader, wire, wire.size(), got);
  expect(reader.ended().has_value(), "an honest stream ends between packets");
  expect(got == sent, "what was sent comes, in order, once");
}

template <class Layer>
void hostile(fuzz::Input& input, Protection protection) {
  Layer reader{{}, {.max_received = 7u + input.byte(), .protection = protection}};
  fuzz::Bytes wire = fuzz::bytes_of(input.rest());
  const std::size_t size = wire.size();
  fuzz::Bytes got;
  for (std::size_t count = 3; !wire.empty() && reader.room(); ++count) deliver(reader, wire, count, got);
  expect(got.size() <= size, "no more comes than was sent");
  if (protection == Protection::none) expect(got.size() == size, "and all of it, as it is");
  if (const auto room = reader.room(); !room) {
    expect(reader.received(0).error().text() == room.error().text(), "it stays the same error");
    expect(!reader.ended(), "the end of the stream does not heal it");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  const unsigned way = input.byte();
  const Protection protection = protections[way / 4 % 3];
  const bool is_many = way / 12 % 2 != 0 && protection != Protection::integrity;
  if (way % 4 == 0) {
    is_many ? hostile<Many>(input, protection) : hostile<One>(input, protection);
  } else {
    is_many ? honest<Many>(input, protection) : honest<One>(input, protection);
  }
  return 0;
}
