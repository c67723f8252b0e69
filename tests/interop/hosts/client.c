/* client PORT MESSAGE: an echo by examples/poll_echo_server, whose packets are four bytes of length and a token. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim.h"

static int say(const char* why) {
  fprintf(stderr, "client: %s\n", why);
  return 1;
}

static int echo(session* peer, int wire, const char* message) {
  unsigned char packet[4096], answer[4096];
  size_t size = sizeof packet - 4;
  if (session_wrap(peer, message, strlen(message), packet + 4, &size) != 0) return say(session_error(peer));
  uint32_t length = htonl((uint32_t)size);
  memcpy(packet, &length, 4);
  if (send(wire, packet, size + 4, 0) != (ssize_t)size + 4) return say("send");
  if (recv(wire, &length, 4, MSG_WAITALL) != 4) return say("recv");
  size = ntohl(length);
  if (size > sizeof packet || recv(wire, packet, size, MSG_WAITALL) != (ssize_t)size) return say("recv");
  size_t plain = sizeof answer;
  if (session_unwrap(peer, packet, size, answer, &plain) != 0) return say(session_error(peer));
  printf("echo \"%.*s\"\n", (int)plain, (const char*)answer);
  packet[size - 1] ^= 1; /* an altered one, and where there is no room */
  if (session_unwrap(peer, packet, size, answer, &plain) != 0) printf("altered: %s\n", session_error(peer));
  plain = 1;
  if (session_wrap(peer, message, strlen(message), answer, &plain) != 0) printf("short: %s\n", session_error(peer));
  return 0;
}

int main(int argc, char** argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (argc != 3) return 2;
  address.sin_port = htons((uint16_t)atoi(argv[1]));
  const int wire = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(wire, (struct sockaddr*)&address, sizeof address) != 0) return say("connect");
  session* const peer = session_open(wire, "host", "localhost");
  if (peer == NULL) return say("no memory");
  const int code = *session_error(peer) != '\0' ? say(session_error(peer)) : echo(peer, wire, argv[2]);
  session_close(peer);
  close(wire);
  return code;
}
