// gsskey/krb5/renewed_ticket: a ticket-granting ticket renewed without I/O, before it ends.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/der.hpp>
#include <gsskey/core/detail/shared_text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/kdc_exchange.hpp>
#include <gsskey/krb5/detail/libkrb5.hpp>
#include <gsskey/krb5/detail/tgs_message.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/ticket_cache.hpp>

// It writes the request itself, with calls that libkrb5 has documented: no library can renew without waiting.
#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/kdc_list.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// A renewal under way, in a context of its own.
class Renewal {
 public:
  static constexpr const char* operation = "RenewedTicket::step";

  Renewal() noexcept = default;
  Renewal(const Renewal&) = delete;
  Renewal& operator=(const Renewal&) = delete;
  ~Renewal() {
    if (old_ != nullptr) krb5_free_creds(context_.get(), old_);
    if (cache_ != nullptr) static_cast<void>(krb5_cc_close(context_.get(), cache_));
  }

  [[nodiscard]] Result<void> open(const TicketCache& in) noexcept {
    auto made = new_krb5_context();
    if (!made) return unexpected(std::move(made).error());
    context_ = *std::move(made);
    if (auto opened = open_again(context_.get(), in, &cache_); !opened) return opened;
    krb5_creds wanted{};
    krb5_error_code code = krb5_cc_get_principal(context_.get(), cache_, &wanted.client);
    if (code != 0) return failed("krb5_cc_get_principal", code);
    const std::string_view realm = text_of(wanted.client->realm);
    const auto server =
        gsskey::detail::SharedText::joined({"krbtgt/", realm, "@", realm, gsskey::detail::view_of("", 1)});
    const auto find = [&]() -> Result<void> {
      if (!server) return unexpected(Error::system("malloc", ENOMEM));
      code = krb5_parse_name(context_.get(), server.view().data(), &wanted.server);
      if (code != 0) return failed("krb5_parse_name", code);
      code = krb5_get_credentials(context_.get(), KRB5_GC_CACHED, cache_, &wanted, &old_);
      if (code != 0) return failed("krb5_get_credentials", code);
      return {};
    };
    auto found = find();
    krb5_free_principal(context_.get(), wanted.server);
    krb5_free_principal(context_.get(), wanted.client);
    return found;
  }

  /// Takes the reply to the request, which is sent again if it has to be by TCP.
  [[nodiscard]] Result<KdcStep> step(ByteView reply) noexcept {
    if (std::exchange(is_over_, true)) return unexpected(Error::usage(operation, "the exchange is over"));
    if (request_.size() == 0) {
      if (!reply.empty()) return unexpected(Error::usage(operation, "a reply to no request"));
      if (auto written = write(); !written) return unexpected(std::move(written).error());
      is_over_ = false;
      return next();
    }
    if (reply.empty()) return unexpected(Error::transport(operation, EBADMSG, "the reply is empty"));
    if (reply.size() > max_kdc_reply) {
      return unexpected(Error::transport(operation, EMSGSIZE, "the reply is longer than 1 MiB"));
    }
    if (reply[0] == 0x7e) {
      const krb5_error_code code = told(reply);
      if (code != KRB5KRB_ERR_RESPONSE_TOO_BIG || over_tcp_)
        return unexpected(failed_krb5(context_.get(), operation, code));
      over_tcp_ = true;
      is_over_ = false;
      return next();
    }
    if (auto read = finish(reply); !read) return unexpected(std::move(read).error());
    return KdcStep{};
  }

 private:
  using Writer = gsskey::detail::BackwardDer;

  [[nodiscard]] static std::string_view text_of(const krb5_data& data) noexcept {
    return ByteView{data.data, data.length}.text();
  }
  [[nodiscard]] gsskey::unexpected<Error> failed(const char* call, krb5_error_code code) const noexcept {
    return unexpected<Error>(failed_krb5(context_.get(), call, code));
  }
  [[nodiscard]] KdcStep next() const noexcept {
    return {{request_.data() + request_at_, request_.size() - request_at_}, text_of(old_->client->realm), over_tcp_};
  }
  /// The code of a KRB-ERROR (RFC 4120 section 5.9.1).
  [[nodiscard]] krb5_error_code told(ByteView reply) const noexcept {
    krb5_data in{};
    in.data = const_cast<char*>(reply.text().data());  // is only read
    in.length = static_cast<unsigned>(reply.size());
    krb5_error* said = nullptr;
    const krb5_error_code code = krb5_rd_error(context_.get(), &in, &said);
    if (code != 0) return code;
    const auto number = static_cast<krb5_error_code>(said->error);
    krb5_free_error(context_.get(), said);
    return number + static_cast<krb5_error_code>(ERROR_TABLE_BASE_krb5);
  }

