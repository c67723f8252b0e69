// examples/first: authenticate to a service by Kerberos, send it one encrypted message. first HOST PORT SERVICE
#include <netdb.h>
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
  stream.expires_after(std::chrono::seconds{10});  // for all that follows
  FramedTransport wire{stream};
  GSSKEY_TRY(auto context, drive(Initiator<mech::Krb5>{std::move(target)}, wire));  // authenticated both ways
  GSSKEY_TRY(auto sealed, context.wrap("hello"));                                   // encrypted, or an error
  return wire.send(sealed);
}

int main(int argc, char** argv) {
  addrinfo hints{}, *at = nullptr;
  hints.ai_family = AF_INET;
  if (argc != 4 || ::getaddrinfo(argv[1], argv[2], &hints, &at) != 0) return std::cerr << "HOST PORT SERVICE\n", 2;
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const bool connected = ::connect(socket, at->ai_addr, at->ai_addrlen) == 0;
  const auto done = connected ? greet(socket, argv[3], argv[1]) : unexpected(Error::system("connect", errno));
  if (!done) std::cerr << done.error().operation() << ": " << done.error().text() << '\n';
  ::freeaddrinfo(at);
  return done ? 0 : 1;
}
