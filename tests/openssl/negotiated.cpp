// A negotiation that both ends sign (RFC 4178 section 5) is the first message of each: gss-ntlmssp is what the
// initiator would rather have, and the acceptor has not.
#include <gsskey/gss.hpp>
#include <gsskey/openssl/take_over.hpp>

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::must;

namespace {

template <class H>
MessageProtector taken(H handshake) {
  auto made = take_over(std::move(handshake));
  if (!made) must(Result<void>{unexpected(made.error().error)});
  return *std::move(made);
}
template <class Ours, class Theirs>
void check(Ours ours, Theirs theirs) {
  CHECK(must(ours.unwrap(must(theirs.wrap("there")))).text() == "there");
  CHECK(must(theirs.unwrap(must(ours.wrap("and back")))).text() == "and back");
}

}  // namespace

TEST_CASE("the message that protects a negotiation is counted") {
  constexpr const char* plugin = "/etc/gss/mech.d/mech.ntlmssp.conf";
  if (::access(plugin, R_OK) != 0) return support::skip("gss-ntlmssp is not installed");
  ::setenv("GSS_MECH_CONFIG", plugin, 1);  // before the first gss call
  const std::string users = support::realm().realm.folder() + "/ntlm-users";
  std::ofstream{users} << "GSSKEY:carol:secret\n";
  ::setenv("NTLM_USER_FILE", users.c_str(), 1);

  using Offer = mech::Negotiate<mech::Ntlmssp, mech::Krb5>;
  using Answer = mech::Negotiate<mech::Krb5>;
  const auto initiating = must(Credential<Offer, Initiate>::acquire_default());
  const auto accepting = must(Credential<Answer, Accept>::acquire_default());
  const int who = GENERATE(0, 1, 2);
  CAPTURE(who);
  Initiator<Offer> initiator{support::target(), initiating};
  Acceptor<Answer> acceptor{accepting};
  Buffer token;
  while (true) {
    auto ours = must(initiator.step(token));
    if (acceptor.is_complete()) break;
    token = std::move(must(acceptor.step(ours.token)).token);
    if (initiator.is_complete()) break;
  }
  CHECK(initiator.peer_signed_negotiation());
  CHECK(acceptor.peer_signed_negotiation());
  if (who == 0) check(taken(std::move(initiator)), must(std::move(acceptor).establish()));
  if (who == 1) check(taken(std::move(acceptor)), must(std::move(initiator).establish()));
  if (who == 2) check(taken(std::move(acceptor)), taken(std::move(initiator)));
}
