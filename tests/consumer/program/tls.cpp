// A program of component tls.
// SPDX-License-Identifier: MIT
#include <openssl/ssl.h>

#include <cstdio>
#include <memory>

#include <gsskey/tls/channel_bindings.hpp>

int main() {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
  const std::unique_ptr<SSL, decltype(&SSL_free)> connection{SSL_new(context.get()), &SSL_free};
  const auto bindings = gsskey::tls_exporter(connection.get());
  if (bindings) return 1;  // it is not connected
  std::puts(bindings.error().operation());
  return 0;
}
