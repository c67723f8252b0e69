// Initiator, Acceptor and both ends of HTTP against a GSS library that answers as the input says: no order of answers,
// tokens and calls makes a context that was not complete, and every handle goes back once.
// SPDX-License-Identifier: MIT
#include <gsskey/http/negotiate.hpp>

#include <cstdlib>
#include <string>
#include <utility>

#include "input.hpp"
#include "library.hpp"

using namespace gsskey;
using fuzz::expect;
using fuzz::fill;
using fuzz::give_back;
using fuzz::handle;
using fuzz::handles_out;
using fuzz::mechanism;
using fuzz::script;

namespace {

bool last_was_complete = false;

/// One leg of either end. Contexts come, stay and go whatever the answer is.
OM_uint32 leg(gss_ctx_id_t* context, gss_OID* actual, gss_buffer_t out, OM_uint32* flags) {
  const unsigned char what = script->byte();
  if ((what & 1) != 0 && *context == nullptr) *context = handle<gss_ctx_id_t>();
  if ((what & 6) == 6) give_back(context);
  if ((what & 8) != 0) fill(out);
  *actual = mechanism();
  *flags = static_cast<OM_uint32>(script->number());
  const unsigned char chosen = script->byte();
  OM_uint32 major = GSS_S_COMPLETE;
  if (chosen >= 96) major = GSS_S_CONTINUE_NEEDED;
  if (chosen >= 192) major = static_cast<OM_uint32>(chosen & 31u) << 16 | (script->byte() & 31u);
  last_was_complete = major == GSS_S_COMPLETE;
  return major;
}

template <class H>
void established(H handshake) {
  auto context = std::move(handshake).establish();
  if (!context) return;
  expect(last_was_complete, "a context of a handshake that was not complete");
  expect(static_cast<bool>(*context), "an established context is there");
}

template <Mechanism M>
void initiate(fuzz::Input& input) {
  const auto credential = Credential<M, Initiate>::adopt(handle<gss_cred_id_t>());
  InitiatorOptions options;
  if (input.byte() % 2u == 0) options.demand = {};
  Initiator<M> initiator{Name::adopt(handle<gss_name_t>()), credential, options};
  auto step = initiator.step();
  while (step && !step->complete && !input.at_end()) step = initiator.step(input.bytes(input.byte() % 40u));
  established(std::move(initiator));
}
template <Mechanism M>
void accept(fuzz::Input& input) {
  const auto credential = Credential<M, Accept>::adopt(handle<gss_cred_id_t>());
  AcceptorOptions<M> options;
  if (input.byte() % 2u == 0) options.demand = {};
  if (input.byte() % 2u == 0) options.keep_delegated = true;
  Acceptor<M> acceptor{credential, options};
  auto step = acceptor.step(input.bytes(input.byte() % 40u));
  while (step && !step->complete && !input.at_end()) step = acceptor.step(input.bytes(input.byte() % 40u));
  established(std::move(acceptor));
}

std::string header(fuzz::Input& input) {
  if (input.byte() % 4u == 0) return std::string{input.bytes(input.byte() % 40u).text()};
  return negotiate_header(input.bytes(input.byte() % 40u));
}
void http_server(fuzz::Input& input) {
  const auto credential = Credential<mech::Krb5, Accept>::adopt(handle<gss_cred_id_t>());
  HttpAcceptor<mech::Krb5> acceptor{credential};
  for (int request = 0; request < 40 && !input.at_end(); ++request) {
    last_was_complete = false;
    const auto answer = acceptor.step(header(input));
    if (answer && answer->context) expect(last_was_complete, "a login that was not complete");
  }
}
void http_client(fuzz::Input& input) {
  const auto credential = Credential<mech::Krb5, Initiate>::adopt(handle<gss_cred_id_t>());
  HttpInitiator<mech::Krb5> initiator{Initiator<mech::Krb5>{Name::adopt(handle<gss_name_t>()), credential}};
  if (input.byte() % 2u == 0) static_cast<void>(initiator.authorize());
  for (int response = 0; response < 40 && !input.at_end(); ++response) {
    if (input.byte() % 4u == 0) break;
    if (!initiator.authorize(header(input))) break;
  }
  const std::string last = header(input);
  const auto context = std::move(initiator).establish(last);
  if (context) expect(last_was_complete, "a login that was not complete");
}

}  // namespace

extern "C" {
using support::ConstContext;
using support::ConstCredential;
using support::ConstName;

OM_uint32 gss_init_sec_context(OM_uint32* minor, ConstCredential, gss_ctx_id_t* context, ConstName, gss_OID, OM_uint32,
                               OM_uint32, gss_channel_bindings_t, gss_buffer_t, gss_OID* actual, gss_buffer_t out,
                               OM_uint32* flags, OM_uint32*) {
  *minor = script->byte();
  return leg(context, actual, out, flags);
}
OM_uint32 gss_accept_sec_context(OM_uint32* minor, gss_ctx_id_t* context, ConstCredential, gss_buffer_t,
                                 gss_channel_bindings_t, gss_name_t* peer, gss_OID* actual, gss_buffer_t out,
                                 OM_uint32* flags, OM_uint32*, gss_cred_id_t* delegated) {
  *minor = script->byte();
  const unsigned char what = script->byte();
  if ((what & 1) != 0) *peer = handle<gss_name_t>();
  if ((what & 2) != 0 && delegated != nullptr) *delegated = handle<gss_cred_id_t>();
  return leg(context, actual, out, flags);
}
OM_uint32 gss_display_name(OM_uint32* minor, ConstName, gss_buffer_t text, gss_OID* type) {
  *minor = 0;
  if (script->byte() % 8u == 0) return GSS_S_FAILURE;
  fill(text);
  *type = mechanism();
  return GSS_S_COMPLETE;
}
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  script = &input;
  last_was_complete = false;
  switch (input.byte() % 6u) {
    case 0:
      initiate<mech::Krb5>(input);
      break;
    case 1:
      initiate<mech::Spnego>(input);
      break;
    case 2:
      accept<mech::Krb5>(input);
      break;
    case 3:
      accept<mech::Spnego>(input);
      break;
    case 4:
      http_server(input);
      break;
    default:
      http_client(input);
  }
  expect(handles_out == 0, "a handle was not given back");
  return 0;
}
