// Kerberos contexts taken apart, as a library gives them: keys of any type and length, numbers of any size. What is
// read is what was given, and is wiped; what cannot be taken over leaves its context as it was; two ends that were
// taken over understand each other, and tell the order of messages as RFC 2743 has it. SPDX-License-Identifier: MIT
#include <gsskey/messages/take_over.hpp>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "input.hpp"
#include "library.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

using RawLucid = gss_detail::gss_krb5_lucid_context_v1_t;
using RawKey = gss_detail::gss_krb5_lucid_key_t;

/// A context, before it is taken apart.
struct Given {
  OM_uint32 flags = 0;
  gss_OID mechanism = gss_detail::raw_oid<mech::Krb5::oid>();
  bool is_initiator = false;
  std::uint64_t send = 0;
  std::uint64_t receive = 0;
  OM_uint32 end = 0;
  OM_uint32 protocol = 1;
  bool has_subkey = false;
  OM_uint32 context_type = 0;
  OM_uint32 subkey_type = 0;
  fuzz::Bytes context_key;
  fuzz::Bytes subkey;
  fuzz::Bytes type_of_session_key;  // as an OID
  bool is_exported = true;          // else the library fails
};
const Given* given = nullptr;
int lucid_out = 0;

std::uint64_t wide(fuzz::Input& input) {
  std::uint64_t number = 0;
  for (int part = 0; part < 4; ++part) number = number << 16 | input.number();
  return number;
}

RawKey raw_key(OM_uint32 type, const fuzz::Bytes& bytes) {
  RawKey key{};
  key.type = type;
  key.length = static_cast<OM_uint32>(bytes.size());
  if (bytes.empty()) return key;
  key.data = std::malloc(bytes.size());  // no larger, so that what is read behind it is found
  std::memcpy(key.data, bytes.data(), bytes.size());
  return key;
}
RawLucid* raw_lucid(const Given& from) {
  ++lucid_out;
  auto* const raw = static_cast<RawLucid*>(std::calloc(1, sizeof(RawLucid)));
  raw->version = 1;
  raw->initiate = from.is_initiator ? 1 : 0;
  raw->endtime = from.end;
  raw->send_seq = from.send;
  raw->recv_seq = from.receive;
  raw->protocol = from.protocol;
  raw->cfx_kd.have_acceptor_subkey = from.has_subkey ? 1 : 0;
  if (from.has_subkey) raw->cfx_kd.acceptor_subkey = raw_key(from.subkey_type, from.subkey);
  (from.protocol == 1 ? raw->cfx_kd.ctx_key : raw->rfc1964_kd.ctx_key) = raw_key(from.context_type, from.context_key);
  return raw;
}

fuzz::Bytes type_as_oid(OM_uint32 number) {
  return {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2, 4, static_cast<unsigned char>(number)};
}

Given anything(fuzz::Input& input) {
  Given any;
  any.is_initiator = input.byte() % 2u != 0;
  any.flags = static_cast<OM_uint32>(input.number());
  if (input.byte() % 8u == 0) any.mechanism = gss_detail::raw_oid<mech::Ntlmssp::oid>();
  any.send = wide(input);
  any.receive = wide(input);
  any.end = static_cast<OM_uint32>(wide(input));
  any.protocol = input.byte() % 8u != 0 ? 1 : static_cast<OM_uint32>(wide(input));
  any.has_subkey = input.byte() % 2u != 0;
  const auto type = [&] {
    return input.byte() % 8u != 0 ? 16u + input.byte() % 12u : static_cast<OM_uint32>(wide(input));
  };
  const auto key_of = [&](OM_uint32 number) {
    const auto* const known = rfc3961::find_encryption_type(static_cast<std::int32_t>(number));
    if (known != nullptr && input.byte() % 4u != 0) return fuzz::Bytes(known->key_size, 0x42);
    return fuzz::bytes_of(input.bytes(input.byte() % 65u));
  };
  any.context_type = type();
  any.context_key = key_of(any.context_type);
  any.subkey_type = type();
  any.subkey = key_of(any.subkey_type);
  any.is_exported = input.byte() % 4u != 0;
  any.type_of_session_key = input.byte() % 4u != 0 ? type_as_oid(any.has_subkey ? any.subkey_type : any.context_type)
                                                   : fuzz::bytes_of(input.bytes(input.byte() % 40u));
  return any;
}

void read(const Given& any) {
  given = &any;
  const LucidContext lucid = LucidContext::adopt(raw_lucid(any));
  expect(lucid.is_initiator() == any.is_initiator && lucid.end_time() == any.end, "what was given is read");
  expect(lucid.send_sequence() == any.send && lucid.first_received_sequence() == any.receive, "of any size");
  const LucidKey first = lucid.context_key();
  expect(first.bytes == ByteView{any.context_key} && static_cast<OM_uint32>(first.type) == any.context_type, "a key");
  const bool has_subkey = any.protocol == 1 && any.has_subkey;
  expect(lucid.has_acceptor_subkey() == has_subkey, "a subkey is of RFC 4121");
  expect(lucid.acceptor_subkey().bytes == (has_subkey ? ByteView{any.subkey} : ByteView{}), "the subkey");
  expect(lucid.key().bytes == (has_subkey ? lucid.acceptor_subkey() : first).bytes, "messages have the subkey");
}

