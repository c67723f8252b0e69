// gsskey/tls/channel_bindings: the channel bindings of a TLS connection (RFC 5929, RFC 9266), from OpenSSL's SSL*.
// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cerrno>

#include <gsskey/core/detail/openssl_failure.hpp>
#include <gsskey/gss/channel_bindings.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Returns tls-server-end-point: the hash of the server's certificate, with the hash of its signature, but SHA-256 in
/// place of MD5 and SHA-1. It binds to the server, not to the connection: a proxy that has the same certificate passes.
/// Calls: ERR_clear_error, X509_get_signature_info, EVP_get_digestbynid, X509_digest.
/// Errors: policy, for a certificate whose signature has no hash of its own (Ed25519), for which none is defined, and
///   for a hash that OpenSSL cannot compute; usage, for no certificate; system (ENOMEM).
/// Owner: the certificate is borrowed for the call.
/// See: RFC 5929 section 4.
[[nodiscard]] inline Result<ChannelBindings> tls_server_end_point(X509* certificate) noexcept {
  constexpr const char* operation = "X509_digest";
  int hash = NID_undef;
  if (certificate == nullptr) return unexpected(Error::usage(operation, "there is no server certificate"));
  ERR_clear_error();
  if (X509_get_signature_info(certificate, &hash, nullptr, nullptr, nullptr) != 1 || hash == NID_undef) {
    // OpenSSL reads the certificate's extensions first, for which it needs memory.
    if (detail::take_openssl_cause() == detail::OpensslCause::memory) {
      return unexpected(Error::system("X509_get_signature_info", ENOMEM));
    }
    return unexpected(Error::policy(operation, 0, "tls-server-end-point is not defined for this signature algorithm"));
  }
  ERR_clear_error();  // of extensions that are malformed, which the signature's hash does not depend on
  if (hash == NID_md5 || hash == NID_sha1 || hash == NID_md5_sha1) hash = NID_sha256;
  const EVP_MD* const algorithm = EVP_get_digestbynid(hash);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (algorithm == nullptr || X509_digest(certificate, algorithm, digest, &size) != 1) {
    return unexpected(detail::openssl_failure(
        Error::policy(operation, 0, "OpenSSL cannot compute the hash of the certificate's signature")));
  }
  return ChannelBindings{"tls-server-end-point", ByteView{digest, size}};
}
/// Returns tls-server-end-point of a connection, on either side; usage, before there is a certificate.
[[nodiscard]] inline Result<ChannelBindings> tls_server_end_point(SSL* connection) noexcept {
  if (SSL_is_server(connection) == 1) return tls_server_end_point(SSL_get_certificate(connection));
  X509* const certificate = SSL_get1_peer_certificate(connection);
  auto bindings = tls_server_end_point(certificate);
  X509_free(certificate);
  return bindings;
}

/// Returns tls-exporter: keying material of the connection, for TLS 1.3 and for TLS 1.2 with the extended master
/// secret. Use this one where both ends can.
/// Calls: ERR_clear_error, SSL_export_keying_material.
/// Errors: usage, before the handshake is done; policy, where it would be no secret of this connection alone: without
///   extended master secret, below TLS 1.2, after a renegotiation; policy, where OpenSSL exports nothing; system
///   (ENOMEM).
/// Owner: the connection is borrowed for the call.
/// See: RFC 9266.
GSSKEY_HIDDEN [[nodiscard]] inline Result<ChannelBindings> tls_exporter(SSL* connection) noexcept {
  constexpr const char* operation = "SSL_export_keying_material";
  if (SSL_is_init_finished(connection) != 1)
    return unexpected(Error::usage(operation, "the TLS handshake is not done"));
  const int version = SSL_version(connection);
  if (version < TLS1_2_VERSION || (version == TLS1_2_VERSION && SSL_get_extms_support(connection) != 1)) {
    return unexpected(Error::policy(operation, 0, "TLS 1.3, or 1.2 with extended master secret, is needed"));
  }
  if (SSL_num_renegotiations(connection) != 0) {
    return unexpected(Error::policy(operation, 0, "the TLS connection was renegotiated"));
  }
  ERR_clear_error();
  static constexpr char label[] = "EXPORTER-Channel-Binding";
  unsigned char material[32];
  // A context of length zero, which before TLS 1.3 is not the same as none.
  const int done = SSL_export_keying_material(connection, material, sizeof material, label, sizeof label - 1,
                                              reinterpret_cast<const unsigned char*>(""), 0, 1);
  if (done != 1) {
    return unexpected(detail::openssl_failure(Error::policy(operation, 0, "OpenSSL exports no keying material")));
  }
  const ChannelBindings bindings{"tls-exporter", ByteView{material}};
  OPENSSL_cleanse(material, sizeof material);
  return bindings;
}

/// Returns tls-unique: the first Finished message of the latest handshake, the client's, or the server's where a
/// session was resumed. For peers that know nothing newer: TLS 1.2 and below.
/// Calls: SSL_get_finished, SSL_get_peer_finished.
/// Errors: usage, before the handshake is done; policy, for TLS 1.3, which has no such binding, and without extended
///   master secret, where two connections can have the same Finished message (triple handshake).
/// Owner: the connection is borrowed for the call.
/// See: RFC 5929 section 3.
[[nodiscard]] inline Result<ChannelBindings> tls_unique(SSL* connection) noexcept {
  constexpr const char* operation = "SSL_get_finished";
  if (SSL_is_init_finished(connection) != 1)
    return unexpected(Error::usage(operation, "the TLS handshake is not done"));
  if (SSL_version(connection) > TLS1_2_VERSION || SSL_get_extms_support(connection) != 1) {
    return unexpected(Error::policy(operation, 0, "TLS 1.2 or below with extended master secret is needed"));
  }
  const bool mine_was_first = (SSL_is_server(connection) == 1) == (SSL_session_reused(connection) == 1);
  unsigned char finished[EVP_MAX_MD_SIZE];
  const std::size_t size = mine_was_first ? SSL_get_finished(connection, finished, sizeof finished)
                                          : SSL_get_peer_finished(connection, finished, sizeof finished);
  if (size == 0 || size > sizeof finished)
    return unexpected(Error::policy(operation, 0, "there is no Finished message"));
  return ChannelBindings{"tls-unique", ByteView{finished, size}};
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
