// Messages of every length, tokens turned by every count, every octet changed, everything malformed: between a
// MessageProtector and contexts of the library, at both ends, for every encryption type. With GSSKEY_TEST_EVERYTHING
// in the environment nothing is left out, which takes minutes; else some of it stands for the rest.
#include <gsskey/gss/context/export.hpp>
#include <gsskey/gss/context/in_place.hpp>
#include <gsskey/gss/context/iov.hpp>
#include <gsskey/krb5/lucid.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/protector.hpp"

using namespace gsskey;
using support::Bytes;
using support::bytes_of;
using support::message_of;
using support::must;
using Context = SecurityContext<mech::Krb5>;

namespace {

const bool everything = std::getenv("GSSKEY_TEST_EVERYTHING") != nullptr;
std::size_t step(std::size_t otherwise) { return everything ? 1 : otherwise; }

/// A protector, a context with its keys, and who both talk to. Nobody minds the order, so that a token can be tried
/// again and again.
struct Trio {
  Context peer = Context::adopt(GSS_C_NO_CONTEXT);
  Context twin = Context::adopt(GSS_C_NO_CONTEXT);
  MessageProtector ours;
  LucidContext keys;  // of the peer
  bool ours_initiates;
};
Trio trio(bool ours_initiates) {
  InitiatorOptions options;
  options.demand = options.demand.without(ContextFlag::replay | ContextFlag::sequence);
  auto both = support::handshakes<mech::Krb5>(options);
  auto initiator = must(export_context(must(std::move(both.initiator).establish())));
  auto acceptor = must(export_context(must(std::move(both.acceptor).establish())));
  const auto& mine = ours_initiates ? initiator : acceptor;
  const auto& theirs = ours_initiates ? acceptor : initiator;
  return {must(import_context<mech::Krb5>(theirs)), must(import_context<mech::Krb5>(mine)),
          must(take_over_after(must(import_context<mech::Krb5>(mine)), MessagesReceived{0})),
          must(export_lucid(must(import_context<mech::Krb5>(theirs)))), ours_initiates};
}

/// For every encryption type, with us at either end.
template <class Check>
void with_each(Check check) {
  const auto row = GENERATE(from_range(std::begin(support::enctypes), std::end(support::enctypes)));
  CAPTURE(row.name);
  support::in_realm_of(row.name, [&] {
    for (const bool ours_initiates : {true, false}) {
      CAPTURE(ours_initiates);
      auto ends = trio(ours_initiates);
      REQUIRE(std::string{ends.ours.encryption_type()} == row.name);
      check(ends);
    }
  });
}

// What tokens there are, and what becomes of them.
enum class Kind { sealed, open, mic };
constexpr Kind kinds[] = {Kind::sealed, Kind::open, Kind::mic};
template <class From>
Bytes made(From& from, Kind kind, const Bytes& message) {
  if (kind == Kind::sealed) return bytes_of(must(from.wrap(message)));
  if (kind == Kind::open) return bytes_of(must(from.wrap_unencrypted(message)));
  return bytes_of(must(from.get_mic(message)));
}
template <class To>
bool accepts(To& to, Kind kind, const Bytes& message, const Bytes& token) {
  if (kind == Kind::mic) return to.verify_mic(message, token).has_value();
  const Bytes copy = token;  // MIT krb5 writes into the header of what was not encrypted
  const auto plain = to.unwrap_unencrypted(copy);
  if (!plain) return false;
  REQUIRE(plain->confidential == (kind == Kind::sealed));
  REQUIRE(ByteView{plain->message} == ByteView{message});
  return true;
}

/// As the library makes and takes tokens in pieces.
Bytes sealed_in_pieces(Context& from, const Bytes& message) {
  Bytes data = message;
  std::array lengths{IovBuffer{IovType::header}, IovBuffer{IovType::data, data}, IovBuffer{IovType::padding},
                     IovBuffer{IovType::trailer}};
  must(wrap_iov_length(from, std::span<IovBuffer>{lengths}));
  Bytes header(lengths[0].size());
  Bytes trailer(lengths[3].size());
  std::array pieces{IovBuffer{IovType::header, header}, IovBuffer{IovType::data, data},
                    IovBuffer{IovType::padding, std::span<unsigned char>{}}, IovBuffer{IovType::trailer, trailer}};
  must(wrap_iov(from, std::span<IovBuffer>{pieces}));
  Bytes token = header;
  token.insert(token.end(), data.begin(), data.end());
  token.insert(token.end(), trailer.begin(), trailer.end());
  return token;
}
Bytes opened_in_pieces(Context& to, Bytes token, MessageRoom room) {
  const std::span<unsigned char> all{token};
  std::array pieces{IovBuffer{IovType::header, all.first(room.header)},
                    IovBuffer{IovType::data, all.subspan(room.header, all.size() - room.header - room.trailer)},
                    IovBuffer{IovType::trailer, all.last(room.trailer)}};
  must(unwrap_iov(to, std::span<IovBuffer>{pieces}));
  return bytes_of(pieces[1].memory());
}
Bytes opened_as_stream(Context& to, Bytes token) {
  std::array pieces{IovBuffer{IovType::stream, token}, IovBuffer{IovType::data}};
  must(unwrap_iov(to, std::span<IovBuffer>{pieces}));
  return bytes_of(pieces[1].memory());
}

void check_length(Trio& ends, std::size_t size) {
  CAPTURE(size);
  const Bytes message = message_of(size);
  for (const Kind kind : kinds) {
    CAPTURE(static_cast<int>(kind));
    REQUIRE(accepts(ends.peer, kind, message, made(ends.ours, kind, message)));
    REQUIRE(accepts(ends.ours, kind, message, made(ends.peer, kind, message)));
  }
  Bytes token = made(ends.peer, Kind::sealed, message);
  REQUIRE(ByteView{must(unwrap_in_place(ends.ours, token))} == ByteView{message});
  token = sealed_in_pieces(ends.peer, message);
  REQUIRE(accepts(ends.ours, Kind::sealed, message, token));
  REQUIRE(ByteView{must(unwrap_in_place(ends.ours, token))} == ByteView{message});
  token = made(ends.ours, Kind::sealed, message);
  REQUIRE(opened_in_pieces(ends.peer, token, must(ends.ours.room())) == message);
  if (!known_faults.unwrap_iov_refuses_streams) REQUIRE(opened_as_stream(ends.peer, token) == message);
  if (capabilities.mic_iov) {
    Bytes data = message;
    Bytes mic = made(ends.ours, Kind::mic, message);
    std::array pieces{IovBuffer{IovType::data, data}, IovBuffer{IovType::mic_token, mic}};
    must(verify_mic_iov(ends.peer, std::span<IovBuffer>{pieces}));
    must(get_mic_iov(ends.peer, std::span<IovBuffer>{pieces}));
    REQUIRE(accepts(ends.ours, Kind::mic, message, mic));
  }
}

/// As its sender would have turned it: to the right by `count`.
Bytes turned(Bytes token, std::size_t count) {
  const auto first = token.begin() + 16;
  const std::size_t rest = token.size() - 16;
  const std::size_t was = static_cast<std::size_t>(token[6] << 8 | token[7]);
  std::rotate(first, first + static_cast<long>(was % rest), token.end());
  std::rotate(first, token.end() - static_cast<long>(count % rest), token.end());
  token[6] = static_cast<unsigned char>(count >> 8);
  token[7] = static_cast<unsigned char>(count);
  return token;
}

}  // namespace