SecurityContext<mech::Krb5> context() { return SecurityContext<mech::Krb5>::adopt(fuzz::handle<gss_ctx_id_t>()); }

void take_over_anything(const Given& any, fuzz::Input& input) {
  given = &any;
  auto whole = context();
  auto protector = take_over_after(std::move(whole), MessagesReceived{wide(input)}, {input.byte() % 2u != 0});
  if (!protector) {
    expect(static_cast<bool>(whole), "on failure the context is what it was");  // NOLINT: documented
    return;
  }
  expect(any.mechanism == gss_detail::raw_oid<mech::Krb5::oid>() && (any.flags & 0x1000) == 0, "of Kerberos, not DCE");
  expect(!protector->unwrap(input.rest()), "a token that nobody made is taken");
  expect(!protector->verify_mic("message", input.rest()), "a MIC that nobody made is taken");
}

/// What RFC 2743 section 1.2.3 says of the order of messages, of those that count from 0.
class Order {
 public:
  Order(bool replay, bool sequence) : replay_{replay}, sequence_{sequence} {}

  Ordering accept(std::uint64_t number) {
    if (!replay_ && !sequence_) return Ordering::in_order;
    const std::uint64_t expected = next_;
    if (number >= expected) {
      next_ = number + 1;
      seen_.insert(number);
      return number > expected && sequence_ ? Ordering::gap : Ordering::in_order;
    }
    if (expected - number > 64) return sequence_ ? Ordering::unsequenced : Ordering::old;
    if (!seen_.insert(number).second && replay_) return Ordering::duplicate;
    return sequence_ ? Ordering::unsequenced : Ordering::in_order;
  }

 private:
  bool replay_;
  bool sequence_;
  std::uint64_t next_ = 0;
  std::set<std::uint64_t> seen_;
};

/// Turns what follows the header, as a sender may (RFC 4121 section 4.2.5).
void rotate(fuzz::Bytes& token, std::size_t count) {
  const auto body = token.begin() + rfc4121::header_size;
  count %= 0x10000;
  const std::size_t turn = count % static_cast<std::size_t>(token.end() - body);
  std::rotate(body, token.end() - static_cast<std::ptrdiff_t>(turn), token.end());
  token[6] = static_cast<unsigned char>(count >> 8);
  token[7] = static_cast<unsigned char>(count);
}

struct Sent {
  fuzz::Bytes token;
  fuzz::Bytes message;
  std::uint64_t number;
  bool is_mic;
};

void deliver(fuzz::Input& input, Sent sent, MessageProtector& receiver, Order& order) {
  if (sent.is_mic) {
    const bool is_in_order = order.accept(sent.number) == Ordering::in_order;
    expect(receiver.verify_mic(sent.message, sent.token).has_value() == is_in_order, "a MIC in order");
    return;
  }
  const unsigned how = input.byte() % 4u;
  if (how != 0) rotate(sent.token, input.number());
  if (how == 1) {
    const auto plain = unwrap_in_place(receiver, sent.token);
    const bool is_in_order = order.accept(sent.number) == Ordering::in_order;
    expect(plain.has_value() == is_in_order, "a message in order");
    if (plain) expect(ByteView{*plain} == ByteView{sent.message}, "what was sent comes");
    return;
  }
  const fuzz::Bytes whole = sent.token;
  if (how == 2) {
    const std::size_t where = input.number() % sent.token.size();
    sent.token[where] = static_cast<unsigned char>(sent.token[where] ^ input.byte());
  }
  const auto plain = receiver.unwrap_with_ordering(sent.token);
  if (!plain) {
    expect(sent.token != whole, "what was sent is taken");
    return;
  }
  expect(ByteView{plain->plaintext} == ByteView{sent.message}, "what was sent comes");
  expect(plain->ordering == order.accept(sent.number), "in its order");
}

