// What owners of the GSS-API do in processes that are forked before their calls, between them and after them, and that
// are killed; and what somebody replaces while they run.
#include <gsskey/gss/context/expiring.hpp>
#include <gsskey/gss/credential/renewing.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/http/negotiate.hpp>
#include <gsskey/io/drive.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/framing.hpp>
#include <gsskey/io/secure_fd_stream.hpp>
#include <gsskey/messages/take_over.hpp>
#include <gsskey/sasl/gssapi.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/environment.hpp"
#include "support/eventually.hpp"
#include "support/implementation.hpp"
#include "support/protector.hpp"
#include "support/realm.hpp"
#include "support/sasl.hpp"
#include "support/skip.hpp"
#include "support/socket_pair.hpp"

using namespace gsskey;
using mech::Krb5;
using mech::Spnego;
using support::Client;
using support::is_heimdal;
using support::must;
using support::peer_of;
using support::SocketPair;

namespace {

std::string text_of(ByteView bytes) { return std::string{bytes.text()}; }

/// What `work` returns in a child process, whose destructors do not run.
template <class Work>
std::string from_child(Work work) {
  SocketPair sockets;
  CHECK(support::in_child(60, [&] {
          FdStream stream{sockets.ends[1]};
          return FramedTransport{stream}.send(work()) ? 0 : 1;
        }) == 0);
  sockets.close(1);
  FdStream stream{sockets.ends[0]};
  return text_of(must(FramedTransport{stream}.receive(1 << 20)));
}

template <class C>
struct Pair;
template <Mechanism M>
struct Pair<SecurityContext<M>> {
  support::Ends<M> ends = support::pair<M>();
  SecurityContext<M>& ours = ends.initiator;
  SecurityContext<M>& theirs = ends.acceptor;
};
template <>
struct Pair<MessageProtector> {
  support::Handshakes<Krb5> complete = support::handshakes_in_realm();
  MessageProtector ours = support::taken(std::move(complete.initiator));
  SecurityContext<Krb5> theirs = must(std::move(complete.acceptor).establish());
};
template <>
struct Pair<ExpiringContext<Krb5>> {
  support::Ends<Krb5> ends = support::pair<Krb5>();
  ExpiringContext<Krb5> ours = must(ExpiringContext<Krb5>::from_context(std::move(ends.initiator)));
  ExpiringContext<Krb5> theirs = must(ExpiringContext<Krb5>::from_context(std::move(ends.acceptor)));
};

/// Two ends of a stream of protected messages.
struct Streams {
  SocketPair sockets{};
  support::Ends<Krb5> ends = support::pair<Krb5>();
  SecureFdStream<SecurityContext<Krb5>> ours{sockets.ends[0], std::move(ends.initiator)};
  SecureFdStream<SecurityContext<Krb5>> theirs{sockets.ends[1], std::move(ends.acceptor)};

  std::string read(std::size_t size) {
    std::string text(size, '\0');
    must(theirs.read(text.data(), size));
    return text;
  }
};

Result<Client> acquire_client() { return Client::acquire_default(); }

/// One of each owner, in use.
struct InUse {
  RenewingCredential<Result<Client> (*)()> renewing{&acquire_client};
  Pair<SecurityContext<Krb5>> contexts{};
  Pair<ExpiringContext<Krb5>> expiring{};
  Pair<MessageProtector> protectors{};
  HttpInitiator<Spnego> http_client{support::initiator<Spnego>()};
  HttpAcceptor<Spnego> http_server{support::acceptor_credential<Spnego>()};
  support::SaslEnds<sasl::Gssapi> sasl = must(support::log_in(support::sasl_client(), support::sasl_server()));
  std::string authorization;

