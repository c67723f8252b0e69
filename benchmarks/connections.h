/* benchmarks/connections: the server that ours is compared with: plain C, blocking, two threads.
 * SPDX-License-Identifier: MIT */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* Serves every connection that comes to one of the listening sockets: a handshake, then its end. Does not return. */
void serve_in_plain_c(const int* listeners, int count);

#ifdef __cplusplus
}
#endif
