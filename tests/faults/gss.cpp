// tests/faults/gss: names, credentials, handshakes, messages and contexts that move, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>
#include <gsskey/gss/context/expiring.hpp>
#include <gsskey/gss/context/export.hpp>
#include <gsskey/gss/context/in_place.hpp>
#include <gsskey/gss/context/iov.hpp>
#include <gsskey/gss/context/options.hpp>
#include <gsskey/gss/context/ordering.hpp>
#include <gsskey/gss/context/prf.hpp>
#include <gsskey/gss/credential/transfer.hpp>
#include <gsskey/io/fd_stream.hpp>

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "faults/faults.hpp"
#include "faults/pair.hpp"

using namespace gsskey;
using faults::again;
using faults::check;
using faults::need;

namespace {

using mech::Krb5;
using mech::Spnego;

/// Credentials, and a handshake of two that know nothing yet.
template <Mechanism M>
void handshake() {
  const auto key = again([] { return Credential<M, Accept>::acquire_default(); });
  const auto ticket = again([] { return Credential<M, Initiate>::acquire_default(); });
  auto target = again([] { return Name::host_service("host", "localhost"); });
  check(!again([&] { return ticket.inquire(); }).lifetime.is_indefinite(), "a ticket ends");
  Initiator<M> initiator{std::move(target), ticket, {.request = {ContextFlag::delegate}}};
  Acceptor<M> acceptor{key, {.keep_delegated = true}};
  faults::step_all(initiator, acceptor);
  auto ours = need(std::move(initiator).establish());
  auto theirs = need(std::move(acceptor).accept());
  const auto info = again([&] { return theirs.context.inquire(); });
  const auto name = again([&] { return info.initiator.display(); });
  check(name.text() == "alice@GSSKEY.TEST", "the initiator's name");
  check(static_cast<bool>(theirs.delegated), "what was delegated is there");
  check(!again([&] { return theirs.delegated.lifetime(); }).is_indefinite(), "what was delegated ends");
  check(!again([&] { return ours.lifetime(); }).is_indefinite(), "a context ends");
  check(again([&] { return ours.mechanism(); }) == Krb5::oid || M::name != Krb5::name, "the mechanism");
}

/// Over a socket, both ends at once, by drive().
void driven() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error{"socketpair"};
  struct Closed {
    int fd;
    ~Closed() { ::close(fd); }
  };
  Result<SecurityContext<Krb5>> theirs = unexpected(Error::usage("test", "not yet"));
  const auto key = again([] { return Credential<Krb5, Accept>::acquire_default(); });
  const auto ticket = again([] { return Credential<Krb5, Initiate>::acquire_default(); });
  auto target = again([] { return Name::host_service("host", "localhost"); });
  {
    Closed acceptor_end{ends[1]};
    std::thread server;
    Result<SecurityContext<Krb5>> ours = unexpected(Error::usage("test", "not yet"));
    {
      Closed initiator_end{ends[0]};
      server = std::thread{[&] {
        FdStream stream{acceptor_end.fd};
        FramedTransport wire{stream};
        theirs = drive(Acceptor<Krb5>{key}, wire);
        ::shutdown(acceptor_end.fd, SHUT_RDWR);
      }};
      FdStream stream{initiator_end.fd};
      FramedTransport wire{stream};
      ours = drive(Initiator<Krb5>{std::move(target), ticket}, wire);
      ::shutdown(initiator_end.fd, SHUT_RDWR);
      server.join();
    }
    // Of two errors one may be what the peer sees of the other.
    const auto is_fault = [](const auto& end) {
      return !end && (end.error().domain() != Domain::transport ||
                      end.error().minor_status() == static_cast<std::uint32_t>(ENOMEM));
    };
    if (is_fault(theirs) && is_fault(ours) && faults::failures() == 2) faults::note(theirs.error());
    if (!ours && (theirs || is_fault(ours))) need(std::move(ours));
    auto acceptor = need(std::move(theirs));
    auto initiator = need(std::move(ours));
    check(need(acceptor.unwrap(need(initiator.wrap("driven")))).text() == "driven", "a message");
  }
}

/// A peer that says nothing, until the time is over.
void silence() {
  struct Ends {
    int ends[2];
    Ends() {
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error{"socketpair"};
    }
    Ends(const Ends&) = delete;
    ~Ends() {
      ::close(ends[0]);
      ::close(ends[1]);
    }
  } const sockets;
  FdStream stream{sockets.ends[0]};
  stream.expires_after(std::chrono::milliseconds{200});
  char byte = 0;
  const auto read = stream.read_some(&byte, 1);
  faults::refused(read);
  if (!read && read.error().minor_status() != static_cast<std::uint32_t>(ETIMEDOUT)) faults::note(read.error());
}

template <Mechanism M>
void messages() {
  auto ends = faults::pair<M>();
  auto& [ours, theirs] = ends;
  const auto token = again([&] { return ours.wrap("message"); });
  check(again([&] { return theirs.unwrap(token); }).text() == "message", "wrap and unwrap");
  const auto open = again([&] { return ours.wrap_unencrypted("in the open"); });
  check(again([&] { return theirs.unwrap_unencrypted(open); }).message.text() == "in the open", "unencrypted");
  const auto mic = again([&] { return ours.get_mic("message"); });
  again([&] { return theirs.verify_mic("message", mic); });
  check(again([&] { return ours.wrap_size_limit(1000); }) < 1000, "a size");
  const auto ordered = again([&] { return ours.wrap("in order"); });
  check(again([&] { return theirs.unwrap_with_ordering(ordered); }).plaintext.text() == "in order", "with its order");
  // No call that failed has used a number: what follows is in order.
  check(need(ours.unwrap(need(theirs.wrap("back")))).text() == "back", "the other way");
}