  InUse() {
    must(renewing.lease());
    authorization = must(http_client.authorize());
  }
  static bool talk(auto& ours, auto& theirs) {
    return must(theirs.unwrap(must(ours.wrap("message")))).text() == "message";
  }
  /// What was established goes on.
  bool talk() {
    return talk(contexts.ours, contexts.theirs) && talk(expiring.ours, expiring.theirs) &&
           talk(protectors.ours, protectors.theirs) && talk(sasl.client.context, sasl.server.context);
  }
};

std::string user_of(const Client& credential) {
  auto ends = support::establish(Initiator<Krb5>{support::target(), credential}, support::acceptor<Krb5>());
  if (!ends) return {};
  return support::shown(must(ends->acceptor.inquire()).initiator);
}

}  // namespace

TEMPLATE_TEST_CASE("of a context that two processes have, one message of two with the same number is refused", "",
                   SecurityContext<Krb5>, SecurityContext<Spnego>, ExpiringContext<Krb5>, MessageProtector) {
  Pair<TestType> pair;
  CHECK(must(pair.theirs.unwrap(must(pair.ours.wrap("before")))).text() == "before");
  const auto token = from_child([&] { return text_of(must(pair.ours.wrap("by the child"))); });
  CHECK(must(pair.theirs.unwrap(token)).text() == "by the child");
  const auto twice = pair.theirs.unwrap(must(pair.ours.wrap("by the parent")));
  REQUIRE_FALSE(twice);
  CHECK(has(twice.error(), Supplementary::duplicate_token));
  CHECK(must(pair.theirs.unwrap(must(pair.ours.wrap("the next")))).text() == "the next");
}

TEMPLATE_TEST_CASE("a child that destroys its copy of a context takes nothing from its parent", "",
                   SecurityContext<Krb5>, SecurityContext<Spnego>, ExpiringContext<Krb5>, MessageProtector) {
  Pair<TestType> pair;
  CHECK(support::in_child(60, [&] {
          const auto copy = std::move(pair.ours);
          const auto other = std::move(pair.theirs);
          return 0;
        }) == 0);
  CHECK(must(pair.theirs.unwrap(must(pair.ours.wrap("message")))).text() == "message");
}

TEST_CASE("a stream that two processes have gives one packet of each number to its peer") {
  Streams streams;
  must(streams.ours.write("before"));
  CHECK(streams.read(6) == "before");
  CHECK(support::in_child(60, [&] {
          must(streams.ours.write("by the child"));
          const auto gone = std::move(streams.ours);
          return 0;
        }) == 0);
  CHECK(streams.read(12) == "by the child");
  must(streams.ours.write("by the parent"));
  char byte = 0;
  const auto twice = streams.theirs.read_some(&byte, 1);
  REQUIRE_FALSE(twice);
  CHECK(has(twice.error(), Supplementary::duplicate_token));
}

TEST_CASE("of a frame that was begun before the fork each process has a copy") {
  IncomingFrame frame{64};
  CHECK(must(frame.put(ByteView{"\0\0\0\4ab", 6})) == 6);
  CHECK(support::in_child(60, [&] {
          must(frame.put("cd"));
          return frame.is_complete() && frame.take() == ByteView{"abcd"} ? 0 : 1;
        }) == 0);
  CHECK(must(frame.put("xy")) == 2);
  CHECK(text_of(frame.token()) == "abxy");
}

TEST_CASE("a peer that is killed within a packet is an error, and what came before it is whole") {
  Streams streams;
  CHECK(support::in_child(60, [&] {
          must(streams.ours.write("whole"));
          const auto header = FrameHeader::of(1000);
          must(FdStream{streams.sockets.ends[0]}.write(header.bytes, "and no more"));
          ::raise(SIGKILL);
          return 0;
        }) == 128 + SIGKILL);
  streams.sockets.close(0);
  CHECK(streams.read(5) == "whole");
  char byte = 0;
  const auto cut = streams.theirs.read_some(&byte, 1);
  REQUIRE_FALSE(cut);
  CHECK(cut.error().domain() == Domain::transport);
}

