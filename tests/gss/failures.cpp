// The failures that everybody meets with Kerberos, each produced for real: what the Error says, and what to do.
#include <gsskey/gss/handshake.hpp>

#include <poll.h>

#include <cstdio>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Environment;
using support::must;
using Client = Credential<mech::Krb5, Initiate>;
using Server = Credential<mech::Krb5, Accept>;

namespace {
void show(const char* what, const Error& e) {
  std::printf("%s\n   %s (%s): %.*s [%x %x]\n", what, e.operation(), e.mechanism(), int(e.text().size()), e.text().data(), e.major_status(), e.minor_status());
}
template <class T> void show(const char* what, const Result<T>& r) {
  if (r) std::printf("%s\n   SUCCESS\n", what); else show(what, r.error());
}
template <class T> void show(const char* what, const expected<T, StepFailure>& r) {
  if (r) std::printf("%s\n   SUCCESS\n", what); else show(what, r.error().error);
}
}

TEST_CASE("the initiator of another clock", "[.child]") {
  Initiator<mech::Krb5> i{support::target()};
  const auto step = i.step();
  if (!step) { show("child", step); return; }
  const auto t = step->token.text();
  std::FILE* f = std::fopen(std::getenv("TOKEN_FILE"), "wb");
  std::fwrite(t.data(), 1, t.size(), f);
  std::fclose(f);
}

TEST_CASE("probe") {
  auto& r = support::realm();
  auto& realm = r.realm;
  {
    Environment e{"KRB5CCNAME", "FILE:/nonexistent/cc"};
    show("no ticket acquire", Client::acquire_default());
    show("no ticket acquire name", Client::acquire(must(Name::user("alice"))));
    show("no ticket step", Initiator<mech::Krb5>{support::target()}.step());
    show("no ticket spnego", Initiator<mech::Spnego>{support::target()}.step());
  }
  {
    show("ticket of another", Client::acquire(must(Name::user("bob"))));
  }
  {
    must(realm.kadmin("modprinc -maxlife 2sec bob"));
    auto cc = must(realm.login("bob"));
    Environment e{"KRB5CCNAME", cc};
    auto cred = must(Client::acquire_default());
    auto cred2 = must(Client::acquire_default());
    must(Initiator<mech::Krb5>{support::target(), cred2}.step());
    while (must(cred.lifetime()) != Seconds{}) ::poll(nullptr, 0, 50);
    show("expired acquire", Client::acquire_default());
    show("expired step", Initiator<mech::Krb5>{support::target()}.step());
    show("expired cred step", Initiator<mech::Krb5>{support::target(), cred}.step());
    show("expired cred2 step", Initiator<mech::Krb5>{support::target(), cred2}.step());
    show("expired cred other", Initiator<mech::Krb5>{must(Name::host_service("other","localhost")), cred2}.step());
    show("expired spnego", Initiator<mech::Spnego>{support::target()}.step());
  }
  {
    must(support::initiator<mech::Krb5>().step());
    for (const char* ft : {"+20m", "-20m", "+12h"}) {
    const std::string file = realm.folder() + "/token";
    std::remove(file.c_str());
    std::string cmd = std::string("LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME='") + ft + "' TOKEN_FILE=" + file + " /proc/" + std::to_string(getpid()) + "/exe '[.child]' ";
    std::fflush(stdout);
    std::system(cmd.c_str());
    const std::string token = test_detail::read_file(file);
    if (!token.empty()) show(ft, support::acceptor<mech::Krb5>().step(token));
    }
  }
  {
    const auto other = must(realm.export_keytab("other/localhost"));
    const auto token = must(support::initiator<mech::Krb5>().step()).token;
    Environment e{"KRB5_KTNAME", "FILE:" + other};
    show("keytab acquire name", Server::acquire(support::target()));
    show("keytab accept default", Acceptor<mech::Krb5>{}.step(token));
    Environment e2{"KRB5_KTNAME", "FILE:/nonexistent/keytab"};
    show("no keytab acquire", Server::acquire_default());
    show("no keytab acquire name", Server::acquire(support::target()));
    show("no keytab accept", Acceptor<mech::Krb5>{}.step(token));
    show("no keytab accept spnego", Acceptor<mech::Spnego>{}.step(must(support::initiator<mech::Spnego>().step()).token));
  }
  show("realm target", Initiator<mech::Krb5>{must(Name::principal("host/localhost@NOWHERE.TEST")), support::initiator_credential<mech::Krb5>()}.step());
  show("realm user", Client::with_password(must(Name::principal("alice@NOWHERE.TEST")), "secret"));
  show("service unknown", Initiator<mech::Krb5>{must(Name::host_service("nobody", "localhost")), support::initiator_credential<mech::Krb5>()}.step());
  show("wrong password", Client::with_password(must(Name::user("alice")), "wrong"));
  show("no user", Client::with_password(must(Name::user("mallory")), "wrong"));
  realm.stop_kdc();
  show("kdc step", Initiator<mech::Krb5>{must(Name::host_service("other", "localhost")), support::initiator_credential<mech::Krb5>()}.step());
  show("kdc password", Client::with_password(must(Name::user("alice")), "secret"));
  must(realm.restart_kdc());
  {
    const auto token = must(support::initiator<mech::Krb5>().step()).token;
    static_cast<void>(support::acceptor<mech::Krb5>().step(token));
    show("replay", support::acceptor<mech::Krb5>().step(token));
  }
  const auto demand = InitiatorOptions{}.demand;
  show("mutual acceptor", support::establish(support::initiator<mech::Krb5>({.demand = demand.without(ContextFlag::mutual)}), support::acceptor<mech::Krb5>({.demand = ContextFlag::mutual})));
  show("delegate acceptor", support::establish(support::initiator<mech::Krb5>(), support::acceptor<mech::Krb5>({.demand = ContextFlag::delegate})));
  {
    must(realm.kadmin("modprinc -allow_forwardable bob\nmodprinc -maxlife 1h bob"));
    auto bob = must(Client::with_password(must(Name::user("bob")), "hunter2"));
    show("delegate initiator", support::establish(Initiator<mech::Krb5>{support::target(), bob, {.demand = demand | ContextFlag::delegate}}, support::acceptor<mech::Krb5>()));
  }
  show("binding", support::establish(support::initiator<mech::Krb5>({.bindings = {"x", "a"}}), support::acceptor<mech::Krb5>({.bindings = {"x", "b"}})));
  show("binding missing", support::establish(support::initiator<mech::Krb5>(), support::acceptor<mech::Krb5>({.demand = ContextFlag::channel_bound, .bindings = {"x", "b"}})));
  {
    const auto old = must(realm.export_keytab("other/localhost"));
    must(realm.kadmin("cpw -randkey other/localhost"));
    const auto token = must(Initiator<mech::Krb5>{must(Name::host_service("other", "localhost")), support::initiator_credential<mech::Krb5>()}.step()).token;
    Environment e{"KRB5_KTNAME", "FILE:" + old};
    show("kvno", Acceptor<mech::Krb5>{}.step(token));
  }
  {
    const auto old = must(realm.export_keytab("other/localhost"));
    auto second = must(TestRealm::start({.services = {"other/localhost"}}));
    const auto wrong = second.keytab();
    const auto token = must(Initiator<mech::Krb5>{must(Name::host_service("host", "localhost")), support::initiator_credential<mech::Krb5>()}.step()).token;
    auto third = must(TestRealm::start({.services = {"host/localhost"}}));
    Environment e{"KRB5_KTNAME", "FILE:" + third.keytab()};
    show("other key", Acceptor<mech::Krb5>{}.step(token));
  }
}
