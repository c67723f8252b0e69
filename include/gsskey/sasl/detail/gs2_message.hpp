// gsskey/sasl/detail/gs2_message: the first message of GS2, a header and a token without its framing. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/big_endian.hpp>
#include <gsskey/core/detail/der.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/channel_bindings.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/sasl/detail/security_layers.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl_detail {

/// The bindings of a channel as GS2 has them: its type, which the header names, and data without it.
struct Gs2Channel {
  std::string_view type;
  ByteView data;

  [[nodiscard]] static constexpr bool is_type(std::string_view text) noexcept {
    detail::TextReader in{text};
    in.skip_all_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-");
    return in.at_end() && !text.empty();
  }
  /// Takes prefix ":" data. The views are of `bindings`.
  [[nodiscard]] static bool read(const ChannelBindings& bindings, Gs2Channel& channel) noexcept {
    const std::string_view all = bindings.application_data().text();
    detail::TextReader in{all};
    std::string_view type;
    if (!in.take_field(':', type) || !is_type(type) || in.at_end()) return false;
    channel = {type, {in.rest().data(), in.rest().size()}};
    return true;
  }
};

/// What the header says of the channel.
enum class Gs2Flag : char {
  none = 'n',         // the client has no bindings
  not_offered = 'y',  // it has, and thinks that the server has not
  used = 'p',
};

/// [F,](n|y|p=TYPE),[a=AUTHZID],TOKEN
struct Gs2Message {
  bool is_framed = true;  // the token had the framing of RFC 2743, which is not sent; else "F"
  Gs2Flag flag = Gs2Flag::none;
  std::string_view type;     // of Gs2Flag::used
  std::string_view authzid;  // as it is written; empty if there is none
  ByteView header;           // what the bindings begin with: "F," is no part of it
  ByteView token;

  /// nullptr, or why it is none.
  [[nodiscard]] static const char* read(ByteView bytes, Gs2Message& message) noexcept {
    detail::TextReader in{bytes.text()};
    Gs2Message read;
    std::string_view field;
    if (!in.take_field(',', field)) return "a message without the header of GS2";
    std::size_t begin = 0;
    if (field == "F") {
      read.is_framed = false;
      begin = 2;
      if (!in.take_field(',', field)) return "a header of GS2 that ends behind F";
    }
    if (field == "n" || field == "y") {
      read.flag = static_cast<Gs2Flag>(field[0]);
    } else if (field.starts_with("p=") && Gs2Channel::is_type(field.substr(2))) {
      read.flag = Gs2Flag::used;
      read.type = field.substr(2);
    } else {
      return "a header of GS2 that says nothing of the channel";
    }
    if (!in.take_field(',', field)) return "a header of GS2 without its second comma";
    if (!field.empty()) {
      if (!field.starts_with("a=") || !is_saslname(field.substr(2))) return "the authzid of GS2 is none";
      read.authzid = field.substr(2);
    }
    if (in.at_end()) return "a header of GS2, and no token";
    read.header = bytes.subview(begin, bytes.size() - in.rest().size() - begin);
    read.token = bytes.subview(bytes.size() - in.rest().size());
    if (!read.is_framed && read.token[0] == 0x60) return "F, and a token that has its framing";
    message = read;
    return nullptr;
  }

  /// Whether text, which has no comma, is UTF-8 without NUL, whose equals signs begin "=2C" or "=3D".
  [[nodiscard]] static bool is_saslname(std::string_view text) noexcept {
    if (text.empty() || !is_utf8_text({text.data(), text.size()})) return false;
    for (detail::TextReader in{text}; !in.at_end();) {
      static_cast<void>(in.take_until_any("="));
      std::string_view escape;
      if (!in.at_end() && (!in.take(3, escape) || (escape != "=2C" && escape != "=3D"))) return false;
    }
    return true;
  }
  /// Throws std::bad_alloc.
  [[nodiscard]] static std::string unescaped(std::string_view saslname) {
    std::string text;
    for (detail::TextReader in{saslname}; !in.at_end();) {
      text += in.take_until_any("=");
      std::string_view escape;
      if (in.take(3, escape)) text += escape == "=2C" ? ',' : '=';
    }
    return text;
  }
};

/// What a header has to say.
struct Gs2Header {
  Gs2Flag flag = Gs2Flag::none;
  std::string_view type;
  std::string_view authzid;  // as it is meant

  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t size = 3 + (type.empty() ? 0 : 1 + type.size()) + (authzid.empty() ? 0 : 2 + authzid.size());
    for (const char letter : authzid) size += letter == ',' || letter == '=' ? 2 : 0;
    return size;
  }
  /// Returns its end.
  [[nodiscard]] char* write(char* out) const noexcept {
    *out++ = static_cast<char>(flag);
    if (!type.empty()) out = detail::append(detail::append(out, "="), type);
    *out++ = ',';
    if (!authzid.empty()) out = detail::append(out, "a=");
    for (const char letter : authzid) {
      if (letter == ',' || letter == '=') {
        out = detail::append(out, letter == ',' ? "=2C" : "=3D");
      } else {
        *out++ = letter;
      }
    }
    *out++ = ',';
    return out;
  }
};

/// nullptr, or why the options of either end cannot be. Where the bindings are needed, they are read.
template <class Options>
[[nodiscard]] inline const char* fault_of_gs2(const Options& options, bool is_plus, Gs2Channel& channel) noexcept {
  if (const char* fault =
          fault_of_strength(options.min_ssf, options.max_ssf, options.external_ssf, options.max_buffer)) {
    return fault;
  }
  if (!options.bindings.is_valid()) return "channel bindings need a prefix and data, of 127 bytes together";
  return is_plus && !Gs2Channel::read(options.bindings, channel)
             ? "-PLUS needs bindings of the channel: a type and data"
             : nullptr;
}
inline constexpr const char* gs2_has_no_layer =
    "GS2 has no layer: what is below (external_ssf) has to be as strong as min_ssf wants it";

/// The framing of a first token of Kerberos (RFC 2743 section 3.1).
struct Gs2Framing {
  /// What is behind it; empty, if there is none.
  [[nodiscard]] static ByteView strip(ByteView token) noexcept {
    ByteView content;
    ByteView oid;
    detail::DerReader outer{token};
    if (!outer.take_last(0x60, content)) return {};
    detail::DerReader inner{content};
    return inner.take(0x06, oid) && oid == ByteView{mech::Krb5::oid} ? inner.rest() : ByteView{};
  }
  [[nodiscard]] static Result<SecretBytes> restore(ByteView body) noexcept {
    const ByteView oid{mech::Krb5::oid};
    const std::size_t content = 2 + oid.size() + body.size();
    std::size_t octets = 0;
    for (std::size_t rest = content; content >= 0x80 && rest != 0; rest >>= 8) ++octets;
    auto token = SecretBytes::with_size(2 + octets + content);
    if (!token) return unexpected(token.error());
    unsigned char* out = token->data();
    *out++ = 0x60;
    *out++ = static_cast<unsigned char>(octets == 0 ? content : 0x80 | octets);
    detail::to_big_endian(content, out, octets);
    out += octets;
    *out++ = 0x06;
    *out++ = static_cast<unsigned char>(oid.size());
    static_cast<void>(detail::append(detail::append(reinterpret_cast<char*>(out), oid.text()), body.text()));
    return token;
  }
};

}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