void messages_in_place() {
  auto ends = faults::pair<Krb5>();
  auto& [ours, theirs] = ends;
  const auto room = again([&] { return ours.room(); });
  const std::string message = "a message in its place";
  std::vector<unsigned char> block(room.header + message.size() + room.trailer);
  const auto token = again([&] {
    std::copy(message.begin(), message.end(), block.begin() + static_cast<std::ptrdiff_t>(room.header));
    return wrap_in_place(ours, {block, room.header, message.size()});
  });
  const auto plain = again([&] { return unwrap_in_place(theirs, token); });
  check(ByteView{plain}.text() == message, "in place");
  std::vector<unsigned char> memory(block.size());
  const auto into = again([&] { return wrap_into(ours, message, memory); });
  check(need(theirs.unwrap(into)).text() == message, "into memory");

  std::vector<unsigned char> data(message.begin(), message.end());
  std::array lengths{IovBuffer{IovType::header}, IovBuffer{IovType::data, data}, IovBuffer{IovType::padding},
                     IovBuffer{IovType::trailer}};
  again([&] { return wrap_iov_length(ours, std::span<IovBuffer>{lengths}); });
  std::vector<unsigned char> header(lengths[0].size());
  std::vector<unsigned char> trailer(lengths[3].size());
  std::array pieces{IovBuffer{IovType::header, header}, IovBuffer{IovType::data, data},
                    IovBuffer{IovType::padding, std::span<unsigned char>{}}, IovBuffer{IovType::trailer, trailer}};
  again([&] { return wrap_iov(ours, std::span<IovBuffer>{pieces}); });
  std::array sealed{IovBuffer{IovType::header, header}, IovBuffer{IovType::data, data},
                    IovBuffer{IovType::trailer, trailer}};
  again([&] { return unwrap_iov(theirs, std::span<IovBuffer>{sealed}); });
  check(ByteView{data}.text() == message, "in pieces");

  const auto associated = again([&] { return wrap_aead(ours, "header", "message"); });
  if constexpr (capabilities.mic_iov) {  // Heimdal's unwrap_aead refuses every token
    check(again([&] { return unwrap_aead(theirs, "header", associated); }).text() == "message", "associated data");
    std::array asked{IovBuffer{IovType::data, data}, IovBuffer{IovType::mic_token}};
    again([&] { return get_mic_iov_length(ours, std::span<IovBuffer>{asked}); });
    std::vector<unsigned char> mic(asked[1].size());
    std::array signing{IovBuffer{IovType::data, data}, IovBuffer{IovType::mic_token, mic}};
    again([&] { return get_mic_iov(ours, std::span<IovBuffer>{signing}); });
    again([&] { return verify_mic_iov(theirs, std::span<IovBuffer>{signing}); });
  }
}

void moving() {
  auto ends = faults::pair<Krb5>();
  auto& [ours, theirs] = ends;
  auto exported_context = export_context(std::move(ours));
  if (!exported_context) {
    faults::note(exported_context.error());
    if (!ours && faults::failures() == 2) throw faults::Stopped{};  // it could not be taken back either
    exported_context = again([&] { return export_context(std::move(ours)); });
  }
  const auto token = *std::move(exported_context);
  check(!ours, "an exported context is empty");
  ours = again([&] { return import_context<Krb5>(token); });
  check(need(theirs.unwrap(need(ours.wrap("moved")))).text() == "moved", "the context goes on");
  const auto ticket = again([] { return Credential<Krb5, Initiate>::acquire_default(); });
  const auto exported = again([&] { return export_credential(ticket); });
  const auto imported = again([&] { return import_credential<Krb5, Initiate>(exported); });
  check(again([&] { return again([&] { return imported.inquire(); }).name.display(); }).text() == "alice@GSSKEY.TEST",
        "whose the credential is");
}

void more_of_a_context() {
  auto ends = faults::pair<Krb5>();
  auto& [ours, theirs] = ends;
  const auto key = again([&] { return session_key(ours); });
  check(ByteView{key.key} == ByteView{need(session_key(theirs)).key}, "the session key");
  if constexpr (capabilities.sasl_ssf) check(again([&] { return ours.sasl_ssf(); }) != 0, "the strength");
  check(again([&] { return pseudo_random(ours, "for", 64); }).size() == 64, "pseudo-random octets");
  auto expiring = again([&] { return ExpiringContext<Krb5>::from_context(std::move(ours)); });
  const auto token = again([&] { return expiring.wrap("until it ends"); });
  check(need(theirs.unwrap(token)).text() == "until it ends", "a context that ends");
}

void naming() {
  const auto alice = again([] { return Name::user("alice"); });
  const auto copy = again([&] { return alice.duplicate(); });
  again([&]() -> Result<void> {
    const Answer equal = alice.equals(copy);
    check(!equal.no(), "a name and its copy");
    if (equal.failed()) return unexpected(equal.error());
    return {};
  });
  const auto made = again([&] { return alice.canonicalize<Krb5>(); });
  const auto exported = again([&] { return made.export_name(); });
  const auto again_made = again([&] { return MechName<Krb5>::import_exported(exported); });
  check(again([&] { return again_made.display(); }).text() == "alice@GSSKEY.TEST", "the name");
}

const faults::Register registered[] = {
    {"handshake", &handshake<Krb5>},
    {"handshake_spnego", &handshake<Spnego>},
    {"drive", &driven},
    {"silence", &silence},
    {"messages", &messages<Krb5>},
    {"messages_spnego", &messages<Spnego>},
    {"messages_in_place", &messages_in_place},
    {"export_import", &moving},
    {"context", &more_of_a_context},
    {"names", &naming},
};

}  // namespace