TEST_CASE("messages of every length up to 4,200 and around 2^16, in one piece and in several") {
  with_each([](Trio& ends) {
    for (std::size_t size = 0; size <= 4200; size += size < 70 ? 1 : step(173)) check_length(ends, size);
    for (std::size_t size = 65536 - 70; size <= 65536 + 70; size += step(35)) check_length(ends, size);
  });
}

TEST_CASE("messages of about 2^24 octets") {
  with_each([](Trio& ends) {
    const std::string name = ends.ours.encryption_type();
    if (!everything && (name != "aes256-cts-hmac-sha1-96" || !ends.ours_initiates)) return;
    for (std::size_t size = (1u << 24) + 1 - (everything ? 2 : 0); size <= (1u << 24) + 1; ++size) {
      CAPTURE(size);
      const Bytes message = message_of(size);
      for (const Kind kind : kinds) {
        if (!everything && kind != Kind::sealed) continue;
        REQUIRE(accepts(ends.peer, kind, message, made(ends.ours, kind, message)));
        REQUIRE(accepts(ends.ours, kind, message, made(ends.peer, kind, message)));
      }
    }
  });
}

TEST_CASE("tokens turned by every count, beside and in place") {
  with_each([](Trio& ends) {
    for (const std::size_t size : {70u, 600u, 70000u}) {
      const Bytes message = message_of(size);
      const std::size_t stride = size == 70000 ? 9757 : step(size + 1009);
      for (const Kind kind : {Kind::sealed, Kind::open}) {
        const Bytes token = made(ends.peer, kind, message);
        for (std::size_t count = 0; count < 65536; count += size == 70 && count < 150 ? 1 : stride) {
          CAPTURE(size, static_cast<int>(kind), count);
          Bytes other = turned(token, count);
          REQUIRE(accepts(ends.ours, kind, message, other));
          const auto inside = unwrap_in_place(ends.ours, other);
          if (kind == Kind::sealed) {
            REQUIRE(inside);
            REQUIRE(ByteView{*inside} == ByteView{message});
          } else {
            REQUIRE_FALSE(inside);
            REQUIRE(inside.error().domain() == Domain::policy);
          }
        }
      }
    }
  });
}