  static void put_principal(Writer& out, krb5_const_principal principal) noexcept {
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
  }
  /// KDC-REQ-BODY (section 5.4.1): the same ticket, for as long as the KDC gives it.
  void put_body(Writer& out) const noexcept {
    constexpr std::uint32_t renew = 0x00000002;
    constexpr std::uint32_t kept = 0x54800000;  // forwardable, proxiable, may be postdated, renewable
    const std::size_t end = out.end();
    out.put_integer(0, old_->keyblock.enctype);
    out.wrap(0x30, end);
    out.wrap(0xa8, end);
    out.put_integer(0xa7, nonce_);
    out.put(0xa5, 0x18, std::string_view{"19700101000000Z"});
    const std::size_t server = out.end();
    put_principal(out, old_->server);
    out.wrap(0xa3, server);
    out.put(0xa2, 0x1b, text_of(old_->server->realm));
    out.put_flags(0xa0, renew | (static_cast<std::uint32_t>(old_->ticket_flags) & kept));
    out.wrap(0x30, end);
  }
  [[nodiscard]] Result<void> write() noexcept {
    unsigned char random[4] = {};
    krb5_data octets{};
    octets.data = reinterpret_cast<char*>(random);
    octets.length = sizeof random;
    krb5_error_code code = krb5_c_random_make_octets(context_.get(), &octets);
    if (code != 0) return failed("krb5_c_random_make_octets", code);
    nonce_ = (random[0] & 0x7f) << 24 | random[1] << 16 | random[2] << 8 | random[3];

    std::size_t names = old_->client->realm.length + old_->server->realm.length * std::size_t{2};
    for (krb5_int32 part = 0; part < old_->client->length; ++part) names += old_->client->data[part].length + 16;
    auto room = SecretBytes::with_size(old_->ticket.length + names * 2 + 2048);
    auto body_room = SecretBytes::with_size(names + 512);
    if (!room || !body_room) return unexpected(Error::system("malloc", ENOMEM));
    Writer body_out{body_room->data(), body_room->size()};
    put_body(body_out);
    const ByteView body = body_out.written();

    auto sealed = sealed_authenticator(body, names);
    if (!sealed) return unexpected(std::move(sealed).error());
    Writer out{room->data(), room->size()};
    const std::size_t end = out.end();
    out.put(body);
    out.wrap(0xa4, end);
    const std::size_t padata = out.end();
    out.put(0xa2, 0x04, *sealed);
    out.put_integer(0xa0, old_->keyblock.enctype);
    out.wrap(0x30, padata);
    out.wrap(0xa4, padata);
    const std::size_t ticket = out.end();
    out.put(text_of(old_->ticket));
    out.wrap(0xa3, ticket);
    out.put_flags(0xa2, 0);
    out.put_integer(0xa1, 14);
    out.put_integer(0xa0, 5);
    out.wrap(0x30, padata);
    out.wrap(0x6e, padata);  // AP-REQ
    out.wrap(0x04, padata);
    out.wrap(0xa2, padata);
    out.put_integer(0xa1, 1);  // PA-TGS-REQ
    out.wrap(0x30, padata);
    out.wrap(0x30, padata);
    out.wrap(0xa3, padata);
    out.put_integer(0xa2, 12);
    out.put_integer(0xa1, 5);
    out.wrap(0x30, end);
    out.wrap(0x6c, end);  // TGS-REQ
    if (out.written().empty()) return unexpected(Error::usage(operation, "the names are too long for a request"));
    request_at_ = out.end();
    request_ = *std::move(room);
    return {};
  }
  /// The authenticator (section 5.5.1) with the checksum of the body, encrypted.
  [[nodiscard]] Result<SecretBytes> sealed_authenticator(ByteView body, std::size_t names) noexcept {
    krb5_data in{};
    in.data = const_cast<char*>(body.text().data());  // is only read
    in.length = static_cast<unsigned>(body.size());
    krb5_checksum sum{};
    krb5_error_code code =
        krb5_c_make_checksum(context_.get(), 0, &old_->keyblock, KRB5_KEYUSAGE_TGS_REQ_AUTH_CKSUM, &in, &sum);
    if (code != 0) return failed("krb5_c_make_checksum", code);
    krb5_timestamp now = 0;
    krb5_int32 microseconds = 0;
    code = krb5_us_timeofday(context_.get(), &now, &microseconds);
    char text[24] = {};
    const auto seconds = static_cast<std::time_t>(static_cast<std::uint32_t>(now));
    std::tm parts{};
    if (code == 0 && ::gmtime_r(&seconds, &parts) != nullptr)
      static_cast<void>(::strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &parts));
    auto room = SecretBytes::with_size(names + 512);
    if (code == 0 && room) {
      Writer out{room->data(), room->size()};
      const std::size_t end = out.end();
      out.put(0xa5, 0x18, std::string_view{text});
      out.put_integer(0xa4, microseconds);
      const std::size_t checksum = out.end();
      out.put(0xa1, 0x04, ByteView{sum.contents, sum.length});
      out.put_integer(0xa0, sum.checksum_type);
      out.wrap(0x30, checksum);
      out.wrap(0xa3, checksum);
      const std::size_t client = out.end();
      put_principal(out, old_->client);
      out.wrap(0xa2, client);
      out.put(0xa1, 0x1b, text_of(old_->client->realm));
      out.put_integer(0xa0, 5);
      out.wrap(0x30, end);
      out.wrap(0x62, end);
      in.data = const_cast<char*>(out.written().text().data());
      in.length = static_cast<unsigned>(out.written().size());
    }
    krb5_free_checksum_contents(context_.get(), &sum);
    if (code != 0) return failed("krb5_us_timeofday", code);
    if (!room) return room;
    std::size_t size = 0;
    code = krb5_c_encrypt_length(context_.get(), old_->keyblock.enctype, in.length, &size);
    if (code != 0) return failed("krb5_c_encrypt_length", code);
    auto cipher = SecretBytes::with_size(size);
    if (!cipher) return cipher;
    krb5_enc_data out{};
    out.ciphertext.data = reinterpret_cast<char*>(cipher->data());
    out.ciphertext.length = static_cast<unsigned>(size);
    code = krb5_c_encrypt(context_.get(), &old_->keyblock, KRB5_KEYUSAGE_TGS_REQ_AUTH, nullptr, &in, &out);
    if (code != 0) return failed("krb5_c_encrypt", code);
    return cipher;
  }

  [[nodiscard]] static Error no_ticket(const char* why) noexcept { return Error::transport(operation, EBADMSG, why); }
  /// Whether the reply has this name; the type is not compared (RFC 4120 section 6.2).
  [[nodiscard]] static bool is_same_name(ByteView realm, ByteView name, krb5_const_principal principal) noexcept {
    ByteView text;
    ByteView list;
    ByteView parts;
    if (!gsskey::detail::DerReader{realm}.take_last(0x1b, text) || text.text() != text_of(principal->realm))
      return false;
    if (!gsskey::detail::DerReader{name}.take_last(0xa1, list)) return false;
    if (!gsskey::detail::DerReader{list}.take_last(0x30, parts)) return false;
    gsskey::detail::DerReader in{parts};
    for (krb5_int32 part = 0; part < principal->length; ++part) {
      if (!in.take(0x1b, text) || text.text() != text_of(principal->data[part])) return false;
    }
    return in.at_end();
  }
  [[nodiscard]] Result<void> finish(ByteView reply) noexcept {
    gsskey::detail::TgsReply message;
    if (!message.read(reply)) return unexpected(no_ticket("the reply is none to a request for a ticket"));
    if (!is_same_name(message.client_realm, message.client, old_->client)) {
      return unexpected(no_ticket("the reply has a ticket for somebody else"));
    }
    auto plain = SecretBytes::with_size(message.encrypted.cipher.size());
    if (!plain) return unexpected(std::move(plain).error());
    krb5_enc_data in{};
    in.enctype = static_cast<krb5_enctype>(message.encrypted.enctype);
    in.ciphertext.data = const_cast<char*>(message.encrypted.cipher.text().data());  // is only read
    in.ciphertext.length = static_cast<unsigned>(message.encrypted.cipher.size());
    krb5_data out{};
    out.data = reinterpret_cast<char*>(plain->data());
    out.length = static_cast<unsigned>(plain->size());
    const krb5_error_code code =
        krb5_c_decrypt(context_.get(), &old_->keyblock, KRB5_KEYUSAGE_TGS_REP_ENCPART_SESSKEY, nullptr, &in, &out);
    if (code != 0) return failed("krb5_c_decrypt", code);
    gsskey::detail::TgsReplyPart part;
    if (!part.read({plain->data(), out.length}))
      return unexpected(no_ticket("what the KDC has encrypted is no ticket"));
    if (part.nonce != nonce_ || !is_same_name(part.realm, part.server, old_->server)) {
      return unexpected(no_ticket("the reply is one to another request"));
    }
    return store(message.ticket, part);
  }
  [[nodiscard]] Result<void> store(ByteView ticket, const gsskey::detail::TgsReplyPart& part) noexcept {
    krb5_creds made{};
    made.client = old_->client;
    made.server = old_->server;
    made.keyblock.enctype = static_cast<krb5_enctype>(part.enctype);
    made.keyblock.length = static_cast<unsigned>(part.key.size());
    made.keyblock.contents = const_cast<unsigned char*>(part.key.data());  // is only read, as the ticket
    made.ticket.data = const_cast<char*>(ticket.text().data());
    made.ticket.length = static_cast<unsigned>(ticket.size());
    made.ticket_flags = static_cast<krb5_flags>(part.flags);
    made.times.authtime = static_cast<krb5_timestamp>(part.authenticated);
    made.times.starttime = static_cast<krb5_timestamp>(part.starts);
    made.times.endtime = static_cast<krb5_timestamp>(part.ends);
    made.times.renew_till = static_cast<krb5_timestamp>(part.renewable_until);
    krb5_error_code code = krb5_cc_initialize(context_.get(), cache_, old_->client);
    if (code != 0) return failed("krb5_cc_initialize", code);
    code = krb5_cc_store_cred(context_.get(), cache_, &made);
    if (code != 0) return failed("krb5_cc_store_cred", code);
    return {};
  }

  Krb5Context context_;
  krb5_ccache cache_ = nullptr;
  krb5_creds* old_ = nullptr;
  SecretBytes request_;
  std::size_t request_at_ = 0;
  std::int64_t nonce_ = 0;
  bool over_tcp_ = false;
  bool is_over_ = false;
};

}  // namespace gss_detail

