// tests/support/handles: every handle and buffer that the GSS library gave to this program and got back, counted. One
// file per program includes it: it defines the gss_* functions and forwards to the library's.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/gss/platform/select.hpp>

#include <dlfcn.h>

#include <map>
#include <mutex>
#include <string>

#include "support/library_types.hpp"

namespace support {

/// Counts from its construction on.
class Handles {
 public:
  Handles() : before_{live_now()} {}

  /// How many more are out than before. A buffer counts as a handle.
  [[nodiscard]] int leaked() const { return live_now() - before_; }
  [[nodiscard]] static int live_contexts() { return live_now("context"); }

  static void out(const char* kind, const void* handle) {
    const std::lock_guard lock{mutex};
    if (handle != nullptr) live[handle] = kind;
  }
  static void back(const void* handle) {
    const std::lock_guard lock{mutex};
    live.erase(handle);
  }

  /// The library calls itself through the same names; only this program's calls count.
  struct Call {
    static inline thread_local int depth = 0;
    Call() { ++depth; }
    Call(const Call&) = delete;
    ~Call() { --depth; }
    [[nodiscard]] static bool is_ours() { return depth == 1; }
  };

 private:
  [[nodiscard]] static int live_now(const std::string& kind = {}) {
    const std::lock_guard lock{mutex};
    int found = 0;
    for (const auto& entry : live) found += kind.empty() || entry.second == kind;
    return found;
  }
  static inline std::mutex mutex;
  static inline std::map<const void*, std::string> live;

