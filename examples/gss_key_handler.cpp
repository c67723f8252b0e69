// examples/gss_key_handler: makes keys "gss:SERVICE@HOST": a token that proves to that service who asked for the key,
// and the security context behind it. examples/gss_key_client uses them.
//
//   gss_key_handler --rule > /etc/request-key.d/gsskey-gss.conf     as root, once
//
// The ticket comes from the requester's persistent keyring or /tmp/krb5cc_UID. The callout info says how many seconds
// it may take, 1 to 60. The payload: length of the token (four bytes, big-endian), token, and the sealed context, to be
// claimed from the first ring that the requester has of thread, process and session ring. Good for one connection.
// Refusals: EINVAL (what is asked for), ENOENT (no ticket; Heimdal: or it has ended), EKEYEXPIRED (it has ended), ENXIO
// (no such service), EHOSTUNREACH (no KDC), ETIMEDOUT, EMSGSIZE (more than a key holds), EDQUOT, EKEYREJECTED (else).
// SPDX-License-Identifier: MIT
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <string_view>

#include <gsskey/gss.hpp>
#include <gsskey/handoff/parked_context.hpp>
#include <gsskey/keyring.hpp>
#include <gsskey/krb5/advice.hpp>

#include "print_rule.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace std::chrono_literals;
using mech::Krb5;
using Refused = unexpected<int>;  // errno

namespace {

int error_for(const Error& error, Failure failure) {
  if (error.domain() == Domain::keyring) return static_cast<int>(error.minor_status());  // EDQUOT
  if (failure == Failure::no_credential || failure == Failure::no_ticket) return ENOENT;
  if (failure == Failure::ticket_expired) return EKEYEXPIRED;
  if (failure == Failure::unknown_service) return ENXIO;
  return failure == Failure::unknown_realm || failure == Failure::kdc_unreachable ? EHOSTUNREACH : EKEYREJECTED;
}

/// The requester's: the first of its caches that is there.
expected<Credential<Krb5, Initiate>, int> credential_of(uid_t user) {
  const std::string file = "/tmp/krb5cc_" + std::to_string(user);
  struct ::stat status{};  // anybody can put a file there
  const bool own_file = ::lstat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == user;
  int error = ENOENT;
  for (const std::string& cache : {"KEYRING:persistent:" + std::to_string(user), own_file ? "FILE:" + file : ""}) {
    if (cache.empty()) continue;
    ::setenv("KRB5CCNAME", cache.c_str(), 1);  // this process has no other use for it
    auto credential = Credential<Krb5, Initiate>::acquire_default();
    if (credential) return *std::move(credential);
    if (error == ENOENT) error = error_for(credential.error(), failure_of(credential.error()));
  }
  return Refused{error};
}

/// As the requester.
expected<SecretBytes, int> mint(const KeyRequest& request, Name target, std::chrono::seconds limit) {
  if (!request.become_requester()) return Refused{EKEYREJECTED};
  const auto credential = credential_of(request.user());
  if (!credential) return Refused{credential.error()};
  const auto refuse = [&](const Error& error) { return Refused{error_for(error, failure_of(error, *credential))}; };

  InitiatorOptions one_leg;
  one_leg.demand = one_leg.demand.without(ContextFlag::mutual | ContextFlag::sequence);
  Initiator<Krb5> initiator{std::move(target), *credential, one_leg};
  const auto step = initiator.step();
  if (!step) return refuse(step.error().error);
  auto context = std::move(initiator).establish();
  if (!context) return refuse(context.error());

  KeyringRef ring = request.thread_ring() ? request.thread_ring() : request.process_ring();
  if (!ring) ring = request.session_ring();
  auto parked = handoff::park(  // wherever the requester wants to have it
      *std::move(context), ring,
      {.time_to_live = limit + 60s, .in_ring_of_another_user = true, .in_ring_of_all_processes = true});
  if (!parked) return refuse(parked.error());
  const ByteView token = step->token;
  auto payload = SecretBytes::with_size(4 + token.size() + parked->bytes().size());
  if (!payload) return Refused{ENOMEM};
  if (payload->size() > key_type::User::max_payload) return Refused{EMSGSIZE};
  for (unsigned at = 0; at < 4; ++at) payload->data()[at] = static_cast<unsigned char>(token.size() >> (24 - 8 * at));
  std::memcpy(payload->data() + 4, token.data(), token.size());
  std::memcpy(payload->data() + 4 + token.size(), parked->bytes().data(), parked->bytes().size());
  static_cast<void>(std::move(*parked).release());  // the requester's now
  return *std::move(payload);
}

/// In a child, which is no longer root and can be ended when it takes too long.
expected<SecretBytes, int> mint_in_time(const KeyRequest& request, Name target, std::chrono::seconds limit) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return Refused{errno};
  const auto ours = example::Socket::adopt(ends[0]);
  auto theirs = example::Socket::adopt(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return Refused{errno};
  if (child == 0) {
    const auto minted = mint(request, std::move(target), limit);
    const ByteView words = minted ? ByteView{*minted} : ByteView{&minted.error(), sizeof(int)};
    ::_exit(::send(theirs.get(), words.data(), words.size(), MSG_NOSIGNAL) < 0 ? 1 : 0);
  }
  theirs.reset();
  const ::timeval patience{.tv_sec = limit.count(), .tv_usec = 0};
  ::setsockopt(ours.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  auto answer = SecretBytes::with_size(key_type::User::max_payload);
  const auto size = answer ? ::recv(ours.get(), answer->data(), answer->size(), 0) : -1;
  const int error = size < 0 ? errno : 0;
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  if (error != 0) return Refused{error == EAGAIN ? ETIMEDOUT : error};
  int refusal = EKEYREJECTED;  // if it ended without a word
  if (size == sizeof refusal) std::memcpy(&refusal, answer->data(), sizeof refusal);
  if (size <= ::ssize_t{sizeof refusal}) return Refused{refusal};
  if (!answer->resize(static_cast<std::size_t>(size))) return Refused{ENOMEM};
  return *std::move(answer);
}

expected<Instantiation, Rejection> answer(const KeyRequest& request) {
  // Who asks chose description and callout info: they are no more to be trusted than any other input.
  const std::string_view wanted = request.description().substr(4);  // "gss:", says the rule
  const std::string_view wish = request.callout_info();
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(wish.data(), wish.data() + wish.size(), seconds);
  const auto at = wanted.find('@');
  if (at == wanted.npos || error != std::errc{} || end != wish.data() + wish.size() || seconds < 1 || seconds > 60) {
    return unexpected(Rejection{EINVAL, 1s});
  }
  auto target = Name::host_service(wanted.substr(0, at), wanted.substr(at + 1));
  if (!target) return unexpected(Rejection{EINVAL, 1s});
  auto minted = mint_in_time(request, *std::move(target), std::chrono::seconds{seconds});
  if (!minted) return unexpected(Rejection{minted.error(), 1s});
  Instantiation made;
  made.payload = *std::move(minted);
  made.timeout = 60s;
  made.permissions = Permissions{}.possessor(all_rights.without(Right::write));
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view{argv[1]} == "--rule") return example::print_rule("gss:*");
  return handle_upcall<key_type::User>(argc, argv, answer, {.deadline = 70s});  // beyond the longest wish
}
