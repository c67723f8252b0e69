// tests/fuzz/library: a GSS library that answers as the input says, and counts what it gave away. The functions are
// defined here, in place of the implementation's; a target adds those that it is about. SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/gss/mechanism.hpp>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "input.hpp"
#include "support/library_types.hpp"

namespace fuzz {

/// What answers are made of: set before anything is called.
inline Input* script = nullptr;
inline int handles_out = 0;

template <class T>
T handle() {
  ++handles_out;
  return static_cast<T>(std::malloc(1));
}
template <class T>
void give_back(T* slot) {
  if (*slot == nullptr) return;
  --handles_out;
  std::free(std::exchange(*slot, nullptr));
}
inline void fill(gss_buffer_t out) {
  out->length = script->byte() % 40u;
  out->value = std::malloc(out->length + 1);
  for (std::size_t at = 0; at < out->length; ++at) static_cast<unsigned char*>(out->value)[at] = script->byte();
}
inline gss_OID mechanism() {
  using namespace gsskey;
  const unsigned chosen = script->byte() % 4u;
  if (chosen == 0) return GSS_C_NO_OID;
  return chosen == 1 ? gss_detail::raw_oid<mech::Ntlmssp::oid>() : gss_detail::raw_oid<mech::Krb5::oid>();
}
/// Of a call that is made once: three times of four it succeeds.
inline OM_uint32 answer() {
  const unsigned char chosen = script->byte();
  return chosen < 192 ? GSS_S_COMPLETE : static_cast<OM_uint32>((chosen & 31u) | 1u) << 16;
}

}  // namespace fuzz

extern "C" {
OM_uint32 gss_display_status(OM_uint32* minor, OM_uint32, int, gss_OID, OM_uint32* more, gss_buffer_t text) {
  *minor = 0;
  *more = fuzz::script->byte() % 2u;
  if (fuzz::script->byte() % 8u == 0) return GSS_S_FAILURE;
  fuzz::fill(text);
  return GSS_S_COMPLETE;
}
OM_uint32 gss_delete_sec_context(OM_uint32*, gss_ctx_id_t* context, gss_buffer_t) {
  fuzz::give_back(context);
  return GSS_S_COMPLETE;
}
OM_uint32 gss_release_name(OM_uint32*, gss_name_t* name) {
  fuzz::give_back(name);
  return GSS_S_COMPLETE;
}
OM_uint32 gss_release_cred(OM_uint32*, gss_cred_id_t* credential) {
  fuzz::give_back(credential);
  return GSS_S_COMPLETE;
}
OM_uint32 gss_release_buffer(OM_uint32*, gss_buffer_t buffer) {
  std::free(std::exchange(buffer->value, nullptr));
  buffer->length = 0;
  return GSS_S_COMPLETE;
}
// With Heimdal, of a name that was negotiated: that of a principal, or anything.
OM_uint32 gss_export_name(OM_uint32* minor, support::ConstName, gss_buffer_t out) {
  *minor = 0;
  if (fuzz::script->byte() % 8u == 0) return GSS_S_FAILURE;
  fuzz::fill(out);
  if (fuzz::script->byte() % 4u == 0) return GSS_S_COMPLETE;
  std::string name{"\4\1\0\13\6\11\52\206\110\206\367\22\1\2\2\0\0\0", 18};
  name += static_cast<char>(out->length);
  name += gsskey::ByteView{out->value, out->length}.text();
  gss_release_buffer(minor, out);
  out->length = name.size();
  out->value = std::malloc(name.size());
  std::memcpy(out->value, name.data(), name.size());
  return GSS_S_COMPLETE;
}
OM_uint32 gss_import_name(OM_uint32* minor, gss_buffer_t, gss_OID, gss_name_t* name) {
  *minor = fuzz::script->byte();
  const OM_uint32 major = fuzz::answer();
  if (major == GSS_S_COMPLETE) *name = fuzz::handle<gss_name_t>();
  return major;
}
}
