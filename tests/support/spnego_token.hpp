// tests/support/spnego_token: tokens of SPNEGO taken apart, changed and written again, by DER of the tests' own.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/gss/oid.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace support {

/// One DER element. `spare`: octets more than its length needs.
inline std::string der(unsigned char tag, std::string_view content, std::size_t spare = 0) {
  std::string length;
  for (std::size_t rest = content.size(); rest != 0; rest >>= 8) length.insert(0, 1, static_cast<char>(rest & 0xff));
  std::string out(1, static_cast<char>(tag));
  if (spare == 0 && content.size() < 0x80) {
    out += static_cast<char>(content.size());
  } else {
    length.insert(0, spare, '\0');
    out += static_cast<char>(0x80 + length.size());
    out += length;
  }
  return out.append(content);
}
/// The first element: its tag, its content, and what follows it. Of tag 0: there is none.
struct Element {
  unsigned char tag = 0;
  std::string_view content;
  std::string_view rest;
};
inline Element element(std::string_view bytes) {
  if (bytes.size() < 2) return {};
  std::size_t header = 2;
  std::size_t size = static_cast<unsigned char>(bytes[1]);
  if (size > 0x80) {
    header += size - 0x80;
    if (header > bytes.size()) return {};
    size = 0;
    for (std::size_t at = 2; at < header; ++at) size = size << 8 | static_cast<unsigned char>(bytes[at]);
  }
  if (size > bytes.size() - header) return {};
  return {static_cast<unsigned char>(bytes[0]), bytes.substr(header, size), bytes.substr(header + size)};
}
/// The content of the first element with this tag; empty if there is none.
inline std::string_view find(std::string_view bytes, unsigned char tag) {
  for (Element at = element(bytes); at.tag != 0; at = element(at.rest)) {
    if (at.tag == tag) return at.content;
  }
  return {};
}

/// An object identifier, as an element.
inline std::string oid(const gsskey::Oid& mechanism) { return der(0x06, gsskey::ByteView{mechanism}.text()); }

/// A NegTokenInit or a NegTokenResp, and the ways to write one that is not quite.
struct SpnegoToken {
  bool is_init = false;
  std::optional<std::vector<std::string>> mechanisms;  ///< each an element
  std::optional<std::string> request_flags;
  std::optional<std::string> state;
  std::optional<std::string> mechanism;  ///< an element
  std::optional<std::string> token;
  std::optional<std::string> mic;

  std::string before_mic;        ///< fields in front of the MIC
  std::string behind;            ///< fields behind all others
  std::size_t spare_inside = 0;  ///< spare octets of length: of the sequence,
  std::size_t spare_token = 0;   ///< of the token's field,
  std::size_t spare_mic = 0;     ///< and of the MIC's

  static inline const gsskey::Oid spnego{"1.3.6.1.5.5.2"};
  static inline const std::string completed{"\0", 1}, incomplete{"\1"}, rejected{"\2"}, request_mic{"\3"};

  /// Nothing if it is neither.
  static std::optional<SpnegoToken> parse(std::string_view bytes) {
    SpnegoToken found;
    Element outer = element(bytes);
    std::string_view sequence;
    if (outer.tag == 0x60) {
      found.is_init = true;
      const Element name = element(outer.content);
      if (name.content != gsskey::ByteView{spnego}.text()) return std::nullopt;
      sequence = find(find(name.rest, 0xa0), 0x30);
    } else if (outer.tag == 0xa1) {
      sequence = find(outer.content, 0x30);
    } else {
      return std::nullopt;
    }
    for (Element field = element(sequence); field.tag != 0; field = element(field.rest)) {
      const std::string content{element(field.content).content};
      if (field.tag == 0xa0 && found.is_init) {
        found.mechanisms.emplace();
        for (Element name = element(content); name.tag != 0; name = element(name.rest)) {
          found.mechanisms->push_back(der(name.tag, name.content));
        }
      }
      if (field.tag == 0xa0 && !found.is_init) found.state = content;
      if (field.tag == 0xa1 && !found.is_init) found.mechanism = std::string{field.content};
      if (field.tag == 0xa1 && found.is_init) found.request_flags = content;
      if (field.tag == 0xa2) found.token = content;
      if (field.tag == 0xa3) found.mic = content;
    }
    return found;
  }

  [[nodiscard]] std::string mech_types() const {
    std::string list;
    for (const auto& name : *mechanisms) list += name;
    return der(0x30, list);
  }
  [[nodiscard]] std::string write() const {
    std::string fields;
    if (mechanisms) fields += der(0xa0, mech_types());
    if (request_flags) fields += der(0xa1, der(0x03, *request_flags));
    if (state) fields += der(0xa0, der(0x0a, *state));
    if (mechanism) fields += der(0xa1, *mechanism);
    if (token) fields += der(0xa2, der(0x04, *token), spare_token);
    fields += before_mic;
    if (mic) fields += der(0xa3, der(0x04, *mic), spare_mic);
    const std::string sequence = der(0x30, fields + behind, spare_inside);
    return is_init ? der(0x60, oid(spnego) + der(0xa0, sequence)) : der(0xa1, sequence);
  }
};

}  // namespace support
