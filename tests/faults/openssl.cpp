// tests/faults/openssl: contexts taken over, messages by OpenSSL, batches and seals, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>
#include <gsskey/handoff/envelope.hpp>
#include <gsskey/messages/batch.hpp>
#include <gsskey/messages/take_over.hpp>

#include <string>
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
    const auto sealed = again([&] { return wrap_into(ours, message, memory); });
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
  auto many = again([&] { return MessageBatch::from_protector(ours, 3); });
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

const faults::Register registered[] = {
    {"take_over", &messages},
    {"batch", &batch},
    {"seal", &seals},
    {"derivation", &derivations},
};

}  // namespace
