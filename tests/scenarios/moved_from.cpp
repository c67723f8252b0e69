// Every public class moved, moved onto itself and asked afterwards: an owner that was moved from answers Error::usage,
// or something empty, and the one that it was moved to goes on. tests/headers/moved_from.py sees to it that all are
// here.
#include <gsskey/gss.hpp>
#include <gsskey/gss/context/expiring.hpp>
#include <gsskey/gss/context/export.hpp>
#include <gsskey/gss/context/iov.hpp>
#include <gsskey/gss/credential/renewing.hpp>
#include <gsskey/handoff/credential_cache.hpp>
#include <gsskey/handoff/parked_context.hpp>
#include <gsskey/http/negotiate.hpp>
#include <gsskey/http/session.hpp>
#include <gsskey/io/co_framing.hpp>
#include <gsskey/io/establish_as.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/secure_fd_stream.hpp>
#include <gsskey/io/task.hpp>
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/asymmetric.hpp>
#include <gsskey/keyring/encrypted.hpp>
#include <gsskey/keyring/handler/authority.hpp>
#include <gsskey/keyring/handler/upcall.hpp>
#include <gsskey/keyring/ring_thread.hpp>
#include <gsskey/keyring/watch.hpp>
#include <gsskey/krb5/impersonated_ticket.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/kdc_list.hpp>
#include <gsskey/krb5/pac.hpp>
#include <gsskey/krb5/principal.hpp>
#include <gsskey/krb5/renewed_ticket.hpp>
#include <gsskey/krb5/sid.hpp>
#include <gsskey/messages/batch.hpp>
#include <gsskey/messages/take_over.hpp>
#ifdef GSSKEY_TEST_LANES
#include <gsskey/messages/lanes.hpp>
#endif
#include <gsskey/sasl/gs2.hpp>
#include <gsskey/sasl/gss_spnego.hpp>
#include <gsskey/sasl/gssapi.hpp>
#include <gsskey/sasl/mechanism_list.hpp>
#include <gsskey/text/gss.hpp>
#ifdef ASIO_STANDALONE
#include <gsskey/asio/handshake.hpp>
#include <gsskey/asio/prefetch.hpp>
#include <gsskey/asio/renewing.hpp>
#include <gsskey/asio/secure_stream.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#endif

#include <unistd.h>

#include <array>
#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/protector.hpp"
#include "support/realm.hpp"
#include "support/session.hpp"
#include "support/socket_pair.hpp"

using namespace gsskey;
using support::must;
using support::Session;
using Krb5 = mech::Krb5;

namespace {

/// `empty` is asked of what was moved from, `whole` of where it went. Between, both are moved onto themselves, and what
/// can be assigned goes there and back.
template <class T, class Empty, class Whole>
void move_about(T object, Empty empty, Whole whole) {
  static_assert(!std::is_copy_constructible_v<T>);
  T other{std::move(object)};
  empty(object);
  T nothing{std::move(object)};
  empty(nothing);
  whole(other);
  if constexpr (std::is_move_assignable_v<T>) {
    T& same = other;
    other = std::move(same);
    whole(other);
    T& none = nothing;
    nothing = std::move(none);
    empty(nothing);
    object = std::move(other);
    empty(other);
    whole(object);
    other = std::move(nothing);
    empty(other);
  }
}

template <class... T>
constexpr bool are_values = (std::is_copy_constructible_v<T> && ...);
template <class... T>
constexpr bool stay = ((!std::is_move_constructible_v<T> && !std::is_copy_constructible_v<T>) && ...);

template <class T, class E>
bool is_usage(const expected<T, E>& result) {
  if (result) return false;
  if constexpr (std::same_as<E, Error>) {
    return result.error().domain() == Domain::usage;
  } else {
    return result.error().error.domain() == Domain::usage;
  }
}
/// An error, whoever says it: the kernel, of a key or descriptor that is none.
template <class T>
bool is_error(const Result<T>& result) {
  return !result;
}

constexpr auto nothing = [](auto&) {};

using support::target;

struct NoStream {
  void async_write_some(ByteView header, ByteView body);
  void async_read_some(void* data, std::size_t size);
};

struct NumberTraits {
  using Handle = int;
  static constexpr Handle none = 0;
  static void close(Handle) noexcept {}
};

}  // namespace

// Copies of these are as good as they are.
static_assert(
    are_values<Answer, ByteView, Error, HttpSessions, FlagSet<ContextFlag>, Seconds, ChannelBindings, ContextDemand,
               CredentialRef<Krb5, Accept>, Oid, gsskey::Principal, CredentialLease<Krb5, Initiate>, FdStream,
               FramedTransport<FdStream>, CoFramedTransport<Task, NoStream>, PublicKey, Destination,
               KeyRef<key_type::User>, Permissions, Timeout, Description<AnyText>, MessageMic, rfc3961::RotatedView,
               SequenceWindow, IovBuffer, AdvisedError, Sid, SidBytes, sasl::MechanismList>);
