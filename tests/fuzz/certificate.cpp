// Channel bindings of certificates from elsewhere (RFC 5929 section 4): the hash that the signature names, with SHA-256
// in place of MD5 and SHA-1, or none. SPDX-License-Identifier: MIT
#include <gsskey/tls/channel_bindings.hpp>

#include <openssl/objects.h>

#include <string_view>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

/// What the table of signature algorithms says; NID_undef for those whose hash is a parameter, or which have none.
int hash_of(X509* certificate) {
  int hash = NID_undef;
  if (OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &hash, nullptr) != 1) return NID_undef;
  return hash == NID_md5 || hash == NID_sha1 || hash == NID_md5_sha1 ? NID_sha256 : hash;
}

void check(X509* certificate) {
  const auto bindings = tls_server_end_point(certificate);
  if (!bindings) {
    expect(bindings.error().domain() == Domain::policy, "no bindings are defined");
    return;
  }
  expect(bindings->is_valid(), "bindings can be given to a handshake");
  const ByteView data = bindings->application_data();
  constexpr std::string_view prefix = "tls-server-end-point:";
  expect(data.text().starts_with(prefix) && data.size() >= prefix.size() + 20, "no hash is shorter than that");
  const int hash = hash_of(certificate);
  const EVP_MD* const algorithm = hash == NID_undef ? nullptr : EVP_get_digestbynid(hash);
  if (algorithm == nullptr) return;
  unsigned char* encoded = nullptr;
  const int size = i2d_X509(certificate, &encoded);
  if (size <= 0) return;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned digest_size = 0;
  const bool done = EVP_Digest(encoded, static_cast<std::size_t>(size), digest, &digest_size, algorithm, nullptr) == 1;
  OPENSSL_free(encoded);
  expect(done && data.subview(prefix.size()) == ByteView{digest, digest_size}, "the hash of the certificate");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::uint8_t* at = data;
  X509* const certificate = d2i_X509(nullptr, &at, static_cast<long>(size));
  ERR_clear_error();
  if (certificate != nullptr) check(certificate);
  expect(ERR_peek_error() == 0, "no error stays that SSL_get_error() would take for a connection's");
  X509_free(certificate);
  ERR_clear_error();
  return 0;
}
