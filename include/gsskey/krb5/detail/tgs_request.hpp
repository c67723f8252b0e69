// gsskey/krb5/detail/tgs_request: a request to a ticket-granting service, written with calls that libkrb5 has
// documented. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/libkrb5.hpp>
#include <gsskey/krb5/detail/tgs_message.hpp>

// No library can renew, or ask in another's name, without waiting.
#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/kdc_list.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// What a request asks for (RFC 4120 section 5.4.1).
struct TgsRequest {
  std::uint32_t options = 0;
  krb5_const_principal server = nullptr;
  krb5_const_principal user = nullptr;  ///< the service asks for a ticket of his (S4U2Self)
  ByteView evidence{};                  ///< additional ticket (S4U2Proxy)
  bool is_there = false;                ///< the ticket, in the cache already: nothing is to be asked
};

/// For calls that only read it.
[[nodiscard]] inline krb5_data data_of(ByteView bytes) noexcept {
  krb5_data data{};
  data.data = const_cast<char*>(bytes.text().data());
  data.length = static_cast<unsigned>(bytes.size());
  return data;
}

class TgsRequestWriter {
 public:
  TgsRequestWriter(krb5_context context, const krb5_creds& granting) noexcept
      : context_{context}, granting_{granting} {}

  /// The request lies at the end of `room`, from at().
  [[nodiscard]] Result<SecretBytes> write(const char* operation, const TgsRequest& wanted) noexcept {
    unsigned char random[4] = {};
    krb5_data octets{};
    octets.data = reinterpret_cast<char*>(random);
    octets.length = sizeof random;
    const krb5_error_code code = krb5_c_random_make_octets(context_, &octets);
    if (code != 0) return failed("krb5_c_random_make_octets", code);
    nonce_ = (random[0] & 0x7f) << 24 | random[1] << 16 | random[2] << 8 | random[3];

    const std::size_t body_size = room_for(wanted.server) + wanted.evidence.size() + 1024;
    std::size_t size = body_size + granting_.ticket.length + room_for(granting_.client) + 1024;
    if (wanted.user != nullptr) size += room_for(wanted.user) + 256;
    auto room = SecretBytes::with_size(size);
    auto body_room = SecretBytes::with_size(body_size);
    if (!room || !body_room) return unexpected(Error::system("malloc", ENOMEM));
    Writer body{body_room->data(), body_room->size()};
    if (auto put = put_body(body, wanted); !put) return unexpected(std::move(put).error());

    Writer out{room->data(), room->size()};
    const std::size_t end = out.end();
    out.put(body.written());
    out.wrap(0xa4, end);
    const std::size_t padata = out.end();
    if (wanted.user != nullptr) {
      if (auto put = put_for_user(out, wanted.user); !put) return unexpected(std::move(put).error());
    }
    if (auto put = put_header(out, body.written()); !put) return unexpected(std::move(put).error());
    out.wrap(0x30, padata);
    out.wrap(0xa3, padata);
    out.put_integer(0xa2, 12);
    out.put_integer(0xa1, 5);
    out.wrap(0x30, end);
    out.wrap(0x6c, end);
    if (body.written().empty() || out.written().empty()) {
      return unexpected(Error::usage(operation, "the names are too long for a request"));
    }
    at_ = out.end();
    return room;
  }
  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  [[nodiscard]] std::int64_t nonce() const noexcept { return nonce_; }

 private:
  using Writer = gsskey::detail::BackwardDer;

  [[nodiscard]] gsskey::unexpected<Error> failed(const char* call, krb5_error_code code) const noexcept {
    return unexpected<Error>(failed_krb5(context_, call, code));
  }

