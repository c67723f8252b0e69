// gsskey/io/fd_stream: a blocking byte stream over a file descriptor: a connected socket, a socketpair.
// SPDX-License-Identifier: MIT
#pragma once

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Borrows a connected stream socket in blocking mode; time limits are the socket's own (SO_RCVTIMEO, SO_SNDTIMEO:
/// EAGAIN comes back as an Error). One reader and one writer at a time. Errors: transport.
class FdStream {
 public:
  explicit FdStream(int descriptor) noexcept : descriptor_{descriptor} {}

  /// All of both, or an Error; one system call where the socket takes them at once. Never SIGPIPE.
  [[nodiscard]] Result<void> write(ByteView header, ByteView body = {}) noexcept {
    while (!header.empty() || !body.empty()) {
      ::iovec parts[] = {{const_cast<unsigned char*>(header.data()), header.size()},
                         {const_cast<unsigned char*>(body.data()), body.size()}};
      ::msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = 2;
      const ::ssize_t count = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
      if (count < 0) {
        if (errno == EINTR) continue;
        return unexpected(Error::transport("send", errno));
      }
      const auto sent = static_cast<std::size_t>(count);
      if (sent > header.size()) body = body.subview(sent - header.size());
      header = header.subview(sent);
    }
    return {};
  }
  /// `size` bytes, or an Error; ECONNRESET when the stream ends before them.
  [[nodiscard]] Result<void> read(void* data, std::size_t size) noexcept {
    auto* out = static_cast<unsigned char*>(data);
    while (size != 0) {
      const ::ssize_t count = ::recv(descriptor_, out, size, 0);
      if (count == 0) return unexpected(Error::transport("recv", ECONNRESET, "the peer closed the connection"));
      if (count < 0) {
        if (errno == EINTR) continue;
        return unexpected(Error::transport("recv", errno));
      }
      out += count;
      size -= static_cast<std::size_t>(count);
    }
    return {};
  }

 private:
  int descriptor_;
};

GSSKEY_END_ABI
}  // namespace gsskey
