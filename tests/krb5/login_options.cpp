// Logins by certificate, under an armor, and by answers to questions, against MIT's KDC: right, wrong, refused; replies
// that are none; and that no step reaches a network. With GSSKEY_EXHAUSTIVE every byte of every reply is changed.
#include <gsskey/krb5/login_options.hpp>

#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/status.hpp>

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/hostile_kdc.hpp"
#include "support/kdc_client.hpp"
#include "support/no_network.hpp"
#include "support/pkinit_realm.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"

#if defined(GSSKEY_GSS_MIT)
#include "support/radius.hpp"  // by functions of its libkrb5
#endif

using namespace gsskey;
using support::ask_kdc;
using support::must;

#if !defined(GSSKEY_GSS_MIT)

TEST_CASE("logins with options are unavailable") {
  support::realm();
  const auto cache = must(TicketCache::in_memory());
  const auto alice = must(Name::user("alice"));
  const auto never = [](const LoginQuestion&) -> Result<SecretBytes> { return SecretBytes{}; };
  for (const auto& error : {InitialTicket::with_certificate(cache, alice, "FILE:certificate").error(),
                            InitialTicket::with_answers(cache, alice, {.answers = never}).error(),
                            InitialTicket::with_password(cache, alice, "secret", {.armor = &cache}).error(),
                            InitialTicket::anonymous(cache, "GSSKEY.TEST").error()}) {
    CHECK(error.domain() == Domain::unavailable);
  }
}

#else

namespace {

using Kind = LoginQuestion::Kind;

Name user(const char* name) { return must(Name::user(name)); }
Result<SecretBytes> secret(std::string_view text) { return SecretBytes::copy_of(text); }

/// carol has a certificate, dave a password that must be proven under an armor, erin a token, fred a password that need
/// not be proven.
struct Site {
  std::string secret_file = std::filesystem::temp_directory_path() / ("gsskey-radius-" + std::to_string(::getpid()));
  support::RadiusServer radius{"erin", "314159"};
  support::PkinitRealm realm{options()};
  RealmEnvironment environment = must(realm->enter());
  std::string carols = authority().certify({"carol"});

