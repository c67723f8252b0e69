// gsskey/http/session: a login that lasts: after Negotiate a cookie, sealed with a key that lies in the kernel.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <gsskey/core/base64.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/big_endian.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/channel_bindings.hpp>
#include <gsskey/gss/context/expiring.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/handoff/envelope.hpp>
#include <gsskey/keyring/ring.hpp>
#include <gsskey/keyring/ring_owner.hpp>
#include <gsskey/krb5/principal.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Says what sessions are like.
struct HttpSessionOptions {
  /// How long one lasts, at most: never longer than the ticket of its login, nor than a month. The key is another one
  /// each time that so much has passed, and the old one opens its sessions until they have ended. A key may seal 2^32
  /// (SealKey): in a month that is 1,600 logins a second.
  Seconds max_age{8 * 3600};
  /// What MIT krb5 adds to the lifetime of an acceptor's context (clockskew of krb5.conf): taken off again.
  Seconds acceptor_skew{300};
  /// Without TLS: whoever listens on the way has the session then. For tests, and behind a proxy that adds the TLS.
  bool over_plain_http = false;
};

/// Who has logged in, as open() finds it in a cookie.
struct HttpSession {
  std::string peer;                    ///< the initiator, as Principal::text(): "alice@EXAMPLE.COM"; else displayed
  Oid mechanism;                       ///< that was negotiated
  ContextFlags flags;                  ///< of the context that was established
  std::uint64_t authenticated_at = 0;  ///< seconds since 1970
  std::uint64_t ends_at = 0;           ///< seconds since 1970
};

namespace http_detail {

/// The most that browsers must store of a cookie: RFC 6265 section 6.1.
inline constexpr std::size_t max_cookie_size = 4096;
/// The most of channel bindings, whose size is one byte of the session.
inline constexpr std::size_t max_bindings = 255;

/// Finds the value of a cookie in the value of a Cookie header; empty: it is not there. RFC 6265 section 4.2.1.
/// Errors: transport, EPROTO, if it is there twice: which of them is ours is not to be known.
[[nodiscard]] inline Result<std::string_view> find_cookie(std::string_view header, std::string_view name) noexcept {
  std::string_view found;
  bool is_there = false;
  for (detail::TextReader in{header}; !in.at_end();) {
    in.skip_all_of("; \t");
    const std::string_view pair = in.take_until_any(";");
    if (pair.size() <= name.size() || !pair.starts_with(name) || pair[name.size()] != '=') continue;
    if (is_there) return unexpected(Error::transport("Cookie", EPROTO, "the session's cookie is there twice"));
    is_there = true;
    found = pair.substr(name.size() + 1);
    while (found.ends_with(' ') || found.ends_with('\t')) found.remove_suffix(1);
  }
  return found;
}

/// Reads what is sealed: 0 authenticated at   8 flags   12 size of the bindings, and they   then the peer.
/// Gives false for bytes that are no session.
[[nodiscard]] inline bool read_session(ByteView bytes, HttpSession& session, ByteView& bindings) {
  detail::Reader in{bytes};
  std::uint32_t flags = 0;
  if (!in.take_big_endian(session.authenticated_at) || !in.take_big_endian(flags) || !in.take_prefixed<1>(bindings) ||
      in.at_end()) {
    return false;
  }
  session.flags = ContextFlags::from_bits(flags);
  session.peer = in.rest().text();
  return true;
}

/// Names the peer, and nobody else: as displayed, on Heimdal, "bob\/admin@REALM" looks like another principal, of two
/// components.
[[nodiscard]] inline Result<std::string> text_of(const Name& peer, const Oid& mechanism) {
  if (mech::Iakerb::accepts(mechanism)) {
    const auto principal = Principal::from_name(peer);
    if (!principal) return unexpected(principal.error());
    return std::string{principal->text()};
  }
  const auto shown = peer.display();
  if (!shown) return unexpected(shown.error());
  return std::string{shown->text()};
}

}  // namespace http_detail

