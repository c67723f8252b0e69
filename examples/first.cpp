// examples/first: authenticate to a service by Kerberos, send it one encrypted message. first HOST PORT SERVICE
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <iostream>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>
using namespace gsskey;

Result<void> greet(int socket, const char* service, const char* host) {
  GSSKEY_TRY(auto target, Name::host_service(service, host));
  FdStream stream{socket};
  stream.expires_after(std::chrono::seconds{10});  // for all of it
  FramedTransport wire{stream};
  // Authenticated both ways, or an error; encrypted, or an error.
  GSSKEY_TRY(auto context, drive(Initiator<mech::Krb5>{std::move(target)}, wire));
  GSSKEY_TRY(auto sealed, context.wrap("hello"));
  return wire.send(sealed);
}

Result<int> connect_to(const char* host, const char* port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host, port, &hints, &found) != 0) return unexpected(Error::system("getaddrinfo", ENOENT));
  int socket = -1, reason = ENOENT;
  for (const addrinfo* at = found; at != nullptr && socket < 0; at = at->ai_next) {
    socket = ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket >= 0 && ::connect(socket, at->ai_addr, at->ai_addrlen) == 0) break;
    reason = errno;
    (void)::close(socket);
    socket = -1;
  }
  ::freeaddrinfo(found);
  if (socket < 0) return unexpected(Error::system("connect", reason));
  return socket;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto socket = connect_to(argv[1], argv[2]);
  const auto done = socket ? greet(*socket, argv[3], argv[1]) : unexpected(socket.error());
  if (!done) std::cerr << done.error().operation() << ": " << done.error().text() << '\n';
  return done ? 0 : 1;
}
