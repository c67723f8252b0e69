// gsskey/krb5/authorize: whether the peer of an acceptor's context may come in.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gsskey/core/answer.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/context/peer.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/name/attributes.hpp>
#include <gsskey/gss/name/local.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/krb5/detail/principal_text.hpp>
#include <gsskey/krb5/enctype.hpp>
#include <gsskey/krb5/pac.hpp>
#include <gsskey/krb5/principal.hpp>
#include <gsskey/krb5/sid.hpp>
#include <gsskey/krb5/ticket.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Says who may come in, and how. Every clause that is set must hold; of a list, one entry. One of `any_principal`,
/// `realms`, `principals`, `sids` and `act_as` must say who: a policy without any is refused, and lets nobody in.
///
/// A pattern is the text of a principal, with realm: "alice@EXAMPLE.COM", in which '*' stands for any letters within a
/// component or the realm, never for '/' or '@' between them: "*/admin@EXAMPLE.COM", "host/*.example.com@EXAMPLE.COM".
/// "\*" is the letter.
struct Policy {
  bool any_principal = false;                        ///< whoever has authenticated, of each realm that is trusted
  std::vector<std::string> realms = {};              ///< of the principal, as they are
  std::vector<std::string> principals = {};          ///< patterns
  std::vector<Sid> sids = {};                        ///< user or groups, of a verified PAC: Pac::is_member_of()
  std::string act_as = {};                           ///< the local user, by .k5login or auth_to_local
  std::vector<std::string> services = {};            ///< patterns of the acceptor's name that the peer asked for
  std::optional<Enctype> least_enctype = {};         ///< by the size of the key, then of the hash; no RC4
  std::vector<std::string> indicators = {};          ///< authentication indicators of the KDC
  std::optional<Seconds> authenticated_within = {};  ///< since the peer has proven to a KDC who it is
  bool channel_bound = false;                        ///< both ends have named the same channel
};

namespace gss_detail {

template <class... Parts>
[[nodiscard, gnu::cold]] inline Error refused(Parts... parts) noexcept {
  return Error::policy("authorize", 0, "the policy does not let the peer in").with_text(parts...);
}

/// Whether a text is a pattern of `principal`. No answer where it is no pattern.
[[nodiscard]] inline Answer is_pattern_of(const std::string& pattern, const Principal& principal) noexcept {
  PrincipalParts parts;
  const char* fault = split_principal(pattern, false, parts);
  if (fault == nullptr && !parts.has_realm) fault = "a pattern has no realm";
  if (fault != nullptr) return Answer::failure(Error::usage("authorize", fault));
  bool matches = parts.count == principal.size() && matches_part(parts.realm, principal.realm());
  for (std::size_t at = 0; matches && at < parts.count; ++at) {
    matches = matches_part(parts.components[at], principal.component(at));
  }
  return Answer::of(matches);
}
[[nodiscard]] inline bool is_one_of(const std::vector<std::string>& patterns, const Principal& principal) noexcept {
  for (const std::string& pattern : patterns) {
    if (is_pattern_of(pattern, principal).yes()) return true;
  }
  return false;
}

/// 0 for RC4 and what is older, and for what is not known.
[[nodiscard]] constexpr int strength(Enctype type) noexcept {
  switch (static_cast<std::int32_t>(type)) {
    case 17:
    case 25:  // Camellia, RFC 6803
      return 1;
    case 19:
      return 2;
    case 18:
    case 26:
      return 3;
    case 20:
      return 4;
    default:
      return 0;
  }
}

/// What is wrong with a policy, whoever comes.
[[nodiscard]] inline Result<void> check(const Policy& policy) noexcept {
  const bool names_somebody =
      !policy.realms.empty() || !policy.principals.empty() || !policy.sids.empty() || !policy.act_as.empty();
  if (policy.any_principal == names_somebody) {
    return unexpected(Error::usage("authorize", names_somebody ? "the policy says who, and any_principal"
                                                               : "the policy does not say who: any_principal, if all"));
  }
  if (contains(policy.act_as, '\0')) {
    return unexpected(Error::usage("authorize", "the local user's name contains a NUL byte"));
  }
  if (policy.least_enctype && strength(*policy.least_enctype) == 0) {
    return unexpected(Error::usage("authorize", "least_enctype is RC4, older, or not known: it would refuse nobody"));
  }
  for (const auto* patterns : {&policy.principals, &policy.services}) {
    for (const std::string& pattern : *patterns) {
      if (auto answer = is_pattern_of(pattern, Principal{}); answer.failed()) {
        return unexpected(std::move(answer).error());
      }
    }
  }
  return {};
}

/// The clauses that names decide.
[[nodiscard]] inline Result<void> admit_name(const Policy& policy, const Peer& peer,
                                             const Principal& principal) noexcept {
  auto is_anonymous = principal.is_anonymous() ? Answer::of(true) : peer.is_anonymous();
  if (is_anonymous.failed()) return unexpected(std::move(is_anonymous).error());
  if (!is_anonymous.no()) return unexpected(refused("the peer is anonymous: ", principal.text()));
  bool is_listed = policy.realms.empty();
  for (const std::string& realm : policy.realms) is_listed = is_listed || realm == principal.realm();
  if (!is_listed) return unexpected(refused("realms: none of them is that of ", principal.text()));
  if (!policy.principals.empty() && !is_one_of(policy.principals, principal)) {
    return unexpected(refused("principals: none of them is ", principal.text()));
  }
  if (policy.act_as.empty()) return {};
  auto allowed = may_act_as(peer.name(), policy.act_as.c_str());
  if (!allowed && allowed.error().domain() == Domain::policy) {
    return unexpected(refused("act_as: ", allowed.error().text()));
  }
  return allowed;
}
[[nodiscard]] inline Result<void> admit_indicators(const Policy& policy, const Peer& peer) noexcept {
  bool found = policy.indicators.empty();
  if (found) return {};
  const auto count = for_each_attribute_value(peer.name(), "auth-indicators", [&](AttributeValue&& value) noexcept {
    for (const std::string& wanted : policy.indicators) {
      found = found || (value.is_authenticated && value.value.text() == wanted);
    }
  });
  if (!count && routine_error(count.error()) != RoutineError::unavailable) return unexpected(count.error());
  if (count && found) return {};
  return unexpected(refused("indicators: the ticket has ", count ? "others" : "none"));
}

/// The clauses that the context decides.
template <Mechanism M>
[[nodiscard]] inline Result<void> admit_context(const Policy& policy, const SecurityContext<M>& context,
                                                ContextFlags flags) noexcept {
  if (policy.least_enctype) {
    const auto type = enctype(context);
    if (!type) return unexpected(type.error());
    if (strength(*type) < strength(*policy.least_enctype)) {
      return unexpected(refused("least_enctype: the context's is weaker"));
    }
  }
  if (policy.authenticated_within) {
    const auto then = authentication_time(context);
    if (!then) return unexpected(then.error());
    const std::int64_t age = static_cast<std::int64_t>(std::time(nullptr)) - std::int64_t{*then};
    if (!policy.authenticated_within->is_indefinite() && age > std::int64_t{policy.authenticated_within->count()}) {
      return unexpected(refused("authenticated_within: the peer has authenticated before that"));
    }
  }
  if (policy.channel_bound && !flags.contains(ContextFlag::channel_bound)) {
    if constexpr (!capabilities.channel_bound_flag) {
      return unexpected(
          Error::unavailable("authorize", GSSKEY_GSS_NAME " does not say whether bindings were compared"));
    }
    return unexpected(Error::policy("authorize", static_cast<std::uint32_t>(ContextFlag::channel_bound),
                                    "channel_bound: the peer has named no channel"));
  }
  if (policy.sids.empty()) return {};
  const auto pac = Pac::from(context);
  if (!pac) return unexpected(pac.error());
  for (const Sid& sid : policy.sids) {
    const auto answer = pac->is_member_of(sid);
    if (answer.failed()) return unexpected(answer.error());
    if (answer.yes()) return {};
  }
  return unexpected(refused("sids: the peer is none of them, and in none of them"));
}

}  // namespace gss_detail

