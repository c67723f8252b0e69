// tests/support/large_ticket: a service ticket as large as those of Active Directory, or with any authorization data,
// made as a KDC makes it: with the service's key. MIT's KDC has no setting for it. MIT krb5 only.
// SPDX-License-Identifier: MIT
#pragma once

#include <krb5.h>

#include <ctime>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" {
// Exported by libkrb5 and in no header of Debian's.
krb5_error_code krb5_encrypt_tkt_part(krb5_context, const krb5_keyblock*, krb5_ticket*);
krb5_error_code encode_krb5_ticket(const krb5_ticket*, krb5_data**);
}

namespace support {

/// Writes a cache with one ticket of `client` for `service` in it, and that with authorization data of `type`, which
/// nobody needs to understand (RFC 4120 section 5.2.6.1): what `make(context, key, user, authtime)` returns. The key is
/// the service's, taken from the default keytab.
template <class Make>
void store_ticket_with(const std::string& cache_name, const char* client, const char* service, krb5_authdatatype type,
                       Make make) {
  krb5_context context = nullptr;
  const auto check = [&](krb5_error_code code) {
    if (code == 0) return;
    const char* const text = krb5_get_error_message(context, code);
    throw std::runtime_error{text};
  };
  check(krb5_init_context(&context));
  krb5_principal user = nullptr;
  krb5_principal server = nullptr;
  check(krb5_parse_name(context, client, &user));
  check(krb5_parse_name(context, service, &server));
  krb5_keytab keytab = nullptr;
  krb5_keytab_entry entry{};
  check(krb5_kt_default(context, &keytab));
  check(krb5_kt_get_entry(context, keytab, server, 0, 0, &entry));
  krb5_keyblock session{};
  check(krb5_c_make_random_key(context, entry.key.enctype, &session));

  const auto now = static_cast<krb5_timestamp>(std::time(nullptr));
  std::vector<krb5_octet> inner = make(context, entry.key, user, now - 10);
  krb5_authdata element{};
  element.ad_type = type;
  element.length = static_cast<unsigned>(inner.size());
  element.contents = inner.data();
  krb5_authdata* list[] = {&element, nullptr};
  krb5_authdata** wrapped = nullptr;
  check(krb5_encode_authdata_container(context, KRB5_AUTHDATA_IF_RELEVANT, list, &wrapped));

  krb5_enc_tkt_part part{};
  part.flags = TKT_FLG_PRE_AUTH;
  part.session = &session;
  part.client = user;
  part.times = {now - 10, now - 10, now + 3600, now + 3600};
  part.authorization_data = wrapped;
  krb5_ticket ticket{};
  ticket.server = server;
  ticket.enc_part2 = &part;
  check(krb5_encrypt_tkt_part(context, &entry.key, &ticket));
  ticket.enc_part.kvno = entry.vno;
  krb5_data* encoded = nullptr;
  check(encode_krb5_ticket(&ticket, &encoded));

  krb5_creds credential{};
  credential.client = user;
  credential.server = server;
  credential.keyblock = session;
  credential.times = part.times;
  credential.ticket_flags = part.flags;
  credential.ticket = *encoded;
  krb5_ccache cache = nullptr;
  check(krb5_cc_resolve(context, cache_name.c_str(), &cache));
  check(krb5_cc_initialize(context, cache, user));
  check(krb5_cc_store_cred(context, cache, &credential));

  krb5_cc_close(context, cache);
  krb5_free_data(context, encoded);
  krb5_free_data_contents(context, &ticket.enc_part.ciphertext);
  krb5_free_authdata(context, wrapped);
  krb5_free_keyblock_contents(context, &session);
  krb5_free_keytab_entry_contents(context, &entry);
  krb5_kt_close(context, keytab);
  krb5_free_principal(context, server);
  krb5_free_principal(context, user);
  krb5_free_context(context);
}

/// Likewise, with so many bytes of a type that nobody knows.
inline void store_large_ticket(const std::string& cache_name, const char* client, const char* service,
                               std::size_t size) {
  store_ticket_with(cache_name, client, service, 777, [size](auto&&...) { return std::vector<krb5_octet>(size); });
}

}  // namespace support
