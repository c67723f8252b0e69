// Contexts across the end of the tickets that they were made with: of no use then, where that was asked for.
#include <gsskey/gss/context/expiring.hpp>
#include <gsskey/krb5/advice.hpp>

#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/message_calls.hpp"
#include "support/realm.hpp"
#include "support/wait_until.hpp"

using namespace gsskey;
using support::must;
using support::wait_until;

namespace {

/// A credential of bob's, whose tickets live for six seconds.
Credential<mech::Krb5, Initiate> short_lived() {
  must(support::realm().realm.kadmin("modprinc -maxlife 6sec bob"));
  return must(Credential<mech::Krb5, Initiate>::acquire_with_password(must(Name::user("bob")), "hunter2"));
}

support::Ends<mech::Krb5> short_lived_pair() {
  support::realm();
  const auto credential = short_lived();
  return must(
      support::establish(Initiator<mech::Krb5>{support::target(), credential}, support::acceptor<mech::Krb5>()));
}

template <Mechanism M>
ExpiringContext<M> expiring(SecurityContext<M>& context) {
  return must(ExpiringContext<M>::from_context(std::move(context)));
}

template <class T>
void has_expired(const Result<T>& result, const char* operation) {
  REQUIRE_FALSE(result);
  CAPTURE(result.error().text());
  CHECK(result.error().domain() == Domain::gss);
  CHECK(routine_error(result.error()) == RoutineError::context_expired);
  CHECK(std::string{result.error().operation()} == operation);
  CHECK(std::string{result.error().mechanism()} == "krb5");
}

}  // namespace

TEST_CASE("messages pass until the ticket has ended, and none after that") {
  auto ends = short_lived_pair();
  auto client = expiring(ends.initiator);
  auto server = expiring(ends.acceptor);
  CHECK(must(client.lifetime()) <= Seconds{6});
  CHECK(must(server.lifetime()) <= Seconds{6});
  CHECK(must(server.unwrap(must(client.wrap("in time")))).text() == "in time");
  must(client.verify_mic("in time", must(server.get_mic("in time"))));

  const Buffer late = must(client.context().wrap("late"));
  const Buffer late_mic = must(client.context().get_mic("late"));
  wait_until([&] { return must(client.lifetime()) == Seconds{}; });
  wait_until([&] { return must(server.lifetime()) == Seconds{}; });
  has_expired(client.wrap("too late"), "gss_wrap");
  has_expired(client.get_mic("too late"), "gss_get_mic");
  has_expired(server.unwrap(late), "gss_unwrap");
  has_expired(server.verify_mic("late", late_mic), "gss_verify_mic");
  for (const auto& [name, outcome] : support::message_calls(server)) {
    CAPTURE(name);
    REQUIRE_FALSE(outcome);
    CHECK(routine_error(outcome.error()) == RoutineError::context_expired);
  }

  // The library itself goes on, and nothing was used up.
  CHECK(must(server.context().unwrap(late)).text() == "late");
  must(server.context().verify_mic("late", late_mic));
  CHECK(client.context().wrap("too late"));
}

TEST_CASE("both ends agree on the end, however the library counts for an acceptor") {
  auto ends = short_lived_pair();
  const auto counted = must(ends.acceptor.lifetime());
  CHECK((counted > Seconds{200}) == known_faults.acceptors_outlive_tickets);
  const auto client = expiring(ends.initiator);
  const auto server = expiring(ends.acceptor);
  const auto before = must(client.lifetime());
  const auto acceptor = must(server.lifetime());
  const auto after = must(client.lifetime());
  CHECK(before >= acceptor);
  CHECK(acceptor >= after);
}

TEST_CASE("an acceptor that is told of another skew counts with that") {
  if (!known_faults.acceptors_outlive_tickets) return;  // a line of the table
  auto ends = short_lived_pair();
  const auto server =
      must(ExpiringContext<mech::Krb5>::from_context(std::move(ends.acceptor), {.acceptor_skew = Seconds{}}));
  CHECK(must(server.lifetime()) > Seconds{200});
}

TEMPLATE_TEST_CASE("with long tickets it is as the context is", "", mech::Krb5, mech::Spnego) {
  auto ends = support::pair<TestType>();
  auto client = expiring(ends.initiator);
  auto server = expiring(ends.acceptor);
  CHECK_FALSE(ends.initiator);
  CHECK(must(client.lifetime()) > Seconds{3600});
  CHECK(must(server.lifetime()) > Seconds{3600});
  CHECK(must(server.lifetime()) <= Seconds{10 * 3600});
  CHECK(must(client.unwrap(must(server.wrap("message")))).text() == "message");
  must(server.verify_mic("message", must(client.get_mic("message"))));
  const auto refused = server.unwrap("no token");
  REQUIRE_FALSE(refused);
  CHECK(routine_error(refused.error()) != RoutineError::context_expired);
}

TEST_CASE("a credential that has ended is the reason of a failure, whatever the library makes of it") {
  support::realm();
  const auto credential = short_lived();
  const Error other = Error::gss("gss_init_sec_context", GSS_S_FAILURE, 0x96c73a8d, "krb5");  // not in the cache
  CHECK(failure_of(other, credential) == Failure::no_ticket);
  wait_until([&] { return must(credential.lifetime()) == Seconds{}; });
  CHECK(failure_of(other, credential) == Failure::ticket_expired);
  CHECK(advice(other, credential) == advice(Failure::ticket_expired));
#if defined(GSSKEY_GSS_HEIMDAL)  // MIT's KDC and library tolerate five minutes more
  const auto failed = Initiator<mech::Krb5>{support::target(), credential}.step();
  REQUIRE_FALSE(failed);
  CHECK(failure_of(failed.error().error) == Failure::ticket_expired);
#endif
}

TEST_CASE("an empty context is not taken, and one that was moved away refuses") {
  auto ends = support::pair<mech::Krb5>();
  auto context = std::move(ends.initiator);
  CHECK(ExpiringContext<mech::Krb5>::from_context(std::move(ends.initiator)).error().domain() == Domain::usage);
  auto first = expiring(context);
  auto second = std::move(first);
  CHECK(second.wrap("message"));
  CHECK(first.wrap("message").error().domain() == Domain::usage);
}
