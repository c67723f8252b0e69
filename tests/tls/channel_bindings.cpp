// Channel bindings of real TLS connections, both ends of which are OpenSSL's.
#include <gsskey/tls/channel_bindings.hpp>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/must.hpp"
#include "support/openssl_memory.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

template <auto Free>
struct Freeing {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freeing<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Freeing<SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, Freeing<SSL_free>>;
using Session = std::unique_ptr<SSL_SESSION, Freeing<SSL_SESSION_free>>;

/// Self-signed for localhost. `hash`: nullptr for algorithms that have none of their own.
Certificate certificate(EVP_PKEY* key, const EVP_MD* hash, bool pss = false) {
  Certificate made{X509_new()};
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key);
  X509_NAME* name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  EVP_MD_CTX* signing = EVP_MD_CTX_new();
  EVP_PKEY_CTX* options = nullptr;
  REQUIRE(EVP_DigestSignInit(signing, &options, hash, nullptr, key) == 1);
  if (pss) REQUIRE(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
  REQUIRE(X509_sign_ctx(made.get(), signing) > 0);
  EVP_MD_CTX_free(signing);
  return made;
}
const Key& rsa() {
  static const Key key{EVP_RSA_gen(2048)};
  return key;
}

struct Ends {
  Connection client;
  Connection server;
};

/// Both ends in this thread, over two pipes in memory.
Ends handshake(const Context& client, const Context& server, SSL_SESSION* resumed = nullptr) {
  Ends ends{Connection{SSL_new(client.get())}, Connection{SSL_new(server.get())}};
  BIO* client_side = nullptr;
  BIO* server_side = nullptr;
  REQUIRE(BIO_new_bio_pair(&client_side, 0, &server_side, 0) == 1);
  SSL_set_bio(ends.client.get(), client_side, client_side);
  SSL_set_bio(ends.server.get(), server_side, server_side);
  if (resumed != nullptr) REQUIRE(SSL_set_session(ends.client.get(), resumed) == 1);
  SSL_set_connect_state(ends.client.get());
  SSL_set_accept_state(ends.server.get());
  for (int round = 0;
       round < 20 && (!SSL_is_init_finished(ends.client.get()) || !SSL_is_init_finished(ends.server.get())); ++round) {
    SSL_do_handshake(ends.client.get());
    SSL_do_handshake(ends.server.get());
  }
  REQUIRE(SSL_is_init_finished(ends.client.get()) == 1);
  REQUIRE(SSL_is_init_finished(ends.server.get()) == 1);
  return ends;
}

struct Contexts {
  Context client{SSL_CTX_new(TLS_client_method())};
  Context server{SSL_CTX_new(TLS_server_method())};

  Contexts(int version, EVP_PKEY* key, X509* with) {
    for (SSL_CTX* context : {client.get(), server.get()}) {
      SSL_CTX_set_security_level(context, 0);
      REQUIRE(SSL_CTX_set_min_proto_version(context, version) == 1);
      REQUIRE(SSL_CTX_set_max_proto_version(context, version) == 1);
    }
    SSL_CTX_set_cipher_list(client.get(), "ALL:@SECLEVEL=0");
    REQUIRE(SSL_CTX_use_certificate(server.get(), with) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(server.get(), key) == 1);
  }
};

std::string digest_of(X509* certificate, const EVP_MD* hash) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  REQUIRE(X509_digest(certificate, hash, digest, &size) == 1);
  return {reinterpret_cast<const char*>(digest), size};
}

void check_policy(const Result<ChannelBindings>& bindings) {
  REQUIRE_FALSE(bindings);
  CHECK(bindings.error().domain() == Domain::policy);
}

}  // namespace