// And these stay where they are.
using Acquire = Result<Credential<Krb5, Initiate>> (*)();
static_assert(stay<RenewingCredential<Acquire>>);
// There is no object of this one.
static_assert(!std::is_default_constructible_v<Keyring>);
// Bases of Key and KeyRef: KeyOperations, RingOperations. Only a program that the kernel started has one, and
// tests/keyring/handler/upcall.cpp moves it there: Authority.

TEST_CASE("core: SecretBytes, UniqueHandle") {
  const auto empty = [](SecretBytes& bytes) {
    CHECK(bytes.empty());
    CHECK(bytes.data() == nullptr);
    CHECK(bytes.text().empty());
    bytes.wipe();
  };
  move_about(must(SecretBytes::copy_of("secret")), empty, [](SecretBytes& bytes) { CHECK(bytes.text() == "secret"); });
  auto grown = must(SecretBytes::copy_of("secret"));
  const auto moved = std::move(grown);
  must(grown.resize(3));
  CHECK(grown.text() == std::string_view{"\0\0\0", 3});

  move_about(
      UniqueHandle<NumberTraits>::adopt(7), [](UniqueHandle<NumberTraits>& handle) { CHECK_FALSE(handle); },
      [](UniqueHandle<NumberTraits>& handle) { CHECK(handle.get() == 7); });
}

TEST_CASE("gss: Buffer, BufferSet, OidSet, Name, MechName, Pac, Peer, LucidContext") {
  auto context = support::pair<Krb5>();
  move_about(
      capabilities.verified_pac ? must(Pac::from(context.acceptor)) : Pac{},
      [](Pac& pac) {
        CHECK_FALSE(pac);
        CHECK(pac.client() == nullptr);
        CHECK(pac.checksums().empty());
        CHECK(pac.is_member_of(Sid{}).error().domain() == Domain::usage);
      },
      [](Pac& pac) { CHECK((pac.client() != nullptr) == capabilities.verified_pac); });
  move_about(
      must(context.initiator.wrap("x")),
      [](Buffer& buffer) {
        CHECK(buffer.empty());
        CHECK(buffer.text().empty());
        buffer.reset();
      },
      [](Buffer& buffer) { CHECK_FALSE(buffer.empty()); });
  move_about(
      BufferSet{},
      [](BufferSet& set) {
        CHECK(set.size() == 0);
        CHECK(set[0].empty());
        CHECK_FALSE(set.contains(""));
      },
      nothing);
  move_about(
      must(must(Credential<Krb5, Initiate>::acquire_default()).inquire()).mechanisms,
      [](OidSet& set) {
        CHECK(set.size() == 0);
        CHECK(set[0].empty());
        CHECK_FALSE(set.contains(Krb5::oid));
      },
      [](OidSet& set) { CHECK(set.contains(Krb5::oid)); });
  move_about(
      target(),
      [](Name& name) {
        CHECK_FALSE(name);
        CHECK(is_usage(name.display()));
        CHECK(is_usage(name.duplicate()));
        CHECK(is_usage(name.canonicalize<Krb5>()));
        CHECK_FALSE(name.equals(target()).yes());
      },
      [](Name& name) { CHECK(must(name.display()).text() == "host@localhost"); });
  move_about(
      must(target().canonicalize<Krb5>()),
      [](MechName<Krb5>& name) {
        CHECK_FALSE(name);
        CHECK(is_usage(name.export_name()));
      },
      [](MechName<Krb5>& name) { CHECK_FALSE(must(name.export_name()).empty()); });
  move_about(
      must(context.acceptor.peer()),
      [](Peer& peer) {
        CHECK_FALSE(peer.name());
        CHECK(is_usage(peer.display()));
        CHECK(is_usage(peer.principal()));
        CHECK(is_usage(peer.local_name()));
        CHECK_FALSE(peer.is_anonymous().yes());
        CHECK_FALSE(peer.is_anonymous().no());
      },
      [](Peer& peer) { CHECK(must(peer.display()).text() == "alice@GSSKEY.TEST"); });
  move_about(
      must(export_lucid(std::move(context.acceptor))),
      [](LucidContext& lucid) {
        CHECK_FALSE(lucid);
        CHECK_FALSE(lucid.is_initiator());
        CHECK(lucid.end_time() == 0);
        CHECK(lucid.send_sequence() == 0);
        CHECK(lucid.first_received_sequence() == 0);
        CHECK_FALSE(lucid.has_acceptor_subkey());
        CHECK(lucid.key().bytes.empty());
        CHECK(lucid.context_key().bytes.empty());
        CHECK(lucid.acceptor_subkey().bytes.empty());
        CHECK(lucid.signature_algorithm() == 0);
        CHECK(lucid.sealing_algorithm() == 0);
        static_cast<void>(lucid.messages());
      },
      [](LucidContext& lucid) { CHECK_FALSE(lucid.key().bytes.empty()); });
}

