// Every call that hands a size to C: more than its limit is refused by name, before a byte of it is read, and what the
// limit admits goes through. With GSSKEY_TEST_EVERYTHING in the environment whole messages at the limit go to the peer
// and back, which takes a minute and 3 GiB.
#include <gsskey/gss.hpp>
#include <gsskey/gss/context/export.hpp>
#include <gsskey/gss/context/in_place.hpp>
#include <gsskey/gss/context/iov.hpp>
#include <gsskey/gss/context/options.hpp>
#include <gsskey/gss/context/ordering.hpp>
#include <gsskey/gss/context/prf.hpp>
#include <gsskey/gss/credential/transfer.hpp>
#include <gsskey/gss/mechanism_inquiry.hpp>
#include <gsskey/gss/name/attributes.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::in_child;
using support::Mapping;
using support::must;
using M = mech::Krb5;

namespace {

const bool everything = std::getenv("GSSKEY_TEST_EVERYTHING") != nullptr;

/// What only just exceeds the limit, and sizes around where 31 and 32 bits end.
std::vector<std::size_t> sizes_beyond(const Limit& limit) {
  std::vector<std::size_t> sizes{limit.size + 1};
  if constexpr (sizeof(std::size_t) > 4) {
    const std::size_t half = std::size_t{1} << 31;
    for (const std::size_t edge : {half, half + half}) {
      for (const std::size_t more : {0u, 1u, 40u, 128u}) {
        if (!everything && more != 40) continue;
        sizes.push_back(edge - more);
        sizes.push_back(edge + more);
      }
    }
  }
  return sizes;
}

/// Nothing can be read there.
ByteView untouchable(std::size_t size) {
  static const Mapping mapping{sizes_beyond(limits.token).back(), PROT_NONE};
  REQUIRE(size <= mapping.size());
  return {mapping.data(), size};
}
constexpr int refused = 0, went_through = 1, another_error = 2;

int answer(const Error& error, const Limit& limit) {
  if (error.domain() == Domain::usage && error.text() == limit.exceeded) return refused;
  std::fprintf(stderr, "%s: %.*s\n", error.operation(), static_cast<int>(error.text().size()), error.text().data());
  return another_error;
}
template <class T, class E>
int answer(const expected<T, E>& result, const Limit& limit) {
  if (result) return went_through;
  if constexpr (std::is_same_v<E, StepFailure>) {
    return answer(result.error().error, limit);
  } else {
    return answer(result.error(), limit);
  }
}

template <const Oid& Type>
int imported(ByteView bytes) {
  return answer(Name::import_name<Type>(bytes), limits.name);
}

struct Call {
  const char* name;
  Limit limit;
  std::function<int(ByteView)> with;
};

inline constexpr Oid some_option{"1.3.6.1.4.1.5322.99"};

std::span<unsigned char> writable(ByteView bytes) { return {const_cast<unsigned char*>(bytes.data()), bytes.size()}; }

std::vector<Call> calls_of_messages(support::Ends<M>& ends) {
  auto& context = ends.initiator;
  const Limit& message = limits.message;
  const Limit& token = limits.token;
  static const MessageRoom room = must(context.room());
  std::vector<Call> calls{
      {"wrap", message, [&](ByteView bytes) { return answer(context.wrap(bytes), message); }},
      {"wrap_unencrypted", message, [&](ByteView bytes) { return answer(context.wrap_unencrypted(bytes), message); }},
      {"get_mic", message, [&](ByteView bytes) { return answer(context.get_mic(bytes), message); }},
      {"verify_mic", message, [&](ByteView bytes) { return answer(context.verify_mic(bytes, "mic"), message); }},
      {"verify_mic, the mic", token, [&](ByteView bytes) { return answer(context.verify_mic("x", bytes), token); }},
      {"unwrap", token, [&](ByteView bytes) { return answer(context.unwrap(bytes), token); }},
      {"unwrap_unencrypted", token, [&](ByteView bytes) { return answer(context.unwrap_unencrypted(bytes), token); }},
      {"unwrap_with_ordering", token,
       [&](ByteView bytes) { return answer(context.unwrap_with_ordering(bytes), token); }},
      {"pseudo_random", limits.pseudo_random,
       [&](ByteView bytes) { return answer(pseudo_random(context, bytes, 16), limits.pseudo_random); }},
      {"pseudo_random, output", limits.pseudo_random,
       [&](ByteView bytes) { return answer(pseudo_random(context, "x", bytes.size()), limits.pseudo_random); }},
      {"set_context_option", token,
       [&](ByteView bytes) { return answer(set_context_option<some_option>(context, bytes), token); }},
      {"wrap_in_place", token,
       [&](ByteView bytes) {
         return answer(
             wrap_in_place(context, {writable(bytes), room.header, bytes.size() - room.header - room.trailer}), token);
       }},
      {"wrap_into", message,
       [&](ByteView bytes) {
         std::span<unsigned char> memory = writable(bytes);
         return answer(wrap_into(context, bytes, {memory.data(), bytes.size() + 100}), message);
       }},
      {"unwrap_in_place", token,
       [&](ByteView bytes) { return answer(unwrap_in_place(context, writable(bytes)), token); }},
      {"wrap_iov", token,
       [&](ByteView bytes) {
         unsigned char around[100];
         IovBuffer pieces[] = {IovBuffer{IovType::header, around}, IovBuffer{IovType::data, writable(bytes)}};
         return answer(wrap_iov(context, pieces), token);
       }},
      {"wrap_iov, all pieces together", token,
       [&](ByteView bytes) {
         IovBuffer pieces[] = {IovBuffer{IovType::data, writable(bytes.subview(0, bytes.size() / 2))},
                               IovBuffer{IovType::sign_only, writable(bytes.subview(bytes.size() / 2))}};
         return answer(wrap_iov(context, pieces), token);
       }},
      {"wrap_iov, more than a size can say", token,
       [&](ByteView bytes) {
         constexpr std::size_t half = static_cast<std::size_t>(-1) / 2 + 1;
         IovBuffer pieces[] = {IovBuffer{IovType::data, {writable(bytes).data(), half}},
                               IovBuffer{IovType::data, {writable(bytes).data(), half}}};
         return answer(wrap_iov(context, pieces), token);
       }},
      {"wrap_iov_length", token,
       [&](ByteView bytes) {
         IovBuffer pieces[] = {IovBuffer{IovType::header}, IovBuffer{IovType::data, bytes.size()}};
         return answer(wrap_iov_length(context, pieces), token);
       }},
      {"unwrap_iov", token,
       [&](ByteView bytes) {
         IovBuffer pieces[] = {IovBuffer{IovType::stream, writable(bytes)}, IovBuffer{IovType::data}};
         return answer(unwrap_iov(context, pieces), token);
       }},
      {"wrap_aead", message, [&](ByteView bytes) { return answer(wrap_aead(context, "x", bytes), message); }},
      {"wrap_aead, associated", message,
       [&](ByteView bytes) { return answer(wrap_aead(context, bytes, "x"), message); }},
      {"wrap_aead, together", message,
       [&](ByteView bytes) {
         const std::size_t half = bytes.size() / 2;
         return answer(wrap_aead(context, bytes.subview(0, half), bytes.subview(half)), message);
       }},
  };
  if (!known_faults.unwrap_iov_refuses_streams) {
    calls.push_back(
        {"unwrap_aead", token, [&](ByteView bytes) { return answer(unwrap_aead(context, "x", bytes), token); }});
  }
  if (capabilities.mic_iov) {
    const auto with = [&](ByteView bytes, auto call) {
      unsigned char mic[100];
      IovBuffer pieces[] = {IovBuffer{IovType::data, writable(bytes)}, IovBuffer{IovType::mic_token, mic}};
      return answer(call(context, pieces), token);
    };
    calls.push_back({"get_mic_iov", token, [with](ByteView bytes) {
                       return with(bytes, [](auto& context_, auto& pieces) { return get_mic_iov(context_, pieces); });
                     }});
    calls.push_back({"get_mic_iov_length", token, [with](ByteView bytes) {
                       return with(bytes,
                                   [](auto& context_, auto& pieces) { return get_mic_iov_length(context_, pieces); });
                     }});
    calls.push_back({"verify_mic_iov", token, [with](ByteView bytes) {
                       return with(bytes,
                                   [](auto& context_, auto& pieces) { return verify_mic_iov(context_, pieces); });
                     }});
  }
  return calls;
}

const std::vector<Call>& calls_of_names_and_tokens() {
  const Limit& name = limits.name;
  const Limit& token = limits.token;
  static const Name alice = must(Name::user("alice"));
  static const std::vector<Call> calls{
      {"user", name, imported<name_type::user>},
      {"principal", name, imported<name_type::krb5_principal>},
      {"host_service", name, imported<name_type::host_service>},
      {"host_service_x", name, imported<name_type::host_service_x>},
      {"string_uid", name, imported<name_type::string_uid>},
      {"anonymous", name, imported<name_type::anonymous>},
      {"exported", name, imported<name_type::exported>},
      {"composite_export", name, imported<name_type::composite_export>},
      {"service", name, [&](ByteView bytes) { return answer(Name::service(bytes.text()), name); }},
      {"for_each_attribute_value", name,
       [&](ByteView bytes) { return answer(for_each_attribute_value(alice, bytes, [](auto&&) {}), name); }},
      {"set_name_attribute", name,
       [&](ByteView bytes) {
         auto mine = must(alice.duplicate());
         return answer(set_name_attribute(mine, bytes, "x"), name);
       }},
      {"set_name_attribute, the value", token,
       [&](ByteView bytes) {
         auto mine = must(alice.duplicate());
         return answer(set_name_attribute(mine, "x", bytes), token);
       }},
      {"delete_name_attribute", name,
       [&](ByteView bytes) {
         auto mine = must(alice.duplicate());
         return answer(delete_name_attribute(mine, bytes), name);
       }},
      {"mechanism_for_sasl_name", name, [&](ByteView bytes) { return answer(mechanism_for_sasl_name(bytes), name); }},
      {"acquire_with_password", limits.password,
       [&](ByteView bytes) {
         return answer(Credential<M, Initiate>::acquire_with_password(alice, bytes), limits.password);
       }},
      {"import_context", token, [&](ByteView bytes) { return answer(import_context<M>(bytes), token); }},
      {"import_credential", token,
       [&](ByteView bytes) { return answer(import_credential<M, Initiate>(bytes), token); }},
      {"Acceptor::step", token, [&](ByteView bytes) { return answer(support::acceptor<M>().step(bytes), token); }},
      {"Initiator::step", token,
       [&](ByteView bytes) {
         auto initiator = support::initiator<M>();
         must(initiator.step());
         return answer(initiator.step(bytes), token);
       }},
  };
  return calls;
}

void check_refusals(const std::vector<Call>& calls) {
  for (const Call& call : calls) {
    for (const std::size_t size : sizes_beyond(call.limit)) {
      CAPTURE(call.name, size);
      CHECK(in_child(30, [&] { return call.with(untouchable(size)); }) == refused);
    }
  }
}

}  // namespace