TEST_CASE("every octet changed, every length cut: refused, as the library refuses it") {
  with_each([](Trio& ends) {
    for (const std::size_t size : {50u, 600u}) {  // put together in one piece, and not
      if (size == 600 && !everything) continue;
      const Bytes message = message_of(size);
      for (const Kind kind : kinds) {
        const Bytes token = made(ends.peer, kind, message);
        const Bytes own = made(ends.ours, kind, message);
        for (std::size_t at = 0; at < token.size(); ++at) {
          for (unsigned change = 1; change < 256; everything ? ++change : change *= 2) {
            CAPTURE(size, static_cast<int>(kind), at, change);
            Bytes changed = token;
            changed[at] = static_cast<unsigned char>(changed[at] ^ change);
            // Turned by as much again, it is the same.
            if (kind != Kind::mic && (at == 6 || at == 7) && changed == turned(token, changed[6] * 256u + changed[7])) {
              continue;
            }
            REQUIRE_FALSE(accepts(ends.ours, kind, message, changed));
            REQUIRE_FALSE(accepts(ends.twin, kind, message, changed));
            changed = own;
            changed[at] = static_cast<unsigned char>(changed[at] ^ change);
            if (kind != Kind::mic && (at == 6 || at == 7) && changed == turned(own, changed[6] * 256u + changed[7])) {
              continue;
            }
            REQUIRE_FALSE(accepts(ends.peer, kind, message, changed));
          }
        }
        for (std::size_t cut = 0; cut < token.size(); ++cut) {
          CAPTURE(size, static_cast<int>(kind), cut);
          const Bytes shorter{token.begin(), token.begin() + static_cast<long>(cut)};
          REQUIRE_FALSE(accepts(ends.ours, kind, message, shorter));
          if (kind != Kind::mic) {
            Bytes block = shorter;
            REQUIRE_FALSE(unwrap_in_place(ends.ours, block));
          }
        }
        Bytes longer = token;
        longer.push_back(0);
        REQUIRE_FALSE(accepts(ends.ours, kind, message, longer));
        REQUIRE(accepts(ends.ours, kind, message, token));
        REQUIRE(accepts(ends.peer, kind, message, own));
      }
    }
  });
}

