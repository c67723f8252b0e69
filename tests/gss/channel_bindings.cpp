// Channel bindings: what five pairs of them do, and what is refused before anything is sent.
#include <gsskey/gss.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

const ChannelBindings none;
const ChannelBindings these{"tls-server-end-point", "0123456789abcdef"};
const ChannelBindings others{"tls-server-end-point", "0123456789abcdeg"};

enum class Outcome { refused, bound, unbound, unknowable };

/// What becomes of a handshake, seen by the acceptor.
template <Mechanism M>
Outcome outcome(const ChannelBindings& ours, const ChannelBindings& theirs) {
  auto initiator = support::initiator<M>({.bindings = ours});
  auto acceptor = support::acceptor<M>({.bindings = theirs});
  if (const auto stepped = support::step_all(initiator, acceptor); !stepped) {
    CAPTURE(stepped.error().text());
    CHECK((stepped.error().major_status() & 0x00ff0000U) == GSS_S_BAD_BINDINGS);
    return Outcome::refused;
  }
  const Binding binding = acceptor.binding();
  const auto context = must(std::move(acceptor).establish());
  CHECK(must(context.inquire()).flags.contains(ContextFlag::channel_bound) == (binding == Binding::bound));
  switch (binding) {
    case Binding::bound:
      return Outcome::bound;
    case Binding::unbound:
      return Outcome::unbound;
    case Binding::unknowable:
      break;
  }
  return Outcome::unknowable;
}

/// The other token of a refusal reaches the initiator too.
template <Mechanism M>
void check_refusal_is_told() {
  auto initiator = support::initiator<M>({.bindings = these});
  auto acceptor = support::acceptor<M>({.bindings = others});
  auto refused = acceptor.step(must(initiator.step()).token);
  REQUIRE_FALSE(refused);
  if (refused.error().token.empty()) return;  // Heimdal's Kerberos has none for this
  CHECK_FALSE(initiator.step(refused.error().token));
}

}  // namespace

TEMPLATE_TEST_CASE("five pairs", "", mech::Krb5, mech::Spnego) {
  support::realm();
  constexpr bool tells = capabilities.channel_bound_flag;
  CHECK(outcome<TestType>(none, none) == Outcome::unbound);
  CHECK(outcome<TestType>(these, none) == Outcome::unbound);
  CHECK(outcome<TestType>(none, these) == (tells ? Outcome::unbound : Outcome::unknowable));
  CHECK(outcome<TestType>(these, these) == (tells ? Outcome::bound : Outcome::unknowable));
  CHECK(outcome<TestType>(these, others) == Outcome::refused);
  check_refusal_is_told<TestType>();
}

#if defined(GSSKEY_GSS_MIT)
TEMPLATE_TEST_CASE("five pairs, with client_aware_channel_bindings", "", mech::Krb5, mech::Spnego) {
  auto& realm = support::realm().realm;
  std::ifstream in{realm.krb5_conf()};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  text.insert(text.find("[realms]"), " client_aware_channel_bindings = true\n");
  const std::string path = realm.folder() + "/aware.conf";
  std::ofstream{path} << text;
  const support::Environment aware{"KRB5_CONFIG", path};
  CHECK(outcome<TestType>(none, none) == Outcome::unbound);
  CHECK(outcome<TestType>(these, none) == Outcome::unbound);
  CHECK(outcome<TestType>(none, these) == Outcome::refused);  // it could have bound, and did not
  CHECK(outcome<TestType>(these, these) == Outcome::bound);
  CHECK(outcome<TestType>(these, others) == Outcome::refused);
}
#endif

TEMPLATE_TEST_CASE("a demanded binding", "", mech::Krb5, mech::Spnego) {
  support::realm();
  const ContextDemand demand = TestType::acceptor_demand | ContextFlag::channel_bound;
  const auto run = [&](const ChannelBindings& ours) {
    return support::establish(support::initiator<TestType>({.bindings = ours}),
                              support::acceptor<TestType>({.demand = demand, .bindings = these}));
  };
  if (!capabilities.channel_bound_flag) {
    const auto refused = run(these);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().domain() == Domain::unavailable);
    return;
  }
  CHECK(run(these));
  const auto unbound = run(none);
  REQUIRE_FALSE(unbound);
  CHECK(unbound.error().domain() == Domain::policy);
  CHECK(unbound.error().minor_status() == static_cast<std::uint32_t>(ContextFlag::channel_bound));
}

TEST_CASE("what cannot be is refused by the first step") {
  support::realm();
  const auto refused = [](auto step) {
    REQUIRE_FALSE(step);
    CHECK(step.error().error.domain() == Domain::usage);
    CHECK(step.error().token.empty());
  };
  auto demanding = support::initiator<mech::Krb5>({.demand = ContextFlag::channel_bound, .bindings = these});
  refused(demanding.step());
  const auto token = must(support::initiator<mech::Krb5>().step()).token;
  auto without = support::acceptor<mech::Krb5>({.demand = ContextFlag::channel_bound});
  refused(without.step(token));
  for (const ChannelBindings& bad :
       {ChannelBindings{"tls-unique", ByteView{}}, ChannelBindings{"", "x"},
        ChannelBindings{"tls-exporter", std::string(ChannelBindings::max_size - 12, 'x')}}) {
    CHECK_FALSE(bad.is_valid());
    CHECK(bad.application_data().empty());
    CHECK_FALSE(bad.empty());  // it was meant to bind
    refused(support::initiator<mech::Krb5>({.bindings = bad}).step());
    refused(support::acceptor<mech::Krb5>({.bindings = bad}).step(token));
  }
  const ChannelBindings longest{"tls-exporter", std::string(ChannelBindings::max_size - 13, 'x')};
  CHECK(longest.is_valid());
  CHECK(longest.application_data().text() == "tls-exporter:" + std::string(114, 'x'));
}

TEMPLATE_TEST_CASE("application data of a form of its own, of any size", "", mech::Krb5, mech::Spnego) {
  support::realm();
  const auto of = [](std::string_view text) {
    return ChannelBindings::from_application_data({text.data(), text.size()});
  };
  for (const std::size_t size : {1u, 3u, 126u, 127u, 128u, 255u, 100000u}) {
    std::string ours(size, 'x');
    const std::string same = ours;
    CHECK(of(ours).application_data().text() == ours);
    CHECK(outcome<TestType>(of(ours), of(same)) ==
          (capabilities.channel_bound_flag ? Outcome::bound : Outcome::unknowable));
    ours.back() = 'y';
    CHECK(outcome<TestType>(of(ours), of(same)) == Outcome::refused);
    CHECK(outcome<TestType>(of(ours + "x"), of(ours)) == Outcome::refused);
  }
  CHECK(of("").empty());
  CHECK(of("").is_valid());
  CHECK(of("four").is_valid());
}

TEST_CASE("bindings of C programs are the same") {
  auto& raw = support::realm();
  static_cast<void>(raw);
  std::string data = "tls-server-end-point:0123456789abcdef";
  gss_channel_bindings_struct c{};
  c.application_data = {data.size(), data.data()};
  gss_detail::RawBindings ours{these};
  REQUIRE(ours.get() != nullptr);
  CHECK(std::memcmp(&c, ours.get(), offsetof(gss_channel_bindings_struct, application_data)) == 0);
  CHECK(ByteView{ours.get()->application_data.value, ours.get()->application_data.length} == ByteView{data});
  CHECK(gss_detail::RawBindings{none}.get() == GSS_C_NO_CHANNEL_BINDINGS);
}
