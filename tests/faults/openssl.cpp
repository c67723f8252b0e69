// tests/faults/openssl: contexts taken over, messages by OpenSSL, batches and seals, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>
#include <gsskey/handoff/envelope.hpp>
#include <gsskey/io/record_layer.hpp>
#include <gsskey/messages/batch.hpp>
#include <gsskey/messages/take_over.hpp>

#ifdef GSSKEY_TEST_LANES
#include <gsskey/messages/lanes.hpp>
#endif

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "faults/faults.hpp"
#include "faults/pair.hpp"

using namespace gsskey;
using faults::again;
using faults::check;
using faults::need;
using mech::Krb5;

namespace {

/// What a failed take-over leaves goes on, and can be taken over.
template <class H>
MessageProtector taken(H&& handshake) {
  auto made = take_over(std::move(handshake));
  if (made) return *std::move(made);
  faults::note(made.error().error);
  if (!made.error().context) throw faults::Stopped{};
  return need(take_over_after(std::move(made.error().context), {0}));
}

struct Protectors {
  MessageProtector initiator;
  MessageProtector acceptor;
};
Protectors protectors() {
  auto both = faults::handshakes<Krb5>();
  auto initiator = taken(std::move(both.initiator));
  return {std::move(initiator), taken(std::move(both.acceptor))};
}

bool contains(const std::vector<unsigned char>& memory, std::string_view text) {
  return std::search(memory.begin(), memory.end(), text.begin(), text.end()) != memory.end();
}

void messages() {
  auto [ours, theirs] = protectors();
  for (int turn = 0; turn < 2; ++turn) {
    const auto token = again([&] { return ours.wrap("message"); });
    check(again([&] { return theirs.unwrap(token); }).text() == "message", "wrap and unwrap");
    const auto open = again([&] { return ours.wrap_unencrypted("in the open"); });
    check(again([&] { return theirs.unwrap_unencrypted(open); }).message.text() == "in the open", "unencrypted");
    const auto mic = again([&] { return ours.get_mic("message"); });
    again([&] { return theirs.verify_mic("message", mic); });
    const auto ordered = again([&] { return theirs.wrap("in order"); });
    check(again([&] { return ours.unwrap_with_ordering(ordered); }).plaintext.text() == "in order", "with its order");
    const auto room = need(ours.room());
    const std::string message = "in its place";
    std::vector<unsigned char> memory(room.header + message.size() + room.trailer);
    const ByteView pieces[] = {ByteView{message}.subview(0, 3), ByteView{message}.subview(3)};
    const auto sealed = again([&] {
      auto made = wrap_into(ours, pieces, memory);
      check(made || !contains(memory, message), "no plaintext where there is no token");
      return made;
    });
    std::vector<unsigned char> place;
    const auto plain = again([&] {  // what fails in the middle has changed the memory
      place.assign(sealed.begin(), sealed.end());
      return unwrap_in_place(theirs, place);
    });
    check(ByteView{plain}.text() == message, "in place");
  }
}

void batch() {
  auto [ours, theirs] = protectors();
  auto threads = again([&] { return BatchThreads::start(2); });
  auto many = again([&] { return MessageBatch::from_protector(ours, &threads); });
  const std::string message(2000, 'm');
  const auto room = need(ours.room());
  std::vector<std::vector<unsigned char>> memory(
      20, std::vector<unsigned char>(room.header + message.size() + room.trailer));
  std::vector<BatchMessage> messages;
  for (auto& each : memory) messages.push_back({message, each});
  const auto wrapped = many.wrap(messages);
  if (!wrapped) {
    faults::note(wrapped.error());
    need(many.wrap(messages));  // behind a gap
  }
  for (auto& each : memory) {
    check(need(theirs.unwrap_with_ordering(each)).plaintext.text() == message, "a message of the batch");
  }
}

#ifdef GSSKEY_TEST_LANES
/// In a thread whose lanes are still to be made.
void lanes() {
  auto [ours, theirs] = protectors();
  rfc3961::Lanes::of_thread() = rfc3961::Lanes{};
  auto sending = again([&] { return MessageLanes::from_protector(ours); });
  auto receiving = again([&] { return MessageLanes::from_protector(theirs); });
  const std::string message(500, 'm');
  const auto room = need(ours.room());
  std::vector<std::vector<unsigned char>> memory(
      20, std::vector<unsigned char>(room.header + message.size() + room.trailer));
  std::vector<BatchMessage> messages;
  for (auto& each : memory) messages.push_back({message, each});
  if (const auto made = sending.get_mic(messages); !made) {
    faults::note(made.error());
    need(sending.get_mic(messages));  // behind a gap
  }
  std::vector<BatchMic> mics(memory.size());
  for (std::size_t at = 0; at < memory.size(); ++at) mics[at] = {message, {memory[at].data(), room.trailer}};
  receiving.verify_mic(mics);
  for (const BatchMic& each : mics) {
    if (!each.verified) faults::note(each.verified.error());
  }
  if (const auto wrapped = sending.wrap(messages); !wrapped) {
    faults::note(wrapped.error());
    for (const auto& each : memory) check(!contains(each, message), "no plaintext where there is no token");
    need(sending.wrap(messages));  // behind a gap
    static_cast<void>(theirs.unwrap(memory[0]));
    memory.erase(memory.begin());
  }
  std::vector<BatchToken> tokens(memory.size());
  const auto sent = memory;
  for (std::size_t at = 0; at < memory.size(); ++at) tokens[at].token = memory[at];
  receiving.unwrap(tokens);
  for (std::size_t at = 0; at < memory.size(); ++at) {
    if (!tokens[at].message) {  // what fails has changed nothing but the order
      faults::note(tokens[at].message.error());
      check(need(theirs.unwrap_with_ordering(sent[at])).plaintext.text() == message, "a message, one by one");
    } else {
      check(ByteView{*tokens[at].message}.text() == message, "a message of the lanes");
    }
  }
}

/// What fails leaves the layer as it was, or is told again.
void records() {
  auto [ours, theirs] = protectors();
  RecordLayer<MessageLanes> writer{again([&, &own = ours] { return MessageLanes::from_protector(std::move(own)); })};
  RecordLayer<MessageLanes> reader{again([&, &own = theirs] { return MessageLanes::from_protector(std::move(own)); })};
  const std::string message(5000, 'm');
  auto sealed = writer.seal(message);
  if (!sealed) {
    faults::note(sealed.error());
    sealed = writer.seal(message);
    if (!sealed) return;
  }
  std::string text;
  for (ByteView packets = writer.unsent()[1]; !packets.empty();) {
    packets = packets.subview(need(reader.put(packets)));
    for (; !reader.opened().empty(); reader.consume(5000)) text += reader.opened().text();
  }
  static_cast<void>(need(reader.room()));
  check(text == message, "what was written");
}
#endif

void seals() {
  const auto key = again([] { return SealKey::generate(); });
  const auto sealed = again([&] { return seal(key, "token", Krb5::oid, Seconds{60}); });
  check(again([&] { return open_seal<Krb5>(key, sealed); }).text() == "token", "what was sealed");
}

/// With keys of every type, without a realm.
void derivations() {
  for (const auto& type : rfc3961::encryption_types) {
    const std::vector<unsigned char> key(type.key_size, 7);
    auto sender = again([&] { return rfc4121::Sender::create({&type, key, false}); });
    auto receiver = again([&] { return rfc4121::Receiver::create({&type, key, false}); });
    std::vector<unsigned char> token(200);
    if (!sender.wrap_unencrypted("message", token.data())) {  // whoever calls this, takes the cause
      check(gsskey::detail::take_openssl_cause() == gsskey::detail::OpensslCause::memory, "a message is sealed");
    }
  }
}

#ifdef GSSKEY_TEST_LANES
/// Where there is no memory for them, there are none yet.
void lanes_of_every_type() {
  for (const auto& type : rfc3961::encryption_types) {
    rfc3961::Lanes own;
    const bool served = own.serve(type);
    check(served || own.serve(type) == (type.digest != nullptr), "lanes of a type, once there is memory");
  }
}
#endif

const faults::Register registered[] = {
    {"take_over", &messages},
    {"batch", &batch},
#ifdef GSSKEY_TEST_LANES
    {"lanes", &lanes},
    {"records", &records},
    {"lanes_of_every_type", &lanes_of_every_type},
#endif
    {"seal", &seals},
    {"derivation", &derivations},
};

}  // namespace
