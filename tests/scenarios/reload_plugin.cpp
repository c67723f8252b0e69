// The plugin of reload.cpp.
#include <gsskey/core/detail/process_mark.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/text/system_error.hpp>

#include <string>
#include <utility>

using namespace gsskey;

namespace {

Result<std::string> session() {
  auto target = Name::host_service("host", "localhost");
  if (!target) return unexpected(target.error());
  Initiator<mech::Krb5> initiator{*std::move(target)};
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
  auto ours = std::move(initiator).establish();
  if (!ours) return unexpected(ours.error());
  const auto peer = acceptor.peer_name().display();
  if (!peer) return unexpected(peer.error());
  auto theirs = std::move(acceptor).establish();
  if (!theirs) return unexpected(theirs.error());
  const auto sealed = ours->wrap("from a plugin");
  if (!sealed) return unexpected(sealed.error());
  const auto opened = theirs->unwrap(*sealed);
  if (!opened) return unexpected(opened.error());
  return std::string{peer->text()};
}

}  // namespace

extern "C" const char* peer_of_a_session() {
  static std::string said;
  const auto peer = session();
  if (gss_category() == krb5_category() || detail::this_process() == 0) return "";
  said = peer ? *peer : std::string{peer.error().operation()} + ": " + std::string{peer.error().text()};
  return said.c_str();
}
