// What is in the seal of a parked context: a length, the exported context behind its header, the credential. Whatever
// the bytes are, the library gets what was exported and nothing else, and every handle goes back once.
// SPDX-License-Identifier: MIT
#include <gsskey/gss/context/export.hpp>
#include <gsskey/handoff/parked_context.hpp>

#include <optional>
#include <string_view>

#include "input.hpp"
#include "library.hpp"

using namespace gsskey;
using fuzz::expect;
using gss_detail::ExportHeader;

namespace {

/// What the library was given, if it was.
std::optional<ByteView> given_context;
std::optional<ByteView> given_credential;
bool is_context_given_away = false;

ByteView view(gss_buffer_t buffer) { return {buffer->value, buffer->length}; }

template <Mechanism M>
void take_apart(ByteView both, bool wants_credential) {
  bool has_context = false;
  if (wants_credential) {
    const auto all = handoff_detail::all_taken_apart<M>(both);
    has_context = all && all->context;
    expect(!all || has_context, "no credential without its context");
    if (all && all->delegated) expect(given_credential.has_value(), "a credential is one that the library gave");
  } else {
    ByteView rest;
    const auto context = handoff_detail::taken_apart<M>(both, rest);
    has_context = context && *context;
    expect(!context || has_context, "a context is none that is empty");
  }
  expect(!has_context || is_context_given_away, "a context is one that the library gave");
  if (!given_context) {
    expect(!has_context && !given_credential, "without a whole context nothing is imported");
    return;
  }
  const ByteView body = *given_context;
  expect(both.size() >= 4 + ExportHeader::size && !body.empty() && fuzz::is_within(body, both), "it lies within");
  expect(body.data() == both.data() + 4 + ExportHeader::size, "a context comes first");
  const std::size_t size = ExportHeader::size + body.size();
  const auto whole = ExportHeader::prepended_to(body);
  expect(whole && ByteView{*whole} == both.subview(4, size), "it is as it was exported");
  const auto again = handoff_detail::joined(*whole, both.subview(4 + size));
  expect(again && ByteView{*again} == both, "one form for a context and a credential");
  if (given_credential) {
    expect(wants_credential && *given_credential == both.subview(4 + size), "a credential is the rest");
    expect(!given_credential->empty(), "no credential of nothing");
  }
}

void name_of_key(ByteView sealed) {
  const auto id = SealKeyId::parse(sealed);
  if (!id) {
    expect(seal_fault(id.error()) != SealFault::none, "a reason is told");
    return;
  }
  const handoff_detail::KeyName name{*id};
  const std::string_view text = name.c_str();
  expect(text.size() == name.size() && text.starts_with("gsskey-parked:"), "a key's name is ours");
  expect(text.find_first_not_of("0123456789abcdef", 14) == std::string_view::npos && text.size() == 30, "and plain");
}

}  // namespace

extern "C" {
OM_uint32 gss_import_sec_context(OM_uint32* minor, gss_buffer_t token, gss_ctx_id_t* context) {
  *minor = 0;
  given_context = view(token);
  const OM_uint32 major = fuzz::answer();
  if (major != GSS_S_COMPLETE) return major;
  is_context_given_away = true;
  *context = fuzz::handle<gss_ctx_id_t>();
  return major;
}
OM_uint32 gss_inquire_context(OM_uint32* minor, support::ConstContext, gss_name_t*, gss_name_t*, OM_uint32*,
                              gss_OID* mechanism, OM_uint32*, int*, int*) {
  *minor = 0;
  *mechanism = fuzz::mechanism();
  return fuzz::answer();
}
OM_uint32 gss_import_cred(OM_uint32* minor, gss_buffer_t token, gss_cred_id_t* credential) {
  *minor = 0;
  given_credential = view(token);
  const OM_uint32 major = fuzz::answer();
  if (major == GSS_S_COMPLETE) *credential = fuzz::handle<gss_cred_id_t>();
  return major;
}
OM_uint32 gss_inquire_cred(OM_uint32* minor, support::ConstCredential, gss_name_t*, OM_uint32*, gss_cred_usage_t* usage,
                           gss_OID_set* mechanisms) {
  static const gss_OID_set other = raw_oid_set<mech::Ntlmssp::oid>();
  static const gss_OID_set both = raw_oid_set<mech::Krb5::oid, mech::Spnego::oid>();
  *minor = 0;
  *usage = fuzz::script->byte() % 3;
  *mechanisms = fuzz::script->byte() % 4u == 0 ? other : both;
  return fuzz::answer();
}
OM_uint32 gss_release_oid_set(OM_uint32*, gss_OID_set* set) {
  *set = GSS_C_NO_OID_SET;
  return GSS_S_COMPLETE;
}
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  const unsigned char what = input.byte();
  if (what % 4u == 3) {
    name_of_key(input.rest());
    return 0;
  }
  fuzz::Input answers{input.bytes(input.byte() % 16u)};
  fuzz::script = &answers;
  given_context.reset();
  given_credential.reset();
  is_context_given_away = false;
  fuzz::Bytes both;
  if (what % 4u == 0) {
    both = fuzz::bytes_of(input.rest());
  } else {  // as park() makes it
    const auto exported = ExportHeader::prepended_to(input.bytes(input.byte()));
    if (!exported) return 0;
    const auto joined = handoff_detail::joined(*exported, input.bytes(input.byte()));
    if (!joined) return 0;
    both = input.altered(fuzz::bytes_of(*joined));
  }
  const bool wants_credential = (what & 4) != 0;
  if ((what & 8) != 0) {
    take_apart<mech::Spnego>(both, wants_credential);
  } else {
    take_apart<mech::Krb5>(both, wants_credential);
  }
  expect(fuzz::handles_out == 0, "a handle was not given back");
  return 0;
}