/// Makes and opens the sessions of one site: after a login with Negotiate the browser gets a cookie, and the requests
/// that come with it need no login. What is in it is sealed with AES-256-GCM, under a key in the kernel's ring that the
/// site was made with: all worker processes that possess the ring share the sessions, and no process keeps the key. A
/// cookie is a password for its time: whoever has it has the session, so it belongs into no log.
///
///     auto session = sessions.open(request.cookie());                 // or Negotiate, and then
///     response.set_cookie(*sessions.issue(*answer));                  // of HttpAcceptor::step()
///
/// Errors: keyring, with errno: EACCES, if the calling thread does not possess the ring; policy, if OpenSSL refuses;
///   system (ENOMEM). Throws std::bad_alloc.
/// Threads: any number, also at the same time; each must possess the ring.
/// Fork: children share the sessions; nothing is kept in the process.
/// Owner: of nothing. The key stays until its last session has ended, or revoke_all().
class HttpSessions {
 public:
  /// Uses, or makes, the keys of `site` in `ring`: a host's name, say. Sessions of another site do not open. The ring
  /// must live as long as the sessions: one in the session that all workers share.
  /// Calls: add_key, keyctl_search; those of check_ring().
  /// Errors: those of the class; usage, for a site that is empty, longer than 255 bytes or contains a NUL, and for a
  ///   max_age of 0 or of more than 31 days; policy, for a ring that is another user's.
  [[nodiscard]] static Result<HttpSessions> from_ring(KeyringRef ring, std::string_view site,
                                                      HttpSessionOptions options = {}) {
    constexpr const char* operation = "HttpSessions::from_ring";
    if (site.empty() || site.size() > 255 || gss_detail::contains(site, '\0')) {
      return unexpected(Error::usage(operation, "a site has 1 to 255 bytes, and no NUL"));
    }
    if (options.max_age == Seconds{} || options.max_age > Seconds{longest}) {
      return unexpected(Error::usage(operation, "sessions last a second at least, and a month at most"));
    }
    if (auto good = check_ring(ring); !good) return unexpected(good.error());
    const std::string name = "gsskey:http:" + std::string{site};
    auto made = ring.create(key_type::Keyring{name});
    if (made) return HttpSessions{(*std::move(made)).release(), options};
    if (!is(EEXIST, made.error())) return unexpected(made.error());
    const auto found = ring.search<key_type::Keyring>(name);
    if (!found) return unexpected(found.error());
    return HttpSessions{*found, options};
  }

  /// Makes the value of a Set-Cookie header for who has logged in. With bindings of the TLS connection, as the login's
  /// own, the session opens over connections with the same only.
  /// Calls: gss_inquire_context, gss_display_name, gss_canonicalize_name, gss_export_name; add_key, keyctl_set_timeout,
  ///   keyctl_setperm and keyctl_move for a new key, keyctl_search, keyctl_read; those of seal().
  /// Errors: those of the class; gss, RoutineError::context_expired too; usage, for bindings that are not valid,
  ///   or have more than 255 bytes; policy, for an anonymous peer, and for a name that is too long for a cookie.
  template <Mechanism M>
  [[nodiscard]] Result<std::string> issue(const Accepted<M>& login, const ChannelBindings& bindings = {}) const {
    constexpr const char* operation = "Set-Cookie";
    const ByteView bound = bindings.application_data();
    if (!bindings.is_valid() || bound.size() > http_detail::max_bindings) {
      return unexpected(Error::usage(operation, "the channel bindings are not valid, or too long for a cookie"));
    }
    const auto info = login.context.inquire();
    if (!info) return unexpected(info.error());
    auto is_anonymous =
        info->flags.contains(ContextFlag::anonymous) || !login.peer ? Answer::of(true) : login.peer.is_anonymous();
    if (is_anonymous.failed()) return unexpected(std::move(is_anonymous).error());
    if (!is_anonymous.no()) return unexpected(Error::policy(operation, 0, "an anonymous peer gets no session"));
    const auto name = http_detail::text_of(login.peer, info->mechanism);
    if (!name) return unexpected(name.error());
    Seconds left = gss_detail::without_skew(
        info->lifetime, gss_detail::added_skew(info->is_initiator, info->mechanism, options_.acceptor_skew));
    if (left == Seconds{}) return unexpected(gss_detail::context_expired<M>(operation));
    if (options_.max_age < left) left = options_.max_age;

    const std::uint64_t now = gss_detail::SealLayout::now();
    const std::uint64_t period = now / options_.max_age.count();
    const auto key = key_of(period, now);
    if (!key) return unexpected(key.error());
    auto session = SecretBytes::with_size(13 + bound.size() + name->size());
    if (!session) return unexpected(session.error());
    unsigned char* out = session->data();
    out = put(out, now, 8);
    out = put(out, info->flags.bits(), 4);
    out = put(out, bound.size(), 1);
    if (!bound.empty()) std::memcpy(out, bound.data(), bound.size());
    std::memcpy(out + bound.size(), name->data(), name->size());
    const auto sealed = seal(*key, *session, info->mechanism, left);
    if (!sealed) return unexpected(sealed.error());

    std::string bytes(8, '\0');
    static_cast<void>(put(reinterpret_cast<unsigned char*>(bytes.data()), period, 8));
    bytes.append(ByteView{*sealed}.text());
    std::string cookie{cookie_name()};
    cookie += '=';
    cookie += base64_encode(bytes);
    cookie += "; Path=/; HttpOnly; SameSite=Lax; Max-Age=" + std::to_string(left.count());
    if (!options_.over_plain_http) cookie += "; Secure";
    if (cookie.size() > http_detail::max_cookie_size) {
      return unexpected(Error::policy(operation, 0, "the name is too long for a cookie"));
    }
    return cookie;
  }

