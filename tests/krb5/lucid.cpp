// Contexts taken apart: keys, sequence numbers and times at both ends; who owns what afterwards; keys wiped.
#include <gsskey/gss/context/options.hpp>
#include <gsskey/krb5/lucid.hpp>

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <future>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/handles.hpp"
#include "support/heap.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

int exported = 0;
int freed = 0;
/// The version that the library is asked for.
OM_uint32 version = 1;

std::string bytes_of(LucidKey key) { return std::string{key.bytes.text()}; }

}  // namespace

extern "C" {
OM_uint32 gss_krb5_export_lucid_sec_context(OM_uint32* minor, gss_ctx_id_t* context, OM_uint32, void** lucid) {
  static auto* const library =
      support::original<decltype(gss_krb5_export_lucid_sec_context)>("gss_krb5_export_lucid_sec_context");
  const OM_uint32 major = library(minor, context, version, lucid);
  if (major == GSS_S_COMPLETE) ++exported;
  return major;
}
OM_uint32 gss_krb5_free_lucid_sec_context(OM_uint32* minor, void* lucid) {
  static auto* const library =
      support::original<decltype(gss_krb5_free_lucid_sec_context)>("gss_krb5_free_lucid_sec_context");
  ++freed;
  return library(minor, lucid);
}
}

TEMPLATE_TEST_CASE("both ends tell the same keys, and the session key is the one for messages", "", mech::Krb5,
                   mech::Spnego) {
  auto ends = support::pair<TestType>();
  const auto session = must(session_key(ends.initiator));
  const auto info = must(ends.initiator.inquire());
  const std::int64_t now = std::time(nullptr);
  const auto ours = must(export_lucid(std::move(ends.initiator)));
  const auto theirs = must(export_lucid(std::move(ends.acceptor)));
  CHECK(ours.is_initiator());
  CHECK_FALSE(theirs.is_initiator());
  CHECK(ours.end_time() == theirs.end_time());
  CHECK(std::int64_t{ours.end_time()} >= now + info.lifetime.count() - 1);
  CHECK(std::int64_t{ours.end_time()} <= now + info.lifetime.count() + 1);
  for (const auto* const end : {&ours, &theirs}) {
    CHECK(end->messages() == KerberosMessages::rfc4121);
    CHECK(end->key().type == Enctype::aes256_cts_hmac_sha1_96);
    CHECK(end->context_key().type == Enctype::aes256_cts_hmac_sha1_96);
    CHECK(end->context_key().bytes.size() == 32);
    CHECK(ByteView{session.key} == end->key().bytes);
    REQUIRE(end->has_acceptor_subkey());
    CHECK(end->acceptor_subkey().bytes == end->key().bytes);
#if defined(GSSKEY_GSS_MIT)
    CHECK(end->context_key().bytes != end->key().bytes);
#else
    CHECK(end->context_key().bytes == end->key().bytes);
#endif
  }
  CHECK(bytes_of(ours.context_key()) == bytes_of(theirs.context_key()));
}

TEST_CASE("without mutual authentication there is no acceptor's subkey") {
  auto ends = support::pair<mech::Krb5>(
      {.demand = ContextFlags{ContextFlag::confidentiality, ContextFlag::integrity, ContextFlag::replay}});
  const auto session = must(session_key(ends.initiator));
  const auto lucid = must(export_lucid(std::move(ends.initiator)));
  CHECK_FALSE(lucid.has_acceptor_subkey());
  CHECK(lucid.acceptor_subkey().bytes.empty());
  CHECK(lucid.key().bytes == ByteView{session.key});
  CHECK(lucid.context_key().bytes == ByteView{session.key});
}

TEMPLATE_TEST_CASE("sent messages count, received ones do not", "", mech::Krb5, mech::Spnego) {
  auto fresh = support::pair<TestType>();
  auto used = support::pair<TestType>();
  constexpr unsigned sent = 3;
  unsigned char last[8] = {};  // SND_SEQ of RFC 4121 section 4.2.6.2
  for (unsigned i = 0; i < sent; ++i) {
    const auto token = must(used.initiator.wrap("message"));
    static_cast<void>(must(used.acceptor.unwrap(token)));
    std::memcpy(last, token.data() + 8, sizeof last);
  }
  std::uint64_t last_sequence = 0;
  for (const unsigned char byte : last) last_sequence = last_sequence << 8 | byte;
  const auto ours = must(export_lucid(std::move(used.initiator)));
  const auto theirs = must(export_lucid(std::move(used.acceptor)));
  CHECK(ours.send_sequence() == last_sequence + 1);
  CHECK(theirs.first_received_sequence() == last_sequence + 1 - sent);
  CHECK(theirs.send_sequence() == ours.first_received_sequence());
  const auto our_start = must(export_lucid(std::move(fresh.initiator)));
  const auto their_start = must(export_lucid(std::move(fresh.acceptor)));
  CHECK(our_start.send_sequence() == their_start.first_received_sequence());
  CHECK(their_start.send_sequence() == our_start.first_received_sequence());
}