TEST_CASE("tls-server-end-point: the hash of the signature, never a weak one") {
  const struct {
    const EVP_MD* signature;
    const EVP_MD* binding;
    bool pss;
  } table[] = {{EVP_md5(), EVP_sha256(), false},    {EVP_sha1(), EVP_sha256(), false},
               {EVP_sha256(), EVP_sha256(), false}, {EVP_sha384(), EVP_sha384(), false},
               {EVP_sha512(), EVP_sha512(), false}, {EVP_sha384(), EVP_sha384(), true}};
  for (const auto& row : table) {
    CAPTURE(EVP_MD_get0_name(row.signature), row.pss);
    const Certificate made = certificate(rsa().get(), row.signature, row.pss);
    CHECK(must(tls_server_end_point(made.get())).application_data().text() ==
          "tls-server-end-point:" + digest_of(made.get(), row.binding));
  }
  const Key curve{EVP_EC_gen("P-256")};
  const Certificate elliptic = certificate(curve.get(), EVP_sha384());
  CHECK(must(tls_server_end_point(elliptic.get())).application_data().text() ==
        "tls-server-end-point:" + digest_of(elliptic.get(), EVP_sha384()));
}

TEST_CASE("tls-server-end-point: none for Ed25519, none without a certificate") {
  const Key edwards{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
  const Certificate made = certificate(edwards.get(), nullptr);
  check_policy(tls_server_end_point(made.get()));
  CHECK(tls_server_end_point(static_cast<X509*>(nullptr)).error().domain() == Domain::usage);
  const Context context{SSL_CTX_new(TLS_client_method())};
  const Connection fresh{SSL_new(context.get())};
  CHECK(tls_server_end_point(fresh.get()).error().domain() == Domain::usage);
  CHECK(tls_exporter(fresh.get()).error().domain() == Domain::usage);
  CHECK(tls_unique(fresh.get()).error().domain() == Domain::usage);
}

TEST_CASE("both ends of a connection have the same, two connections do not") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  CAPTURE(version);
  const Certificate made = certificate(rsa().get(), EVP_sha256());
  const Contexts contexts{version, rsa().get(), made.get()};
  const Ends one = handshake(contexts.client, contexts.server);
  const Ends two = handshake(contexts.client, contexts.server);
  const auto text = [](const Result<ChannelBindings>& bindings) {
    return std::string{must(Result<ChannelBindings>{bindings}).application_data().text()};
  };
  CHECK(text(tls_server_end_point(one.client.get())) == text(tls_server_end_point(one.server.get())));
  CHECK(text(tls_server_end_point(one.client.get())) == text(tls_server_end_point(two.client.get())));
  CHECK(text(tls_exporter(one.client.get())) == text(tls_exporter(one.server.get())));
  CHECK(text(tls_exporter(one.client.get())) != text(tls_exporter(two.client.get())));
  CHECK(text(tls_exporter(one.client.get())).size() == sizeof "tls-exporter:" - 1 + 32);
  if (version == TLS1_3_VERSION) {
    check_policy(tls_unique(one.client.get()));
    return;
  }
  CHECK(text(tls_unique(one.client.get())) == text(tls_unique(one.server.get())));
  CHECK(text(tls_unique(one.client.get())) != text(tls_unique(two.client.get())));
}

TEST_CASE("tls-exporter is OpenSSL's own for a context of length zero") {
  const Certificate made = certificate(rsa().get(), EVP_sha256());
  const Contexts contexts{TLS1_2_VERSION, rsa().get(), made.get()};
  const Ends ends = handshake(contexts.client, contexts.server);
  unsigned char empty_context[32];
  unsigned char no_context[32];
  const unsigned char nothing = 0;
  REQUIRE(SSL_export_keying_material(ends.server.get(), empty_context, 32, "EXPORTER-Channel-Binding", 24, &nothing, 0,
                                     1) == 1);
  REQUIRE(SSL_export_keying_material(ends.server.get(), no_context, 32, "EXPORTER-Channel-Binding", 24, nullptr, 0,
                                     0) == 1);
  const auto bindings = must(tls_exporter(ends.client.get()));
  CHECK(bindings.application_data().subview(13) == ByteView{empty_context});
  CHECK_FALSE(bindings.application_data().subview(13) == ByteView{no_context});  // TLS 1.2 tells them apart
}

