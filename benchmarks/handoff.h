/* benchmarks/handoff: contexts that go to another process, done in three ways: by gsskey, which parks and claims them
 * (handoff.cpp), and by plain C that exports and imports them and protects nothing on the way, or does what gsskey
 * promises: sealed, with the key in the kernel for a time, for one to take (handoff.c).
 * SPDX-License-Identifier: MIT */
#pragma once

#include <gssapi/gssapi.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Each function ends the program if it fails. */
struct handoff_way {
  void (*both)(gss_ctx_id_t* context, size_t turns); /* out and in again, `turns` times, in this process */
  void (*give)(gss_ctx_id_t* context, int channel);  /* out, and the bytes into the channel as one message */
  void (*take)(const void* bytes, size_t size);      /* in from one message; then it is deleted */
};

extern const struct handoff_way handoff_in_c;
extern const struct handoff_way sealed_handoff_in_c; /* `both` only */

#ifdef __cplusplus
}
#endif