  /// More than the name needs in DER, whatever is around it.
  [[nodiscard]] static std::size_t room_for(krb5_const_principal principal) noexcept {
    std::size_t size = principal->realm.length + std::size_t{64};
    for (krb5_int32 part = 0; part < principal->length; ++part) size += principal->data[part].length + std::size_t{16};
    return size;
  }
  static void put_principal(Writer& out, unsigned char outer, krb5_const_principal principal) noexcept {
    const std::size_t end = out.end();
    for (krb5_int32 part = principal->length; part-- > 0;) {
      const std::size_t from = out.end();
      out.put(text_of(principal->data[part]));
      out.wrap(0x1b, from);
    }
    out.wrap(0x30, end);
    out.wrap(0xa1, end);
    out.put_integer(0xa0, principal->type);
    out.wrap(0x30, end);
    out.wrap(outer, end);
  }
  /// Appends Checksum of `bytes` with the session key. `type` 0: the one that goes with the key.
  [[nodiscard]] Result<void> put_checksum(Writer& out, unsigned char outer, krb5_cksumtype type, krb5_keyusage usage,
                                          ByteView bytes) const noexcept {
    const krb5_data in = data_of(bytes);
    krb5_checksum sum{};
    const krb5_error_code code = krb5_c_make_checksum(context_, type, &granting_.keyblock, usage, &in, &sum);
    if (code != 0) return failed("krb5_c_make_checksum", code);
    const std::size_t end = out.end();
    out.put(0xa1, 0x04, ByteView{sum.contents, sum.length});
    out.put_integer(0xa0, sum.checksum_type);
    out.wrap(0x30, end);
    out.wrap(outer, end);
    krb5_free_checksum_contents(context_, &sum);
    return {};
  }
  static void end_padata(Writer& out, std::size_t end, std::int64_t type) noexcept {
    out.wrap(0x04, end);
    out.wrap(0xa2, end);
    out.put_integer(0xa1, type);
    out.wrap(0x30, end);
  }