  Site() {
    ::setenv("GSS_MECH_CONFIG", "/dev/null", 0);  // as support::Realm
    must(
        realm->kadmin("modprinc +requires_preauth dave\naddprinc -randkey +requires_preauth carol\n"
                      "addprinc -randkey +requires_preauth erin\nsetstr erin otp [{}]"));
  }
  support::PkinitAuthority& authority() { return realm.authority(); }
  [[nodiscard]] TestRealmOptions options() {
    must(test_detail::write_file(secret_file, support::RadiusServer::secret));
    return {.users = {{"dave", "hunter2"}, {"fred", "sesame"}},
            .services = {"host/localhost"},
            .libdefaults = {radius.section(secret_file),
                            "[realms]\n GSSKEY.TEST = {\n  disable_encrypted_timestamp = true\n }", "[libdefaults]"}};
  }
  ~Site() { std::filesystem::remove(secret_file); }
};
Site& site() {
  static Site shared;
  return shared;
}

/// Whether krb5-otp is there as well.
bool is_ready() {
  const char* missing = support::missing_for_pkinit(Kdc::mit);
  if (missing == nullptr) {
    missing = "krb5-otp is not installed";
    std::error_code ignored;
    for (const auto& folder : std::filesystem::directory_iterator{"/usr/lib", ignored}) {
      const auto plugins = folder.path() / "krb5/plugins/preauth";
      if (!std::filesystem::exists(plugins / "otp.so", ignored)) continue;
      missing = nullptr;
      // It stays, so that lsan.supp can name who has lost a block.
      static_cast<void>(::dlopen((plugins / "pkinit.so").c_str(), RTLD_LAZY | RTLD_NODELETE));
    }
  }
  if (missing != nullptr) {
    support::skip(missing);
    return false;
  }
  site();
  return true;
}

std::string by_tcp(const KdcStep& step) { return ask_kdc(site().realm->port(), true, step.request); }
/// The exchange to its end, of which no step may reach a network.
Result<void> carry_out(InitialTicket exchange, std::vector<std::string>* requests = nullptr) {
  std::string reply;
  while (true) {
    auto next = support::without_network([&] { return exchange.step(reply); });
    if (!next) return unexpected(next.error());
    if (next->is_done()) return {};
    if (requests != nullptr) requests->emplace_back(next->request.text());
    reply = by_tcp(*next);
  }
}
Result<void> carry_out(Result<InitialTicket> exchange, std::vector<std::string>* requests = nullptr) {
  if (!exchange) return unexpected(exchange.error());
  return carry_out(*std::move(exchange), requests);
}
/// Whom the acceptor sees.
std::string peer_of(const TicketCache& cache) {
  auto ticket = must(ServiceTicket::for_target(cache, support::target()));
  must(support::carry_out(ticket, by_tcp));
  const auto credential = must(cache.credential());
  auto ends = must(support::establish(Initiator<mech::Krb5>{support::target(), credential}, Acceptor<mech::Krb5>{}));
  return support::shown(must(ends.acceptor.inquire()).initiator);
}
TicketCache new_cache() { return must(TicketCache::in_memory()); }
/// With a ticket for nobody.
const TicketCache& armor() {
  static const TicketCache cache = [] {
    auto made = new_cache();
    must(carry_out(InitialTicket::anonymous(made, "GSSKEY.TEST")));
    return made;
  }();
  return cache;
}
std::string certificate_of(Site& at) { return at.authority().identity(at.carols); }

/// Answers questions of one kind, and remembers all.
struct Answers {
  std::vector<std::pair<Kind, std::string>> asked{};
  [[nodiscard]] LoginAnswers with(Kind kind, std::string answer) {
    return [this, kind, answer = std::move(answer)](const LoginQuestion& question) {
      asked.emplace_back(question.kind, question.whose);
      return secret(question.kind == kind ? answer : "");
    };
  }
  [[nodiscard]] auto times(Kind kind) const {
    return std::count_if(asked.begin(), asked.end(), [&](const auto& question) { return question.first == kind; });
  }
};

/// A request whose padata has this type (RFC 4120 section 5.2.7), with two bytes.
bool has_padata(const std::string& request, int type) {
  const char wanted[] = {'\x02', '\x02', static_cast<char>(type >> 8), static_cast<char>(type)};
  return request.find(std::string_view{wanted, sizeof wanted}) != std::string::npos;
}
constexpr int fx_fast = 136;

constexpr auto fast_required = static_cast<Krb5Status>(KRB5_ERR_FAST_REQUIRED);
void check_status(const Result<void>& done, Krb5Status status) {
  REQUIRE_FALSE(done);
  CAPTURE(done.error().operation(), done.error().text(), done.error().minor_status());
  CHECK(krb5_status(done.error()) == status);
}

}  // namespace

TEST_CASE("a certificate logs its owner in, and nobody else") {
  if (!is_ready()) return;
  const auto cache = new_cache();
  const std::string identity = certificate_of(site());
  must(carry_out(InitialTicket::with_certificate(cache, user("carol"), identity.c_str())));
  CHECK(peer_of(cache) == "carol@GSSKEY.TEST");

  check_status(carry_out(InitialTicket::with_certificate(cache, user("erin"), identity.c_str())),
               static_cast<Krb5Status>(KRB5KDC_ERR_CLIENT_NAME_MISMATCH));
  CHECK(peer_of(cache) == "carol@GSSKEY.TEST");  // nothing was replaced
}

TEST_CASE("a certificate of another authority, and a KDC whose authority is not believed") {
  if (!is_ready()) return;
  support::PkinitAuthority other{"GSSKEY.TEST", "other"};
  const auto cache = new_cache();
  const std::string foreign = other.identity(other.certify({"carol"}));
  check_status(carry_out(InitialTicket::with_certificate(cache, user("carol"), foreign.c_str())),
               static_cast<Krb5Status>(KRB5_PREAUTH_FAILED));
  const std::string identity = certificate_of(site());
  const std::string anchor = other.anchor();
  const auto disbelieved =
      carry_out(InitialTicket::with_certificate(cache, user("carol"), identity.c_str(), {.anchors = anchor.c_str()}));
  REQUIRE_FALSE(disbelieved);
  CAPTURE(disbelieved.error().text());
  CHECK(std::string{disbelieved.error().operation()} == "krb5_init_creds_step");
  CHECK_FALSE(carry_out(InitialTicket::anonymous(cache, "GSSKEY.TEST", {.anchors = anchor.c_str()})));
  CHECK_FALSE(carry_out(InitialTicket::with_certificate(cache, user("carol"), "FILE:/nonexistent")));
  CHECK_FALSE(cache.credential());
}

