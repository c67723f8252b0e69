// examples/first_server: learn by Kerberos who a client is, let in who may. first_server PORT REALM
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/krb5/authorize.hpp>
using namespace gsskey;

Result<void> serve(int socket, const Credential<mech::Krb5, Accept>& credential, const Policy& policy) {
  FdStream stream{socket};
  stream.expires_after(std::chrono::seconds{10});  // however slowly the bytes come
  FramedTransport wire{stream};
  GSSKEY_TRY(auto context, drive(Acceptor<mech::Krb5>{credential}, wire));
  GSSKEY_TRY_VOID(authorize(context, policy));  // who has authenticated is known, and not yet let in
  GSSKEY_TRY(auto token, wire.receive(65536));
  GSSKEY_TRY(auto message, context.unwrap(token));
  GSSKEY_TRY(auto peer, context.peer());
  GSSKEY_TRY(const auto name, peer.display());
  std::cout << name.text() << " says \"" << message.text() << "\"\n" << std::flush;
  return {};
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const Policy policy{.realms = {argv[2]}};
  // Acquired once: with the default credential every handshake would read the keytab again.
  const auto credential = Credential<mech::Krb5, Accept>::acquire_default();
  if (!credential) return std::cerr << credential.error().text() << '\n', 1;

  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(argv[1])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener, any, size) != 0 || ::listen(listener, SOMAXCONN) != 0) return 1;
  (void)::getsockname(listener, any, &size);
  std::cout << "listening on 127.0.0.1:" << ntohs(address.sin_port) << std::endl;

  while (true) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    const auto served = serve(socket, *credential, policy);  // an error is this client's; the next may do better
    if (!served) std::cerr << served.error().operation() << ": " << served.error().text() << '\n';
    (void)::close(socket);
  }
}
