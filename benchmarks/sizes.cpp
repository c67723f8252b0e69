// benchmarks/sizes: bytes of our owners and of the C handles.
// SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>

#include "cases.hpp"

int main() {
  using namespace gsskey;
  report("SecurityContext<M>", sizeof(SecurityContext<mech::Krb5>), sizeof(gss_ctx_id_t));
  report("Credential<M, Usage>", sizeof(Credential<mech::Krb5, Initiate>), sizeof(gss_cred_id_t));
  report("CredentialRef<M, Usage>", sizeof(CredentialRef<mech::Krb5, Initiate>), sizeof(gss_cred_id_t));
  report("Name", sizeof(Name), sizeof(gss_name_t));
  report("OidSet", sizeof(OidSet), sizeof(gss_OID_set));
  report("Buffer", sizeof(Buffer), sizeof(gss_buffer_desc));
  report("SecretBytes", sizeof(SecretBytes), sizeof(gss_buffer_desc));
  report("ByteView", sizeof(ByteView), sizeof(gss_buffer_desc));
}
