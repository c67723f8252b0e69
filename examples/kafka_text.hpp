// examples/kafka_text: the fields of Kafka's requests and answers, and the numbers that this example uses.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/try.hpp>

namespace example::kafka {

enum class Api : std::int16_t {
  metadata = 3,
  join_group = 11,
  sasl_handshake = 17,
  api_versions = 18,
  sasl_authenticate = 36
};
enum class Status : std::int16_t {
  ok = 0,
  unsupported_mechanism = 33,
  unsupported_version = 35,
  authentication_failed = 58
};

/// Fields of a request, from the front on. After one that is cut all that follow are empty, and has_failed().
class Fields {
 public:
  explicit Fields(std::string_view rest) : rest_{rest} {}

  template <class Integer>
  Integer integer() {
    std::uint64_t value = 0;
    for (const char byte : take(sizeof(Integer))) value = value << 8 | static_cast<unsigned char>(byte);
    return static_cast<Integer>(value);
  }
  /// The length before it has two bytes; -1: there is none.
  std::string_view string() { return take(static_cast<std::size_t>(std::max<int>(integer<std::int16_t>(), 0))); }
  /// The length before them has four.
  gsskey::ByteView bytes() {
    const auto taken = take(static_cast<std::size_t>(std::max(integer<std::int32_t>(), 0)));
    return {taken.data(), taken.size()};
  }
  [[nodiscard]] bool has_failed() const { return has_failed_; }

 private:
  std::string_view take(std::size_t size) {
    has_failed_ = has_failed_ || size > rest_.size();
    if (has_failed_) return {};
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  bool has_failed_ = false;
};

/// An answer to a request, field by field.
class Response {
 public:
  explicit Response(std::int32_t correlation) { integer(correlation); }

  template <class Integer>
  Response& integer(Integer value) {
    for (std::size_t at = sizeof value; at-- > 0;) text_ += static_cast<char>(value >> (8 * at) & 0xFF);
    return *this;
  }
  Response& status(Status status) { return integer(static_cast<std::int16_t>(status)); }
  Response& string(std::string_view text) {
    integer(static_cast<std::int16_t>(text.size()));
    text_ += text;
    return *this;
  }
  Response& no_string() { return integer(std::int16_t{-1}); }
  Response& bytes(gsskey::ByteView bytes) {
    integer(static_cast<std::int32_t>(bytes.size()));
    text_ += bytes.text();
    return *this;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// A request, up to the fields of its own.
struct Request {
  gsskey::SecretBytes frame;
  Api api{};
  std::int16_t version = 0;
  std::int32_t correlation = 0;
  Fields fields{""};
};

template <class Wire>
gsskey::Result<Request> receive(Wire& wire) {
  constexpr std::size_t max_size = 1 << 17;
  Request request;
  GSSKEY_TRY(request.frame, wire.receive(max_size));
  request.fields = Fields{request.frame.text()};
  request.api = static_cast<Api>(request.fields.template integer<std::int16_t>());
  request.version = request.fields.template integer<std::int16_t>();
  request.correlation = request.fields.template integer<std::int32_t>();
  static_cast<void>(request.fields.string());  // what the client calls itself
  if (!request.fields.has_failed()) return request;
  return gsskey::unexpected(gsskey::Error::transport("receive", EPROTO, "a request of Kafka is cut"));
}

}  // namespace example::kafka
