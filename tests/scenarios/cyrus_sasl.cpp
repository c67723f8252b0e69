// SASL's GSSAPI and GSS-SPNEGO with Cyrus SASL at the other end, in each role: each layer, who is who, and messages in
// both directions.
#include <gsskey/gss/credential/options.hpp>
#include <gsskey/sasl/gss_spnego.hpp>
#include <gsskey/sasl/gssapi.hpp>

#include <sasl/sasl.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/sasl.hpp"

using namespace gsskey;
using support::must;

namespace {

int user(void*, int, const char** result, unsigned* size) {
  *result = "";
  if (size != nullptr) *size = 0;
  return SASL_OK;
}
sasl_callback_t callbacks[] = {
    {SASL_CB_USER, reinterpret_cast<int (*)()>(reinterpret_cast<void (*)()>(&user)), nullptr},
    {SASL_CB_LIST_END, nullptr, nullptr}};

/// An end of Cyrus SASL's.
class Cyrus {
 public:
  enum class Role { client, server };

  Cyrus(Role role, std::string_view mechanism, sasl_ssf_t min, sasl_ssf_t max, unsigned buffer)
      : role_{role}, mechanism_{mechanism} {
    support::realm();
    static const bool ready =
        sasl_client_init(callbacks) == SASL_OK && sasl_server_init(callbacks, "gsskey") == SASL_OK;
    if (!ready) throw std::runtime_error{"sasl_client_init, sasl_server_init"};
    check(role == Role::client ? sasl_client_new("host", "localhost", nullptr, nullptr, callbacks, 0, &end_)
                               : sasl_server_new("host", "localhost", nullptr, nullptr, nullptr, callbacks, 0, &end_));
    sasl_security_properties_t properties{};
    properties.min_ssf = min;
    properties.max_ssf = max;
    properties.maxbufsize = buffer;
    check(sasl_setprop(end_, SASL_SEC_PROPS, &properties));
  }
  Cyrus(const Cyrus&) = delete;
  ~Cyrus() { sasl_dispose(&end_); }

  /// What it says to that; of a server that has succeeded, what goes with its success.
  std::optional<std::string> step(std::optional<ByteView> said) {
    const char* in = said ? reinterpret_cast<const char*>(said->data()) : nullptr;
    const unsigned size = said ? static_cast<unsigned>(said->size()) : 0;
    const char* out = nullptr;
    unsigned length = 0;
    const bool first = !std::exchange(has_begun_, true);
    int result = 0;
    if (role_ == Role::client) {
      result = first ? sasl_client_start(end_, mechanism_.c_str(), nullptr, &out, &length, nullptr)
                     : sasl_client_step(end_, in, size, nullptr, &out, &length);
    } else {
      result = first ? sasl_server_start(end_, mechanism_.c_str(), in, size, &out, &length)
                     : sasl_server_step(end_, in, size, &out, &length);
    }
    if (result != SASL_OK && result != SASL_CONTINUE) check(result);
    is_complete_ = result == SASL_OK;
    if (is_complete_ && role_ == Role::server && out == nullptr) return std::nullopt;
    return std::string{out == nullptr ? "" : out, length};
  }

  bool is_complete() const { return is_complete_; }
  std::string name() { return static_cast<const char*>(property(SASL_USERNAME)); }
  sasl_ssf_t ssf() { return *static_cast<const sasl_ssf_t*>(property(SASL_SSF)); }
  std::string encode(std::string_view message) {
    const char* out = nullptr;
    unsigned size = 0;
    check(sasl_encode(end_, message.data(), static_cast<unsigned>(message.size()), &out, &size));
    return {out, size};
  }
  std::string decode(std::string_view packets) {
    const char* out = nullptr;
    unsigned size = 0;
    check(sasl_decode(end_, packets.data(), static_cast<unsigned>(packets.size()), &out, &size));
    return {out, size};
  }

 private:
  void check(int result) {
    if (result != SASL_OK) throw std::runtime_error{std::string{"Cyrus: "} + sasl_errdetail(end_)};
  }
  const void* property(int number) {
    const void* value = nullptr;
    check(sasl_getprop(end_, number, &value));
    return value;
  }

  sasl_conn_t* end_ = nullptr;
  Role role_;
  std::string mechanism_;
  bool has_begun_ = false;
  bool is_complete_ = false;
};

ByteView bytes_of(const std::string& text) { return {text.data(), text.size()}; }

/// Messages in both directions: whole ones, and one of several packets.
template <class Context>
void exchange(Cyrus& theirs, RecordLayer<Context> ours) {
  const std::string text(3000, 'x');
  for (ByteView rest = bytes_of(text); !rest.empty();) {
    rest = rest.subview(must(ours.seal(rest)));
    std::string packet;
    for (const ByteView part : ours.unsent()) packet += part.text();
    ours.sent(packet.size());
    const std::string got = theirs.decode(packet);
    CHECK(got == text.substr(0, got.size()));
    CHECK_FALSE(got.empty());
  }
  for (const std::string_view message :
       {std::string_view{"hello"}, std::string_view{"and again"}, std::string_view{text}}) {
    const std::string packets = theirs.encode(message);
    std::string got;
    for (ByteView rest = bytes_of(packets); !rest.empty();) {
      rest = rest.subview(must(ours.put(rest)));
      for (; !ours.opened().empty(); ours.consume(ours.opened().size())) got += ours.opened().text();
    }
    CHECK(got == message);
  }
}

struct Strength {
  sasl_ssf_t min, max;
};
constexpr Strength strengths[] = {{0, 0}, {1, 1}, {2, 256}};

}  // namespace

