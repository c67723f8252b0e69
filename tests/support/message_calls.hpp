// tests/support/message_calls: every call of a MessageContext, made once: for what must refuse all of them.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/gss/message.hpp>

#include <utility>
#include <vector>

namespace support {

using namespace gsskey;

struct MessageCall {
  const char* name;
  Result<void> outcome;
};

/// All but lifetime(), with tokens that are none.
template <MessageContext C>
std::vector<MessageCall> message_calls(C& context) {
  static unsigned char memory[400];
  static const ByteView pieces[] = {"two", "pieces"};
  std::vector<MessageCall> calls;
  const auto made = [&](const char* name, const auto& result) {
    calls.push_back({name, result ? Result<void>{} : Result<void>{unexpected(result.error())}});
  };
  made("wrap", context.wrap("x"));
  made("wrap_unencrypted", context.wrap_unencrypted("x"));
  made("wrap_into", wrap_into(context, "x", memory));
  made("wrap_into, pieces", wrap_into(context, pieces, memory));
  made("wrap_in_place", wrap_in_place(context, {memory, 100, 1}));
  made("unwrap", context.unwrap("x"));
  made("unwrap_unencrypted", context.unwrap_unencrypted("x"));
  made("unwrap_with_ordering", context.unwrap_with_ordering("x"));
  made("unwrap_into", unwrap_into(context, "x", memory));
  made("unwrap_in_place", unwrap_in_place(context, memory));
  made("get_mic", context.get_mic("x"));
  made("verify_mic", context.verify_mic("x", "y"));
  made("wrap_size_limit", context.wrap_size_limit(1000));
  made("wrap_unencrypted_size_limit", context.wrap_unencrypted_size_limit(1000));
  made("room", context.room());
  made("inquire", context.inquire());
  made("peer", context.peer());
  made("sasl_ssf", context.sasl_ssf());
  return calls;
}

}  // namespace support
