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
#include <gsskey/gss/channel_bindings.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/http/negotiate_header.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// What an HttpInitiator takes from the server.
struct HttpInitiatorOptions {
  std::size_t max_token_size = max_http_token_size;
  unsigned max_rounds = max_http_rounds;
};

/// The client, for one request and what must be repeated of it: authorize() for the first try or for each 401 (407,
/// from a proxy), establish() with the response that is none. The target is that of `initiator`: service HTTP at the
/// host of the URL. Requests of one handshake must go over one connection, and the bindings are those of its TLS. For
/// want of memory authorize() may throw std::bad_alloc: the handshake is over.
template <Mechanism M>
class HttpInitiator {
 public:
  explicit HttpInitiator(Initiator<M> initiator, HttpInitiatorOptions options = {}) noexcept
      : initiator_{std::move(initiator)}, options_{options} {}

  /// The value of the Authorization header to begin with, before the server has asked. May block as step() does.
  /// Errors: usage, if the handshake has begun; those of Initiator::step().
  [[nodiscard]] Result<std::string> authorize() {
    if (rounds_ != 0) return unexpected(Error::usage("Authorization", "the handshake has begun"));
    return next({});
  }
  /// The value of the Authorization header for the same request again, after a 401 with these WWW-Authenticate headers.
  /// May block as step() does. Errors: policy, if the server does not offer Negotiate or has refused; transport
  /// (EPROTO), for more rounds than are allowed; those of parse_www_authenticate() and Initiator::step(), which has the
  /// reason where the server tells it.
  [[nodiscard]] Result<std::string> authorize(std::span<const std::string_view> www_authenticate) {
    constexpr const char* operation = "WWW-Authenticate";
    auto header = parse_www_authenticate(www_authenticate, options_.max_token_size);
    if (!header) return unexpected(header.error());
    if (!header->is_present) return unexpected(Error::policy(operation, 0, "the server does not offer Negotiate"));
    if (rounds_ == 0 && !header->token.empty()) {
      return detail::bad_header(operation, "a token before the handshake has begun");
    }
    if (rounds_ != 0 && header->token.empty()) {
      return unexpected(Error::policy(operation, 0, "the server refuses and does not say why"));
    }
    if (rounds_ > options_.max_rounds) return detail::bad_header(operation, detail::too_many_rounds);
    return next(header->token);
  }
  [[nodiscard]] Result<std::string> authorize(std::string_view www_authenticate) {
    return authorize(std::span{&www_authenticate, 1});
  }

  /// The context, once the server has answered with another status than 401; the headers are that response's, whose
  /// token may prove who the server is. Errors: policy, if it does not and that was demanded; usage, if no request had
  /// an Authorization header; those of parse_www_authenticate(), Initiator::step() and Initiator::establish().
  [[nodiscard]] Result<SecurityContext<M>> establish(std::span<const std::string_view> www_authenticate) && {
    constexpr const char* operation = "WWW-Authenticate";
    auto header = parse_www_authenticate(www_authenticate, options_.max_token_size);
    if (!header) return unexpected(header.error());
    if (!initiator_.is_complete() && rounds_ != 0) {
      if (header->token.empty()) {
        return unexpected(Error::policy(operation, static_cast<std::uint32_t>(ContextFlag::mutual),
                                        "the server accepts and does not prove who it is"));
      }
      auto step = initiator_.step(header->token);
      if (!step) return unexpected(step.error().error);
      if (!step->complete || !step->token.empty()) {
        return detail::bad_header(operation, "the server accepts before the handshake is complete");
      }
    }
    return std::move(initiator_).establish();
  }
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

/// As AcceptorOptions. Browsers and curl ask for neither sequence nor, always, replay detection, and HTTP protects no
/// messages with the context: nothing is demanded.
template <Mechanism M>
struct HttpAcceptorOptions {
  ContextDemand demand{};
  Credential<M, Initiate>* delegated = nullptr;  ///< every step empties it first
  ChannelBindings bindings{};  ///< of the TLS connection that the requests come over: tls-server-end-point, mostly
  bool allow_anonymous = false;
  bool allow_unsigned_negotiation = false;
  std::size_t max_token_size = max_http_token_size;
  unsigned max_rounds = max_http_rounds;
};

/// It is known who sent the request: serve it, if they may.
template <Mechanism M>
struct HttpAnswer {
  SecurityContext<M> context;  ///< who that is
  /// The value of a WWW-Authenticate header, on the answer of whatever status; empty: no such header.
  std::string www_authenticate;
};

/// It is not: how to answer the request.
struct HttpRefusal {
  Error error;                   ///< for the log
  int status = 401;              ///< 400, if the header is malformed, its token too long, or the handshake
  std::string www_authenticate;  ///< as HttpAnswer has it
  /// Nothing is wrong: the request said nothing of who sends it, or the handshake takes another one.
  bool is_challenge = false;
};

/// The server's side of one connection, which its requests come over one after the other: a handshake may take several.
/// Where connections are shared between users, as by some proxies, each request needs one of its own. Move-only; one
/// thread at a time, not always the same one. For want of memory step() may throw std::bad_alloc: a request without the
/// header begins anew.
template <Mechanism M>
class HttpAcceptor {
 public:
  /// `credential` is borrowed: of service HTTP, or of several.
  explicit HttpAcceptor(CredentialRef<M, Accept> credential GSSKEY_LIFETIMEBOUND,
                        HttpAcceptorOptions<M> options = {}) noexcept
      : credential_{credential}, options_{options} {}

