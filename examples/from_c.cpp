// examples/from_c: a program on its way from C. Its initiator is still made of calls of C, and gives its context to an
// owner; the rest is C++ already. Both ends are here, without any wire.
//
//   from_c SERVICE@HOST
//
// Needs a ticket, and the service's key: realm -- from_c host@localhost
// SPDX-License-Identifier: MIT
#include <cstring>
#include <iostream>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>

#include "print.hpp"

using namespace gsskey;

namespace {

/// As in C: the flags that were granted are still to be looked at.
gss_ctx_id_t initiate(gss_name_t target, Acceptor<mech::Krb5>& acceptor) {
  constexpr OM_uint32 wanted = GSS_C_MUTUAL_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG | GSS_C_SEQUENCE_FLAG;
  gss_ctx_id_t context = GSS_C_NO_CONTEXT;
  gss_buffer_desc token{0, nullptr};
  while (true) {
    OM_uint32 minor = 0;
    gss_buffer_desc made{0, nullptr};
    const OM_uint32 major = gss_init_sec_context(&minor, GSS_C_NO_CREDENTIAL, &context, target, GSS_C_NO_OID, wanted, 0,
                                                 GSS_C_NO_CHANNEL_BINDINGS, &token, nullptr, &made, nullptr, nullptr);
    gss_release_buffer(&minor, &token);
    auto step = acceptor.step(Buffer::adopt(made));  // an owner of what C has allocated
    if (major == GSS_S_COMPLETE) return context;
    if (GSS_ERROR(major) || !step) {
      gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
      return GSS_C_NO_CONTEXT;
    }
    token = step->token.release();  // to C, which releases it
  }
}

Result<void> run(char* service) {
  OM_uint32 minor = 0;
  gss_name_t name = GSS_C_NO_NAME;
  gss_buffer_desc text{std::strlen(service), service};
  gss_import_name(&minor, &text, GSS_C_NT_HOSTBASED_SERVICE, &name);
  const Name target = Name::adopt(name);

  GSSKEY_TRY(auto key, Credential<mech::Krb5, Accept>::acquire_default());
  Acceptor<mech::Krb5> acceptor{key};
  auto context = SecurityContext<mech::Krb5>::adopt(initiate(target.get(), acceptor));
  GSSKEY_TRY(auto sealed, context.wrap("hello"));  // an error, where there is no context
  GSSKEY_TRY(auto accepted, std::move(acceptor).establish());
  GSSKEY_TRY(auto message, accepted.unwrap(sealed));
  std::cout << example::name_or(target, "nobody") << " understands " << message.text() << '\n';
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: from_c SERVICE@HOST\n", 2;
  const auto done = run(argv[1]);
  if (!done) std::cerr << "from_c: " << example::in_words(done.error()) << '\n';
  return done ? 0 : 1;
}
