// benchmarks/handshakes: both ends of a handshake in one process, and results that must be there.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <gsskey/gss.hpp>
#include <utility>

/// An Error, or what carries one.
template <class E>
[[noreturn]] void fail(const E& error) {
  if constexpr (requires { error.error; }) {
    fail(error.error);
  } else {
    const auto text = error.text();
    std::fprintf(stderr, "%s: %s: %.*s\n", program_invocation_short_name, error.operation(),
                 static_cast<int>(text.size()), text.data());
    std::exit(1);
  }
}
template <class R>
decltype(auto) value(R&& result) {
  if (!result) fail(result.error());
  return *std::forward<R>(result);
}
inline void value(gsskey::Result<void>&& result) {
  if (!result) fail(result.error());
}

struct Handshakes {
  gsskey::Initiator<gsskey::mech::Krb5> initiator{value(gsskey::Name::host_service("host", "localhost"))};
  gsskey::Acceptor<gsskey::mech::Krb5> acceptor;

  Handshakes() {
    const auto request = value(initiator.step());
    const auto reply = value(acceptor.step(request.token));
    static_cast<void>(value(initiator.step(reply.token)));
  }
};