  /// What the next request's Authorization header means; empty if it has none. May block as Acceptor::step() does.
  /// Every header begins a handshake, unless one is under way; a request without one ends that, and so does one more
  /// than HttpAcceptorOptions::max_rounds. Success says who sent the request; everything else is a refusal, the
  /// questions that a login consists of too.
  [[nodiscard]] expected<HttpAnswer<M>, HttpRefusal> step(std::string_view authorization) {
    if (options_.delegated != nullptr) *options_.delegated = {};
    auto header = parse_authorization(authorization, options_.max_token_size);
    if (!header) return malformed(header.error());
    if (!header->is_present) {
      acceptor_.reset();
      return challenge("the request does not say who sends it", {});
    }
    if (!acceptor_) {
      rounds_ = 0;
      acceptor_.emplace(credential_, AcceptorOptions<M>{options_.demand, options_.delegated, options_.bindings,
                                                        options_.allow_anonymous, options_.allow_unsigned_negotiation});
    }
    if (rounds_++ == options_.max_rounds) {
      return malformed(Error::transport("Authorization", EPROTO, detail::too_many_rounds));
    }
    auto step = acceptor_->step(header->token);
    if (!step) return refuse(std::move(step.error().error), step.error().token);
    if (!step->complete) return challenge("the handshake takes another request", step->token);
    auto context = std::move(*acceptor_).establish();
    if (!context) return refuse(Error{context.error()}, {});
    acceptor_.reset();
    return HttpAnswer<M>{*std::move(context), step->token.empty() ? std::string{} : negotiate_header(step->token)};
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

/// HttpAcceptor::step() that waits to be called, once, on any thread, for the offload of an event loop: offload_to() of
/// asio/handshake.hpp. It owns the acceptor and the header and gives the acceptor back, so that nothing dangles when
/// nobody waits for it any more.
template <Mechanism M>
class HttpStepJob {
 public:
  struct Outcome {
    HttpAcceptor<M> acceptor;
    expected<HttpAnswer<M>, HttpRefusal> answer;
  };

  HttpStepJob(HttpAcceptor<M> acceptor, std::string authorization) noexcept
      : acceptor_{std::move(acceptor)}, authorization_{std::move(authorization)} {}

  [[nodiscard]] Outcome operator()() {
    auto answer = acceptor_.step(authorization_);
    return {std::move(acceptor_), std::move(answer)};
  }

 private:
  HttpAcceptor<M> acceptor_;
  std::string authorization_;
};

/// HttpInitiator::authorize() likewise, after a 401; `www_authenticate` is the value of that header, or of all there
/// are with commas between them. The first call asks the KDC for a ticket.
template <Mechanism M>
class HttpAuthorizeJob {
 public:
  struct Outcome {
    HttpInitiator<M> initiator;
    Result<std::string> authorization;
  };

  HttpAuthorizeJob(HttpInitiator<M> initiator, std::string www_authenticate) noexcept
      : initiator_{std::move(initiator)}, www_authenticate_{std::move(www_authenticate)} {}

  [[nodiscard]] Outcome operator()() {
    auto authorization = initiator_.authorize(www_authenticate_);
    return {std::move(initiator_), std::move(authorization)};
  }

 private:
  HttpInitiator<M> initiator_;
  std::string www_authenticate_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