TEST_CASE("the PIN of a key: right, wrong, and none") {
  if (!is_ready()) return;
  const std::string identity = site().authority().identity_with_pin(site().carols, "2718");
  const auto cache = new_cache();
  const auto log_in = [&](const LoginAnswers& answers) {
    return carry_out(InitialTicket::with_certificate(cache, user("carol"), identity.c_str(), {.answers = answers}));
  };
  Answers right;
  must(log_in(right.with(Kind::pin, "2718")));
  CHECK(peer_of(cache) == "carol@GSSKEY.TEST");
  REQUIRE_FALSE(right.asked.empty());
  CHECK(right.asked.front().first == Kind::pin);
  CHECK(right.asked.front().second.find("locked.key") != std::string::npos);
  Answers wrong;
  const auto refused = log_in(wrong.with(Kind::pin, "1828"));
  REQUIRE_FALSE(refused);
  CAPTURE(refused.error().text());
  CHECK(std::string{refused.error().operation()} == "krb5_init_creds_step");
  CHECK_FALSE(wrong.asked.empty());
  CHECK_FALSE(log_in({}));
}

TEST_CASE("under an armor a password is proven where it could not be without") {
  if (!is_ready()) return;
  const auto cache = new_cache();
  CHECK_FALSE(carry_out(InitialTicket::with_password(cache, user("dave"), "hunter2")));
  std::vector<std::string> requests;
  must(carry_out(InitialTicket::with_password(cache, user("dave"), "hunter2", {.armor = &armor()}), &requests));
  CHECK(peer_of(cache) == "dave@GSSKEY.TEST");
  REQUIRE(requests.size() >= 2);
  for (const auto& request : requests) CHECK(has_padata(request, fx_fast));
  check_status(carry_out(InitialTicket::with_password(cache, user("dave"), "wrong", {.armor = &armor()})),
               Krb5Status::preauth_failed);
  CHECK(peer_of(cache) == "dave@GSSKEY.TEST");

  const std::string keytab = "FILE:" + must(site().realm->export_keytab("dave"));
  must(carry_out(InitialTicket::with_keytab(cache, user("dave"), keytab.c_str(), {.armor = &cache})));
}

TEST_CASE("an armor that is refused, has ended, or is none") {
  if (!is_ready()) return;
  const auto cache = new_cache();
  const auto log_in = [&](const TicketCache& with) {
    return carry_out(InitialTicket::with_password(cache, user("dave"), "hunter2", {.armor = &with}));
  };
  /// A copy of the armor, of which `change` has changed the ticket.
  const auto changed = [](void (*change)(krb5_creds&)) {
    auto copy = new_cache();
    const auto& from = armor();
    const krb5_context context = copy.context();
    krb5_creds wanted{};
    krb5_creds ticket{};
    REQUIRE(krb5_cc_get_principal(context, from.get(), &wanted.client) == 0);
    REQUIRE(krb5_parse_name(context, "krbtgt/GSSKEY.TEST@GSSKEY.TEST", &wanted.server) == 0);
    REQUIRE(krb5_cc_retrieve_cred(context, from.get(), 0, &wanted, &ticket) == 0);
    change(ticket);
    REQUIRE(krb5_cc_initialize(context, copy.get(), wanted.client) == 0);
    REQUIRE(krb5_cc_store_cred(context, copy.get(), &ticket) == 0);
    krb5_free_cred_contents(context, &ticket);
    krb5_free_cred_contents(context, &wanted);
    return copy;
  };
  const auto altered = changed([](krb5_creds& ticket) { ticket.ticket.data[ticket.ticket.length - 1] ^= 1; });
  check_status(log_in(altered), Krb5Status::bad_integrity);
  const auto ended = changed([](krb5_creds& ticket) { ticket.times.endtime = 1; });
  const auto too_late = log_in(ended);
  REQUIRE_FALSE(too_late);
  CHECK(std::string{too_late.error().operation()} == "krb5_get_credentials");
  const auto empty = log_in(new_cache());
  REQUIRE_FALSE(empty);
  CHECK(std::string{empty.error().operation()} == "krb5_cc_get_principal");
  CHECK(log_in({}).error().domain() == Domain::usage);
}