  int before_;
};

/// The linker drops a library that nothing is needed of but what is defined here.
[[gnu::used]] inline auto* const needed = &::gss_indicate_mechs;

template <class Function>
Function* original(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

/// One call of a function that writes a handle to `slot`, which is not read.
template <class Slot, class Forward>
OM_uint32 gives(const char* kind, Slot* slot, Forward forward) {
  const Handles::Call call;
  const OM_uint32 major = forward();
  if (Handles::Call::is_ours() && slot != nullptr) Handles::out(kind, *slot);
  return major;
}
template <class Forward>
OM_uint32 gives(const char* kind, gss_buffer_t slot, Forward forward) {
  const Handles::Call call;
  const OM_uint32 major = forward();
  if (Handles::Call::is_ours() && slot != nullptr) Handles::out(kind, slot->value);
  return major;
}
/// One call of a function that takes back the handle `before`.
template <class Forward>
OM_uint32 takes(const void* before, Forward forward) {
  const Handles::Call call;
  if (Handles::Call::is_ours()) Handles::back(before);
  return forward();
}
/// One call of a function that makes, keeps or takes back a context.
template <class Forward>
OM_uint32 may_change(gss_ctx_id_t* slot, Forward forward) {
  const Handles::Call call;
  const void* before = *slot;
  const OM_uint32 major = forward();
  if (Handles::Call::is_ours() && before != *slot) {
    if (before != nullptr) Handles::back(before);
    Handles::out("context", *slot);
  }
  return major;
}

}  // namespace support

#define FORWARD(name, ...)                                                   \
  [&] {                                                                      \
    static auto* const library = support::original<decltype(::name)>(#name); \
    return library(__VA_ARGS__);                                             \
  }

extern "C" {
using support::ConstContext;
using support::ConstCredential;
using support::ConstName;

OM_uint32 gss_import_name(OM_uint32* minor, gss_buffer_t bytes, gss_OID type, gss_name_t* name) {
  return support::gives("name", name, FORWARD(gss_import_name, minor, bytes, type, name));
}
OM_uint32 gss_duplicate_name(OM_uint32* minor, ConstName from, gss_name_t* name) {
  return support::gives("name", name, FORWARD(gss_duplicate_name, minor, from, name));
}
OM_uint32 gss_canonicalize_name(OM_uint32* minor, ConstName from, gss_OID mechanism, gss_name_t* name) {
  return support::gives("name", name, FORWARD(gss_canonicalize_name, minor, from, mechanism, name));
}
OM_uint32 gss_release_name(OM_uint32* minor, gss_name_t* name) {
  return support::takes(*name, FORWARD(gss_release_name, minor, name));
}
OM_uint32 gss_acquire_cred(OM_uint32* minor, ConstName name, OM_uint32 time, gss_OID_set mechanisms,
                           gss_cred_usage_t usage, gss_cred_id_t* credential, gss_OID_set* actual,
                           OM_uint32* lifetime) {
  return support::gives("credential", credential,
                        FORWARD(gss_acquire_cred, minor, name, time, mechanisms, usage, credential, actual, lifetime));
}
OM_uint32 gss_add_cred(OM_uint32* minor, ConstCredential credential, ConstName name, gss_OID mechanism,
                       gss_cred_usage_t usage, OM_uint32 initiator_time, OM_uint32 acceptor_time, gss_cred_id_t* copy,
                       gss_OID_set* mechanisms, OM_uint32* initiator_lifetime, OM_uint32* acceptor_lifetime) {
  return support::gives("credential", copy,
                        FORWARD(gss_add_cred, minor, credential, name, mechanism, usage, initiator_time, acceptor_time,
                                copy, mechanisms, initiator_lifetime, acceptor_lifetime));
}
#if defined(GSSKEY_GSS_MIT)
OM_uint32 gss_acquire_cred_impersonate_name(OM_uint32* minor, ConstCredential service, ConstName user, OM_uint32 time,
                                            gss_OID_set mechanisms, gss_cred_usage_t usage, gss_cred_id_t* credential,
                                            gss_OID_set* actual, OM_uint32* lifetime) {
  return support::gives("credential", credential,
                        FORWARD(gss_acquire_cred_impersonate_name, minor, service, user, time, mechanisms, usage,
                                credential, actual, lifetime));
}
#endif
OM_uint32 gss_release_cred(OM_uint32* minor, gss_cred_id_t* credential) {
  return support::takes(*credential, FORWARD(gss_release_cred, minor, credential));
}
OM_uint32 gss_inquire_cred(OM_uint32* minor, ConstCredential credential, gss_name_t* name, OM_uint32* lifetime,
                           gss_cred_usage_t* usage, gss_OID_set* mechanisms) {
  const support::Handles::Call call;
  const OM_uint32 major = FORWARD(gss_inquire_cred, minor, credential, name, lifetime, usage, mechanisms)();
  if (support::Handles::Call::is_ours()) {
    if (name != nullptr) support::Handles::out("name", *name);
    if (mechanisms != nullptr) support::Handles::out("OID set", *mechanisms);
  }
  return major;
}
OM_uint32 gss_release_oid_set(OM_uint32* minor, gss_OID_set* set) {
  return support::takes(*set, FORWARD(gss_release_oid_set, minor, set));
}
OM_uint32 gss_init_sec_context(OM_uint32* minor, ConstCredential credential, gss_ctx_id_t* context, ConstName target,
                               gss_OID mechanism, OM_uint32 flags, OM_uint32 time, gss_channel_bindings_t bindings,
                               gss_buffer_t in, gss_OID* actual, gss_buffer_t out, OM_uint32* granted,
                               OM_uint32* lifetime) {
  return support::may_change(context, [&] {
    const OM_uint32 major = FORWARD(gss_init_sec_context, minor, credential, context, target, mechanism, flags, time,
                                    bindings, in, actual, out, granted, lifetime)();
    if (support::Handles::Call::is_ours()) support::Handles::out("buffer", out->value);
    return major;
  });
}
OM_uint32 gss_accept_sec_context(OM_uint32* minor, gss_ctx_id_t* context, ConstCredential credential, gss_buffer_t in,
                                 gss_channel_bindings_t bindings, gss_name_t* peer, gss_OID* mechanism,
                                 gss_buffer_t out, OM_uint32* flags, OM_uint32* lifetime, gss_cred_id_t* delegated) {
  return support::may_change(context, [&] {
    const OM_uint32 major = FORWARD(gss_accept_sec_context, minor, context, credential, in, bindings, peer, mechanism,
                                    out, flags, lifetime, delegated)();
    if (support::Handles::Call::is_ours()) {
      support::Handles::out("buffer", out->value);
      if (peer != nullptr) support::Handles::out("name", *peer);
      if (delegated != nullptr) support::Handles::out("credential", *delegated);
    }
    return major;
  });
}
OM_uint32 gss_delete_sec_context(OM_uint32* minor, gss_ctx_id_t* context, gss_buffer_t token) {
  return support::takes(*context, FORWARD(gss_delete_sec_context, minor, context, token));
}
OM_uint32 gss_export_sec_context(OM_uint32* minor, gss_ctx_id_t* context, gss_buffer_t token) {
  return support::may_change(context, [&] {
    const OM_uint32 major = FORWARD(gss_export_sec_context, minor, context, token)();
    if (support::Handles::Call::is_ours()) support::Handles::out("buffer", token->value);
    return major;
  });
}
OM_uint32 gss_import_sec_context(OM_uint32* minor, gss_buffer_t token, gss_ctx_id_t* context) {
  return support::gives("context", context, FORWARD(gss_import_sec_context, minor, token, context));
}
OM_uint32 gss_inquire_context(OM_uint32* minor, ConstContext context, gss_name_t* initiator, gss_name_t* acceptor,
                              OM_uint32* lifetime, gss_OID* mechanism, OM_uint32* flags, int* local, int* open) {
  const support::Handles::Call call;
  const OM_uint32 major =
      FORWARD(gss_inquire_context, minor, context, initiator, acceptor, lifetime, mechanism, flags, local, open)();
  if (support::Handles::Call::is_ours()) {
    if (initiator != nullptr) support::Handles::out("name", *initiator);
    if (acceptor != nullptr) support::Handles::out("name", *acceptor);
  }
  return major;
}
OM_uint32 gss_wrap(OM_uint32* minor, ConstContext context, int confidential, gss_qop_t qop, gss_buffer_t in, int* state,
                   gss_buffer_t out) {
  return support::gives("buffer", out, FORWARD(gss_wrap, minor, context, confidential, qop, in, state, out));
}
OM_uint32 gss_unwrap(OM_uint32* minor, ConstContext context, gss_buffer_t in, gss_buffer_t out, int* state,
                     gss_qop_t* qop) {
  return support::gives("buffer", out, FORWARD(gss_unwrap, minor, context, in, out, state, qop));
}
OM_uint32 gss_get_mic(OM_uint32* minor, ConstContext context, gss_qop_t qop, gss_buffer_t message, gss_buffer_t mic) {
  return support::gives("buffer", mic, FORWARD(gss_get_mic, minor, context, qop, message, mic));
}
OM_uint32 gss_display_name(OM_uint32* minor, ConstName name, gss_buffer_t text, gss_OID* type) {
  return support::gives("buffer", text, FORWARD(gss_display_name, minor, name, text, type));
}
OM_uint32 gss_export_name(OM_uint32* minor, ConstName name, gss_buffer_t exported) {
  return support::gives("buffer", exported, FORWARD(gss_export_name, minor, name, exported));
}
OM_uint32 gss_display_status(OM_uint32* minor, OM_uint32 status, int type, gss_OID mechanism, OM_uint32* context,
                             gss_buffer_t text) {
  return support::gives("buffer", text, FORWARD(gss_display_status, minor, status, type, mechanism, context, text));
}
OM_uint32 gss_release_buffer(OM_uint32* minor, gss_buffer_t buffer) {
  return support::takes(buffer->value, FORWARD(gss_release_buffer, minor, buffer));
}
}

#undef FORWARD
