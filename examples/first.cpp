// examples/first: authenticate to a service by Kerberos, send it one encrypted message. first HOST PORT SERVICE
#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <iostream>

#include "socket.hpp"
using namespace gsskey;

Result<void> greet(int socket, const char* service, const char* host) {
  auto target = Name::host_service(service, host);
  if (!target) return unexpected(target.error());
  FdStream stream{socket};
  FramedTransport wire{stream};
  auto context = drive(Initiator<mech::Krb5>{*std::move(target)}, wire);  // authenticated both ways, or an error
  if (!context) return unexpected(context.error());
  auto sealed = context->wrap("hello");  // encrypted, or an error
  if (!sealed) return unexpected(sealed.error());
  return wire.send(*sealed);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  auto socket = example::connect_to(argv[1], argv[2]);
  auto done = socket ? greet(socket->get(), argv[3], argv[1]) : unexpected(socket.error());
  if (!done) std::cerr << done.error().operation() << ": " << done.error().text() << '\n';
  return done ? 0 : 1;
}