TEST_CASE("a KDC without FAST gets nothing, unless the program says so") {
  if (!is_ready()) return;
  const auto cache = new_cache();
  auto plain = must(InitialTicket::with_password(cache, user("fred"), "sesame"));
  const std::string reply = by_tcp(must(plain.step()));  // as such a KDC would
  const auto meet = [&](const std::string& answer) {
    auto armored = must(InitialTicket::with_password(cache, user("fred"), "sesame", {.armor = &armor()}));
    must(armored.step());
    auto step = armored.step(answer);
    for (int more = 0; step && !step->is_done() && more < 20; ++more) {
      CHECK(has_padata(std::string{step->request.text()}, fx_fast));
      step = armored.step(answer);
    }
    return step ? Result<void>{} : Result<void>{unexpected(step.error())};
  };
  check_status(meet(reply), fast_required);
  for (const int code : {24, 25, 6, 60}) CHECK_FALSE(meet(support::krb_error(code)));
  CHECK_FALSE(cache.credential());

  std::vector<std::string> requests;
  must(carry_out(
      InitialTicket::with_password(cache, user("fred"), "sesame", {.armor = &armor(), .or_without_armor = true}),
      &requests));
  REQUIRE_FALSE(requests.empty());
  CHECK_FALSE(has_padata(requests.front(), fx_fast));
  CHECK(peer_of(cache) == "fred@GSSKEY.TEST");
}

TEST_CASE("a password of one time: right, wrong, without an armor, and asked for in between") {
  if (!is_ready()) return;
  const auto cache = new_cache();
  const auto log_in = [&](LoginAnswers answers, const TicketCache* under = &armor()) {
    return carry_out(InitialTicket::with_answers(cache, user("erin"), {.armor = under, .answers = std::move(answers)}));
  };
  Answers right;
  must(log_in(right.with(Kind::one_time_password, "314159")));
  CHECK(peer_of(cache) == "erin@GSSKEY.TEST");
  CHECK(right.times(Kind::one_time_password) == 1);
  Answers wrong;
  check_status(log_in(wrong.with(Kind::one_time_password, "271828")), Krb5Status::preauth_failed);
  CHECK(wrong.times(Kind::one_time_password) == 1);  // a second one would be another try
  Answers unprotected;
  CHECK_FALSE(log_in(unprotected.with(Kind::one_time_password, "314159"), nullptr));
  CHECK(unprotected.times(Kind::one_time_password) == 0);
  Answers silent;
  const auto unanswered = log_in(silent.with(Kind::pin, ""));
  REQUIRE_FALSE(unanswered);
  CHECK(std::string{unanswered.error().operation()} == "krb5_init_creds_step");

  // Who must ask somebody first: the first exchange says what for.
  std::optional<Kind> question;
  const auto later = log_in([&](const LoginQuestion& asked) -> Result<SecretBytes> {
    question = asked.kind;
    return unexpected(Error::transport("ask the user", EINPROGRESS));
  });
  REQUIRE_FALSE(later);
  CHECK(later.error().minor_status() == EINPROGRESS);
  CHECK(std::string{later.error().operation()} == "ask the user");
  CHECK(question == Kind::one_time_password);
  must(log_in([](const LoginQuestion&) { return secret("314159"); }));
}

TEST_CASE("a password that is asked for when it is needed") {
  if (!is_ready()) return;
  const auto cache = new_cache();
  for (const char* name : {"dave", "fred"}) {
    CAPTURE(name);
    Answers right;
    must(carry_out(InitialTicket::with_answers(
        cache, user(name),
        {.armor = &armor(),
         .answers = right.with(Kind::password, name == std::string{"dave"} ? "hunter2" : "sesame")})));
    CHECK(peer_of(cache) == std::string{name} + "@GSSKEY.TEST");
    CHECK(right.asked == std::vector<std::pair<Kind, std::string>>{{Kind::password, ""}});
  }
}

