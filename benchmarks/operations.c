/* benchmarks/operations: the reference, in plain C.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "operations.h"
#include "anonymous.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gss_OID_desc krb5 = {9, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"};
static const OM_uint32 initiator_demand =
    GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG;
static const OM_uint32 acceptor_demand = GSS_C_REPLAY_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG;

static gss_cred_id_t initiator_credential = GSS_C_NO_CREDENTIAL;
static gss_cred_id_t acceptor_credential = GSS_C_NO_CREDENTIAL;
static gss_ctx_id_t initiator = GSS_C_NO_CONTEXT;
static gss_ctx_id_t acceptor = GSS_C_NO_CONTEXT;

__attribute__((cold, noreturn)) static void fail(const char* call, OM_uint32 major, OM_uint32 minor) {
  fprintf(stderr, "operations.c: %s: major 0x%08x, minor %u\n", call, major, minor);
  exit(1);
}

static gss_name_t import_name(const char* text, size_t size) {
  OM_uint32 minor;
  gss_name_t name = GSS_C_NO_NAME;
  gss_buffer_desc in = {size, (char*)text};
  const OM_uint32 major = gss_import_name(&minor, &in, GSS_C_NT_HOSTBASED_SERVICE, &name);
  if (major != GSS_S_COMPLETE) fail("gss_import_name", major, minor);
  return name;
}

static gss_name_t import_host_service(const char* service, const char* host) {
  char text[320];
  if (*service == '\0' || *host == '\0' || strchr(service, '@') != NULL || strchr(host, '@') != NULL) {
    fail("service and host are needed, without '@'", 0, 0);
  }
  const int size = snprintf(text, sizeof text, "%s@%s", service, host);
  if (size < 0 || (size_t)size >= sizeof text) fail("snprintf", 0, 0);
  return import_name(text, (size_t)size);
}

static gss_cred_id_t acquire(gss_cred_usage_t usage) {
  OM_uint32 minor;
  gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
  gss_OID_set_desc mechanisms = {1, &krb5};
  const OM_uint32 major =
      gss_acquire_cred(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms, usage, &credential, NULL, NULL);
  if (major != GSS_S_COMPLETE) fail("gss_acquire_cred", major, minor);
  return credential;
}

static int is_krb5(gss_OID oid) {
  return oid != GSS_C_NO_OID && oid->length == krb5.length && memcmp(oid->elements, krb5.elements, krb5.length) == 0;
}

static void establish(gss_cred_id_t initiate, gss_cred_id_t accept, gss_ctx_id_t* initiating, gss_ctx_id_t* accepting) {
  OM_uint32 minor;
  OM_uint32 initiator_major = GSS_S_CONTINUE_NEEDED;
  OM_uint32 acceptor_major = GSS_S_CONTINUE_NEEDED;
  OM_uint32 initiator_flags = 0;
  OM_uint32 acceptor_flags = 0;
  gss_OID initiator_mechanism = GSS_C_NO_OID;
  gss_OID acceptor_mechanism = GSS_C_NO_OID;
  gss_buffer_desc request = GSS_C_EMPTY_BUFFER;
  gss_buffer_desc reply = GSS_C_EMPTY_BUFFER;
  gss_name_t target = import_name("host@localhost", strlen("host@localhost"));
  gss_name_t peer = GSS_C_NO_NAME;
  *initiating = GSS_C_NO_CONTEXT;
  *accepting = GSS_C_NO_CONTEXT;
  while (initiator_major == GSS_S_CONTINUE_NEEDED) {
    initiator_major =
        gss_init_sec_context(&minor, initiate, initiating, target, &krb5, initiator_demand, 0,
                             GSS_C_NO_CHANNEL_BINDINGS, &reply, &initiator_mechanism, &request, &initiator_flags, NULL);
    if (initiator_major != GSS_S_COMPLETE && initiator_major != GSS_S_CONTINUE_NEEDED) {
      fail("gss_init_sec_context", initiator_major, minor);
    }
    gss_release_buffer(&minor, &reply);
    if (acceptor_major == GSS_S_CONTINUE_NEEDED) {
      gss_release_name(&minor, &peer);
      acceptor_major = gss_accept_sec_context(&minor, accepting, accept, &request, GSS_C_NO_CHANNEL_BINDINGS, &peer,
                                              &acceptor_mechanism, &reply, &acceptor_flags, NULL, NULL);
      if (acceptor_major != GSS_S_COMPLETE && acceptor_major != GSS_S_CONTINUE_NEEDED) {
        fail("gss_accept_sec_context", acceptor_major, minor);
      }
    }
    gss_release_buffer(&minor, &request);
  }
  if ((acceptor_flags & GSS_C_ANON_FLAG) != 0 || is_anonymous(peer)) fail("the peer is nobody", 0, 0);
  gss_release_buffer(&minor, &reply);
  gss_release_name(&minor, &peer);
  gss_release_name(&minor, &target);
  if (acceptor_major != GSS_S_COMPLETE) fail("gss_accept_sec_context", acceptor_major, 0);
  if (!is_krb5(initiator_mechanism) || !is_krb5(acceptor_mechanism)) fail("mechanism", 0, 0);
  if ((initiator_flags & initiator_demand) != initiator_demand) fail("initiator's flags", initiator_flags, 0);
  if ((acceptor_flags & acceptor_demand) != acceptor_demand) fail("acceptor's flags", acceptor_flags, 0);
}

static void connect_both(void) {
  initiator_credential = acquire(GSS_C_INITIATE);
  acceptor_credential = acquire(GSS_C_ACCEPT);
  establish(initiator_credential, acceptor_credential, &initiator, &acceptor);
}

static gss_ctx_id_t peer(void) { return initiator; }

static void host_service(const struct work* work) {
  for (size_t turn = 0; turn < work->turns; ++turn) {
    OM_uint32 minor;
    gss_name_t name = import_host_service("host", "localhost");
    gss_release_name(&minor, &name);
  }
}

static void handshake(const struct work* work) {
  for (size_t turn = 0; turn < work->turns; ++turn) {
    OM_uint32 minor;
    gss_ctx_id_t initiating;
    gss_ctx_id_t accepting;
    establish(initiator_credential, acceptor_credential, &initiating, &accepting);
    gss_delete_sec_context(&minor, &initiating, GSS_C_NO_BUFFER);
    gss_delete_sec_context(&minor, &accepting, GSS_C_NO_BUFFER);
  }
}

static void handshake_default_credential(const struct work* work) {
  for (size_t turn = 0; turn < work->turns; ++turn) {
    OM_uint32 minor;
    gss_ctx_id_t initiating;
    gss_ctx_id_t accepting;
    gss_cred_id_t initiate = acquire(GSS_C_INITIATE);
    gss_cred_id_t accept = acquire(GSS_C_ACCEPT);
    establish(initiate, accept, &initiating, &accepting);
    gss_delete_sec_context(&minor, &initiating, GSS_C_NO_BUFFER);
    gss_delete_sec_context(&minor, &accepting, GSS_C_NO_BUFFER);
    gss_release_cred(&minor, &initiate);
    gss_release_cred(&minor, &accept);
  }
}

static void wrap(const struct work* work) {
  for (size_t turn = 0; turn < work->turns; ++turn) {
    OM_uint32 minor;
    int encrypted = 0;
    gss_buffer_desc in = work->message;
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    const OM_uint32 major = gss_wrap(&minor, acceptor, 1, GSS_C_QOP_DEFAULT, &in, &encrypted, &out);
    if (major != GSS_S_COMPLETE) fail("gss_wrap", major, minor);
    if (!encrypted) fail("gss_wrap did not encrypt", 0, 0);
    gss_release_buffer(&minor, &out);
  }
}

static void unwrap(const struct work* work) {
  for (size_t turn = 0; turn < work->turns; ++turn) {
    OM_uint32 minor;
    int encrypted = 0;
    gss_buffer_desc in = work->tokens[turn];
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    const OM_uint32 major = gss_unwrap(&minor, acceptor, &in, &out, &encrypted, NULL);
    if (major != GSS_S_COMPLETE) fail("gss_unwrap", major, minor);
    if (!encrypted) fail("gss_unwrap: not encrypted", 0, 0);
    if (out.length != work->message.length) fail("gss_unwrap: another length", 0, 0);
    explicit_bzero(out.value, out.length);
    gss_release_buffer(&minor, &out);
  }
}

static void get_mic(const struct work* work) {
  for (size_t turn = 0; turn < work->turns; ++turn) {
    OM_uint32 minor;
    gss_buffer_desc in = work->message;
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    const OM_uint32 major = gss_get_mic(&minor, acceptor, GSS_C_QOP_DEFAULT, &in, &out);
    if (major != GSS_S_COMPLETE) fail("gss_get_mic", major, minor);
    gss_release_buffer(&minor, &out);
  }
}

static void verify_mic(const struct work* work) {
  for (size_t turn = 0; turn < work->turns; ++turn) {
    OM_uint32 minor;
    gss_buffer_desc in = work->message;
    gss_buffer_desc mic = work->tokens[turn];
    const OM_uint32 major = gss_verify_mic(&minor, acceptor, &in, &mic, NULL);
    if (major != GSS_S_COMPLETE) fail("gss_verify_mic", major, minor);
  }
}

const struct way plain_c = {
    "plainc", connect_both, peer,    host_service, handshake, handshake_default_credential,
    wrap,     unwrap,       get_mic, verify_mic,
};
