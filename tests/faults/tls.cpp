// tests/faults/tls: channel bindings of a TLS connection, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/tls/channel_bindings.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <stdexcept>

#include "faults/faults.hpp"

using namespace gsskey;
using faults::again;
using faults::check;

namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* connection) const { SSL_free(connection); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

/// Both ends in this thread, over two pipes in memory, with a certificate that signs itself.
struct Connection {
  Owned<EVP_PKEY> key{EVP_EC_gen("P-256")};
  Owned<X509> certificate{X509_new()};
  Owned<SSL_CTX> context{SSL_CTX_new(TLS_method())};
  Owned<SSL> client;
  Owned<SSL> server;

  explicit Connection(int version) {
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    SSL_CTX_use_certificate(context.get(), certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), key.get());
    SSL_CTX_set_max_proto_version(context.get(), version);
    client.reset(SSL_new(context.get()));
    server.reset(SSL_new(context.get()));
    BIO* client_side = nullptr;
    BIO* server_side = nullptr;
    BIO_new_bio_pair(&client_side, 0, &server_side, 0);
    SSL_set_bio(client.get(), client_side, client_side);
    SSL_set_bio(server.get(), server_side, server_side);
    SSL_set_connect_state(client.get());
    SSL_set_accept_state(server.get());
    for (int round = 0; round < 20; ++round) {
      SSL_do_handshake(client.get());
      SSL_do_handshake(server.get());
    }
    if (SSL_is_init_finished(client.get()) != 1 || SSL_is_init_finished(server.get()) != 1) {
      throw std::runtime_error{"no TLS connection"};
    }
    ERR_clear_error();
  }
};

void bindings() {
  const Connection tls{TLS1_3_VERSION};
  const Connection old{TLS1_2_VERSION};
  for (SSL* const end : {tls.client.get(), tls.server.get()}) {
    check(again([&] { return tls_server_end_point(end); }).is_valid(), "tls-server-end-point");
    check(again([&] { return tls_exporter(end); }).is_valid(), "tls-exporter");
  }
  for (SSL* const end : {old.client.get(), old.server.get()}) {
    check(again([&] { return tls_unique(end); }).is_valid(), "tls-unique");
  }
}

const faults::Register registered{"tls", &bindings};

}  // namespace