TEST_CASE("answers that are none") {
  if (!is_ready()) return;
  const auto cache = new_cache();
  const auto log_in = [&](LoginAnswers answers) {
    return carry_out(
        InitialTicket::with_answers(cache, user("erin"), {.armor = &armor(), .answers = std::move(answers)}));
  };
  for (const auto& done :
       {log_in([](const LoginQuestion&) { return secret(std::string(4097, '1')); }),
        log_in([](const LoginQuestion&) { return secret(std::string_view{"1\0", 2}); }),
        log_in([](const LoginQuestion&) -> Result<SecretBytes> { throw std::runtime_error{"no"}; })}) {
    REQUIRE_FALSE(done);
    CAPTURE(done.error().operation());
    CHECK(done.error().domain() == Domain::usage);
  }
  for (const auto& error : {InitialTicket::with_answers(cache, user("erin"), {.armor = &armor()}).error(),
                            InitialTicket::with_certificate(cache, user("erin"), "").error(),
                            InitialTicket::with_certificate(cache, user("erin"), nullptr).error(),
                            InitialTicket::anonymous(cache, "").error()}) {
    CHECK(error.domain() == Domain::usage);
  }
}

TEST_CASE("replies that are cut or changed make no ticket, or one that works") {
  if (!is_ready()) return;
  const bool everything = std::getenv("GSSKEY_EXHAUSTIVE") != nullptr;
  const std::string identity = certificate_of(site());
  /// Each reply of a login, cut and changed at some places, in the place of the honest one.
  const auto meet = [&](const char* what, const std::string& client,
                        const std::function<Result<InitialTicket>(const TicketCache&)>& begin) {
    std::size_t attacked = 0;
    for (std::size_t number = 0;; ++number) {
      std::size_t size = 0;
      std::size_t refused = 0;
      std::size_t tried = 0;
      bool was_reached = true;
      const auto attack = [&](const std::function<void(std::string&)>& alter) {
        const auto cache = new_cache();
        auto exchange = must(begin(cache));
        auto step = exchange.step();
        bool altered = false;
        for (std::size_t at = 0; step && !step->is_done() && at < 8; ++at) {
          std::string reply = by_tcp(*step);
          if (at == number) {
            size = reply.size();
            alter(reply);
            altered = true;
          }
          step = exchange.step(reply);
        }
        was_reached = altered;
        ++tried;
        if (!step) {
          ++refused;
          CAPTURE(what, number, step.error().text());
          CHECK(std::string{step.error().operation()}.starts_with("krb5_"));
          CHECK(exchange.step("x").error().domain() == Domain::usage);
        } else if (step->is_done()) {
          CHECK(support::shown(must(must(cache.credential()).inquire()).name) == client);
        }
      };
      attack([](std::string&) {});
      if (!was_reached) break;
      const std::size_t stride = everything ? 1 : size / 6 + 1;
      for (std::size_t at = 1; at < size; at += stride) {
        attack([&](std::string& reply) { reply.resize(at < reply.size() ? at : reply.size() - 1); });
        attack([&](std::string& reply) { reply[at % reply.size()] ^= static_cast<char>(1 << (at % 8)); });
      }
      CAPTURE(what, number, refused, tried);
      CHECK(refused > tried / 3);
      ++attacked;
    }
    CHECK(attacked >= 2);
  };
  meet("PKINIT", "carol@GSSKEY.TEST", [&](const TicketCache& cache) {
    return InitialTicket::with_certificate(cache, user("carol"), identity.c_str());
  });
  meet("FAST", "dave@GSSKEY.TEST", [](const TicketCache& cache) {
    return InitialTicket::with_password(cache, user("dave"), "hunter2", {.armor = &armor()});
  });
  meet("OTP", "erin@GSSKEY.TEST", [](const TicketCache& cache) {
    return InitialTicket::with_answers(
        cache, user("erin"), {.armor = &armor(), .answers = [](const LoginQuestion&) { return secret("314159"); }});
  });
}

#endif