TEST_CASE("a login by HTTP that began before the fork ends in either process") {
  HttpInitiator<Spnego> client{support::initiator<Spnego>()};
  HttpAcceptor<Spnego> server{support::acceptor_credential<Spnego>()};
  const std::string first = must(client.authorize());
  const auto log_in = [&] {
    auto answer = server.step(first);
    if (!answer) return 1;
    auto context = std::move(client).establish(std::vector<std::string_view>{answer->www_authenticate});
    if (!context) return 2;
    return must(answer->context.unwrap(must(context->wrap("message")))).text() == "message" ? 0 : 3;
  };
  CHECK(support::in_child(60, log_in) == 0);
  // The parent's server has heard of nothing, and serves the next.
  client = HttpInitiator<Spnego>{support::initiator<Spnego>()};
  auto answer = server.step(must(client.authorize()));
  REQUIRE(answer);
  CHECK(std::move(client).establish(std::vector<std::string_view>{answer->www_authenticate}));
}

TEST_CASE("a login by SASL that began before the fork ends in either process") {
  auto client = support::sasl_client();
  auto server = support::sasl_server();
  const auto first = must(client.step());
  const auto challenge = must(server.step(support::view_of(first)));
  const auto finish = [&] {
    sasl::Message theirs = must(SecretBytes::copy_of(*challenge));
    while (!server.is_complete()) {
      const auto ours = must(client.step(support::view_of(theirs)));
      theirs = must(server.step(support::view_of(ours)));
    }
    auto ours = must(std::move(client).establish());
    auto established = must(std::move(server).establish());
    return InUse::talk(ours.context, established.context) ? 0 : 1;
  };
  CHECK(support::in_child(60, finish) == 0);
  CHECK(finish() == 0);
}

TEST_CASE("a handshake that began before the fork ends in the child, and the context is the child's") {
  auto initiator = support::initiator<Krb5>();
  auto acceptor = support::acceptor<Krb5>();
  const auto first = must(initiator.step());
  SocketPair sockets;
  CHECK(support::in_child(60, [&] {
          FdStream stream{sockets.ends[1]};
          FramedTransport wire{stream};
          must(wire.send(must(acceptor.step(first.token)).token));
          auto context = must(std::move(acceptor).establish());
          must(wire.send(must(context.wrap("by the child"))));
          return 0;
        }) == 0);
  FdStream stream{sockets.ends[0]};
  FramedTransport wire{stream};
  must(initiator.step(must(wire.receive(65536))));
  auto context = must(std::move(initiator).establish());
  CHECK(must(context.unwrap(must(wire.receive(65536)))).text() == "by the child");
}

TEST_CASE("credentials are used and released by children and their children, and the first goes on") {
  support::realm();
  auto credential = must(Client::acquire_default());
  const auto alice = support::realm().realm.principal("alice");
  const auto use_and_release = [&] {
    if (peer_of(credential) != alice) return 1;
    if (support::in_child(60, [&] {
          if (peer_of(credential) != alice) return 1;
          credential = {};
          return 0;
        }) != 0) {
      return 2;
    }
    const Client gone = std::move(credential);
    return 0;
  };
  for (int i = 0; i < 5; ++i) CHECK(support::in_child(60, use_and_release) == 0);
  CHECK(peer_of(credential) == alice);
}

TEST_CASE("a MessageProtector works in children, though another thread seals and signs with another one at the fork") {
  Pair<MessageProtector> busy;
  Pair<MessageProtector> pair;
  std::atomic<bool> stop{false};
  std::thread thread{[&] {
    while (!stop) {
      static_cast<void>(busy.ours.wrap("message"));
      static_cast<void>(busy.ours.get_mic("message"));
    }
  }};
  int worked = 0;
  for (int i = 0; i < 20; ++i) {
    worked += support::in_child(60, [&] {
                const auto token = must(pair.ours.wrap("by the child"));
                return must(pair.theirs.unwrap(token)).text() == "by the child" ? 0 : 1;
              }) == 0;
  }
  stop = true;
  thread.join();
  CHECK(worked == 20);
}

