// gsskey/krb5/detail/tgs_exchange: one request to a ticket-granting service, and its reply. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
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
#include <gsskey/krb5/detail/tgs_request.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/ticket_cache.hpp>

#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/kdc_list.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// What was in the reply, decrypted.
struct TgsTicket {
  gsskey::detail::TgsReply message;
  gsskey::detail::TgsReplyPart part;
  SecretBytes plain;  ///< where `part` lies
};

/// Whether what was read is this name; the type is not compared (RFC 4120 section 6.2).
[[nodiscard]] inline bool is_same_name(ByteView realm, ByteView name, krb5_const_principal principal) noexcept {
  ByteView text;
  ByteView list;
  ByteView parts;
  if (!gsskey::detail::DerReader{realm}.take_last(0x1b, text) || text.text() != text_of(principal->realm)) return false;
  if (!gsskey::detail::DerReader{name}.take_last(0xa1, list)) return false;
  if (!gsskey::detail::DerReader{list}.take_last(0x30, parts)) return false;
  gsskey::detail::DerReader in{parts};
  for (krb5_int32 part = 0; part < principal->length; ++part) {
    if (!in.take(0x1b, text) || text.text() != text_of(principal->data[part])) return false;
  }
  return in.at_end();
}

/// Asks with the ticket-granting ticket of a cache, in a context of its own.
class TgsExchange {
 public:
  explicit TgsExchange(const char* operation) noexcept : operation_{operation} {}
  TgsExchange(const TgsExchange&) = delete;
  TgsExchange& operator=(const TgsExchange&) = delete;

 protected:
  ~TgsExchange() {
    if (granting_ != nullptr) krb5_free_creds(context(), granting_);
    if (cache_ != nullptr) static_cast<void>(krb5_cc_close(context(), cache_));
  }

  [[nodiscard]] Result<void> open(const TicketCache& of) noexcept {
    auto made = new_krb5_context();
    if (!made) return unexpected(std::move(made).error());
    context_ = *std::move(made);
    if (auto opened = open_again(context(), of, &cache_); !opened) return opened;
    krb5_creds wanted{};
    krb5_error_code code = krb5_cc_get_principal(context(), cache_, &wanted.client);
    if (code != 0) return failed("krb5_cc_get_principal", code);
    const std::string_view realm = text_of(wanted.client->realm);
    const auto server =
        gsskey::detail::SharedText::joined({"krbtgt/", realm, "@", realm, gsskey::detail::view_of("", 1)});
    const auto find = [&]() -> Result<void> {
      if (!server) return unexpected(Error::system("malloc", ENOMEM));
      code = krb5_parse_name(context(), server.view().data(), &wanted.server);
      if (code != 0) return failed("krb5_parse_name", code);
      code = krb5_get_credentials(context(), KRB5_GC_CACHED, cache_, &wanted, &granting_);
      if (code != 0) return failed("krb5_get_credentials", code);
      return {};
    };
    auto found = find();
    krb5_free_principal(context(), wanted.server);
    krb5_free_principal(context(), wanted.client);
    return found;
  }

  /// Takes the reply to the request, which is sent again if it has to be by TCP. `finish(TgsTicket)` checks who has
  /// got a ticket for what, and stores it.
  template <class Finish>
  [[nodiscard]] Result<KdcStep> step(ByteView reply, const TgsRequest& wanted, Finish finish) noexcept {
    if (std::exchange(is_over_, true)) return unexpected(Error::usage(operation_, "the exchange is over"));
    if (request_.size() == 0) {
      if (!reply.empty()) return unexpected(Error::usage(operation_, "a reply to no request"));
      if (wanted.is_there) return KdcStep{};
      TgsRequestWriter writer{context(), granting()};
      auto written = writer.write(operation_, wanted);
      if (!written) return unexpected(std::move(written).error());
      request_ = *std::move(written);
      request_at_ = writer.at();
      nonce_ = writer.nonce();
      is_over_ = false;
      return next();
    }
    if (reply.empty()) return unexpected(no_ticket("the reply is empty"));
    if (reply.size() > max_kdc_reply) {
      return unexpected(Error::transport(operation_, EMSGSIZE, "the reply is longer than 1 MiB"));
    }
    if (reply[0] == 0x7e) {
      const krb5_error_code code = told(reply);
      if (code != KRB5KRB_ERR_RESPONSE_TOO_BIG || over_tcp_)
        return unexpected(failed_krb5(context(), operation_, code));
      over_tcp_ = true;
      is_over_ = false;
      return next();
    }
    TgsTicket ticket;
    if (auto has_read = read(reply, ticket); !has_read) return unexpected(std::move(has_read).error());
    if (Result<void> finished = finish(ticket); !finished) return unexpected(std::move(finished).error());
    return KdcStep{};
  }

