// benchmarks/operations: the same work as in operations.c, with gsskey.
// SPDX-License-Identifier: MIT
#include "operations.h"

#include <cstdio>
#include <cstdlib>
#include <gsskey/gss.hpp>
#include <utility>

namespace {

using namespace gsskey;
using mech::Krb5;
using Context = SecurityContext<Krb5>;

Credential<Krb5, Initiate> initiator_credential;
Credential<Krb5, Accept> acceptor_credential;
Context initiator = Context::adopt(GSS_C_NO_CONTEXT);
Context acceptor = Context::adopt(GSS_C_NO_CONTEXT);

[[noreturn, gnu::cold]] void fail(const Error& error) {
  const auto text = error.text();
  std::fprintf(stderr, "operations.cpp: %s: %.*s\n", error.operation(), static_cast<int>(text.size()), text.data());
  std::exit(1);
}
[[noreturn, gnu::cold]] void fail(const StepFailure& failure) { fail(failure.error); }

/// The value, or the end.
template <class R>
decltype(auto) value(R&& result) {
  if (!result) fail(result.error());
  return *std::forward<R>(result);
}

ByteView view(const gss_buffer_desc& bytes) { return {bytes.value, bytes.length}; }

std::pair<Context, Context> establish(Initiator<Krb5> initiating, Acceptor<Krb5> accepting) {
  Buffer reply;
  while (!initiating.is_complete()) {
    const auto request = value(initiating.step(reply));
    if (!accepting.is_complete()) reply = value(accepting.step(request.token)).token;
  }
  return {value(std::move(initiating).establish()), value(std::move(accepting).establish())};
}

Name target() { return value(Name::import_name<name_type::host_service>("host@localhost")); }

void connect_both() {
  initiator_credential = value(Credential<Krb5, Initiate>::acquire_default());
  acceptor_credential = value(Credential<Krb5, Accept>::acquire_default());
  auto contexts = establish({target(), initiator_credential}, Acceptor<Krb5>{acceptor_credential});
  initiator = std::move(contexts.first);
  acceptor = std::move(contexts.second);
}

gss_ctx_id_t peer() { return initiator.get(); }

void host_service(const work* work) {
  for (std::size_t turn = 0; turn < work->turns; ++turn) {
    const Name name = value(Name::host_service("host", "localhost"));
  }
}

void handshake(const work* work) {
  for (std::size_t turn = 0; turn < work->turns; ++turn) {
    const auto contexts = establish({target(), initiator_credential}, Acceptor<Krb5>{acceptor_credential});
  }
}

void handshake_default_credential(const work* work) {
  for (std::size_t turn = 0; turn < work->turns; ++turn) {
    const auto contexts = establish(Initiator<Krb5>{target()}, Acceptor<Krb5>{});
  }
}

void wrap(const work* work) {
  for (std::size_t turn = 0; turn < work->turns; ++turn) {
    const auto token = acceptor.wrap(view(work->message));
    if (!token) fail(token.error());
  }
}

void unwrap(const work* work) {
  for (std::size_t turn = 0; turn < work->turns; ++turn) {
    const auto message = acceptor.unwrap(view(work->tokens[turn]));
    if (!message) fail(message.error());
    if (message->size() != work->message.length) fail(Error::usage("unwrap", "another length"));
  }
}

void get_mic(const work* work) {
  for (std::size_t turn = 0; turn < work->turns; ++turn) {
    const auto mic = acceptor.get_mic(view(work->message));
    if (!mic) fail(mic.error());
  }
}

void verify_mic(const work* work) {
  for (std::size_t turn = 0; turn < work->turns; ++turn) {
    const auto verified = acceptor.verify_mic(view(work->message), view(work->tokens[turn]));
    if (!verified) fail(verified.error());
  }
}

}  // namespace

const way with_gsskey = {
    "gsskey", connect_both, peer,    host_service, handshake, handshake_default_credential,
    wrap,     unwrap,       get_mic, verify_mic,
};