void talk(fuzz::Input& input) {
  const auto& type = rfc3961::encryption_types[input.byte() % std::size(rfc3961::encryption_types)];
  const unsigned char what = input.byte();
  Given initiator;
  initiator.is_initiator = true;
  initiator.flags = what & 12u;  // GSS_C_REPLAY_FLAG, GSS_C_SEQUENCE_FLAG
  initiator.send = wide(input);
  initiator.receive = wide(input);
  initiator.context_type = initiator.subkey_type = static_cast<OM_uint32>(type.number);
  initiator.context_key = fuzz::Bytes(type.key_size, 0x42);
  initiator.subkey = fuzz::Bytes(type.key_size, 0x24);
  initiator.has_subkey = (what & 1) != 0;
  initiator.type_of_session_key = type_as_oid(initiator.context_type);
  Given acceptor = initiator;
  acceptor.is_initiator = false;
  std::swap(acceptor.send, acceptor.receive);
  if ((what & 2) != 0) acceptor.has_subkey = true;  // the initiator knows nothing of it yet

  given = &initiator;
  auto first = context();
  auto sender = take_over_after(std::move(first), MessagesReceived{});
  given = &acceptor;
  auto second = context();
  auto receiver = take_over_after(std::move(second), MessagesReceived{});
  expect(sender && receiver, "a context of Kerberos is taken over");

  Order order{(what & 4) != 0, (what & 8) != 0};
  std::vector<Sent> on_the_way;
  std::uint64_t number = 0;
  for (int turn = 0; turn < 100 && !input.at_end(); ++turn) {
    const unsigned char step = input.byte();
    if (step % 4u == 0) {  // lost
      for (unsigned count = input.byte() % 80u; count != 0; --count, ++number) {
        expect(sender->get_mic("lost").has_value(), "OpenSSL does not fail");
      }
    } else if (step % 4u == 1) {
      const fuzz::Bytes message(input.byte(), step);
      if ((step & 4) != 0) {
        const auto mic = sender->get_mic(message);
        expect(mic.has_value(), "OpenSSL does not fail");
        on_the_way.push_back({fuzz::bytes_of(*mic), message, number++, true});
      } else {
        const auto token = sender->wrap(message);
        expect(token.has_value(), "OpenSSL does not fail");
        on_the_way.push_back({fuzz::bytes_of(*token), message, number++, false});
      }
    } else if (!on_the_way.empty()) {
      deliver(input, on_the_way[input.byte() % on_the_way.size()], *receiver, order);
    }
  }
}

}  // namespace

extern "C" {
OM_uint32 gss_inquire_context(OM_uint32* minor, support::ConstContext, gss_name_t* initiator, gss_name_t* acceptor,
                              OM_uint32* lifetime, gss_OID* mechanism, OM_uint32* flags, int* is_initiator, int*) {
  *minor = 0;
  if (initiator != nullptr) *initiator = fuzz::handle<gss_name_t>();
  if (acceptor != nullptr) *acceptor = fuzz::handle<gss_name_t>();
  if (lifetime != nullptr) *lifetime = given->end;
  if (mechanism != nullptr) *mechanism = given->mechanism;
  if (flags != nullptr) *flags = given->flags;
  if (is_initiator != nullptr) *is_initiator = given->is_initiator ? 1 : 0;
  return GSS_S_COMPLETE;
}
OM_uint32 gss_inquire_sec_context_by_oid(OM_uint32* minor, support::ConstContext, gss_OID, gss_buffer_set_t* answers) {
  static gss_buffer_desc elements[2];
  static gss_buffer_set_desc set{2, elements};
  const fuzz::Bytes& key = given->has_subkey ? given->subkey : given->context_key;
  const auto fill = [](gss_buffer_desc& to, const fuzz::Bytes& from) {
    to = {from.size(), std::malloc(from.size() + 1)};
    if (!from.empty()) std::memcpy(to.value, from.data(), from.size());
  };
  *minor = 0;
  fill(elements[0], key);
  fill(elements[1], given->type_of_session_key);
  *answers = &set;
  return GSS_S_COMPLETE;
}
OM_uint32 gss_release_buffer_set(OM_uint32*, gss_buffer_set_t* set) {
  for (std::size_t at = 0; at < (*set)->count; ++at) std::free((*set)->elements[at].value);
  *set = nullptr;
  return GSS_S_COMPLETE;
}
OM_uint32 gss_krb5_export_lucid_sec_context(OM_uint32* minor, gss_ctx_id_t* context, OM_uint32, void** lucid) {
  *minor = 0;
  if (!given->is_exported) return GSS_S_FAILURE;
  *lucid = raw_lucid(*given);
  if (!known_faults.lucid_export_keeps_context) fuzz::give_back(context);
  return GSS_S_COMPLETE;
}
OM_uint32 gss_krb5_free_lucid_sec_context(OM_uint32*, void* lucid) {
  auto* const raw = static_cast<RawLucid*>(lucid);
  for (const RawKey& key : {raw->rfc1964_kd.ctx_key, raw->cfx_kd.ctx_key, raw->cfx_kd.acceptor_subkey}) {
    const auto* const bytes = static_cast<const unsigned char*>(key.data);
    expect(std::all_of(bytes, bytes + key.length, [](unsigned char octet) { return octet == 0; }), "a key is wiped");
    std::free(key.data);
  }
  std::free(raw);
  --lucid_out;
  return GSS_S_COMPLETE;
}
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  fuzz::Input nothing{{}};  // says of every error that it has no text
  fuzz::script = &nothing;
  const unsigned kind = input.byte() % 4u;
  if (kind == 0) {
    read(anything(input));
  } else if (kind == 1) {
    const Given any = anything(input);
    take_over_anything(any, input);
  } else {
    talk(input);
  }
  expect(lucid_out == 0 && fuzz::handles_out == 0, "a handle was not given back");
  return 0;
}