  /// KDC-REQ-BODY (section 5.4.1), for as long as the KDC gives it.
  [[nodiscard]] Result<void> put_body(Writer& out, const TgsRequest& wanted) const noexcept {
    const std::size_t end = out.end();
    if (!wanted.evidence.empty()) {
      out.put(wanted.evidence);
      out.wrap(0x30, end);
      out.wrap(0xab, end);
    }
    krb5_enctype* enctypes = nullptr;
    const krb5_error_code code = krb5_get_permitted_enctypes(context_, &enctypes);
    if (code != 0) return failed("krb5_get_permitted_enctypes", code);
    std::size_t count = 0;
    while (enctypes[count] != 0) ++count;
    const std::size_t list = out.end();
    while (count-- > 0) out.put_integer(0, enctypes[count]);
    krb5_free_enctypes(context_, enctypes);
    out.wrap(0x30, list);
    out.wrap(0xa8, list);
    out.put_integer(0xa7, nonce_);
    out.put(0xa5, 0x18, std::string_view{"19700101000000Z"});
    put_principal(out, 0xa3, wanted.server);
    out.put(0xa2, 0x1b, text_of(wanted.server->realm));
    out.put_flags(0xa0, wanted.options);
    out.wrap(0x30, end);
    return {};
  }
  /// PA-FOR-USER (MS-SFU section 2.2.1).
  [[nodiscard]] Result<void> put_for_user(Writer& out, krb5_const_principal user) const noexcept {
    constexpr std::string_view package = "Kerberos";
    auto signed_bytes = SecretBytes::with_size(room_for(user));
    if (!signed_bytes) return unexpected(std::move(signed_bytes).error());
    Writer in{signed_bytes->data(), signed_bytes->size()};
    in.put(package);
    in.put(text_of(user->realm));
    for (krb5_int32 part = user->length; part-- > 0;) in.put(text_of(user->data[part]));
    const auto type = static_cast<std::uint32_t>(user->type);
    const unsigned char little_endian[4] = {static_cast<unsigned char>(type), static_cast<unsigned char>(type >> 8),
                                            static_cast<unsigned char>(type >> 16),
                                            static_cast<unsigned char>(type >> 24)};
    in.put(ByteView{little_endian, sizeof little_endian});
    const std::size_t end = out.end();
    out.put(0xa3, 0x1b, package);
    if (auto put = put_checksum(out, 0xa2, CKSUMTYPE_HMAC_MD5_ARCFOUR, KRB5_KEYUSAGE_APP_DATA_CKSUM, in.written());
        !put) {
      return put;
    }
    out.put(0xa1, 0x1b, text_of(user->realm));
    put_principal(out, 0xa0, user);
    out.wrap(0x30, end);
    end_padata(out, end, KRB5_PADATA_FOR_USER);
    return {};
  }
  /// PA-TGS-REQ: an AP-REQ (section 5.5.1).
  [[nodiscard]] Result<void> put_header(Writer& out, ByteView body) const noexcept {
    auto sealed = sealed_authenticator(body);
    if (!sealed) return unexpected(std::move(sealed).error());
    const std::size_t end = out.end();
    out.put(0xa2, 0x04, *sealed);
    out.put_integer(0xa0, granting_.keyblock.enctype);
    out.wrap(0x30, end);
    out.wrap(0xa4, end);
    const std::size_t ticket = out.end();
    out.put(text_of(granting_.ticket));
    out.wrap(0xa3, ticket);
    out.put_flags(0xa2, 0);
    out.put_integer(0xa1, 14);
    out.put_integer(0xa0, 5);
    out.wrap(0x30, end);
    out.wrap(0x6e, end);
    end_padata(out, end, 1);
    return {};
  }
  /// The authenticator (section 5.5.1) with the checksum of the body, encrypted.
  [[nodiscard]] Result<SecretBytes> sealed_authenticator(ByteView body) const noexcept {
    krb5_timestamp now = 0;
    krb5_int32 microseconds = 0;
    krb5_error_code code = krb5_us_timeofday(context_, &now, &microseconds);
    if (code != 0) return failed("krb5_us_timeofday", code);
    char text[24] = {};
    const auto seconds = static_cast<std::time_t>(static_cast<std::uint32_t>(now));
    std::tm parts{};
    if (::gmtime_r(&seconds, &parts) != nullptr)
      static_cast<void>(::strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &parts));
    auto room = SecretBytes::with_size(room_for(granting_.client) + 512);
    if (!room) return room;
    Writer out{room->data(), room->size()};
    const std::size_t end = out.end();
    out.put(0xa5, 0x18, std::string_view{text});
    out.put_integer(0xa4, microseconds);
    if (auto put = put_checksum(out, 0xa3, 0, KRB5_KEYUSAGE_TGS_REQ_AUTH_CKSUM, body); !put) {
      return unexpected(std::move(put).error());
    }
    put_principal(out, 0xa2, granting_.client);
    out.put(0xa1, 0x1b, text_of(granting_.client->realm));
    out.put_integer(0xa0, 5);
    out.wrap(0x30, end);
    out.wrap(0x62, end);
    const krb5_data in = data_of(out.written());
    std::size_t size = 0;
    code = krb5_c_encrypt_length(context_, granting_.keyblock.enctype, in.length, &size);
    if (code != 0) return failed("krb5_c_encrypt_length", code);
    auto cipher = SecretBytes::with_size(size);
    if (!cipher) return cipher;
    krb5_enc_data sealed{};
    sealed.ciphertext.data = reinterpret_cast<char*>(cipher->data());
    sealed.ciphertext.length = static_cast<unsigned>(size);
    code = krb5_c_encrypt(context_, &granting_.keyblock, KRB5_KEYUSAGE_TGS_REQ_AUTH, nullptr, &in, &sealed);
    if (code != 0) return failed("krb5_c_encrypt", code);
    return cipher;
  }

  krb5_context context_;
  const krb5_creds& granting_;
  std::size_t at_ = 0;
  std::int64_t nonce_ = 0;
};

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