TEST_CASE("tls-unique of a resumed connection is the server's Finished") {
  const Certificate made = certificate(rsa().get(), EVP_sha256());
  const Contexts contexts{TLS1_2_VERSION, rsa().get(), made.get()};
  const Ends first = handshake(contexts.client, contexts.server);
  const Session session{SSL_get1_session(first.client.get())};
  const Ends resumed = handshake(contexts.client, contexts.server, session.get());
  REQUIRE(SSL_session_reused(resumed.client.get()) == 1);
  const auto client = must(tls_unique(resumed.client.get()));
  CHECK(client.application_data() == must(tls_unique(resumed.server.get())).application_data());
  unsigned char finished[EVP_MAX_MD_SIZE];
  const std::size_t size = SSL_get_finished(resumed.server.get(), finished, sizeof finished);
  CHECK(client.application_data().subview(11) == ByteView{finished, size});
  const std::size_t first_size = SSL_get_finished(first.client.get(), finished, sizeof finished);
  CHECK(must(tls_unique(first.server.get())).application_data().subview(11) == ByteView{finished, first_size});
}

TEST_CASE("OpenSSL short of memory: it is said so, and the next time works") {
  const Certificate with = certificate(rsa().get(), EVP_sha256());
  Contexts contexts{TLS1_3_VERSION, rsa().get(), with.get()};
  Ends ends = handshake(contexts.client, contexts.server);
  namespace memory = support::openssl_memory;
  const auto sweep = [](auto bind) {
    for (const bool for_good : {false, true}) {
      const auto swept = memory::fail_each(for_good, [&](int turn) {
        const Result<ChannelBindings> bindings = bind();
        return bindings || (turn == 0 && bindings.error().domain() == Domain::system &&
                            bindings.error().minor_status() == static_cast<std::uint32_t>(ENOMEM));
      });
      CHECK(swept.failed > 0);
      CHECK(swept.wrong == 0);
    }
  };
  sweep([&] { return tls_exporter(ends.client.get()); });
  sweep([&] { return tls_server_end_point(ends.server.get()); });
  // Of a certificate that nobody has looked at yet, as it comes over the wire.
  unsigned char* der = nullptr;
  const int size = i2d_X509(with.get(), &der);
  sweep([&] {
    const unsigned char* at = der;
    const Certificate fresh{d2i_X509(nullptr, &at, size)};
    if (!fresh) return Result<ChannelBindings>{unexpected(Error::system("d2i_X509", ENOMEM))};
    return tls_server_end_point(fresh.get());
  });
  OPENSSL_free(der);
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("without extended master secret there is nothing to bind to but the certificate") {
  const Certificate made = certificate(rsa().get(), EVP_sha256());
  const Contexts contexts{TLS1_2_VERSION, rsa().get(), made.get()};
  SSL_CTX_set_options(contexts.client.get(), SSL_OP_NO_EXTENDED_MASTER_SECRET);
  const Ends ends = handshake(contexts.client, contexts.server);
  check_policy(tls_exporter(ends.client.get()));
  check_policy(tls_exporter(ends.server.get()));
  check_policy(tls_unique(ends.client.get()));
  CHECK(tls_server_end_point(ends.server.get()));
}

TEST_CASE("a context bound to a connection is refused on another") {
  support::realm();
  const Certificate made = certificate(rsa().get(), EVP_sha256());
  const Contexts contexts{TLS1_3_VERSION, rsa().get(), made.get()};
  const Ends one = handshake(contexts.client, contexts.server);
  const Ends two = handshake(contexts.client, contexts.server);
  const auto run = [](SSL* client, SSL* server) {
    return support::establish(support::initiator<mech::Krb5>({.bindings = must(tls_exporter(client))}),
                              support::acceptor<mech::Krb5>({.bindings = must(tls_exporter(server))}));
  };
  CHECK(run(one.client.get(), one.server.get()));
  const auto refused = run(one.client.get(), two.server.get());
  REQUIRE_FALSE(refused);
  CHECK((refused.error().major_status() & 0x00ff0000U) == GSS_S_BAD_BINDINGS);
}