TEST_CASE("messages and tokens that are too long are refused, and not read") {
  auto ends = support::pair<M>();
  check_refusals(calls_of_messages(ends));
  CHECK(must(ends.acceptor.unwrap(must(ends.initiator.wrap("next")))).text() == "next");  // no number was used
}

TEST_CASE("names, passwords, exported state and context tokens that are too long are refused, and not read") {
  support::realm();
  check_refusals(calls_of_names_and_tokens());
}

TEST_CASE("a token that is too long ends a handshake") {
  auto acceptor = support::acceptor<M>();
  const auto failure = acceptor.step(untouchable(limits.token.size + 1));
  REQUIRE_FALSE(failure);
  CHECK(failure.error().token.empty());
  CHECK(acceptor.step("more").error().error.text() ==
        "the handshake is over, or empty: failed, established, moved from or never set");
}

TEST_CASE("what a limit admits reaches the library, which gives an answer of its own") {
  support::realm();
  auto ends = support::pair<M>();
  const Mapping zeros{limits.token.size, PROT_READ};
  std::string name(limits.name.size, 'a');
  const std::string password(limits.password.size, 'x');
  const std::string label(limits.pseudo_random.size, 'l');
  // 0: success, 1: an Error of the library, 2: another one.
  const auto answered = [](const auto& result) {
    if (result) return 0;
    return result.error().domain() == Domain::gss ? 1 : 2;
  };
  CHECK(in_child(60, [&] { return answered(Name::user(name)); }) == 0);
  CHECK(in_child(60, [&] { return answered(Name::service(name)); }) == 0);
  CHECK(in_child(60, [&] { return answered(must(Name::principal(name)).canonicalize<M>()); }) == 0);
  CHECK(in_child(60, [&] {
          return answered(Credential<M, Initiate>::acquire_with_password(must(Name::user("alice")), password));
        }) == 1);
  CHECK(in_child(60, [&] { return answered(pseudo_random(ends.initiator, label, 16)); }) == 0);
  CHECK(in_child(60, [&] { return answered(pseudo_random(ends.initiator, "x", label.size())); }) == 0);
  if (everything) {  // seconds
    CHECK(in_child(60, [&] { return answered(pseudo_random(ends.initiator, label, label.size())); }) == 0);
  }
  CHECK(in_child(60, [&] { return answered(ends.acceptor.unwrap({zeros.data(), zeros.size()})); }) == 1);
  CHECK(in_child(60, [&] { return answered(ends.acceptor.verify_mic("x", {zeros.data(), zeros.size()})); }) == 1);
  CHECK(in_child(60, [&] {
          const auto step = support::acceptor<M>().step({zeros.data(), zeros.size()});
          return step ? 0 : step.error().error.domain() == Domain::gss ? 1 : 2;
        }) == 1);
}

