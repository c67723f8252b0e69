/* benchmarks/handoff: the reference, in plain C.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handoff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void check(OM_uint32 major, const char* call) {
  if (major == GSS_S_COMPLETE) return;
  fprintf(stderr, "handoff.c: %s: major 0x%08x\n", call, major);
  exit(1);
}

static void release(gss_buffer_t token) {
  OM_uint32 minor;
  explicit_bzero(token->value, token->length); /* it holds keys */
  gss_release_buffer(&minor, token);
}

static void both(gss_ctx_id_t* context, size_t turns) {
  for (size_t turn = 0; turn < turns; ++turn) {
    OM_uint32 minor;
    gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
    check(gss_export_sec_context(&minor, context, &token), "gss_export_sec_context");
    check(gss_import_sec_context(&minor, &token, context), "gss_import_sec_context");
    release(&token);
  }
}

static void give(gss_ctx_id_t* context, int channel) {
  OM_uint32 minor;
  gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
  check(gss_export_sec_context(&minor, context, &token), "gss_export_sec_context");
  if (send(channel, token.value, token.length, 0) < 0) {
    perror("send");
    exit(1);
  }
  release(&token);
}

static void take(const void* bytes, size_t size) {
  OM_uint32 minor;
  gss_ctx_id_t context = GSS_C_NO_CONTEXT;
  gss_buffer_desc token = {size, (void*)bytes};
  check(gss_import_sec_context(&minor, &token, &context), "gss_import_sec_context");
  gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
}

const struct handoff_way handoff_in_c = {both, give, take};
