// gsskey/krb5/lucid: keys and sequence numbers of a Kerberos context, for those who protect its messages themselves.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/krb5/detail/functions.hpp>
#include <gsskey/krb5/enctype.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
struct LucidTraits {
  using Handle = gss_krb5_lucid_context_v1_t*;
  static constexpr Handle none = nullptr;
  /// Wiped here: a compiler may drop Heimdal's memset() before free().
  static void close(Handle context) noexcept {
    for (const gss_krb5_lucid_key_t& key :
         {context->rfc1964_kd.ctx_key, context->cfx_kd.ctx_key, context->cfx_kd.acceptor_subkey}) {
      if (key.data != nullptr) explicit_bzero(key.data, key.length);
    }
    OM_uint32 minor = 0;
    (void)gss_krb5_free_lucid_sec_context(&minor, static_cast<void*>(context));
  }
};
}  // namespace gss_detail

/// Says how a Kerberos context protects its messages.
enum class KerberosMessages : std::uint32_t {
  rfc1964 = 0,  ///< DES3 and RC4 (RFC 4757)
  rfc4121 = 1,  ///< AES and Camellia
};

/// Views a key within a LucidContext.
/// Owner: the LucidContext, which must outlive it.
struct LucidKey {
  Enctype type;  ///< or any other number of the IANA registry: 23 is RC4
  ByteView bytes;
};

/// Owns what export_lucid() left of a context: keys and sequence numbers. Move-only, as large as the handle; empty
/// after a move: numbers are 0 then, and keys have no bytes.
/// Calls: gss_krb5_free_lucid_sec_context, when it dies.
/// Threads: one at a time; any number may read.
/// Owner: of the keys, which are wiped when it dies.
class LucidContext {
 public:
  /// Takes over what gss_krb5_export_lucid_sec_context gave, version 1.
  [[nodiscard]] static LucidContext adopt(gss_detail::gss_krb5_lucid_context_v1_t* raw) noexcept {
    LucidContext context;
    context.handle_ = decltype(handle_)::adopt(raw);
    return context;
  }
  [[nodiscard]] gss_detail::gss_krb5_lucid_context_v1_t* get() const noexcept GSSKEY_LIFETIMEBOUND {
    return handle_.get();
  }
  /// Gives up what adopt() took: the caller owns it, and wipes the keys.
  [[nodiscard]] gss_detail::gss_krb5_lucid_context_v1_t* release() noexcept { return handle_.release(); }
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

  /// Says whether this end initiated the context.
  [[nodiscard]] bool is_initiator() const noexcept { return handle_ && handle_.get()->initiate != 0; }
  /// Returns when the ticket ends.
  /// Units: seconds since 1970.
  [[nodiscard]] std::uint32_t end_time() const noexcept { return handle_ ? handle_.get()->endtime : 0; }
  /// Returns the sequence number of the next message that this end sends.
  [[nodiscard]] std::uint64_t send_sequence() const noexcept { return handle_ ? handle_.get()->send_seq : 0; }
  /// Returns the sequence number of the first message that the peer sent, ever: messages that were received do not move
  /// it, neither with MIT krb5 nor Heimdal.
  [[nodiscard]] std::uint64_t first_received_sequence() const noexcept { return handle_ ? handle_.get()->recv_seq : 0; }
  /// Returns how messages are protected.
  [[nodiscard]] KerberosMessages messages() const noexcept {
    return static_cast<KerberosMessages>(handle_ ? handle_.get()->protocol : 0);
  }

  /// Returns the key that messages are protected with: the acceptor's subkey where there is one.
  /// See: RFC 4121 section 2.
  [[nodiscard]] LucidKey key() const noexcept GSSKEY_LIFETIMEBOUND {
    return has_acceptor_subkey() ? acceptor_subkey() : context_key();
  }
  /// Returns the initiator's subkey or the ticket's session key; Heimdal 7.8 gives the acceptor's subkey where there is
  /// one.
  [[nodiscard]] LucidKey context_key() const noexcept GSSKEY_LIFETIMEBOUND {
    if (!handle_) return {};
    return view(is_rfc4121() ? handle_.get()->cfx_kd.ctx_key : handle_.get()->rfc1964_kd.ctx_key);
  }
  /// Says whether the acceptor chose a key: the AcceptorSubkey flag. Never with rfc1964.
  /// See: RFC 4121 section 4.2.2.
  [[nodiscard]] bool has_acceptor_subkey() const noexcept {
    return is_rfc4121() && handle_.get()->cfx_kd.have_acceptor_subkey != 0;
  }
  /// Returns the key that the acceptor chose; without bytes, if there is none.
  [[nodiscard]] LucidKey acceptor_subkey() const noexcept GSSKEY_LIFETIMEBOUND {
    return has_acceptor_subkey() ? view(handle_.get()->cfx_kd.acceptor_subkey) : LucidKey{};
  }
  /// Returns SGN_ALG, the first octet in the lowest bits; for rfc1964 only.
  /// See: RFC 1964 section 1.2.
  [[nodiscard]] std::uint32_t signature_algorithm() const noexcept {
    return handle_ ? handle_.get()->rfc1964_kd.sign_alg : 0;
  }
  /// Returns SEAL_ALG, the first octet in the lowest bits; for rfc1964 only.
  [[nodiscard]] std::uint32_t sealing_algorithm() const noexcept {
    return handle_ ? handle_.get()->rfc1964_kd.seal_alg : 0;
  }

 private:
  LucidContext() noexcept = default;

  [[nodiscard]] bool is_rfc4121() const noexcept { return messages() == KerberosMessages::rfc4121; }
  [[nodiscard]] static LucidKey view(const gss_detail::gss_krb5_lucid_key_t& key) noexcept {
    return {static_cast<Enctype>(key.type), ByteView{key.data, key.length}};
  }

  UniqueHandle<gss_detail::LucidTraits> handle_;
};
static_assert(sizeof(LucidContext) == sizeof(void*));

/// Takes a context apart. On success `context` is empty and gone: from here on only the caller counts its messages. On
/// failure it is what it was, and goes on. Heimdal leaves copies of the keys in memory that it freed.
/// Calls: gss_krb5_export_lucid_sec_context, version 1.
/// Errors: usage, if the context is empty; gss, if what was negotiated is not Kerberos; unavailable, without
///   Capabilities::krb5_extensions.
template <Mechanism M>
  requires(M::accepts(mech::Krb5::oid))
[[nodiscard]] inline Result<LucidContext> export_lucid(SecurityContext<M>&& context) noexcept {
  constexpr const char* operation = "gss_krb5_export_lucid_sec_context";
  if (!context) return unexpected(gsskey::detail::empty_context(operation));
  if constexpr (!capabilities.krb5_extensions) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_krb5_export_lucid_sec_context"));
  }
  OM_uint32 minor = 0;
  void* exported = nullptr;
  gss_ctx_id_t raw = context.release();
  const OM_uint32 major = gss_detail::gss_krb5_export_lucid_sec_context(&minor, &raw, 1u, &exported);
  // MIT krb5 has deleted it, Heimdal never does.
  auto left = SecurityContext<M>::adopt(raw);
  if (major != GSS_S_COMPLETE) {
    context = std::move(left);
    return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  }
  return LucidContext::adopt(static_cast<gss_detail::gss_krb5_lucid_context_v1_t*>(exported));
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
