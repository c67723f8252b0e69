/* A client's session, for programs in C. SPDX-License-Identifier: MIT */
#ifndef GSSKEY_TESTS_SHIM_H
#define GSSKEY_TESTS_SHIM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct session session;

/* Authenticates to service@host over a connected socket, which stays the caller's. NULL, if memory is short; otherwise
   session_error() says whether it worked, and session_close() ends it in either case. */
session* session_open(int socket, const char* service, const char* host);
/* Of the last call; "" if it worked. Good until the next one. */
const char* session_error(const session* self);
/* Fill `out`, of *out_size bytes, and say how many they are. 0, or -1. */
int session_wrap(session* self, const void* message, size_t size, void* out, size_t* out_size);
int session_unwrap(session* self, const void* token, size_t size, void* out, size_t* out_size);
void session_close(session* self);

#ifdef __cplusplus
}
#endif

#endif