// Made with the peer's keys, so that it is the form alone that is wrong. What krb5's tests/gssapi/t_invalid.c tries,
// and CVE-2014-4341 and 4342, 2024-37370 and 37371, 2025-57736.
TEST_CASE("malformed tokens under the right keys are refused, as the library refuses them") {
  with_each([](Trio& ends) {
    const LucidKey key = ends.keys.key();
    const auto& type = *rfc3961::find_encryption_type(static_cast<std::int32_t>(key.type));
    const unsigned flags = (ends.ours_initiates ? rfc4121::sent_by_acceptor : 0u) |
                           (ends.keys.has_acceptor_subkey() ? rfc4121::acceptor_subkey : 0u);
    auto sealing = must(rfc3961::SealingKey::derive(type, key.bytes, ends.ours_initiates ? 22 : 24));
    const auto sealed = [&](std::uint16_t extra_count, const Bytes& body, std::size_t inner_size) {
      Bytes token(16 + 16 + body.size() + inner_size + type.mac_size);
      rfc4121::Header{.is_wrap = true,
                      .flags = flags | rfc4121::sealed,
                      .extra_count = extra_count,
                      .rotation = 0,
                      .sequence = ends.keys.send_sequence()}
          .write(token.data());
      const Bytes confounder(16, 'c');
      REQUIRE(sealing.seal(confounder.data(), body, {token.data(), inner_size}, token.data() + 16));
      return token;
    };
    const Bytes message = message_of(50);
    const auto refused = [&](Kind kind, const Bytes& token, bool library_is_asked = true) {
      if (kind == Kind::mic) {
        REQUIRE_FALSE(ends.ours.verify_mic(message, token));
        if (library_is_asked) REQUIRE_FALSE(ends.twin.verify_mic(message, token));
        return;
      }
      Bytes copy = token;
      REQUIRE_FALSE(ends.ours.unwrap(token));
      REQUIRE_FALSE(ends.ours.unwrap_unencrypted(token));
      REQUIRE_FALSE(unwrap_in_place(ends.ours, copy));
      copy = token;
      if (library_is_asked) REQUIRE_FALSE(ends.twin.unwrap_unencrypted(copy));
    };
    REQUIRE(bytes_of(must(ends.ours.unwrap(sealed(0, message, 16)))) == message);
    REQUIRE(bytes_of(must(ends.ours.unwrap(sealed(50, message, 16)))).empty());  // nothing but filler

    for (std::size_t size = 0; size < 16; ++size) refused(Kind::sealed, sealed(0, {}, size));  // no whole inner header
    for (const int count : {51, 60, 65, 66, 67, 100, 32768, 65535}) {  // more filler than there is plaintext
      CAPTURE(count);
      refused(Kind::sealed, sealed(static_cast<std::uint16_t>(count), message, 16));
    }
    Bytes token = sealed(3, message, 16);
    for (const int count : {0, 2, 4}) {  // not the count that was encrypted
      token[5] = static_cast<unsigned char>(count);
      refused(Kind::sealed, token);
    }
    token[5] = 3;
    REQUIRE(ends.ours.unwrap(token));

    const Bytes open = made(ends.peer, Kind::open, message);
    for (const std::size_t count : {std::size_t{0}, type.mac_size - 1, type.mac_size + 1, std::size_t{0xffff}}) {
      token = open;  // the extra count is not the checksum's size
      token[4] = static_cast<unsigned char>(count >> 8);
      token[5] = static_cast<unsigned char>(count);
      refused(Kind::open, token);
    }
    const Bytes mic = made(ends.peer, Kind::mic, message);
    for (std::size_t size = 0; size < mic.size(); ++size) {
      refused(Kind::mic, Bytes(mic.begin(), mic.begin() + static_cast<long>(size)));
    }
    token = mic;
    token.push_back(0);
    refused(Kind::mic, token);
    token = mic;
    std::fill(token.begin() + 16, token.end(), static_cast<unsigned char>(0));
    refused(Kind::mic, token);

    // One kind for the other, that of a deleted context, and none at all.
    refused(Kind::sealed, mic);
    refused(Kind::mic, open);
    refused(Kind::mic, sealed(0, message, 16));
    for (const auto& [kind, whole] :
         {std::pair{Kind::sealed, sealed(0, message, 16)}, std::pair{Kind::open, open}, std::pair{Kind::mic, mic}}) {
      for (const unsigned type_octet : {0u, 2u, 4u, 5u, 6u, 0x60u}) {
        token = whole;
        if (token[0] == type_octet) continue;
        token[0] = static_cast<unsigned char>(type_octet);
        refused(kind, token);
      }
      token = whole;
      token[1] = 5;  // 04 05 is the token of gss_delete_sec_context
      refused(kind, token);
    }

    // Those of RFC 1964, and their framing, whole and truncated.
    const Bytes framed{0x60, 0x23, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02};
    for (const unsigned type_octet : {1u, 2u}) {
      token = framed;
      token.push_back(static_cast<unsigned char>(type_octet));
      token.push_back(1);
      for (std::size_t size = token.size(); size <= framed.size() + 24; ++size) {
        token.resize(size, 0xff);
        refused(type_octet == 1 ? Kind::mic : Kind::sealed, token);
      }
    }
    for (std::size_t size = 0; size <= framed.size(); ++size) {
      refused(Kind::sealed, Bytes(framed.begin(), framed.begin() + static_cast<long>(size)));
      refused(Kind::mic, Bytes(framed.begin(), framed.begin() + static_cast<long>(size)));
    }
    for (const Bytes& length : {Bytes{0x60, 0x84, 0xff, 0xff, 0xff, 0xff}, Bytes{0x60, 0x80}, Bytes{0x60, 0x85}}) {
      refused(Kind::sealed, length);
      refused(Kind::mic, length);
    }
  });
}
