// tests/support/sasl: ends of SASL, and each end of GSSAPI written by hand on a context of ours, which then says what a
// test likes. SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/io/record_layer.hpp>
#include <gsskey/sasl/gssapi.hpp>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "support/realm.hpp"

namespace support {

using SaslClient = sasl::Client<sasl::Gssapi>;
using SaslServer = sasl::Server<sasl::Gssapi>;

inline SaslClient sasl_client(sasl::ClientOptions options = {}) {
  auto& credential = initiator_credential<mech::Krb5>();  // first: Heimdal reads its configuration once
  return SaslClient{target(), credential, std::move(options)};
}
inline SaslServer sasl_server(sasl::ServerOptions options = {}) {
  return SaslServer{acceptor_credential<mech::Krb5>(), std::move(options)};
}

inline std::optional<ByteView> view_of(const sasl::Message& message) {
  return message ? std::optional<ByteView>{*message} : std::nullopt;
}

template <class Mech>
struct SaslEnds {
  sasl::Session<typename Mech::Gss> client;
  sasl::Session<typename Mech::Gss> server;
};
/// The first failure of either is the answer. What the server says when the client has logged in goes with its success.
template <class Mech>
Result<SaslEnds<Mech>> log_in(sasl::Client<Mech> client, sasl::Server<Mech> server) {
  auto response = client.step();
  while (true) {
    if (!response) return unexpected(response.error());
    auto challenge = server.step(view_of(*response));
    if (!challenge) return unexpected(challenge.error());
    if (server.is_complete() && !*challenge) break;
    if (!*challenge) throw std::runtime_error{"no challenge, and not complete"};
    response = client.step(view_of(*challenge));
    if (server.is_complete()) {
      if (!response) return unexpected(response.error());
      if (!ByteView{response->value()}.empty()) throw std::runtime_error{"a response to a success"};
      break;
    }
  }
  if (!client.is_complete()) throw std::runtime_error{"the ends do not agree that it is over"};
  auto ours = std::move(client).establish();
  if (!ours) return unexpected(ours.error());
  auto theirs = std::move(server).establish();
  if (!theirs) return unexpected(theirs.error());
  return SaslEnds<Mech>{*std::move(ours), *std::move(theirs)};
}

/// Whether an end that has failed, or is established, gives nothing any more.
template <class End>
bool refuses(End& end) {
  const auto message = end.step(ByteView{});
  const auto session = std::move(end).establish();
  return !message && message.error().domain() == Domain::usage && !session && session.error().domain() == Domain::usage;
}

/// What comes out when `text` goes through, and the longest packet on the way.
template <class C>
std::string carried(RecordLayer<C>& from, RecordLayer<C>& to, std::string_view text, std::size_t& longest) {
  std::string out;
  ByteView rest{text.data(), text.size()};
  while (!rest.empty()) {
    rest = rest.subview(must(from.seal(rest)));
    std::string packet;
    for (const ByteView part : from.unsent()) packet += part.text();
    from.sent(packet.size());
    longest = std::max(longest, packet.size());
    for (ByteView left{packet.data(), packet.size()}; !left.empty() || !to.opened().empty();) {
      left = left.subview(must(to.put(left)));
      out += to.opened().text();
      to.consume(to.opened().size());
    }
  }
  return out;
}

/// A server that offers what it likes.
class ScriptedServer {
 public:
  /// Goes with `client` as far as the offer.
  explicit ScriptedServer(SaslClient& client) {
    auto acceptor = support::acceptor<mech::Krb5>({.demand = {}});
    auto response = must(client.step());
    while (!acceptor.is_complete()) {
      auto step = must(acceptor.step(response.value()));
      if (step.token.empty()) break;
      response = must(client.step(ByteView{step.token}));
    }
    last_response = std::move(response);
    context = must(std::move(acceptor).establish());
  }
  /// What the client answers to the offer of these octets.
  Result<sasl::Message> offer(SaslClient& client, std::string_view octets) {
    return client.step(ByteView{must(context.wrap_unencrypted(bytes_of(octets)))});
  }
  /// That answer, opened.
  std::string opened(const sasl::Message& reply) {
    const auto unwrapped = must(context.unwrap_unencrypted(reply.value()));
    CHECK_FALSE(unwrapped.confidential);
    return std::string{unwrapped.message.text()};
  }
  static ByteView bytes_of(std::string_view text) { return {text.data(), text.size()}; }

  SecurityContext<mech::Krb5> context;
  sasl::Message last_response;
};

/// A client that chooses what it likes.
class ScriptedClient {
 public:
  /// Goes with `server` as far as the offer; its failure is `failure`.
  ScriptedClient(SaslServer& server, ContextFlags flags) {
    auto initiator = support::initiator<mech::Krb5>({.demand = flags});
    auto step = must(initiator.step());
    auto challenge = server.step(ByteView{step.token});
    while (challenge && !initiator.is_complete()) {
      step = must(initiator.step(challenge->value()));
      challenge = server.step(ByteView{step.token});
    }
    if (!challenge) {
      failure = challenge.error();
      return;
    }
    context = must(std::move(initiator).establish());
    const auto unwrapped = must(context.unwrap_unencrypted(challenge->value()));
    CHECK_FALSE(unwrapped.confidential);
    offer = std::string{unwrapped.message.text()};
  }
  Result<sasl::Message> choose(SaslServer& server, std::string_view octets) {
    return server.step(ByteView{must(context.wrap_unencrypted(ScriptedServer::bytes_of(octets)))});
  }

  SecurityContext<mech::Krb5> context;
  std::string offer;
  std::optional<Error> failure;
};

}  // namespace support
