// tests/faults/http: HTTP Negotiate, both ends, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>
#include <gsskey/http/negotiate.hpp>

#include <string>
#include <utility>

#include "faults/faults.hpp"

using namespace gsskey;
using faults::again;
using faults::check;
using faults::need;
using mech::Spnego;

namespace {

/// One connection: a request without a word, the challenge, the token, and the answer. A failed step leaves an acceptor
/// that serves the next request.
void log_in(HttpAcceptor<Spnego>& server, const Credential<Spnego, Initiate>& ticket) {
  HttpInitiator<Spnego> client{
      Initiator<Spnego>{again([] { return Name::host_service("host", "localhost"); }), ticket}};
  std::string authorization;
  for (int round = 0; round < 5; ++round) {
    auto answer = server.step(authorization);
    if (answer) {
      auto context = need(std::move(client).establish(answer->www_authenticate));
      check(need(answer->context.unwrap(need(context.wrap("over HTTP")))).text() == "over HTTP", "a message");
      return;
    }
    if (!answer.error().is_challenge) {
      faults::note(answer.error().error);
      throw faults::Stopped{};
    }
    authorization = need(client.authorize(answer.error().www_authenticate));
  }
  faults::complain("the login does not end");
}

void http() {
  const auto key = again([] { return Credential<Spnego, Accept>::acquire_default(); });
  const auto ticket = again([] { return Credential<Spnego, Initiate>::acquire_default(); });
  HttpAcceptor<Spnego> server{key};
  try {
    log_in(server, ticket);
  } catch (const faults::Stopped&) {
  }
  log_in(server, ticket);
}

const faults::Register registered{"http", &http};

}  // namespace
