// examples/http_tls: what TLS needs to know, for asio::ssl::stream. These throw std::system_error.
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/ssl.hpp>

namespace example {

inline asio::ssl::context tls_server(const char* certificate, const char* key) {
  asio::ssl::context settings{asio::ssl::context::tls_server};
  settings.use_certificate_chain_file(certificate);
  settings.use_private_key_file(key, asio::ssl::context::pem);
  return settings;
}

/// For a client that takes certificates of `authority`, a file, for `host`.
inline asio::ssl::context tls_client(const char* authority, const char* host) {
  asio::ssl::context settings{asio::ssl::context::tls_client};
  settings.load_verify_file(authority);
  settings.set_verify_mode(asio::ssl::verify_peer);
  settings.set_verify_callback(asio::ssl::host_name_verification{host});
  return settings;
}

}  // namespace example