TEST_CASE("channel bindings whose size no number holds are refused") {
  constexpr std::size_t half = static_cast<std::size_t>(-1) / 2 + 1;
  const std::string_view text{"x", half};
  CHECK_FALSE(ChannelBindings(text, ByteView{text.data(), half}).is_valid());
}

TEST_CASE("a token of limits.token holds every message of limits.message") {
  auto ends = support::pair<M>();
  IovBuffer pieces[] = {IovBuffer{IovType::header}, IovBuffer{IovType::data, limits.message.size},
                        IovBuffer{IovType::trailer}};
  must(wrap_iov_length(ends.initiator, pieces));
  CHECK(limits.token.admits(pieces[0].size() + pieces[1].size() + pieces[2].size()));
  CHECK(must(ends.initiator.wrap_size_limit(0xffffffffu)) == limits.message.size);
}

TEST_CASE("the longest message reaches the peer") {
  const std::size_t size = everything ? limits.message.size : std::size_t{1} << 20;
  auto ends = support::pair<M>();
  const Mapping message{size, PROT_READ};
  const ByteView sent{message.data(), size};
  const auto is_sent = [size](const auto& received) {
    return received.size() == size &&
           std::count(received.begin(), received.end(), 0) == static_cast<std::ptrdiff_t>(size);
  };
  CHECK(in_child(120, [&] {
          const auto token = must(ends.initiator.wrap(sent));
          return is_sent(must(ends.acceptor.unwrap(token))) ? 0 : 1;
        }) == 0);
  CHECK(in_child(120, [&] {
          const auto token = must(ends.initiator.wrap_unencrypted(sent));
          return is_sent(must(ends.acceptor.unwrap_unencrypted(token)).message) ? 0 : 1;
        }) == 0);
  CHECK(in_child(120, [&] {
          const auto mic = must(ends.initiator.get_mic(sent));
          must(ends.acceptor.verify_mic(sent, mic));
          return 0;
        }) == 0);
  CHECK(in_child(120, [&] {
          const auto room = must(ends.initiator.room());
          const Mapping block{room.header + size + room.trailer, PROT_READ | PROT_WRITE};
          const auto token = must(wrap_in_place(ends.initiator, {{block.data(), block.size()}, room.header, size}));
          return is_sent(must(unwrap_in_place(ends.acceptor, token))) ? 0 : 1;
        }) == 0);
}