// Why Credential says: fork before there are threads. In C, so that it is the library that hangs.
TEST_CASE("what a thread has locked in the library at the fork stays locked in the child, by MIT krb5") {
  const auto& realm = support::realm().realm;
  sockaddr_in name = test_detail::loopback("127.0.0.1", 0);
  socklen_t size = sizeof name;
  const auto silent = test_detail::Fd::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(silent.get(), reinterpret_cast<sockaddr*>(&name), size) == 0);
  REQUIRE(::listen(silent.get(), 8) == 0);
  REQUIRE(::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&name), &size) == 0);
  const std::string path = realm.folder() + "/silent.conf";
  std::ofstream{path} << "[libdefaults]\n default_realm = " << realm.realm()
                      << "\n udp_preference_limit = 1\n[realms]\n " << realm.realm()
                      << " = {\n  kdc = " << (is_heimdal ? "tcp/" : "") << "127.0.0.1:" << ntohs(name.sin_port)
                      << "\n }\n";
  const support::Environment configuration{"KRB5_CONFIG", path};
  const support::Environment cache{"KRB5CCNAME", must(realm.login("alice"))};  // without a ticket for the service

  const Name target = support::target();
  constexpr int hangs = 2;
  const auto asked_in_child = [&] {
    OM_uint32 minor = 0;
    gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
    if (gss_acquire_cred(&minor, GSS_C_NO_NAME, 0, GSS_C_NO_OID_SET, GSS_C_INITIATE, &credential, nullptr, nullptr) !=
        0)
      return 10;
    std::thread{[&] {
      OM_uint32 ignored = 0;
      gss_ctx_id_t context = GSS_C_NO_CONTEXT;
      gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
      gss_init_sec_context(&ignored, credential, &context, target.get(), GSS_C_NO_OID, 0, 0, nullptr, nullptr, nullptr,
                           &token, nullptr, nullptr);
    }}.detach();
    if (::accept(silent.get(), nullptr, nullptr) < 0) return 11;  // the thread is in the library, and waits for a KDC
    const ::pid_t child = ::fork();
    if (child == 0) {
      OM_uint32 lifetime = 0;
      gss_inquire_cred(&minor, credential, nullptr, &lifetime, nullptr, nullptr);
      ::_exit(0);
    }
    bool has_ended = false;
    const bool is_clear = support::eventually([&] {
      has_ended = ::waitpid(child, nullptr, WNOHANG) == child;
      std::string where;
      std::ifstream{"/proc/" + std::to_string(child) + "/wchan"} >> where;
      return has_ended || where.find("futex") != std::string::npos;  // nobody is there to unlock it
    });
    if (!has_ended) ::kill(child, SIGKILL);
    if (!is_clear) return 12;
    return has_ended ? 0 : hangs;
  };
  CHECK(support::in_child(60, asked_in_child) == (is_heimdal ? 0 : hangs));
}

TEST_CASE("what killed processes leave in files does not become more") {
  support::acceptor_credential<Krb5>();
  const auto files = [] {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{support::realm().realm.folder()}) {
      names.insert(entry.path().string());
    }
    return names;
  };
  const auto restart = [] {
    return support::in_child(60, [] {
      const auto client = must(Client::acquire_default());
      const auto server = must(support::Server::acquire_default());
      const auto ends = support::establish(Initiator<Krb5>{support::target(), client}, Acceptor<Krb5>{server});
      InUse all;
      if (ends && all.talk() && all.http_server.step(all.authorization)) ::raise(SIGKILL);
      return 1;
    });
  };
  REQUIRE(restart() == 128 + SIGKILL);
  const auto before = files();
  const int times = std::getenv("GSSKEY_TEST_EVERYTHING") != nullptr ? 1000 : 50;  // valgrind takes a second for each
  int killed = 0;
  for (int i = 0; i < times; ++i) killed += restart() == 128 + SIGKILL ? 1 : 0;
  CHECK(killed == times);
  CHECK(files() == before);
}

