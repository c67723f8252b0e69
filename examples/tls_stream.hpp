// examples/tls_stream: TLS by OpenSSL over a connected socket.
// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>

#include "socket.hpp"

namespace example {

inline gsskey::Error tls_error(const char* operation) {
  const char* reason = ERR_reason_error_string(ERR_get_error());
  return gsskey::Error::transport(operation, EPROTO)
      .with_text(reason != nullptr ? reason : "the peer closed the connection");
}

struct SslTraits {
  using Handle = SSL*;
  static constexpr Handle none = nullptr;
  static void close(Handle tls) noexcept { SSL_free(tls); }
};
struct SettingsTraits {
  using Handle = SSL_CTX*;
  static constexpr Handle none = nullptr;
  static void close(Handle settings) noexcept { SSL_CTX_free(settings); }
};
using TlsSettings = gsskey::UniqueHandle<SettingsTraits>;

/// TLS over a connected socket, as a BlockingStream for FramedTransport.
class TlsStream {
 public:
  TlsStream(const TlsSettings& settings, Socket socket)
      : socket_{std::move(socket)}, tls_{gsskey::UniqueHandle<SslTraits>::adopt(SSL_new(settings.get()))} {
    SSL_set_fd(tls_.get(), socket_.get());
  }
  [[nodiscard]] SSL* get() const { return tls_.get(); }

  [[nodiscard]] gsskey::Result<void> write(gsskey::ByteView header, gsskey::ByteView body) {
    for (const gsskey::ByteView part : {header, body}) {
      std::size_t written = 0;  // of a blocking socket, all or nothing
      if (!part.empty() && SSL_write_ex(get(), part.data(), part.size(), &written) != 1) {
        return gsskey::unexpected(tls_error("SSL_write"));
      }
    }
    return {};
  }
  [[nodiscard]] gsskey::Result<void> read(void* data, std::size_t size) {
    for (std::size_t done = 0, count = 0; done != size; done += count) {
      if (SSL_read_ex(get(), static_cast<char*>(data) + done, size - done, &count) != 1) {
        return gsskey::unexpected(tls_error("SSL_read"));
      }
    }
    return {};
  }

 private:
  Socket socket_;
  gsskey::UniqueHandle<SslTraits> tls_;
};

}  // namespace example