TEST_CASE("gss: Credential, Initiator, Acceptor, SecurityContext, ExpiringContext") {
  const auto empty = [](auto& credential) {
    CHECK_FALSE(credential);
    CHECK(is_usage(credential.inquire()));
    CHECK(is_usage(credential.lifetime()));
  };
  support::realm();
  move_about(must(Credential<Krb5, Initiate>::acquire_default()), empty, [](Credential<Krb5, Initiate>& credential) {
    CHECK(is_usage(Initiator<Krb5>{Name{}, credential}.step()));
    CHECK(Initiator<Krb5>{target(), credential}.step());
  });
  move_about(must(Credential<Krb5, Accept>::acquire_default()), empty,
             [](Credential<Krb5, Accept>& credential) { CHECK_FALSE(is_usage(Acceptor<Krb5>{credential}.step("x"))); });
  const Credential<Krb5, Initiate> none;
  CHECK(is_usage(Initiator<Krb5>{target(), none}.step()));
  const Credential<Krb5, Accept> nobody;
  CHECK(is_usage(Acceptor<Krb5>{nobody}.step("x")));

  move_about(
      support::initiator<Krb5>(),
      [](Initiator<Krb5>& initiator) {
        CHECK(is_usage(initiator.step()));
        CHECK_FALSE(initiator.is_complete());
        CHECK_FALSE(initiator.peer_signed_negotiation());
        CHECK(is_usage(std::move(initiator).establish()));
        CHECK(is_usage(take_over(std::move(initiator))));
      },
      [](Initiator<Krb5>& initiator) { CHECK(is_usage(initiator.step("a token too early"))); });
  move_about(
      support::acceptor<Krb5>(),
      [](Acceptor<Krb5>& acceptor) {
        CHECK(is_usage(acceptor.step("x")));
        CHECK_FALSE(acceptor.is_complete());
        CHECK_FALSE(acceptor.peer_name());
        CHECK(acceptor.binding() != Binding::bound);
        CHECK(is_usage(std::move(acceptor).establish()));
      },
      [](Acceptor<Krb5>& acceptor) { CHECK_FALSE(acceptor.is_complete()); });
  for (const bool completes : {true}) {  // a complete one keeps what it has
    auto both = support::handshakes<Krb5>();
    Acceptor<Krb5> moved{std::move(both.acceptor)};
    CHECK(moved.is_complete() == completes);
    CHECK(moved.peer_name());
    CHECK(std::move(moved).establish());
  }

  auto ends = support::pair<Krb5>();
  auto& peer = ends.acceptor;
  support::Bytes memory(200);
  move_about(
      std::move(ends.initiator),
      [&](SecurityContext<Krb5>& context) {
        CHECK_FALSE(context);
        CHECK(is_usage(context.wrap("x")));
        CHECK(is_usage(context.wrap_unencrypted("x")));
        CHECK(is_usage(context.unwrap("x")));
        CHECK(is_usage(context.unwrap_unencrypted("x")));
        CHECK(is_usage(context.get_mic("x")));
        CHECK(is_usage(context.verify_mic("x", "y")));
        CHECK(is_usage(context.wrap_size_limit(100)));
        CHECK(is_usage(context.inquire()));
        CHECK(is_usage(context.lifetime()));
        CHECK(is_usage(context.mechanism()));
        CHECK(is_usage(export_context(std::move(context))));
        CHECK(is_usage(ExpiringContext<Krb5>::from_context(std::move(context))));
        CHECK(is_usage(take_over_after(std::move(context), {0})));
        CHECK(is_usage(context.room()));
        CHECK(is_usage(context.sasl_ssf()));
        CHECK(is_usage(context.wrap_unencrypted_size_limit(100)));
        CHECK(is_usage(context.unwrap_with_ordering("x")));
        CHECK(is_usage(wrap_into(context, "x", memory)));
        CHECK(is_usage(wrap_in_place(context, {memory, 40, 1})));
        CHECK(is_usage(unwrap_into(context, "x", memory)));
        CHECK(is_usage(unwrap_in_place(context, memory)));
      },
      [&](SecurityContext<Krb5>& context) { CHECK(must(peer.unwrap(must(context.wrap("moved")))).text() == "moved"); });

  auto others = support::pair<Krb5>();
  move_about(
      must(ExpiringContext<Krb5>::from_context(std::move(others.initiator))),
      [&](ExpiringContext<Krb5>& context) {
        CHECK(is_usage(context.lifetime()));
        CHECK(is_usage(context.inquire()));
        CHECK(is_usage(context.room()));
        CHECK(is_usage(context.sasl_ssf()));
        CHECK(is_usage(context.wrap_size_limit(100)));
        CHECK(is_usage(context.wrap_unencrypted_size_limit(100)));
        CHECK(is_usage(context.wrap("x")));
        CHECK(is_usage(context.wrap_unencrypted("x")));
        CHECK(is_usage(wrap_into(context, "x", memory)));
        CHECK(is_usage(wrap_in_place(context, {memory, 40, 1})));
        CHECK(is_usage(context.unwrap("x")));
        CHECK(is_usage(context.unwrap_unencrypted("x")));
        CHECK(is_usage(context.unwrap_with_ordering("x")));
        CHECK(is_usage(unwrap_into(context, "x", memory)));
        CHECK(is_usage(unwrap_in_place(context, memory)));
        CHECK(is_usage(context.get_mic("x")));
        CHECK(is_usage(context.verify_mic("x", "y")));
        CHECK_FALSE(context.context());
      },
      [&](ExpiringContext<Krb5>& context) {
        CHECK(must(others.acceptor.unwrap(must(context.wrap("moved")))).text() == "moved");
      });
}

