// tests/support/courier: a wire between two ends that each run drive(), and whoever carries its frames: he loses them,
// repeats them, brings them late or in another order, or brings others.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "support/middle.hpp"

namespace support {

/// As io/framing has it: a length of four bytes, big-endian.
inline std::string frame(const std::string& token, std::size_t length) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(length >> shift & 0xff);
  return bytes + token;
}
inline std::string frame(const std::string& token) { return frame(token, token.size()); }

/// What comes out at the other side when a token goes in: bytes, of no frame or of several.
struct Courier {
  std::string name;
  std::function<std::string(const Leg&)> carry;
};

/// Each does it to the token with the number `at`. `another`: the tokens of another handshake of the same ends.
inline std::vector<Courier> couriers(std::size_t at, const std::vector<std::string>& another) {
  const auto only = [at](auto change) {
    return [at, change](const Leg& leg) { return leg.number == at ? change(leg) : frame(leg.token); };
  };
  // The next one of the same end comes with it, before or behind it.
  const auto held_back = [at](bool in_order) {
    return [at, in_order, held = std::make_shared<std::string>()](const Leg& leg) {
      if (leg.number == at) {
        *held = frame(leg.token);
        return std::string{};
      }
      const std::string now = frame(leg.token);
      if (held->empty() || leg.number % 2 != at % 2) return now;
      return in_order ? std::exchange(*held, {}) + now : now + std::exchange(*held, {});
    };
  };
  const auto changed = [](std::string token) {
    if (!token.empty()) token[token.size() / 2] = static_cast<char>(token[token.size() / 2] ^ 1);
    return token;
  };
  return {
      {"lost", only([](const Leg&) { return std::string{}; })},
      {"twice", only([](const Leg& leg) { return frame(leg.token) + frame(leg.token); })},
      {"late", held_back(true)},
      {"behind the next one", held_back(false)},
      {"changed", only([changed](const Leg& leg) { return frame(changed(leg.token)); })},
      {"changed, and then itself",
       only([changed](const Leg& leg) { return frame(changed(leg.token)) + frame(leg.token); })},
      {"itself, and then changed",
       only([changed](const Leg& leg) { return frame(leg.token) + frame(changed(leg.token)); })},
      {"an empty one", only([](const Leg&) { return frame({}); })},
      {"an empty one, and then itself", only([](const Leg& leg) { return frame({}) + frame(leg.token); })},
      {"noise", only([](const Leg&) { return frame("noise"); })},
      {"half", only([](const Leg& leg) { return frame(leg.token.substr(0, leg.token.size() / 2)); })},
      {"a byte more", only([](const Leg& leg) { return frame(leg.token + '\0'); })},
      {"a length that is short by one", only([](const Leg& leg) {
         return frame(leg.token, leg.token.size() - std::min<std::size_t>(1, leg.token.size()));
       })},
      {"a length that is long by one", only([](const Leg& leg) { return frame(leg.token, leg.token.size() + 1); })},
      {"a length of 2^32 - 1", only([](const Leg& leg) { return frame(leg.token, 0xffffffff); })},
      {"half of a length", only([](const Leg& leg) { return frame(leg.token).substr(0, 2); })},
      {"the receiver's own last one",
       only([](const Leg& leg) { return frame(leg.seen.empty() ? leg.token : leg.seen.back()); })},
      {"that of another handshake", only([another](const Leg& leg) {
         return frame(leg.number < another.size() ? another[leg.number] : leg.token);
       })},
  };
}

/// Two BlockingStreams for FramedTransport. Who waits for what never comes is told ETIMEDOUT when the other end waits
/// too or has ended.
class Wire {
 public:
  class End {
   public:
    End(Wire& wire, int number) : wire_{&wire}, number_{number} {}
    gsskey::Result<void> write(gsskey::ByteView, gsskey::ByteView body) {
      wire_->carry(number_, std::string{body.text()});
      return {};
    }
    gsskey::Result<void> read(void* data, std::size_t size) { return wire_->take(number_, data, size); }
    void close() { wire_->close(number_); }

   private:
    Wire* wire_;
    int number_;
  };

  explicit Wire(Courier courier) : courier_{std::move(courier)} {}
  End initiator() { return {*this, 0}; }
  End acceptor() { return {*this, 1}; }
  [[nodiscard]] const std::vector<std::string>& sent() const { return sent_; }
  /// Whether in the place of some token something else came than the token.
  [[nodiscard]] bool is_altered() const { return is_altered_; }

 private:
  struct Side {
    std::string bytes;  ///< that have come
    std::size_t needed = 0;
    bool ended = false;
    [[nodiscard]] bool is_stuck() const { return ended || needed > bytes.size(); }
  };
  void carry(int from, std::string token) {
    const std::lock_guard lock{mutex_};
    // Numbered as in turn, whoever has sent twice.
    const std::size_t number = 2 * counts_[from]++ + static_cast<std::size_t>(from);
    const std::string carried = courier_.carry({number, token, sent_});
    is_altered_ |= has_surplus_[from] || !carried.starts_with(frame(token));
    has_surplus_[from] |= carried != frame(token);
    sides_[1 - from].bytes += carried;
    sent_.push_back(std::move(token));
    changed_.notify_all();
  }
  gsskey::Result<void> take(int who, void* data, std::size_t size) {
    std::unique_lock lock{mutex_};
    Side& side = sides_[who];
    side.needed = size;
    changed_.wait(lock, [&] { return !side.is_stuck() || sides_[1 - who].is_stuck(); });
    changed_.notify_all();
    if (side.bytes.size() < size) return gsskey::unexpected(gsskey::Error::transport("read", ETIMEDOUT));
    side.needed = 0;
    std::memcpy(data, side.bytes.data(), size);
    side.bytes.erase(0, size);
    return {};
  }
  void close(int who) {
    const std::lock_guard lock{mutex_};
    sides_[who].ended = true;
    changed_.notify_all();
  }

  Courier courier_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Side sides_[2];
  std::size_t counts_[2] = {};
  std::vector<std::string> sent_;
  bool has_surplus_[2] = {};  ///< which is read in the place of a later token
  bool is_altered_ = false;
};

}  // namespace support
