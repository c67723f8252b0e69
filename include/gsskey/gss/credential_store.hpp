// gsskey/gss/credential_store: where a credential comes from, said per call instead of by environment variables.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Says where a credential comes from: for Credential::acquire_from(), as MIT krb5 names it. Each is a NUL-terminated
/// string or nullptr.
/// Owner: all is borrowed for the call; the caller is to wipe the password.
/// See: MIT krb5, "Credential store extensions" of its application developer documentation.
struct CredentialStore {
  const char* ccache = nullptr;         ///< initiators: "FILE:/tmp/krb5cc_0", "KEYRING:persistent:0"
  const char* client_keytab = nullptr;  ///< initiators: get the ticket with these keys when it is needed
  const char* keytab = nullptr;         ///< acceptors: "FILE:/etc/krb5.keytab"; initiators: keys for `verify`
  const char* rcache = nullptr;         ///< acceptors: "file2:/var/tmp/rcache"; "none:" gives replay detection up
  const char* password = nullptr;       ///< initiators: get the ticket with it; not together with client_keytab
  const char* verify = nullptr;         ///< with password: the service in `keytab` that proves the KDC; "" for any
};

namespace gss_detail {
/// The options as gss_acquire_cred_from wants them. Points into itself: lives on the stack of the call, is not moved.
class KeyValueList {
 public:
  explicit KeyValueList(const CredentialStore& store) noexcept {
    add("ccache", store.ccache);
    add("client_keytab", store.client_keytab);
    add("keytab", store.keytab);
    add("rcache", store.rcache);
    add("password", store.password);
    add("verify", store.verify);
  }
  KeyValueList(const KeyValueList&) = delete;
  KeyValueList& operator=(const KeyValueList&) = delete;

  [[nodiscard]] const gss_key_value_set_desc* get() const noexcept { return &set_; }
  [[nodiscard]] bool empty() const noexcept { return set_.count == 0; }

 private:
  void add(const char* key, const char* value) noexcept {
    if (value != nullptr) elements_[set_.count++] = {key, value};
  }
  gss_key_value_element_desc elements_[6] = {};
  gss_key_value_set_desc set_{0, elements_};
};
}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
