// gsskey/gss/channel_bindings: what ties a context to the channel that it is established over (RFC 5056).
// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>
#include <string_view>

#include <gsskey/core/bytes.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Ties a context to its channel: application data that both ends must give alike. Addresses are left unspecified, as
/// RFC 4121 section 4.1.1.2 wants it behind address translation. A value of its own; none by default.
/// tls/channel_bindings.hpp makes those of a TLS connection.
/// See: RFC 2744 section 3.11, RFC 5056.
class ChannelBindings {
 public:
  /// The most of a prefix and data. A name of the IANA registry and 64 bytes of hash need 85.
  /// Units: bytes.
  static constexpr std::size_t max_size = 127;

  constexpr ChannelBindings() noexcept = default;

  /// Makes `unique_prefix` ":" `data`, of max_size bytes at most: "tls-server-end-point" and a hash. What is longer, or
  /// has no data and so would bind to nothing, is not valid, and refused by the handshake that it is given to.
  /// See: RFC 5056 section 2.1.
  ChannelBindings(std::string_view unique_prefix, ByteView data) noexcept {
    const bool fits = data.size() < max_size && unique_prefix.size() < max_size - data.size();
    if (unique_prefix.empty() || data.empty() || !fits) {
      size_ = refused;
      return;
    }
    char* out = detail::append(reinterpret_cast<char*>(data_), unique_prefix);
    *out++ = ':';
    static_cast<void>(detail::append(out, data.text()));
    size_ = static_cast<unsigned char>(unique_prefix.size() + 1 + data.size());
  }

  /// Makes bindings of application data that have a form of their own, and any size, such as those of GS2. Heimdal
  /// takes 4 bytes for port numbers, and refuses them.
  /// Owner: the bytes are borrowed until the handshake is complete.
  [[nodiscard]] static ChannelBindings from_application_data(ByteView bytes GSSKEY_LIFETIMEBOUND) noexcept {
    ChannelBindings bindings;
    bindings.borrowed_ = bytes;
    return bindings;
  }

  /// Returns what the C call gets; nothing if these are not valid.
  /// Owner: this object; of from_application_data(), whose the bytes are.
  [[nodiscard]] ByteView application_data() const noexcept GSSKEY_LIFETIMEBOUND {
    return borrowed_.empty() ? ByteView{data_, is_valid() ? size_ : 0u} : borrowed_;
  }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0 && borrowed_.empty(); }
  /// Returns whether a handshake takes these; empty ones are valid.
  [[nodiscard]] constexpr bool is_valid() const noexcept { return size_ != refused; }

 private:
  static constexpr unsigned char refused = 255;

  ByteView borrowed_;
  unsigned char data_[max_size] = {};
  unsigned char size_ = 0;
};

/// What an acceptor knows of the bindings, once its handshake is complete. An initiator never learns it.
enum class Binding : unsigned char {
  bound,      ///< the initiator gave those of the acceptor
  unbound,    ///< the initiator gave none; one that gave others is refused
  unknowable  ///< the implementation does not tell bound from unbound
};

namespace gss_detail {

/// The C form, for one call.
class RawBindings {
 public:
  explicit RawBindings(const ChannelBindings& bindings) noexcept {
    std::memset(&raw_, 0, sizeof raw_);  // GSS_C_AF_UNSPEC, no addresses; also what lies between the fields
    raw_.application_data.value = const_cast<unsigned char*>(bindings.application_data().data());
    raw_.application_data.length = bindings.application_data().size();
  }
  /// GSS_C_NO_CHANNEL_BINDINGS where there are none.
  [[nodiscard]] gss_channel_bindings_t get() noexcept {
    return raw_.application_data.length == 0 ? GSS_C_NO_CHANNEL_BINDINGS : &raw_;
  }

 private:
  gss_channel_bindings_struct raw_;
};

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
