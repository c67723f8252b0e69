// gsskey/protocol/http_negotiate: HTTP's Negotiate scheme (RFC 4559), both ends, without any HTTP library.
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
#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/channel_bindings.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/protocol/base64.hpp>

namespace gsskey::inline GSSKEY_ABI {

/// What a header says of the Negotiate scheme.
struct NegotiateHeader {
  bool is_present = false;
  SecretBytes token;  ///< empty: none came with it
};

/// The longest token that is taken, in bytes. Tickets of Active Directory reach 64 KiB.
inline constexpr std::size_t max_http_token_size = 65536;
/// How many tokens are taken from the peer for one handshake. Real ones need one to three.
inline constexpr unsigned max_http_rounds = 16;

namespace detail {

/// A header value from left to right (RFC 9110 sections 5.6 and 11.2). Each take_* moves behind what it returns.
class HttpText : public TextReader {
 public:
  using TextReader::TextReader;

  /// The end of an element of a list.
  [[nodiscard]] bool at_stop() const noexcept { return at_end() || at(','); }
  [[nodiscard]] bool at_space() const noexcept { return at(' ') || at('\t'); }

  void skip_space() noexcept { skip_all_of(" \t"); }
  [[nodiscard]] std::string_view take_token() noexcept {
    return take_all_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~");
  }
  [[nodiscard]] std::string_view take_token68() noexcept {
    const std::string_view all = rest();
    if (!take_all_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/").empty()) skip_all_of("=");
    return all.substr(0, all.size() - rest().size());
  }
  /// Behind `= value` of a parameter, a token or `"…"`; false if it is neither.
  [[nodiscard]] bool skip_value() noexcept {
    if (!skip_only('=')) return false;
    skip_space();
    std::string_view quoted;
    return at('"') ? take_quoted(quoted) : !take_token().empty();
  }
};

inline constexpr const char* too_many_rounds = "the handshake takes more rounds than are allowed";

[[nodiscard]] inline unexpected<Error> bad_header(const char* operation, const char* why) noexcept {
  return unexpected(Error::transport(operation, EPROTO, why));
}

[[nodiscard]] inline bool is_negotiate(std::string_view scheme) noexcept {
  constexpr std::string_view name = "negotiate";
  if (scheme.size() != name.size()) return false;
  for (std::size_t at = 0; at < name.size(); ++at) {
    if ((scheme[at] | 0x20) != name[at]) return false;
  }
  return true;
}

[[nodiscard]] inline Result<SecretBytes> decode_token(const char* operation, std::string_view text,
                                                      std::size_t max_size) noexcept {
  if (text.size() > base64_size(max_size)) {
    return unexpected(Error::transport(operation, EMSGSIZE, "the peer sent a longer token than is allowed"));
  }
  auto token = base64_decode(text);
  if (token && token->size() > max_size) {
    return unexpected(Error::transport(operation, EMSGSIZE, "the peer sent a longer token than is allowed"));
  }
  return token;
}

}  // namespace detail

/// The value of a WWW-Authenticate, Authorization, Proxy-Authenticate or Proxy-Authorization header. Throws
/// std::bad_alloc.
[[nodiscard]] inline std::string negotiate_header(ByteView token) {
  return token.empty() ? std::string{"Negotiate"} : "Negotiate " + base64_encode(token);
}

/// The Negotiate challenge of a response, among those of other schemes, whose text is skipped by the grammar and not
/// searched. `values`: those of all its WWW-Authenticate (or Proxy-Authenticate) headers; each may hold several.
/// Errors: transport, EPROTO for what the grammar does not allow and for two Negotiate challenges that differ,
/// EMSGSIZE; system (ENOMEM).
[[nodiscard]] inline Result<NegotiateHeader> parse_www_authenticate(
    std::span<const std::string_view> values, std::size_t max_token_size = max_http_token_size) noexcept {
  constexpr const char* operation = "WWW-Authenticate";
  bool is_present = false;
  std::string_view negotiate;
  for (const std::string_view value : values) {
    detail::HttpText text{value};
    bool has_scheme = false;
    bool is_ours = false;  // the scheme that the parameters belong to
    while (text.skip_all_of(", \t"), !text.at_end()) {
      const std::string_view name = text.take_token();
      const bool has_space = text.at_space();
      text.skip_space();
      if (text.at('=')) {
        if (!has_scheme || is_ours) return detail::bad_header(operation, "a parameter of no scheme that takes one");
        if (name.empty() || !text.skip_value()) return detail::bad_header(operation, "a parameter without a value");
      } else {
        if (name.empty()) return detail::bad_header(operation, "neither a scheme nor a parameter");
        has_scheme = true;
        is_ours = detail::is_negotiate(name);
        std::string_view token68;
        if (has_space && !text.at_stop()) {
          const detail::HttpText parameter = text;
          token68 = text.take_token68();
          text.skip_space();
          if (!text.at_stop()) {
            token68 = {};
            text = parameter;
            const bool is_named = !text.take_token().empty();
            text.skip_space();
            if (is_ours || !is_named || !text.skip_value())
              return detail::bad_header(operation, "neither a token nor parameters");
          }
        }
        if (is_ours) {
          if (is_present && token68 != negotiate) return detail::bad_header(operation, "Negotiate twice");
          is_present = true;
          negotiate = token68;
        }
      }
      text.skip_space();
      if (!text.at_stop()) return detail::bad_header(operation, "no comma between two challenges or parameters");
    }
  }
  auto token = detail::decode_token(operation, negotiate, max_token_size);
  if (!token) return unexpected(token.error());
  return NegotiateHeader{is_present, *std::move(token)};
}
[[nodiscard]] inline Result<NegotiateHeader> parse_www_authenticate(
    std::string_view value, std::size_t max_token_size = max_http_token_size) noexcept {
  return parse_www_authenticate(std::span{&value, 1}, max_token_size);
}

/// The Negotiate credentials of a request; credentials of another scheme are as good as none. `value`: that of its
/// Authorization (or Proxy-Authorization) header. Errors: transport, EPROTO for anything but one token behind the
/// scheme, EMSGSIZE; system (ENOMEM).
[[nodiscard]] inline Result<NegotiateHeader> parse_authorization(
    std::string_view value, std::size_t max_token_size = max_http_token_size) noexcept {
  constexpr const char* operation = "Authorization";
  detail::HttpText text{value};
  text.skip_space();
  if (!detail::is_negotiate(text.take_token())) return NegotiateHeader{};
  const bool has_space = text.at(' ');
  text.skip_all_of(" ");
  const std::string_view token68 = text.take_token68();
  text.skip_space();
  if (!has_space || token68.empty() || !text.at_end()) return detail::bad_header(operation, "not one token");
  auto token = detail::decode_token(operation, token68, max_token_size);
  if (!token) return unexpected(token.error());
  return NegotiateHeader{true, *std::move(token)};
}

}  // namespace gsskey::inline GSSKEY_ABI

namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI {

/// What an HttpInitiator takes from the server.
struct HttpInitiatorOptions {
  std::size_t max_token_size = max_http_token_size;
  unsigned max_rounds = max_http_rounds;
};

/// The client, for one request and what must be repeated of it: authorize() for the first try or for each 401 (407,
/// from a proxy), establish() with the response that is none. The target is that of `initiator`: service HTTP at the
/// host of the URL. Requests of one handshake must go over one connection, and the bindings are those of its TLS.
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
/// thread at a time, not always the same one.
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
/// io/asio.hpp. It owns the acceptor and the header and gives the acceptor back, so that nothing dangles when nobody
/// waits for it any more.
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

}  // namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI
