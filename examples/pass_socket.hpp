// examples/pass_socket: a socket and some bytes from process to process, over a Unix socket of type SOCK_SEQPACKET.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <gsskey/core/bytes.hpp>

#include "socket.hpp"

namespace example {

struct Passed {
  Socket socket;
  gsskey::SecretBytes bytes;
};

/// All or nothing. The receiver has the socket too from here on.
inline gsskey::Result<void> pass(int channel, const Socket& socket, gsskey::ByteView bytes) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part{const_cast<unsigned char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int descriptor = socket.get();
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  if (::sendmsg(channel, &message, MSG_NOSIGNAL) >= 0) return {};
  return gsskey::unexpected(gsskey::Error::transport("sendmsg", errno));
}

/// Of several processes that wait, one gets it. ECONNRESET: nobody is left who could pass anything.
inline gsskey::Result<Passed> receive_passed(int channel, std::size_t max_size = 1 << 17) {
  auto bytes = gsskey::SecretBytes::with_size(max_size);
  if (!bytes) return gsskey::unexpected(bytes.error());
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part{bytes->data(), bytes->size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  if (size < 0) return gsskey::unexpected(gsskey::Error::transport("recvmsg", errno));
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (size == 0 || header == nullptr) return gsskey::unexpected(gsskey::Error::transport("recvmsg", ECONNRESET));
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  if (auto cut = bytes->resize(static_cast<std::size_t>(size)); !cut) return gsskey::unexpected(cut.error());
  return Passed{Socket::adopt(descriptor), *std::move(bytes)};
}

}  // namespace example
