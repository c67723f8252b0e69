// The default cache of a thread and the default keytab of a process: where they hold, where not, and how they end.
#include <gsskey/krb5/defaults.hpp>

#include <future>
#include <string>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

/// Whose tickets the default cache has.
std::string default_initiator() {
  const auto credential = must(Credential<mech::Krb5, Initiate>::acquire_default());
  const auto ends =
      must(support::establish(Initiator<mech::Krb5>{support::target(), credential}, support::acceptor<mech::Krb5>()));
  return std::string{must(must(ends.acceptor.inquire()).initiator.display()).text()};
}

template <class Work>
auto in_another_thread(Work work) {
  return std::async(std::launch::async, work).get();
}

const std::string& bob() {
  static const std::string cache = must(support::realm().realm.login("bob"));
  return cache;
}

bool accepts_by_default() {
  const auto credential = Credential<mech::Krb5, Accept>::acquire_default();
  return credential && support::establish(support::initiator<mech::Krb5>(), Acceptor<mech::Krb5>{*credential});
}

}  // namespace

TEST_CASE("a cache is one thread's default, not the others'") {
  static_cast<void>(support::pair<mech::Krb5>());
  const auto cache = bob();
  in_another_thread([&] {
    must(set_thread_cache(cache.c_str()));
    CHECK(default_initiator() == "bob@GSSKEY.TEST");
    CHECK(in_another_thread(&default_initiator) == "alice@GSSKEY.TEST");
    must(set_thread_cache(support::realm().alice.c_str()));
    CHECK(default_initiator() == "alice@GSSKEY.TEST");
    must(set_thread_cache(cache.c_str()));
#if defined(GSSKEY_GSS_MIT)
    must(set_thread_cache(nullptr));
    CHECK(default_initiator() == "alice@GSSKEY.TEST");
#else
    const auto reset = set_thread_cache(nullptr);
    CHECK(reset.error().domain() == Domain::unavailable);
    CHECK(default_initiator() == "bob@GSSKEY.TEST");
#endif
  });
  CHECK(default_initiator() == "alice@GSSKEY.TEST");
}

TEST_CASE("a keytab is every thread's default until it is taken back") {
  static_cast<void>(support::pair<mech::Krb5>());
  auto& realm = support::realm().realm;
  const std::string other = realm.keytab() + ".other";
  must(realm.kadmin("addprinc -randkey unused/localhost\nktadd -k " + other + " unused/localhost"));
  CHECK(accepts_by_default());
  must(set_process_keytab(other.c_str()));
  CHECK_FALSE(accepts_by_default());
  CHECK_FALSE(in_another_thread(&accepts_by_default));
  CHECK(support::establish(support::initiator<mech::Krb5>(), support::acceptor<mech::Krb5>()));  // has its own
  must(set_process_keytab(nullptr));
  CHECK(accepts_by_default());
  CHECK(in_another_thread(&accepts_by_default));
  const auto missing = set_process_keytab("/nonexistent/keytab");
#if defined(GSSKEY_GSS_MIT)
  CHECK(missing);
  CHECK_FALSE(accepts_by_default());
#else
  REQUIRE_FALSE(missing);
  CHECK(missing.error().domain() == Domain::gss);
  CHECK(accepts_by_default());
#endif
  must(set_process_keytab(nullptr));
  CHECK(accepts_by_default());
}

TEST_CASE("an empty name is a misuse") {
  CHECK(set_thread_cache("").error().domain() == Domain::usage);
  CHECK(set_process_keytab("").error().domain() == Domain::usage);
}