TEST_CASE("a peer that is killed within a token is an error, and the next handshake is as any") {
  support::initiator_credential<Krb5>();
  const auto token = must(support::initiator<Krb5>().step());
  SocketPair sockets;
  CHECK(support::in_child(60, [&] {
          FdStream stream{sockets.ends[1]};
          const auto header = FrameHeader::of(static_cast<std::uint32_t>(ByteView{token.token}.size()));
          must(stream.write(header.bytes, ByteView{token.token}.subview(0, 100)));
          ::raise(SIGKILL);
          return 0;
        }) == 128 + SIGKILL);
  sockets.close(1);
  FdStream stream{sockets.ends[0]};
  FramedTransport wire{stream};
  const auto accepted = drive(support::acceptor<Krb5>(), wire);
  REQUIRE_FALSE(accepted);
  CHECK(accepted.error().domain() == Domain::transport);
  CHECK(accepted.error().minor_status() == ECONNRESET);
  CHECK(support::establish(support::initiator<Krb5>(), support::acceptor<Krb5>()));
}

TEST_CASE("whose cache is replaced by another user's: MIT krb5 refuses, Heimdal is that user") {
  const auto& realm = support::realm().realm;
  const std::string cache = realm.folder() + "/replaced";
  const auto put = [&](const char* user) {
    const auto made = must(realm.login(user));
    std::filesystem::rename(made.substr(made.find(':') + 1), cache);
  };
  put("alice");
  const support::Environment name{"KRB5CCNAME", "FILE:" + cache};
  const auto credential = must(Client::acquire_default());
  CHECK(user_of(credential) == realm.principal("alice"));
  put("bob");
  const auto now = user_of(credential);
#if defined(GSSKEY_GSS_HEIMDAL)
  CHECK(now == realm.principal("bob"));
#else
  CHECK(now.empty());
#endif
  CHECK(user_of(must(Client::acquire_default())) == realm.principal("bob"));
}

TEST_CASE("who becomes another user keeps contexts, and initiates and accepts no more with files of root") {
  if (::geteuid() != 0) return support::skip("root alone becomes another user");
  support::realm();
  const auto client = must(Client::acquire_default());
  const auto server = must(support::Server::acquire_default());
  InUse all;
  CHECK(support::in_child(60, [&] {
          constexpr ::uid_t nobody = 65534;
          Initiator<Krb5> before{support::target(), client};
          const auto first = must(before.step());
          must(all.renewing.lease());  // a child's own
          if (::setresgid(nobody, nobody, nobody) != 0 || ::setresuid(nobody, nobody, nobody) != 0) return 1;
          if (!all.talk()) return 2;
          Initiator<Krb5> initiator{support::target(), client};
          const auto ours = initiator.step();
          if (ours || ours.error().error.domain() != Domain::gss) return 3;
          Acceptor<Krb5> acceptor{server};
          const auto theirs = acceptor.step(first.token);
          if (theirs || theirs.error().error.domain() != Domain::gss) return 4;
          if (all.renewing.renew() || !all.renewing.lease()) return 5;  // the old one serves to its end
          if (all.http_server.step(all.authorization)) return 6;
          return 0;
        }) == 0);
  CHECK(all.http_server.step(all.authorization));
}

TEST_CASE("programs that are started by exec inherit no file of credentials, handshakes and contexts") {
  const auto inherited = [] {
    std::set<int> files;
    for (int file = 0; file < 256; ++file) {
      const int flags = ::fcntl(file, F_GETFD);
      if (flags >= 0 && (flags & FD_CLOEXEC) == 0) files.insert(file);
    }
    return files;
  };
  support::realm();
  const auto before = inherited();
  const auto credential = must(Client::acquire_default());
  const InUse all;
  auto begun = support::initiator<Krb5>();
  must(begun.step());
  CHECK(inherited() == before);
}