TEST_CASE("io: establish_as, Task") {
  move_about(
      establish_as<MessageProtector>(support::initiator<Krb5>()),
      [](auto& handshake) {
        CHECK(is_usage(handshake.step()));
        CHECK(is_usage(std::move(handshake).establish()));
      },
      nothing);
  const auto three = []() -> Task<Result<int>> { co_return Result<int>{3}; };
  move_about(three(), [](Task<Result<int>>& task) { CHECK(is_usage(sync_wait(std::move(task)))); }, nothing);
  const auto waits = [](Task<Result<int>> task) -> Task<Result<int>> {
    auto result = co_await task;
    co_return result;
  };
  auto task = three();
  auto moved = std::move(task);
  CHECK(is_usage(sync_wait(waits(std::move(task)))));
  CHECK(must(sync_wait(waits(std::move(moved)))) == 3);
}

TEST_CASE("openssl: Confounders, Hmac, Checksum, ChainedCipher, SealingKey, OpeningKey, Sender, Receiver") {
  using namespace rfc3961;
  unsigned char out[64];
  move_about(
      must(Confounders::create()), [&](Confounders& confounders) { CHECK_FALSE(confounders.take(out)); },
      [&](Confounders& confounders) { CHECK(confounders.take(out)); });
  move_about(
      must(Hmac::create("SHA256", "key")),
      [&](Hmac& hmac) {
        CHECK_FALSE(hmac.start());
        CHECK_FALSE(hmac.update("x"));
        CHECK_FALSE(hmac.finish(out));
      },
      [&](Hmac& hmac) { CHECK((hmac.start() && hmac.update("x") && hmac.finish(out))); });
  for (const EncryptionType& type : encryption_types) {
    CAPTURE(type.name);
    const support::Bytes key(type.key_size, 7);
    const support::Bytes mac_key(type.mac_key_size, 7);
    move_about(
        must(rfc3961::Checksum::create(type, mac_key)),
        [&](rfc3961::Checksum& checksum) {
          CHECK_FALSE(checksum.start());
          CHECK_FALSE(checksum.update("x"));
          CHECK_FALSE(checksum.finish(out));
          CHECK(checksum.verify(out) == Opened::failed);
        },
        [&](rfc3961::Checksum& checksum) {
          CHECK((checksum.start() && checksum.update("x") && checksum.finish(out)));
        });
    move_about(
        must(ChainedCipher::create(type, key, true)),
        [&](ChainedCipher& cipher) { CHECK_FALSE(cipher.update(out, 16, out)); },
        [&](ChainedCipher& cipher) { CHECK((cipher.start() && cipher.update(out, 16, out))); });
    support::Bytes token(200);
    move_about(
        must(SealingKey::derive(type, key, 22)),
        [&](SealingKey& sealing) { CHECK_FALSE(sealing.seal(out, "body", "trailer", token.data())); },
        [&](SealingKey& sealing) { CHECK(sealing.seal(out, "body", "trailer", token.data())); });
    const RotatedView sealed{{token.data(), 16 + 11 + type.mac_size}, 0};
    move_about(
        must(OpeningKey::derive(type, key, 22)),
        [&](OpeningKey& opening) { CHECK(opening.open(sealed, out, 4, out + 16) == Opened::failed); },
        [&](OpeningKey& opening) { CHECK(opening.open(sealed, out, 4, out + 16) == Opened::whole); });
    move_about(
        must(rfc4121::Sender::create({&type, key, false})),
        [&](rfc4121::Sender& sender) {
          support::Bytes unused(200);
          CHECK_FALSE(sender.wrap("x", unused.data()));
          CHECK_FALSE(sender.wrap_unencrypted("x", unused.data()));
          CHECK_FALSE(sender.get_mic("x", unused.data()));
        },
        [&](rfc4121::Sender& sender) { CHECK(sender.get_mic("x", token.data())); });
    const ByteView mic{token.data(), 16 + type.mac_size};
    move_about(
        must(rfc4121::Receiver::create({&type, key, false})),
        [&](rfc4121::Receiver& receiver) { CHECK(receiver.check("x", mic) == Opened::failed); },
        [&](rfc4121::Receiver& receiver) { CHECK(receiver.check("x", mic) == Opened::whole); });
  }
}

