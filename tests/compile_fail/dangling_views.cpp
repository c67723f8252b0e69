// A view of a temporary is of nothing once the expression has ended. For clang, which reads GSSKEY_LIFETIMEBOUND.
// expect 13 times: temporary whose address is used as value of local variable
// expect 3 times: address of stack memory associated with local variable
#include <gsskey/gss.hpp>
#include <gsskey/gss/buffer_set.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/krb5/lucid.hpp>

#include <array>
#include <string>
#include <string_view>

using namespace gsskey;
using Key = Credential<mech::Krb5, Accept>;

Buffer token();
SecretBytes secret();
std::string text();
Error error();
Name name();
DisplayedName displayed();
BufferSet set();
LucidContext lucid();
Key key();
void use(ByteView bytes);

#ifdef MUST_FAIL
void views() {
  ByteView a = token();
  ByteView b = secret();
  ByteView c = text();
  ByteView d = std::array<unsigned char, 2>{1, 2};
  std::string_view e = token().text();
  std::string_view f = secret().text();
  const unsigned char* g = token().data();
  const unsigned char* h = secret().begin();
  std::string_view i = error().text();
  std::string_view j = displayed().text();
  ByteView k = set()[0];
  LucidKey l = lucid().key();
  gss_name_t m = name().get();
  static_cast<void>(a), static_cast<void>(b), static_cast<void>(c), static_cast<void>(d), static_cast<void>(e),
      static_cast<void>(f), static_cast<void>(g), static_cast<void>(h), static_cast<void>(i), static_cast<void>(j),
      static_cast<void>(k), static_cast<void>(l), static_cast<void>(m);
}
ByteView view_of_a_local() {
  const SecretBytes local = secret();
  return local;
}
Acceptor<mech::Krb5> acceptor_with_a_local() {
  const Key local = key();
  return Acceptor<mech::Krb5>{local};
}
FramedTransport<FdStream> transport_over_a_local() {
  FdStream local{0};
  return FramedTransport<FdStream>{local};
}
#else
// In an argument a temporary lives long enough, a view of a view is as good as that, and owners may be kept.
void views(Result<Buffer> (*wrap)()) {
  use(token());
  use(*wrap());
  use(secret());
  use(text());
  use(ByteView{secret()}.subview(1));
  use(ByteView{std::string_view{"text"}});
  const ByteView view = std::string_view{"text"};
  const ByteView part = view.subview(1);
  const std::string_view words = view.text();
  const SecretBytes owned = secret();
  const ByteView all = owned;
  use(part), use(words), use(all);
}
Acceptor<mech::Krb5> acceptor(CredentialRef<mech::Krb5, Accept> credential) { return Acceptor<mech::Krb5>{credential}; }
Acceptor<mech::Krb5> acceptor(const Key& credential) { return Acceptor<mech::Krb5>{credential}; }
#endif