/// Checks that the peer may come in. An anonymous peer never may.
///
///     if (auto allowed = authorize(*context, {.realms = {"EXAMPLE.COM"}, .act_as = "www"}); !allowed) {
///       return refuse(allowed.error());  // for the log: "act_as: bob@EXAMPLE.COM may not act as the local user www"
///     }
///
/// Calls: those of SecurityContext::peer(), and of what the clauses ask: gss_userok, gss_get_name_attribute,
///   gss_inquire_sec_context_by_oid, gsskrb5_extract_authtime_from_sec_context.
/// Errors: policy, if it may not: the text names the clause first, and says what was found; the mechanism may also not
///   be Kerberos. usage, for an empty context, an initiator's, and a policy that does not say who, has a pattern that
///   is none, or a least_enctype that refuses nobody; unavailable, where the implementation cannot answer a clause;
///   those of the calls. Whatever it is, the peer may not come in.
/// Blocks: for `act_as`, on files and the user database.
template <Mechanism M>
  requires(M::accepts(mech::Krb5::oid))
[[nodiscard]] inline Result<void> authorize(const SecurityContext<M>& context, const Policy& policy) noexcept {
  if (!context) return unexpected(gsskey::detail::empty_context("authorize"));
  if (auto checked = gss_detail::check(policy); !checked) return checked;
  auto info = context.inquire();
  if (!info) return unexpected(std::move(info).error());
  if (info->is_initiator) {
    return unexpected(Error::usage("authorize", "the context is the initiator's, which has chosen its peer"));
  }
  if (!policy.services.empty()) {
    if (!info->acceptor) return unexpected(gss_detail::refused("services: which one was asked for is not known"));
    const auto service = Principal::from_name(info->acceptor);
    if (!service) return unexpected(service.error());
    if (!gss_detail::is_one_of(policy.services, *service)) {
      return unexpected(gss_detail::refused("services: none of them is ", service->text()));
    }
  }
  const ContextFlags flags = info->flags;
  const Peer peer{*std::move(info)};
  const auto principal = peer.principal();
  if (!principal) return unexpected(principal.error());
  if (auto admitted = gss_detail::admit_name(policy, peer, *principal); !admitted) return admitted;
  if (auto admitted = gss_detail::admit_indicators(policy, peer); !admitted) return admitted;
  return gss_detail::admit_context(policy, context, flags);
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
