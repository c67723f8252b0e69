/* benchmarks/operations: the work that is measured, done in two ways: by gsskey (operations.cpp) and by plain C that
 * calls gss_* itself and checks what a careful programmer checks (operations.c).
 * SPDX-License-Identifier: MIT */
#pragma once

#include <gssapi/gssapi.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct work {
  gss_buffer_desc message;
  const gss_buffer_desc* tokens; /* for unwrap and verify_mic: what the peer made of `message`, one per turn */
  size_t turns;
};

/* Each function does its work `turns` times and ends the program if it fails. */
struct way {
  const char* name;           /* six letters: arguments move the stack, and with it how much memcpy has to align */
  void (*connect)(void);      /* once, first: acquires credentials, establishes a context on both sides */
  gss_ctx_id_t (*peer)(void); /* the initiator's context, whose messages unwrap and verify_mic take */

  void (*host_service)(const struct work*); /* a target name from service and host */
  void (*handshake)(const struct work*);    /* both sides, mutual, with the credentials that connect() acquired */
  void (*handshake_default_credential)(const struct work*);
  void (*wrap)(const struct work*);
  void (*unwrap)(const struct work*); /* the plaintext is wiped before its memory goes back */
  void (*get_mic)(const struct work*);
  void (*verify_mic)(const struct work*);
};

extern const struct way plain_c;
extern const struct way with_gsskey;

#ifdef __cplusplus
}
#endif