  [[nodiscard]] Result<void> store(krb5_ccache into, krb5_const_principal client, krb5_const_principal server,
                                   const TgsTicket& ticket) const noexcept {
    const auto& part = ticket.part;
    krb5_creds made{};
    made.client = const_cast<krb5_principal>(client);  // is only read, as all that follow
    made.server = const_cast<krb5_principal>(server);
    made.keyblock.enctype = static_cast<krb5_enctype>(part.enctype);
    made.keyblock.length = static_cast<unsigned>(part.key.size());
    made.keyblock.contents = const_cast<unsigned char*>(part.key.data());
    made.ticket.data = const_cast<char*>(ticket.message.ticket.text().data());
    made.ticket.length = static_cast<unsigned>(ticket.message.ticket.size());
    made.ticket_flags = static_cast<krb5_flags>(part.flags);
    made.times.authtime = static_cast<krb5_timestamp>(part.authenticated);
    made.times.starttime = static_cast<krb5_timestamp>(part.starts);
    made.times.endtime = static_cast<krb5_timestamp>(part.ends);
    made.times.renew_till = static_cast<krb5_timestamp>(part.renewable_until);
    const krb5_error_code code = krb5_cc_store_cred(context(), into, &made);
    if (code != 0) return failed("krb5_cc_store_cred", code);
    return {};
  }
  [[nodiscard]] gsskey::unexpected<Error> failed(const char* call, krb5_error_code code) const noexcept {
    return unexpected<Error>(failed_krb5(context(), call, code));
  }
  [[nodiscard]] Error no_ticket(const char* why) const noexcept { return Error::transport(operation_, EBADMSG, why); }

  [[nodiscard]] krb5_context context() const noexcept { return context_.get(); }
  [[nodiscard]] const krb5_creds& granting() const noexcept { return *granting_; }
  [[nodiscard]] krb5_ccache cache() const noexcept { return cache_; }
  [[nodiscard]] std::int64_t nonce() const noexcept { return nonce_; }

 private:
  [[nodiscard]] KdcStep next() const noexcept {
    return {
        {request_.data() + request_at_, request_.size() - request_at_}, text_of(granting().client->realm), over_tcp_};
  }
  /// The code of a KRB-ERROR (RFC 4120 section 5.9.1).
  [[nodiscard]] krb5_error_code told(ByteView reply) const noexcept {
    const krb5_data in = data_of(reply);
    krb5_error* said = nullptr;
    const krb5_error_code code = krb5_rd_error(context(), &in, &said);
    if (code != 0) return code;
    const auto number = static_cast<krb5_error_code>(said->error);
    krb5_free_error(context(), said);
    return number + static_cast<krb5_error_code>(ERROR_TABLE_BASE_krb5);
  }
  [[nodiscard]] Result<void> read(ByteView reply, TgsTicket& ticket) const noexcept {
    if (!ticket.message.read(reply)) return unexpected(no_ticket("the reply is none to a request for a ticket"));
    const auto& encrypted = ticket.message.encrypted;
    auto plain = SecretBytes::with_size(encrypted.cipher.size());
    if (!plain) return unexpected(std::move(plain).error());
    ticket.plain = *std::move(plain);
    krb5_enc_data in{};
    in.enctype = static_cast<krb5_enctype>(encrypted.enctype);
    in.ciphertext = data_of(encrypted.cipher);
    krb5_data out{};
    out.data = reinterpret_cast<char*>(ticket.plain.data());
    out.length = static_cast<unsigned>(ticket.plain.size());
    krb5_error_code code =
        krb5_c_decrypt(context(), &granting().keyblock, KRB5_KEYUSAGE_TGS_REP_ENCPART_SESSKEY, nullptr, &in, &out);
    if (code != 0) return failed("krb5_c_decrypt", code);
    if (!ticket.part.read({ticket.plain.data(), out.length}))
      return unexpected(no_ticket("what the KDC has encrypted is no ticket"));
    if (ticket.part.nonce != nonce_) return unexpected(no_ticket("the reply is one to another request"));
    krb5_timestamp now = 0;
    code = krb5_timeofday(context(), &now);
    if (code != 0) return failed("krb5_timeofday", code);
    if (ticket.part.ends <= static_cast<std::time_t>(static_cast<std::uint32_t>(now))) {
      return unexpected(no_ticket("the ticket in the reply has ended"));
    }
    return {};
  }

  const char* operation_;
  Krb5Context context_;
  krb5_ccache cache_ = nullptr;
  krb5_creds* granting_ = nullptr;
  SecretBytes request_;
  std::size_t request_at_ = 0;
  std::int64_t nonce_ = 0;
  bool over_tcp_ = false;
  bool is_over_ = false;
};

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
