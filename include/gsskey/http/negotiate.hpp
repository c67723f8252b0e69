// gsskey/http/negotiate: HTTP's Negotiate scheme (RFC 4559), both ends, without any HTTP library.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/gss/handshake_options.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/http/negotiate_header.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Limits what an HttpInitiator takes from the server. All else that it may say is in the InitiatorOptions of the
/// Initiator that it is made of.
struct HttpInitiatorOptions {
  /// The longest token.
  /// Units: bytes.
  std::size_t max_token_size = max_http_token_size;
  /// The most tokens of one handshake.
  unsigned max_rounds = max_http_rounds;
};

/// Logs a client in, for one request and what must be repeated of it: authorize() for the first try and for each 401
/// (407, from a proxy), establish() with the first response of another status. Requests of one handshake must go over
/// one connection, and the bindings of the Initiator are those of its TLS.
/// Threads: one at a time, not always the same one.
/// See: RFC 4559 section 4.
template <Mechanism M>
class HttpInitiator {
 public:
  /// Takes the handshake to run: its target is service HTTP at the host of the URL.
  explicit HttpInitiator(Initiator<M> initiator, HttpInitiatorOptions options = {}) noexcept
      : initiator_{std::move(initiator)}, options_{options} {}

  /// Makes the value of the Authorization header to begin with, before the server has asked.
  /// Errors: usage, if the handshake has begun; those of Initiator::step(). Throws std::bad_alloc: the handshake is
  ///   over then.
  /// Blocks: on KDC, DNS or disk, as Initiator::step() does.
  [[nodiscard]] Result<std::string> authorize() {
    if (rounds_ != 0) return unexpected(Error::usage("Authorization", "the handshake has begun"));
    return next({});
  }
  /// Makes the value of the Authorization header to repeat the request with, after a 401 that had these
  /// WWW-Authenticate headers.
  /// Errors: policy, if the server does not offer Negotiate or has refused; transport (EPROTO), for more rounds than
  ///   are allowed, for a token before the handshake has begun and for one that asks for more than there is; those of
  ///   parse_www_authenticate() and Initiator::step(), which has the reason where the server tells it. Throws
  ///   std::bad_alloc: the handshake is over then.
  /// Blocks: on KDC, DNS or disk, as Initiator::step() does.
  [[nodiscard]] Result<std::string> authorize(std::span<const std::string_view> www_authenticate) {
    constexpr const char* operation = "WWW-Authenticate";
    auto header = parse_www_authenticate(www_authenticate, options_.max_token_size);
    if (!header) return unexpected(header.error());
    if (!header->is_present) return unexpected(Error::policy(operation, 0, "the server does not offer Negotiate"));
    if (rounds_ == 0) return next({});  // a token here is a hint (MS-SPNG's NegTokenInit2), and nobody needs it
    if (header->token.empty()) {
      return unexpected(Error::policy(operation, 0, "the server refuses and does not say why"));
    }
    if (rounds_ > options_.max_rounds) return detail::bad_header(operation, detail::too_many_rounds);
    return next(header->token);
  }
  /// Makes the value after a 401 that had one WWW-Authenticate header, or with all of them joined by commas.
  [[nodiscard]] Result<std::string> authorize(std::string_view www_authenticate) {
    return authorize(std::span{&www_authenticate, 1});
  }

  /// Establishes the context, once the server has answered with another status than 401. The WWW-Authenticate headers
  /// are those of that response: a token in them proves who the server is.
  /// Errors: policy, if the server does not prove it and that was demanded; usage, if no request had an Authorization
  ///   header, as where the connection is logged in already; transport (EPROTO), if the handshake is not complete with
  ///   that response; those of
  ///   parse_www_authenticate(), Initiator::step() and Initiator::establish().
  /// Blocks: as Initiator::step() does.
  [[nodiscard]] Result<SecurityContext<M>> establish(std::span<const std::string_view> www_authenticate) && {
    constexpr const char* operation = "WWW-Authenticate";
    auto header = parse_www_authenticate(www_authenticate, options_.max_token_size);
    if (!header) return unexpected(header.error());
    if (rounds_ == 0) {
      return unexpected(Error::usage(operation, "no request had an Authorization header: the server wants no login"));
    }
    if (!initiator_.is_complete()) {
      if (header->token.empty()) {
        if (initiator_.demanded().contains(ContextFlag::mutual)) {
          return unexpected(Error::policy(operation, static_cast<std::uint32_t>(ContextFlag::mutual),
                                          "the server accepts and does not prove who it is"));
        }
        return detail::bad_header(operation,
                                  "the response has no token, which is the last of the handshake: the "
                                  "server, or a proxy on the way, has dropped it");
      }
      auto step = initiator_.step(header->token);
      if (!step) return unexpected(step.error().error);
      if (!step->complete || !step->token.empty()) {
        return detail::bad_header(operation, "the server accepts before the handshake is complete");
      }
    }
    return std::move(initiator_).establish();
  }
  /// Establishes the context with one WWW-Authenticate header, or with all of them joined by commas; empty: there was
  /// none.
  [[nodiscard]] Result<SecurityContext<M>> establish(std::string_view www_authenticate) && {
    return std::move(*this).establish(std::span{&www_authenticate, 1});
  }

