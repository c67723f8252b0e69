// examples/first: authenticate to a service by Kerberos, send it one encrypted message. first HOST PORT SERVICE
#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <iostream>

#include "socket.hpp"
using namespace gsskey;

Result<void> greet(int socket, const char* service, const char* host) {
  GSSKEY_TRY(auto target, Name::host_service(service, host));
  FdStream stream{socket};
  FramedTransport wire{stream};
  // Authenticated both ways, or an error; encrypted, or an error.
  GSSKEY_TRY(auto context, drive(Initiator<mech::Krb5>{std::move(target)}, wire));
  GSSKEY_TRY(auto sealed, context.wrap("hello"));
  return wire.send(sealed);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  auto socket = example::connect_to(argv[1], argv[2]);
  auto done = socket ? greet(socket->get(), argv[3], argv[1]) : unexpected(socket.error());
  if (!done) std::cerr << done.error().operation() << ": " << done.error().text() << '\n';
  return done ? 0 : 1;
}