TEST_CASE("openssl: MessageToken, SealKey, BatchThreads, MessageProtector, MessageBatch, MessageLanes") {
  move_about(
      must(MessageToken::with_size(5)),
      [](MessageToken& token) {
        CHECK(token.empty());
        CHECK(token.text().empty());
        CHECK(std::move(token).to_secret(3).empty());
      },
      [](MessageToken& token) { CHECK(token.size() == 5); });
  move_about(
      must(SealKey::generate()),
      [](SealKey& key) {
        CHECK(key.bytes().empty());
        CHECK(is_usage(seal(key, "x", Krb5::oid, Seconds{60})));
        CHECK(is_usage(open_seal<Krb5>(key, "x")));
      },
      [](SealKey& key) { CHECK(open_seal<Krb5>(key, must(seal(key, "x", Krb5::oid, Seconds{60})))); });

  move_about(
      must(BatchThreads::start(2)),
      [](BatchThreads& threads) {
        CHECK_FALSE(threads);
        CHECK(threads.count() == 0);
      },
      [](BatchThreads& threads) { CHECK(threads.count() == 2); });

  auto both = support::handshakes<Krb5>();
  auto peer = must(std::move(both.acceptor).establish());
  support::Bytes memory(200);
  move_about(
      support::taken(std::move(both.initiator)),
      [&](MessageProtector& protector) {
        CHECK_FALSE(protector);
        CHECK(is_usage(protector.inquire()));
        CHECK(std::string_view{protector.encryption_type()}.empty());
        CHECK(is_usage(protector.lifetime()));
        CHECK(is_usage(protector.sasl_ssf()));
        CHECK(is_usage(protector.wrap_size_limit(100)));
        CHECK(is_usage(protector.wrap_unencrypted_size_limit(100)));
        CHECK(is_usage(protector.wrap("x")));
        CHECK(is_usage(protector.wrap_unencrypted("x")));
        CHECK(is_usage(wrap_into(protector, "x", memory)));
        CHECK(is_usage(wrap_in_place(protector, {memory, 40, 1})));
        CHECK(is_usage(protector.unwrap("x")));
        CHECK(is_usage(protector.unwrap_unencrypted("x")));
        CHECK(is_usage(protector.unwrap_with_ordering("x")));
        CHECK(is_usage(unwrap_into(protector, "x", memory)));
        CHECK(is_usage(unwrap_in_place(protector, memory)));
        CHECK(is_usage(protector.get_mic("x")));
        CHECK(is_usage(protector.verify_mic("x", "y")));
        CHECK(is_usage(protector.room()));
        CHECK(is_usage(MessageBatch::from_protector(protector)));
#ifdef GSSKEY_TEST_LANES
        CHECK(is_usage(MessageLanes::from_protector(protector)));
#endif
      },
      [&](MessageProtector& protector) {
        CHECK(must(peer.unwrap(must(protector.wrap("moved")))).text() == "moved");
        const BatchMessage messages[] = {{"x", memory}};
        move_about(
            must(MessageBatch::from_protector(protector)),
            [&](MessageBatch& batch) {
              CHECK_FALSE(batch);
              CHECK_FALSE(batch.has_lanes());
              CHECK(is_usage(batch.wrap("x")));
              CHECK(is_usage(batch.unwrap("x")));
              CHECK(is_usage(batch.wrap_size_limit(100)));
              CHECK(is_usage(batch.room()));
              CHECK(is_usage(batch.wrap(messages)));
              CHECK(is_usage(batch.get_mic(messages)));
              BatchToken tokens[1];
              batch.unwrap(tokens);
              CHECK(is_usage(tokens[0].message));
              BatchMic mics[1];
              batch.verify_mic(mics);
              CHECK(is_usage(mics[0].verified));
            },
            [&](MessageBatch& batch) {
              must(batch.wrap(messages));
              const auto room = must(protector.room());
              CHECK(must(peer.unwrap({memory.data(), 1 + room.header + room.trailer})).size() == 1);
            });
#ifdef GSSKEY_TEST_LANES
        move_about(
            must(MessageLanes::from_protector(protector)),
            [&](MessageLanes& lanes) {
              CHECK_FALSE(lanes);
              CHECK(is_usage(lanes.wrap("x")));
              CHECK(is_usage(lanes.unwrap("x")));
              CHECK(is_usage(lanes.wrap_size_limit(100)));
              CHECK(is_usage(lanes.room()));
              CHECK(is_usage(lanes.wrap(messages)));
              BatchToken tokens[1];
              lanes.unwrap(tokens);
              CHECK(is_usage(tokens[0].message));
            },
            [&](MessageLanes& lanes) {
              must(lanes.wrap(messages));
              const auto room = must(protector.room());
              CHECK(must(peer.unwrap({memory.data(), 1 + room.header + room.trailer})).size() == 1);
            });
#endif
      });
}

