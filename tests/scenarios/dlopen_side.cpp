// Compiled with GSSKEY_GSS_DLOPEN for an implementation; SIDE is the name of its function.
#include "dlopen_side.hpp"

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/gss/context/export.hpp>
#include <gsskey/gss/loaded.hpp>
#include <gsskey/handoff/detail/library_build.hpp>
#include <gsskey/krb5/lucid.hpp>

#include <algorithm>
#include <utility>

using namespace gsskey;

namespace {

Result<std::string> session() {
  GSSKEY_TRY(auto target, Name::host_service("host", "localhost"));
  Initiator<mech::Krb5> initiator{std::move(target)};
  Acceptor<mech::Krb5> acceptor;
  Buffer token;
  while (!initiator.is_complete()) {
    auto sent = initiator.step(token);
    if (!sent) return unexpected(sent.error().error);
    if (acceptor.is_complete()) break;
    auto answered = acceptor.step(sent->token);
    if (!answered) return unexpected(answered.error().error);
    token = std::move(answered->token);
  }
  GSSKEY_TRY(auto ours, std::move(initiator).establish());
  GSSKEY_TRY(const auto peer, acceptor.peer_name().display());
  GSSKEY_TRY(auto accepted, std::move(acceptor).establish());
  GSSKEY_TRY(const auto exported, export_context(std::move(accepted)));
  GSSKEY_TRY(auto theirs, import_context<mech::Krb5>(exported));
  GSSKEY_TRY(const auto sealed, ours.wrap("by a library that was loaded"));
  GSSKEY_TRY(const auto opened, theirs.unwrap(sealed));
  GSSKEY_TRY(const auto keys, export_lucid(std::move(ours)));
  return std::string{peer.text()};
}

std::string library_build() {
  const auto& build = gss_detail::LibraryBuild::loaded();
  const bool is_there = std::any_of(build.id, build.id + build.size, [](unsigned char byte) { return byte != 0; });
  return is_there ? std::string{build.id, build.id + build.size} : "";
}

}  // namespace

const Side& SIDE() {
  static constexpr Side side{loaded_capabilities, session, library_build};
  return side;
}