  /// Returns who has logged in, by the value of the request's Cookie header, which may hold other cookies too; several
  /// headers, as HTTP/2 has them, are to be joined by "; " (RFC 9113 section 8.2.3). Time is
  /// the machine's: a session that began more than five minutes from now is refused, where the clock was set back.
  /// Calls: keyctl_search, keyctl_read; those of open_seal().
  /// Errors: those of the class; policy, if the request has no such cookie, or it is bound to another TLS connection,
  ///   begins in the future, or was revoked; transport, EPROTO, if it is malformed or there twice; seal, of which
  ///   seal_fault() tells what is wrong: altered, expired, of another site or another ring.
  [[nodiscard]] Result<HttpSession> open(std::string_view cookie_header, const ChannelBindings& bindings = {}) const {
    constexpr const char* operation = "Cookie";
    const auto value = http_detail::find_cookie(cookie_header, cookie_name());
    if (!value) return unexpected(value.error());
    if (value->empty()) return unexpected(Error::policy(operation, 0, "the request has no cookie of a session"));
    if (value->size() > http_detail::max_cookie_size) return malformed();
    const auto bytes = base64_decode(*value);
    if (!bytes) return unexpected(bytes.error());
    detail::Reader in{*bytes};
    std::uint64_t period = 0;
    if (!in.take_big_endian(period)) return malformed();
    const auto key = key_at(period);
    if (!key && key.error().domain() == Domain::keyring && keyring_detail::is_gone(key.error())) {
      return unexpected(Error::policy(operation, 0, "the session's key is gone: it has ended, or was revoked"));
    }
    if (!key) return unexpected(key.error());
    const auto opened = open_seal<mech::Any>(*key, in.rest());
    if (!opened) return unexpected(opened.error());

    HttpSession session;
    ByteView bound;
    gss_detail::SealParts parts;
    if (!http_detail::read_session(*opened, session, bound) || parts.read(in.rest()) != SealFault::none) {
      return malformed();
    }
    session.mechanism = Oid::from_der(parts.mechanism);
    session.ends_at = parts.expiry;
    if (!bindings.is_valid() || !(bound == bindings.application_data())) {
      return unexpected(Error::policy(operation, static_cast<std::uint32_t>(ContextFlag::channel_bound),
                                      "the session is bound to another TLS connection, or to none"));
    }
    if (session.authenticated_at > gss_detail::SealLayout::now() + 300) {
      return unexpected(Error::policy(operation, 0, "the session begins in the future: the clock was set back"));
    }
    return session;
  }

  /// Ends all sessions of the site, at once and in all workers.
  /// Calls: keyctl_clear.
  /// Errors: those of the class.
  [[nodiscard]] Result<void> revoke_all() const noexcept { return keys_.clear(); }

 private:
  static constexpr std::uint32_t longest = 31 * 24 * 3600;

  HttpSessions(KeyringRef keys, HttpSessionOptions options) noexcept : keys_{keys}, options_{options} {}

  [[nodiscard]] static bool is(int number, const Error& error) noexcept {
    return error.domain() == Domain::keyring && error.minor_status() == static_cast<std::uint32_t>(number);
  }
  [[nodiscard]] static unexpected<Error> malformed() noexcept {
    return unexpected(Error::transport("Cookie", EPROTO, "not the cookie of a session"));
  }
  [[nodiscard]] static unsigned char* put(unsigned char* out, std::uint64_t number, std::size_t size) noexcept {
    detail::to_big_endian(number, out, size);
    return out + size;
  }
  /// A browser takes a cookie with this prefix from the host itself alone, over TLS: no neighbour can plant one.
  [[nodiscard]] std::string_view cookie_name() const noexcept {
    return options_.over_plain_http ? "gsskey-session" : "__Host-gsskey-session";
  }

  [[nodiscard]] static Result<SealKey> read(KeyRef<key_type::User> key) noexcept {
    auto bytes = key.read();
    if (!bytes) return unexpected(bytes.error());
    return SealKey::from_bytes(*std::move(bytes));
  }
  /// The key of the period that has this number.
  [[nodiscard]] Result<SealKey> key_at(std::uint64_t period) const {
    const std::string name = std::to_string(period);
    const auto key = keys_.search<key_type::User>(name);
    if (!key) return unexpected(key.error());
    return read(*key);
  }
  /// The same; the first that needs it makes it.
  [[nodiscard]] Result<SealKey> key_of(std::uint64_t period, std::uint64_t now) const {
    auto there = key_at(period);
    if (there || !keyring_detail::is_gone(there.error())) return there;
    auto key = SealKey::generate();
    if (!key) return key;
    const std::string name = std::to_string(period);
    const std::uint64_t end = (period + 2) * options_.max_age.count();  // of the last session that it seals
    auto made =
        keys_.create(key_type::User{name}, key->bytes(), {.timeout = Seconds{static_cast<std::uint32_t>(end - now)}});
    if (made) {
      static_cast<void>((*std::move(made)).release());
      return key;
    }
    if (is(EEXIST, made.error())) return key_at(period);  // another worker was faster
    return unexpected(made.error());
  }

  KeyringRef keys_;
  HttpSessionOptions options_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
