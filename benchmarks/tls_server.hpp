// benchmarks/tls_server: a server of TLS 1.3 with one cipher suite, and a certificate made for it.
// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

/// False if OpenSSL refuses.
[[nodiscard]] inline bool make_tls_server(SSL_CTX* context, const char* suite) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  const bool is_made = X509_sign(certificate, key, EVP_sha256()) != 0 &&
                       SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
                       SSL_CTX_use_certificate(context, certificate) == 1 &&
                       SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_set_ciphersuites(context, suite) == 1;
  SSL_CTX_set_num_tickets(context, 0);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return is_made;
}
