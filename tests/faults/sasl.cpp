// tests/faults/sasl: SASL's GSSAPI, GSS-SPNEGO and GS2-KRB5-PLUS, both ends, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>
#include <gsskey/sasl/gs2.hpp>
#include <gsskey/sasl/gss_spnego.hpp>
#include <gsskey/sasl/gssapi.hpp>

#include <string_view>
#include <utility>

#include "faults/faults.hpp"

using namespace gsskey;
using faults::again;
using faults::check;
using faults::need;
using mech::Krb5;

namespace {

void sasl_logins() {
  const auto key = again([] { return Credential<Krb5, Accept>::acquire_default(); });
  const auto ticket = again([] { return Credential<Krb5, Initiate>::acquire_default(); });
  for (const std::uint32_t max_ssf : {1u, 256u}) {
    const auto lets_in = [](const Name&, std::string_view) -> Result<void> { return {}; };
    sasl::Client<sasl::Gssapi> client{again([] { return Name::host_service("host", "localhost"); }),
                                      ticket,
                                      {.max_ssf = max_ssf, .authzid = max_ssf == 1 ? "" : "www"}};
    sasl::Server<sasl::Gssapi> server{key, {.authorize = lets_in}};
    auto response = need(client.step());
    while (true) {
      const auto challenge = need(server.step(ByteView{response.value()}));
      if (!challenge) break;
      response = need(client.step(ByteView{*challenge}));
    }
    auto theirs = need(std::move(server).establish());
    auto ours = need(std::move(client).establish());
    check(theirs.ssf == max_ssf && ours.ssf == max_ssf, "a strength");
    check(theirs.authzid == (max_ssf == 1 ? "alice@GSSKEY.TEST" : "www"), "an identity");
    check(need(theirs.context.unwrap_unencrypted(need(ours.context.wrap("layer")))).message.text() == "layer",
          "a message");
  }
}

void spnego_login() {
  using Gss = sasl::GssSpnego::Gss;
  const auto key = again([] { return Credential<Gss, Accept>::acquire_default(); });
  const auto ticket = again([] { return Credential<Gss, Initiate>::acquire_default(); });
  sasl::Client<sasl::GssSpnego> client{again([] { return Name::host_service("host", "localhost"); }), ticket};
  sasl::Server<sasl::GssSpnego> server{key};
  const auto response = need(client.step());
  const auto challenge = need(server.step(ByteView{response.value()}));
  check(server.is_complete() && challenge.has_value(), "a token that goes with the success");
  check(need(client.step(ByteView{*challenge}))->empty(), "nothing more to say");
  auto theirs = need(std::move(server).establish());
  auto ours = need(std::move(client).establish());
  check(theirs.ssf == 256 && ours.ssf == 256, "a strength");
  check(theirs.authzid == "alice@GSSKEY.TEST", "an identity");
  check(need(theirs.context.unwrap(need(ours.context.wrap("layer")))).text() == "layer", "a message");
}

void gs2_login() {
  using Mech = sasl::Gs2Krb5Plus;
  const auto key = again([] { return Credential<Krb5, Accept>::acquire_default(); });
  const auto ticket = again([] { return Credential<Krb5, Initiate>::acquire_default(); });
  const ChannelBindings bindings{"tls-exporter", "material"};
  const auto lets_in = [](const Name&, std::string_view) -> Result<void> { return {}; };
  sasl::Client<Mech> client{again([] { return Name::host_service("host", "localhost"); }),
                            ticket,
                            {.external_ssf = 256, .authzid = "somebody=of,several", .bindings = bindings}};
  sasl::Server<Mech> server{key, {.external_ssf = 256, .authorize = lets_in, .bindings = bindings}};
  const auto response = need(client.step());
  const auto challenge = need(server.step(ByteView{response.value()}));
  check(server.is_complete() && challenge.has_value(), "a token that goes with the success");
  check(need(client.step(ByteView{*challenge}))->empty(), "nothing more to say");
  check(need(std::move(server).establish()).authzid == "somebody=of,several", "an identity");
  check(need(std::move(client).establish()).ssf == 0, "no layer");
}

const faults::Register registered{"sasl", &sasl_logins};
const faults::Register registered_spnego{"sasl_spnego", &spnego_login};
const faults::Register registered_gs2{"sasl_gs2", &gs2_login};

}  // namespace