TEMPLATE_TEST_CASE("sasl: Client, Server", "", sasl::Gssapi, sasl::GssSpnego, sasl::Gs2Krb5) {
  constexpr std::uint32_t strength = TestType::name == "GS2-KRB5" ? 0 : 256;
  using Gss = typename TestType::Gss;
  using Ours = sasl::Client<TestType>;
  using Theirs = sasl::Server<TestType>;
  const auto client = [] {
    return Ours{support::target(), support::initiator_credential<Gss>(), {.min_ssf = strength}};
  };
  const auto server = [] { return Theirs{support::acceptor_credential<Gss>(), {.min_ssf = strength}}; };
  const auto over = [](auto& end) {
    CHECK(is_usage(end.step(ByteView{})));
    CHECK(is_usage(std::move(end).establish()));
    CHECK_FALSE(end.is_complete());
  };
  const auto fresh = [](auto& end) {
    CHECK(std::move(end).establish().error().text() == "the exchange is not complete");
  };
  move_about(client(), over, fresh);
  move_about(server(), over, fresh);

  // Underway, and complete.
  auto ours = client();
  auto theirs = server();
  auto response = must(ours.step());
  Ours ours_moved{std::move(ours)};
  over(ours);
  while (!theirs.is_complete()) {
    const auto challenge = must(theirs.step(ByteView{response.value()}));
    if (challenge) response = must(ours_moved.step(ByteView{*challenge}));
  }
  Theirs theirs_moved{std::move(theirs)};
  over(theirs);
  Ours ours_again{std::move(ours_moved)};
  over(ours_moved);
  CHECK(must(std::move(theirs_moved).establish()).authzid == "alice@GSSKEY.TEST");
  CHECK(must(std::move(ours_again).establish()).ssf == strength);
}

TEST_CASE("http: HttpInitiator, HttpAcceptor") {
  using Spnego = mech::Spnego;
  using Client = HttpInitiator<Spnego>;
  using Server = HttpAcceptor<Spnego>;
  const auto client = [] { return Client{support::initiator<Spnego>()}; };
  const auto server = [] { return Server{support::acceptor_credential<Spnego>()}; };
  move_about(
      client(),
      [](Client& ours) {
        CHECK(is_error(ours.authorize()));
        CHECK(is_error(ours.authorize("Negotiate")));
        CHECK(is_error(std::move(ours).establish("")));
      },
      nothing);
  {
    auto begun = client();
    static_cast<void>(must(begun.authorize()));
    Client moved{std::move(begun)};
    CHECK(is_error(begun.authorize("Negotiate Zm9v")));
    CHECK(is_error(std::move(begun).establish("Negotiate Zm9v")));
  }
  // One that was moved from has its credential still, and can begin afresh; not go on.
  auto theirs = server();
  const auto dce = InitiatorOptions{.demand = ContextFlag::mutual, .request = ContextFlag::dce_style};
  Client ours{support::initiator<Spnego>(dce)};
  auto first = theirs.step(must(ours.authorize()));
  REQUIRE_FALSE(first);
  REQUIRE(first.error().is_challenge);
  const auto second = must(ours.authorize(first.error().www_authenticate));
  Server moved{std::move(theirs)};
  CHECK_FALSE(theirs.step(second));
  CHECK(moved.step(second));
  CHECK_FALSE(theirs.step(""));
}