TEMPLATE_TEST_CASE("the context is gone afterwards, and everything is freed once", "", mech::Krb5, mech::Spnego) {
  static_cast<void>(support::pair<TestType>());
  const int exported_before = exported;
  const int freed_before = freed;
  const support::Handles handles;
  {
    auto ends = support::pair<TestType>();
    const int contexts = support::Handles::live_contexts();
    auto lucid = must(export_lucid(std::move(ends.initiator)));
    CHECK_FALSE(ends.initiator);
    CHECK(support::Handles::live_contexts() == contexts - 1);
    CHECK(ends.initiator.wrap("x").error().domain() == Domain::usage);

    auto moved = std::move(lucid);
    CHECK_FALSE(lucid);
    CHECK(moved);
    auto& self = moved;
    moved = std::move(self);
    CHECK(moved.key().bytes.size() == 32);
    moved = must(export_lucid(std::move(ends.acceptor)));
    CHECK(freed == freed_before + 1);
    CHECK_FALSE(moved.is_initiator());
    auto adopted = LucidContext::adopt(moved.release());
    CHECK_FALSE(moved);
    CHECK(adopted.get()->version == 1);
  }
  CHECK(exported == exported_before + 2);
  CHECK(freed == freed_before + 2);
  CHECK(handles.leaked() == 0);
}

TEMPLATE_TEST_CASE("the keys are wiped before their memory goes back", "", mech::Krb5, mech::Spnego) {
  auto ends = support::pair<TestType>();
  auto lucid = must(export_lucid(std::move(ends.initiator)));
  const auto watched = [](LucidContext context, LucidKey key) {
    const support::heap::FreeWatch watch{key.bytes.data(), key.bytes.size()};
    static_cast<void>(context.is_initiator());
    {
      const auto gone = std::move(context);
    }
    CHECK(watch.freed());
    CHECK(watch.was_wiped());
  };
  const auto key = lucid.acceptor_subkey();
  watched(std::move(lucid), key);
  auto other = must(export_lucid(std::move(ends.acceptor)));
  const auto context_key = other.context_key();
  watched(std::move(other), context_key);
}

TEMPLATE_TEST_CASE("a context that could not be taken apart goes on", "", mech::Krb5, mech::Spnego) {
  auto ends = support::pair<TestType>();
  version = 7;
  const auto lucid = export_lucid(std::move(ends.initiator));
  version = 1;
  REQUIRE_FALSE(lucid);
  CHECK(lucid.error().domain() == Domain::gss);
  CHECK(std::string{lucid.error().operation()} == "gss_krb5_export_lucid_sec_context");
  CHECK(routine_error(lucid.error()) == RoutineError::failure);
  REQUIRE(ends.initiator);
  CHECK(must(ends.acceptor.unwrap(must(ends.initiator.wrap("still here")))).text() == "still here");
  CHECK(must(export_lucid(std::move(ends.initiator))).is_initiator());
}

TEST_CASE("an empty context has nothing to tell") {
  auto ends = support::pair<mech::Krb5>();
  const auto moved = std::move(ends.initiator);
  const auto lucid = export_lucid(std::move(ends.initiator));
  REQUIRE_FALSE(lucid);
  CHECK(lucid.error().domain() == Domain::usage);
}

TEST_CASE("RC4 is protected as of RFC 1964: one key, no acceptor's") {
  // The second line is for newer KDCs, which issue no RC4 session keys otherwise.
  auto realm = must(TestRealm::start({.realm = "RC4.TEST",
                                      .users = {{"alice", "secret"}},
                                      .services = {"host/localhost"},
                                      .permitted_enctypes = "arcfour-hmac-md5\n allow_rc4 = true"}));
  const auto cache = must(realm.login("alice"));
  const auto environment = must(realm.enter(cache));
  // Heimdal reads krb5.conf once in a thread.
  auto ends = std::async(std::launch::async, [] {
                const auto initiator = must(Credential<mech::Krb5, Initiate>::acquire_default());
                const auto acceptor = must(Credential<mech::Krb5, Accept>::acquire_default());
                return must(support::establish(Initiator<mech::Krb5>{support::target(), initiator},
                                               Acceptor<mech::Krb5>{acceptor}));
              }).get();
  const auto session = must(session_key(ends.initiator));
  const auto lucid = must(export_lucid(std::move(ends.initiator)));
  CHECK(lucid.messages() == KerberosMessages::rfc1964);
  CHECK(lucid.key().type == static_cast<Enctype>(23));
  CHECK(lucid.key().bytes == ByteView{session.key});
  CHECK(lucid.context_key().bytes == lucid.key().bytes);
  CHECK_FALSE(lucid.has_acceptor_subkey());
  CHECK(lucid.acceptor_subkey().bytes.empty());
  CHECK(lucid.signature_algorithm() == 17);
  CHECK(lucid.sealing_algorithm() == 16);
  const auto theirs = must(export_lucid(std::move(ends.acceptor)));
  CHECK(bytes_of(theirs.key()) == bytes_of(lucid.key()));
}
