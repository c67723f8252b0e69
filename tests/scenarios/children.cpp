// What owners of the GSS-API do in processes that are forked before their calls, between them and after them, and that
// are killed; and what somebody replaces while they run.
#include <gsskey/gss/handshake.hpp>
#include <gsskey/io/drive.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/framing.hpp>
#include <gsskey/messages/take_over.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/environment.hpp"
#include "support/protector.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"
#include "support/socket_pair.hpp"

using namespace gsskey;
using mech::Krb5;
using mech::Spnego;
using support::Client;
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

std::string user_of(const Client& credential) {
  auto ends = support::establish(Initiator<Krb5>{support::target(), credential}, support::acceptor<Krb5>());
  if (!ends) return {};
  return support::shown(must(ends->acceptor.inquire()).initiator);
}

}  // namespace

TEMPLATE_TEST_CASE("of a context that two processes have, one message of two with the same number is refused", "",
                   SecurityContext<Krb5>, SecurityContext<Spnego>, MessageProtector) {
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
                   SecurityContext<Krb5>, SecurityContext<Spnego>, MessageProtector) {
  Pair<TestType> pair;
  CHECK(support::in_child(60, [&] {
          const auto copy = std::move(pair.ours);
          const auto other = std::move(pair.theirs);
          return 0;
        }) == 0);
  CHECK(must(pair.theirs.unwrap(must(pair.ours.wrap("message")))).text() == "message");
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
      if (ends) ::raise(SIGKILL);
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
  auto ends = support::pair<Krb5>();
  CHECK(support::in_child(60, [&] {
          constexpr ::uid_t nobody = 65534;
          Initiator<Krb5> before{support::target(), client};
          const auto first = must(before.step());
          if (::setresgid(nobody, nobody, nobody) != 0 || ::setresuid(nobody, nobody, nobody) != 0) return 1;
          if (must(ends.acceptor.unwrap(must(ends.initiator.wrap("message")))).text() != "message") return 2;
          Initiator<Krb5> initiator{support::target(), client};
          const auto ours = initiator.step();
          if (ours || ours.error().error.domain() != Domain::gss) return 3;
          Acceptor<Krb5> acceptor{server};
          const auto theirs = acceptor.step(first.token);
          if (theirs || theirs.error().error.domain() != Domain::gss) return 4;
          return 0;
        }) == 0);
  CHECK(must(ends.acceptor.unwrap(must(ends.initiator.wrap("message")))).text() == "message");
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
  const auto ends = support::pair<Krb5>();
  auto begun = support::initiator<Krb5>();
  must(begun.step());
  CHECK(inherited() == before);
}