TEST_CASE("keyring: Key, KeyInfo, KeyList, ProcKeys, EncryptedPayload, EncryptedUpdate, TrustedPayload, KeyRequest") {
  const Session session;
  const auto create = [&] { return must(session->create(key_type::User{"moved"}, "secret")); };
  move_about(
      create(),
      [](Key<key_type::User>& key) {
        CHECK_FALSE(key);
        CHECK(key.serial() == 0);
        CHECK_FALSE(key.ring());
        CHECK(is_usage(key.read()));
        CHECK(is_usage(key.update(ByteView{"x"}, Seconds{10})));
        CHECK(is_usage(key.describe()));
        CHECK(is_usage(key.set_permissions(Permissions{}.possessor(all_rights))));
        CHECK(is_usage(key.set_timeout(Seconds{1})));
        CHECK(is_usage(key.revoke()));
        CHECK(is_usage(key.invalidate()));
        CHECK(is_usage(std::move(key).close()));
        CHECK_FALSE(std::move(key).release());
        CHECK_FALSE(std::move(key).on_destroy<OnDestroy::keep>());
        CHECK(key.is_ours());
        key.own_after_fork();
      },
      [](Key<key_type::User>& key) { CHECK(must(key.read()).text() == "secret"); });
  const auto key = create();
  move_about(
      must(key.describe()),
      [](const KeyInfo& info) {
        CHECK(info.type().empty());
        CHECK(info.description().empty());
        static_cast<void>(info.user());
        static_cast<void>(info.permissions());
      },
      [](const KeyInfo& info) { CHECK(info.description() == "moved"); });
  move_about(
      must(session->members()),
      [&](KeyList& list) {
        CHECK(list.empty());
        CHECK_FALSE(list[0]);
        CHECK_FALSE(list.contains(key));
        CHECK(list.begin() == list.end());
      },
      [&](KeyList& list) { CHECK(list.contains(key)); });
  move_about(
      must(ProcKeys::acquire()),
      [&](ProcKeys& keys) {
        CHECK(is_error(keys.find(key)));
        keys.for_each([](const ProcKey&) { CHECK(false); });
      },
      [&](ProcKeys& keys) { CHECK(keys.find(key)); });
  const auto is_empty = [](auto& payload) { CHECK(ByteView{payload}.empty()); };
  const auto is_whole = [](auto& payload) { CHECK_FALSE(ByteView{payload}.empty()); };
  move_about(must(EncryptedPayload::load("blob")), is_empty, is_whole);
  move_about(must(EncryptedUpdate::seal_with({.description = "other"})), is_empty, is_whole);
  move_about(must(TrustedPayload::generate(32)), is_empty, is_whole);
  const char* const arguments[] = {"request-key", "create", "1", "0", "0", "0", "0", "0"};
  move_about(
      must(KeyRequest::parse(8, arguments)),
      [](KeyRequest& request) {
        CHECK(request.description().empty());
        CHECK(request.type().empty());
        CHECK(request.callout_info().empty());
      },
      nothing);
}

TEST_CASE("keyring: RingThread, KeyWatch") {
  move_about(
      must(RingThread::start()), [](RingThread& thread) { CHECK(is_usage(thread.run([] { return 3; }))); },
      [](RingThread& thread) { CHECK(must(thread.run([] { return 3; })) == 3); });
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[1]);
  move_about(
      KeyWatch::adopt(ends[0]),
      [](KeyWatch& watch) {
        CHECK(watch.descriptor() < 0);
        CHECK(is_error(watch.next()));
      },
      [](KeyWatch& watch) { CHECK(watch.descriptor() >= 0); });
}

TEST_CASE("handoff: ParkedContext, CredentialCache") {
  const Session session;
  auto ends = support::pair<Krb5>();
  using handoff::ParkedContext;
  auto parked = must(handoff::park(std::move(ends.acceptor), *session));
  move_about(
      std::move(parked),
      [](ParkedContext& context) {
        CHECK_FALSE(context);
        CHECK(context.bytes().empty());
        CHECK_FALSE(context.ring());
        CHECK(is_error(handoff::claim<Krb5>(context)));
        CHECK(std::move(context).release().empty());
      },
      [](ParkedContext& context) { CHECK_FALSE(context.bytes().empty()); });
#if defined(GSSKEY_GSS_MIT)
  using handoff::CredentialCache;
  move_about(
      must(CredentialCache::from_credential(must(Credential<Krb5, Initiate>::acquire_default()))),
      [](CredentialCache& cache) {
        CHECK(std::string_view{cache.name()}.empty());
        CHECK(is_usage(cache.credential()));
        CHECK_FALSE(cache.ring());
      },
      [](CredentialCache& cache) { CHECK(cache.credential()); });
#endif
}

