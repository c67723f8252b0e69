/* benchmarks/connections: the server that ours is compared with: plain C, blocking, two threads.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "connections.h"
#include "anonymous.h"

#include <arpa/inet.h>
#include <gssapi/gssapi.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { max_listeners = 8, max_token = 65536 };

static gss_OID_desc krb5 = {9, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"};
static gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
static struct pollfd polled[max_listeners];
static int listener_count;

static int receive(int socket, void* data, size_t size) {
  return recv(socket, data, size, MSG_WAITALL) == (ssize_t)size;
}

static int send_token(int socket, const gss_buffer_desc* token) {
  const uint32_t length = htonl((uint32_t)token->length);
  const struct iovec parts[2] = {{(void*)&length, sizeof length}, {token->value, token->length}};
  return writev(socket, parts, 2) == (ssize_t)(sizeof length + token->length);
}

/* What a careful programmer checks: complete, the mechanism, the flags, that the peer is somebody. */
static void handshake(int socket) {
  const OM_uint32 demand = GSS_C_REPLAY_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG;
  OM_uint32 minor;
  OM_uint32 major = GSS_S_CONTINUE_NEEDED;
  OM_uint32 flags = 0;
  gss_OID mechanism = GSS_C_NO_OID;
  gss_name_t peer = GSS_C_NO_NAME;
  gss_ctx_id_t context = GSS_C_NO_CONTEXT;
  while (major == GSS_S_CONTINUE_NEEDED) {
    uint32_t length = 0;
    if (!receive(socket, &length, sizeof length) || ntohl(length) > max_token) break;
    gss_buffer_desc in = {ntohl(length), malloc(ntohl(length) + 1)};
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    if (in.value == NULL || !receive(socket, in.value, in.length)) {
      free(in.value);
      break;
    }
    gss_release_name(&minor, &peer);
    major = gss_accept_sec_context(&minor, &context, credential, &in, GSS_C_NO_CHANNEL_BINDINGS, &peer, &mechanism,
                                   &out, &flags, NULL, NULL);
    free(in.value);
    if (out.length != 0 && !send_token(socket, &out)) major = GSS_S_FAILURE;
    gss_release_buffer(&minor, &out);
  }
  if (major == GSS_S_COMPLETE) {
    const int is_krb5 =
        mechanism->length == krb5.length && memcmp(mechanism->elements, krb5.elements, krb5.length) == 0;
    if (!is_krb5 || (flags & demand) != demand || (flags & GSS_C_ANON_FLAG) != 0 || is_anonymous(peer))
      fputs("not what was demanded\n", stderr);
  }
  gss_release_name(&minor, &peer);
  if (context != GSS_C_NO_CONTEXT) gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
}

static void* serve(void* unused) {
  (void)unused;
  struct pollfd ready[max_listeners];
  while (1) {
    memcpy(ready, polled, sizeof ready);
    if (poll(ready, (nfds_t)listener_count, -1) < 0) continue;
    for (int i = 0; i < listener_count; ++i) {
      if (ready[i].revents == 0) continue;
      const int socket = accept4(ready[i].fd, NULL, NULL, SOCK_CLOEXEC);
      if (socket < 0) continue; /* the other thread has it */
      const int on = 1;
      setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      handshake(socket);
      close(socket);
    }
  }
  return NULL;
}

void serve_in_plain_c(const int* listeners, int count) {
  OM_uint32 minor;
  gss_OID_set_desc mechanisms = {1, &krb5};
  const OM_uint32 major =
      gss_acquire_cred(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms, GSS_C_ACCEPT, &credential, NULL, NULL);
  if (major != GSS_S_COMPLETE || count > max_listeners) exit(1);
  listener_count = count;
  for (int i = 0; i < count; ++i) polled[i] = (struct pollfd){listeners[i], POLLIN, 0};
  pthread_t second;
  if (pthread_create(&second, NULL, serve, NULL) != 0) exit(1);
  serve(NULL);
}