TEMPLATE_TEST_CASE("Cyrus SASL's client, and our server", "", sasl::Gssapi, sasl::GssSpnego) {
  using Gss = typename TestType::Gss;
  constexpr bool has_offer = TestType::name == "GSSAPI";
  for (const auto& [min, max] : strengths) {
    CAPTURE(min, max);
    Cyrus theirs{Cyrus::Role::client, TestType::name, min, max, 2048};
    // By GSS-SPNEGO it encrypts where it wants integrity: its credential asks for all, unless it wants no layer.
    const std::uint32_t strength = max == 1 && !has_offer ? 256 : max;
    sasl::Server<TestType> ours{support::acceptor_credential<Gss>(),
                                {.min_ssf = min, .max_ssf = strength, .max_buffer = has_offer ? 4096u : 2048u}};
    std::optional<std::string> response = theirs.step(std::nullopt);
    while (true) {
      const auto challenge = must(ours.step(bytes_of(response.value())));
      if (challenge) response = theirs.step(ByteView{*challenge});
      if (ours.is_complete()) break;
    }
    CHECK(theirs.is_complete());
    auto session = must(std::move(ours).establish());
    CHECK(session.authzid == "alice@GSSKEY.TEST");
    CHECK(session.ssf == strength);
    CHECK(theirs.ssf() == strength);
    if (max != 0) exchange(theirs, RecordLayer{std::move(session.context), session.layer});
  }
}

TEMPLATE_TEST_CASE("our client, and Cyrus SASL's server", "", sasl::Gssapi, sasl::GssSpnego) {
  using Gss = typename TestType::Gss;
  for (const auto& [min, max] : strengths) {
    CAPTURE(min, max);
    Cyrus theirs{Cyrus::Role::server, TestType::name, min, max, 2048};
    auto credential = must(Credential<Gss, Initiate>::acquire_default());
    must(set_no_ci_flags(credential));
    sasl::Client<TestType> ours{
        support::target(),
        credential,
        {.min_ssf = min, .max_ssf = max, .max_buffer = TestType::name == "GSSAPI" ? 4096u : 2048u}};
    auto response = must(ours.step());
    while (!theirs.is_complete()) {
      const auto challenge = theirs.step(ByteView{response.value()});
      if (challenge) response = must(ours.step(bytes_of(*challenge)));
    }
    CHECK(ours.is_complete());
    auto session = must(std::move(ours).establish());
    CHECK(session.ssf == max);
    CHECK(theirs.ssf() == max);
    CHECK(theirs.name().starts_with("alice"));
    if (max != 0) exchange(theirs, RecordLayer{std::move(session.context), session.layer});
  }
}

TEST_CASE("Cyrus SASL's ends are refused what is less than must be, and refuse it") {
  {
    Cyrus theirs{Cyrus::Role::client, "GSSAPI", 0, 1, 2048};
    auto ours = support::sasl_server({.min_ssf = 2});
    const auto first = theirs.step(std::nullopt);
    const auto challenge = ours.step(bytes_of(first.value()));  // MIT krb5's initiators always ask for confidentiality
    if (challenge) {
      const auto empty = theirs.step(ByteView{challenge->value()});
      const auto offer = must(ours.step(bytes_of(empty.value())));
      CHECK_THROWS_AS(theirs.step(ByteView{offer.value()}), std::runtime_error);
    }
  }
  Cyrus theirs{Cyrus::Role::server, "GSSAPI", 0, 1, 2048};
  auto ours = support::sasl_client({.min_ssf = 2});
  auto response = ours.step();
  while (response) {
    const auto challenge = theirs.step(ByteView{response->value()});
    REQUIRE(challenge);
    response = ours.step(bytes_of(*challenge));
  }
  CHECK(response.error().domain() == Domain::policy);
}

TEST_CASE("Cyrus SASL's client by GSS-SPNEGO is refused a layer that is less than must be") {
  for (const auto& [max, min] : {std::pair{0u, 1u}, std::pair{0u, 2u}, std::pair{256u, 257u}}) {
    CAPTURE(max, min);
    Cyrus theirs{Cyrus::Role::client, "GSS-SPNEGO", 0, max, 2048};
    sasl::Server<sasl::GssSpnego> ours{support::acceptor_credential<sasl::GssSpnego::Gss>(),
                                       {.min_ssf = min, .max_ssf = 1024}};
    const auto challenge = ours.step(bytes_of(theirs.step(std::nullopt).value()));
    REQUIRE_FALSE(challenge);
    CHECK(challenge.error().domain() == Domain::policy);
    CHECK(support::refuses(ours));
  }
}