TEST_CASE("krb5: TicketCache, InitialTicket, ServiceTicket, RenewedTicket, ImpersonatedTicket, KdcList") {
  auto cache = must(TicketCache::resolve(support::realm().alice.c_str()));
#if defined(GSSKEY_GSS_MIT)
  const auto is_over = [](auto& exchange) {
    CHECK_FALSE(exchange);
    CHECK(is_usage(exchange.step()));
  };
  const auto is_there = [](auto& exchange) { CHECK(exchange); };
  move_about(must(InitialTicket::with_password(cache, must(Name::user("alice")), "secret")), is_over, is_there);
  move_about(must(ServiceTicket::for_target(cache, target())), is_over, is_there);
  move_about(must(RenewedTicket::in(cache)), is_over, is_there);
  const auto into = must(TicketCache::in_memory());
  move_about(must(ImpersonatedTicket::for_user(into, cache, must(Name::user("bob")), "FILE:/nonexistent")), is_over,
             is_there);
  move_about(
      must(KdcList::of_realm("GSSKEY.TEST")), [](KdcList& list) { CHECK(list.size() == 0); },
      [](KdcList& list) { CHECK(list.size() == 1); });
#endif
  move_about(
      std::move(cache),
      [](TicketCache& empty) {
        CHECK_FALSE(empty);
        CHECK(empty.get() == nullptr);
        CHECK(empty.context() == nullptr);
        CHECK(is_usage(empty.credential()));
      },
      [](TicketCache& whole) { CHECK(whole.credential()); });
}

TEST_CASE("testing: TestRealm, RealmEnvironment") {
  move_about(
      must(TestRealm::start({.users = {{"alice", "secret"}}})),
      [](TestRealm& realm) {
        CHECK(realm.folder().empty());
        CHECK(is_usage(realm.login("alice")));
        CHECK(is_usage(realm.login_anonymously()));
        CHECK(is_usage(realm.export_keytab("alice")));
        CHECK(is_usage(realm.kadmin("")));
        CHECK(is_usage(realm.enter()));
        CHECK(is_usage(realm.restart_kdc()));
        realm.stop_kdc();
        static_cast<void>(realm.environment());
      },
      [](TestRealm& realm) {
        CHECK(realm.login("alice"));
        const std::string before = std::getenv("KRB5_CONFIG") != nullptr ? std::getenv("KRB5_CONFIG") : "";
        {
          move_about(must(realm.enter()), nothing,
                     [&](RealmEnvironment&) { CHECK(std::getenv("KRB5_CONFIG") == realm.krb5_conf()); });
        }
        CHECK((std::getenv("KRB5_CONFIG") != nullptr ? std::getenv("KRB5_CONFIG") : "") == before);
      });
}

TEST_CASE("io: IncomingFrame, RecordLayer, SecureFdStream") {
  IncomingFrame frame{100};
  must(frame.put(std::string_view{"\0\0\0\5mo", 6}));
  move_about(
      std::move(frame), [](IncomingFrame& moved) { CHECK_FALSE(moved.has_begun()); },
      [](IncomingFrame& moved) { CHECK((moved.has_begun() && moved.room().size == 3)); });

  using Context = SecurityContext<Krb5>;
  auto ends = support::pair<Krb5>();
  RecordLayer<Context> layer{std::move(ends.initiator)};
  must(layer.seal("message"));
  const std::size_t size = layer.unsent()[1].size();
  move_about(
      std::move(layer),
      [](RecordLayer<Context>& moved) {
        CHECK_FALSE(moved.has_unsent());
        CHECK(moved.opened().empty());
        CHECK(is_usage(moved.seal("message")));
        CHECK_FALSE(moved.context());
      },
      [&](RecordLayer<Context>& moved) { CHECK(moved.unsent()[1].size() == size); });

  support::SocketPair sockets;
  move_about(
      SecureFdStream{sockets.ends[0], std::move(ends.acceptor)},
      [](SecureFdStream<Context>& moved) {
        CHECK(is_usage(moved.write("message")));
        CHECK_FALSE(moved.context());
      },
      [](SecureFdStream<Context>& moved) { CHECK(moved.write("message")); });
}

#ifdef ASIO_STANDALONE
TEST_CASE("io with Asio: AsioTransport, OffloadTo, SecureStream") {
  using Socket = asio::ip::tcp::socket;
  static_assert(are_values<AsioTransport<Socket>>);
#ifdef GSSKEY_GSS_KDC_EXCHANGE
  using Begin = Result<InitialTicket> (*)(const TicketCache&);
  static_assert(are_values<Prefetch<>, TicketLease>);
  static_assert(stay<AsyncRenewingCredential<asio::any_io_executor, Begin>>);
#endif
  asio::io_context io;
  auto ends = support::pair<Krb5>();
  using Stream = SecureStream<Socket, SecurityContext<Krb5>>;
  char bytes[10];
  move_about(
      Stream{Socket{io}, std::move(ends.initiator)},
      [&](Stream& stream) {
        std::error_code code;
        CHECK(stream.write_some(asio::buffer("x", 1), code) == 0);
        CHECK(code);
        code = {};
        CHECK(stream.read_some(asio::buffer(bytes), code) == 0);
        CHECK(code);
        CHECK_FALSE(stream.context());
      },
      [](Stream& stream) { CHECK(stream.context()); });
}
#endif
