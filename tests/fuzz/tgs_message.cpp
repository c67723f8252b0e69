// Replies to a renewal, and those that a proxy brings: what is taken lies within the input, numbers and times are what
// an encoder writes for them; the writer writes what the reader takes, or nothing where there is no room.
// SPDX-License-Identifier: MIT
#include <gsskey/krb5/detail/tgs_message.hpp>
#include <gsskey/krb5/kdc_proxy.hpp>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

void is_written_alike(std::int64_t value) {
  unsigned char room[32];
  detail::BackwardDer out{room, sizeof room};
  out.put_integer(0xa0, value);
  detail::DerReader in{out.written()};
  std::int64_t read = 0;
  expect(detail::take_integer(in, 0xa0, read) && in.at_end() && read == value, "an integer is read as it was written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Bytes bytes(data, data + size);  // no larger, so that what is read behind it is found
  detail::TgsReply reply;
  if (reply.read(bytes)) {
    for (const ByteView part : {reply.client_realm, reply.client, reply.ticket, reply.encrypted.cipher}) {
      expect(fuzz::is_within(part, bytes), "a part of a reply lies within it");
    }
    is_written_alike(reply.encrypted.enctype);
  }
  detail::TgsReplyPart part;
  if (part.read(bytes)) {
    for (const ByteView view : {part.key, part.realm, part.server}) {
      expect(fuzz::is_within(view, bytes), "a part of what was encrypted lies within it");
    }
    is_written_alike(part.enctype);
    is_written_alike(part.nonce);
  }
  if (const auto brought = kdc_proxy_reply(bytes)) {
    expect(!brought->empty() && fuzz::is_within(*brought, bytes), "a reply lies within what the proxy has answered");
  }
  if (size != 0) {
    const auto message = kdc_proxy_message({.request = bytes, .realm = "R"});
    const auto request = kdc_proxy_reply(*message);
    expect(request && *request == ByteView{bytes}, "a message for a proxy is read as it was written");
  }
  fuzz::Bytes room(size + 16);
  const std::size_t least = size + 2 + (size >= 0x80 ? size >= 0x100 ? 2u : 1u : 0u);
  for (std::size_t given = size; given <= room.size() && size < 0x10000; ++given) {
    detail::BackwardDer out{room.data(), given};
    const std::size_t end = out.end();
    out.put(bytes);
    out.wrap(0x04, end);
    expect(out.written().empty() == (given < least),
           "an element is written where there is room, and nothing elsewhere");
    detail::DerReader in{out.written()};
    ByteView content;
    if (given >= least)
      expect(in.take_last(0x04, content) && content == ByteView{bytes}, "it is read as it was written");
  }
  return 0;
}
