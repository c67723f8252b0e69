// examples/first_server: learn by Kerberos who a client is, let in who may. first_server PORT REALM
#include <netdb.h>
#include <unistd.h>
#include <chrono>
#include <cstdio>
#include <iostream>

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
  GSSKEY_TRY_VOID(authorize(context, policy));  // every user of the realm can authenticate; not all may come in
  GSSKEY_TRY(auto token, wire.receive(65536));
  GSSKEY_TRY(auto message, context.unwrap(token));
  GSSKEY_TRY(auto peer, context.peer());
  GSSKEY_TRY(const auto name, peer.display());
  std::cout << name.text() << " says \"" << message.text() << '"' << std::endl;
  return {};
}

int main(int argc, char** argv) {
  addrinfo* at = nullptr;
  if (argc != 3 || ::getaddrinfo("127.0.0.1", argv[1], nullptr, &at) != 0) return std::cerr << "PORT REALM\n", 2;
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::bind(listener, at->ai_addr, at->ai_addrlen) != 0 || ::listen(listener, 64) != 0)
    return std::perror("listen"), 1;
  const Policy policy{.realms = {argv[2]}};
  const auto credential = Credential<mech::Krb5, Accept>::acquire_default();  // once, not for each client
  if (!credential) return std::cerr << credential.error().text() << '\n', 1;
  std::cout << "listening" << std::endl;
  while (true) {
    const int socket = ::accept(listener, nullptr, nullptr);
    const auto served = serve(socket, *credential, policy);  // an error concerns this client alone
    if (!served) std::cerr << served.error().operation() << ": " << served.error().text() << '\n';
    ::close(socket);
  }
}
