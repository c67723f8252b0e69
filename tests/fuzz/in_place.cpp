// Messages of a peer unwrapped where they are: whatever their bytes say, the pieces that the library gets are the
// token, one behind the other, and the plaintext lies within it. SPDX-License-Identifier: MIT
#include <gsskey/gss/context/in_place.hpp>

#include <cstring>

#include "input.hpp"
#include "library.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

ByteView whole;
MessageRoom room;

void touch(gss_buffer_desc piece) {
  auto* const bytes = static_cast<unsigned char*>(piece.value);
  for (std::size_t at = 0; at < piece.length; ++at) bytes[at] ^= 0xff;
}

}  // namespace

extern "C" {
OM_uint32 gss_wrap_iov_length(OM_uint32* minor, gss_ctx_id_t, int, gss_qop_t, int*, gss_iov_buffer_desc* pieces,
                              int count) {
  *minor = 0;
  expect(count == 4, "header, data, padding and trailer");
  pieces[0].buffer.length = room.header;
  pieces[2].buffer.length = 0;
  pieces[3].buffer.length = room.trailer;
  return GSS_S_COMPLETE;
}
OM_uint32 gss_unwrap_iov(OM_uint32* minor, gss_ctx_id_t, int* encrypted, gss_qop_t*, gss_iov_buffer_desc* pieces,
                         int count) {
  *minor = 0;
  *encrypted = fuzz::script->byte() % 4 != 0;
  const unsigned char* next = whole.data();
  for (int at = 0; at < count; ++at) {
    if (pieces[at].buffer.value == nullptr) continue;
    expect(pieces[at].buffer.value == next, "the pieces are the token");
    next += pieces[at].buffer.length;
    touch(pieces[at].buffer);
  }
  expect(next == whole.end(), "all of it");
  if (pieces[0].type == GSS_IOV_BUFFER_TYPE_STREAM && !whole.empty()) {
    const std::size_t offset = fuzz::script->byte() % whole.size();
    pieces[1].buffer = {fuzz::script->byte() % (whole.size() - offset + 1),
                        const_cast<unsigned char*>(whole.data()) + offset};
  }
  return fuzz::answer();
}
OM_uint32 gss_unwrap(OM_uint32* minor, support::ConstContext, gss_buffer_t token, gss_buffer_t message, int* encrypted,
                     gss_qop_t*) {
  *minor = 0;
  *encrypted = fuzz::script->byte() % 4 != 0;
  expect(ByteView{token->value, token->length} == whole, "the token as it came");
  touch(*token);
  message->length = fuzz::script->byte();
  message->value = std::calloc(1, message->length + 1);
  return fuzz::answer();
}
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  fuzz::Input answers{input.bytes(8)};
  fuzz::script = &answers;
  room = MessageRoom{input.byte(), input.byte()};
  const bool is_framed = input.byte() % 4u != 0;
  fuzz::Bytes token;
  if (is_framed) {
    rfc4121::Header header{.is_wrap = true, .flags = input.byte()};
    header.extra_count = static_cast<std::uint16_t>(input.byte() % 4u == 0 ? input.number() : 0);
    header.rotation = static_cast<std::uint16_t>(input.byte() % 2u == 0 ? room.trailer : input.byte());
    token.resize(rfc4121::header_size);
    header.write(token.data());
  }
  token.insert(token.end(), input.rest().begin(), input.rest().end());
  whole = token;
  auto context = SecurityContext<mech::Krb5>::adopt(fuzz::handle<gss_ctx_id_t>());
  const auto plain = unwrap_in_place(context, token);
  if (plain) expect(fuzz::is_within({plain->data(), plain->size()}, whole), "the plaintext lies within the token");
  context = SecurityContext<mech::Krb5>::adopt(GSS_C_NO_CONTEXT);
  expect(fuzz::handles_out == 0, "a handle was not given back");
  return 0;
}