/// A renewal of the ticket-granting ticket in a cache, without I/O, as InitialTicket is a login: `kinit -R`. The ticket
/// must be renewable, and its end not there yet. Move-only; empty by default and after a move. Who has a keytab logs in
/// anew instead, which has no end.
/// Calls: krb5_free_creds and krb5_cc_close, when it goes.
/// Errors: usage, if it or the cache is empty; gss, with the code of libkrb5 as minor status; system (ENOMEM).
/// Blocks: on no network, and on files only: see each function.
/// Threads: one at a time, whichever; see TicketCache.
/// Owner: of all that it needs but the tickets: the cache may be closed, and its tickets go with it.
/// See: RFC 4120 sections 2.3 and 3.3.
class RenewedTicket {
 public:
  RenewedTicket() noexcept = default;

  /// Begins the renewal of what is in `cache`.
  /// Calls: krb5_init_context, krb5_cc_resolve, krb5_cc_get_principal, krb5_get_credentials, of the cache alone.
  /// Errors: those of the class; gss, for a cache without such a ticket, and for one that has ended.
  /// Blocks: on the disks that krb5.conf and the cache are on.
  [[nodiscard]] static Result<RenewedTicket> in(const TicketCache& cache) noexcept {
    if (!cache)
      return unexpected(Error::usage(gss_detail::Renewal::operation, "the cache is empty: moved from, or never set"));
    RenewedTicket made;
    made.renewal_.reset(new (std::nothrow) gss_detail::Renewal);
    if (!made.renewal_) return unexpected(Error::system("malloc", ENOMEM));
    if (auto opened = made.renewal_->open(cache); !opened) return unexpected(std::move(opened).error());
    return made;
  }

  /// Takes the reply of a KDC to the last request, nothing the first time, and returns what is next. When it is done
  /// the cache has the renewed ticket, and nothing else any more; after an error, what it had. Calls:
  /// krb5_c_make_checksum, krb5_c_encrypt, krb5_c_decrypt, krb5_rd_error; at the end krb5_cc_initialize and
  ///   krb5_cc_store_cred.
  /// Errors: those of the class; usage too, when it is over; transport, for a reply that is empty or none to this
  ///   request (EBADMSG) or longer than 1 MiB (EMSGSIZE).
  /// Blocks: on the disk that the cache is on.
  [[nodiscard]] Result<KdcStep> step(ByteView reply = {}) noexcept {
    if (!renewal_) {
      return unexpected(
          Error::usage(gss_detail::Renewal::operation, "the exchange is empty: moved from, or never set"));
    }
    return renewal_->step(reply);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return renewal_ != nullptr; }

 private:
  std::unique_ptr<gss_detail::Renewal> renewal_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