 private:
  [[nodiscard]] Result<std::string> next(ByteView token) {
    ++rounds_;
    auto step = initiator_.step(token);
    // HTTP has no place for a token that comes with an error: the client just does not ask again.
    if (!step) return unexpected(step.error().error);
    if (step->token.empty()) return detail::bad_header("WWW-Authenticate", "the server asks for more than there is");
    return negotiate_header(step->token);
  }

  Initiator<M> initiator_;
  HttpInitiatorOptions options_;
  unsigned rounds_ = 0;  // requests with an Authorization header
};

/// Says what an HttpAcceptor demands and takes.
template <Mechanism M>
struct HttpAcceptorOptions {
  /// What each handshake demands, and what else it may say. Nothing is demanded unless `.demand` says so, whatever else
  /// is set: HTTP protects no messages with the context, and browsers and curl ask for neither sequence nor, always,
  /// replay detection. `bindings` are those of the TLS connection that the requests come over, tls-server-end-point
  /// mostly.
  AcceptorOptions<M, NoDemand> handshake{};
  /// The longest token.
  /// Units: bytes.
  std::size_t max_token_size = max_http_token_size;
  /// The most tokens of one handshake.
  unsigned max_rounds = max_http_rounds;
};

/// Says who sent a request: `peer` of Accepted. Whether they may have what they ask for is for the program to say.
template <Mechanism M>
struct HttpAnswer : Accepted<M> {
  /// The value of a WWW-Authenticate header on the response, of whatever status; empty: no such header.
  std::string www_authenticate;
};

/// Says how to answer a request whose sender is not known.
struct HttpRefusal {
  /// Why, for the log.
  Error error;
  /// The status of the response: 401, or 400 if the header is malformed, its token or the handshake too long.
  int status = 401;
  /// The value of a WWW-Authenticate header on the response; empty: no such header.
  std::string www_authenticate;
  /// Whether nothing is wrong: the request said nothing of who sends it, or the handshake takes one more.
  bool is_challenge = false;
};

/// Authenticates the requests of one connection, which come one after the other: a handshake may take several. Where
/// connections are shared between users, as by some proxies, each request needs an HttpAcceptor of its own. Move-only.
/// Threads: one at a time, not always the same one.
/// Owner: the credential is borrowed, and must outlive the HttpAcceptor.
/// See: RFC 4559 section 4.
template <Mechanism M>
class HttpAcceptor {
 public:
  /// Takes the credential of service HTTP, or of several services.
  explicit HttpAcceptor(CredentialRef<M, Accept> credential GSSKEY_LIFETIMEBOUND,
                        HttpAcceptorOptions<M> options = {}) noexcept
      : credential_{credential}, options_{options} {}

  /// Judges the next request by its Authorization header; empty: it has none. Every header begins a handshake, unless
  /// one is under way; a request without a header ends that, and so does one more than
  /// HttpAcceptorOptions::max_rounds.
  /// Errors: an HttpRefusal unless it is known who sent the request, also for each challenge of a login. Throws
  ///   std::bad_alloc; a request without the header then begins anew.
  /// Blocks: on KDC, DNS or disk, as Acceptor::step() does. An offload takes a lambda that owns the HttpAcceptor and
  ///   the header and returns both: asio/handshake.hpp shows it.
  [[nodiscard]] expected<HttpAnswer<M>, HttpRefusal> step(std::string_view authorization) {
    auto header = parse_authorization(authorization, options_.max_token_size);
    if (!header) return malformed(header.error());
    if (!header->is_present) {
      acceptor_.reset();
      return challenge("the request does not say who sends it", {});
    }
    if (!acceptor_) {
      rounds_ = 0;
      acceptor_.emplace(credential_, options_.handshake);
    }
    if (rounds_++ == options_.max_rounds) {
      return malformed(Error::transport("Authorization", EPROTO, detail::too_many_rounds));
    }
    auto step = acceptor_->step(header->token);
    if (!step) return refuse(std::move(step.error().error), step.error().token);
    if (!step->complete) return challenge("the handshake takes another request", step->token);
    auto accepted = std::move(*acceptor_).accept();
    if (!accepted) return refuse(std::move(accepted).error(), {});
    acceptor_.reset();
    return HttpAnswer<M>{*std::move(accepted), step->token.empty() ? std::string{} : negotiate_header(step->token)};
  }

 private:
  [[nodiscard]] static unexpected<HttpRefusal> challenge(const char* why, ByteView token) {
    return unexpected(HttpRefusal{Error::policy("Authorization", 0, why), 401, negotiate_header(token), true});
  }
  [[nodiscard]] unexpected<HttpRefusal> malformed(const Error& error) {
    acceptor_.reset();
    return unexpected(HttpRefusal{error, 400, {}, false});
  }
  [[nodiscard]] unexpected<HttpRefusal> refuse(Error error, ByteView token) {
    acceptor_.reset();
    return unexpected(HttpRefusal{std::move(error), 401, negotiate_header(token), false});
  }

  CredentialRef<M, Accept> credential_;
  HttpAcceptorOptions<M> options_;
  std::optional<Acceptor<M>> acceptor_;
  unsigned rounds_ = 0;  // of the handshake under way
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
