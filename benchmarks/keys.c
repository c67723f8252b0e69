/* The reference: plain C.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "keys.h"

#include <errno.h>
#include <keyutils.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static key_serial_t ring;
static key_serial_t key;
static const char payload[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";

static void check(long result, const char* call) {
  if (result >= 0) return;
  perror(call);
  exit(1);
}

/* The kernel goes by type and description: what the ring links is looked at first. */
static void unlink_this(key_serial_t linked) {
  key_serial_t links[128];
  const long size = keyctl_read(ring, (char*)links, sizeof links);
  check(size, "keyctl_read");
  if ((size_t)size > sizeof links) exit(1);
  for (size_t at = 0; at < (size_t)size / sizeof *links; ++at) {
    if (links[at] == linked) {
      check(keyctl_unlink(linked, ring), "keyctl_unlink");
      return;
    }
  }
  exit(1);
}

static void connect_key(void) {
  ring = keyctl_get_keyring_ID(KEY_SPEC_SESSION_KEYRING, 0);
  check(ring, "keyctl_get_keyring_ID");
  key = add_key("user", "gsskey:bench", payload, sizeof payload, ring);
  check(key, "add_key");
}

static void read_key(size_t turns) {
  for (size_t turn = 0; turn < turns; ++turn) {
    void* bytes = NULL;
    const int size = keyctl_read_alloc(key, &bytes);
    check(size, "keyctl_read");
    explicit_bzero(bytes, (size_t)size);
    free(bytes);
  }
}

struct description {
  char* text;
  size_t type_size;
  uid_t user;
  gid_t group;
  uint32_t permissions;
  const char* description;
};

static int parse(struct description* found) {
  char* semicolon = strchr(found->text, ';');
  if (semicolon == NULL) return -1;
  found->type_size = (size_t)(semicolon - found->text);
  char* end = NULL;
  found->user = (uid_t)strtol(semicolon + 1, &end, 10);
  if (*end != ';') return -1;
  found->group = (gid_t)strtol(end + 1, &end, 10);
  if (*end != ';') return -1;
  found->permissions = (uint32_t)strtoul(end + 1, &end, 16);
  if (*end != ';') return -1;
  found->description = end + 1;
  return 0;
}

static void describe(size_t turns) {
  for (size_t turn = 0; turn < turns; ++turn) {
    struct description found = {0};
    check(keyctl_describe_alloc(key, &found.text), "keyctl_describe");
    check(parse(&found), "parse");
    if (found.permissions != 0x3f010000) exit(1);
    free(found.text);
  }
}

static void search(size_t turns) {
  for (size_t turn = 0; turn < turns; ++turn) {
    check(keyctl_search(ring, "user", "gsskey:bench", 0), "keyctl_search");
  }
}

static void update(size_t turns) {
  for (size_t turn = 0; turn < turns; ++turn) check(keyctl_update(key, payload, sizeof payload), "keyctl_update");
}

static void request(size_t turns) {
  for (size_t turn = 0; turn < turns; ++turn) check(request_key("user", "gsskey:bench", NULL, 0), "request_key");
}

static void add_unlink(size_t turns) {
  for (size_t turn = 0; turn < turns; ++turn) {
    const key_serial_t added = add_key("user", "gsskey:other", payload, sizeof payload, ring);
    check(added, "add_key");
    unlink_this(added);
  }
}

static void create(size_t turns) {
  for (size_t turn = 0; turn < turns; ++turn) {
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random) exit(1);
    char name[32];
    snprintf(name, sizeof name, "scratch-%016lx", (unsigned long)random);
    const key_serial_t scratch = add_key("keyring", name, NULL, 0, ring);
    check(scratch, "add_key");
    const key_serial_t made = add_key("user", "gsskey:other", payload, sizeof payload, scratch);
    check(made, "add_key");
    check(keyctl_set_timeout(made, 60), "keyctl_set_timeout");
    check(keyctl_move(made, scratch, ring, KEYCTL_MOVE_EXCL), "keyctl_move");
    if (keyctl_search(ring, "keyring", "lock", 0) >= 0) exit(1); /* whoever replaces a dead key holds one */
    check(keyctl_unlink(scratch, ring), "keyctl_unlink");
    unlink_this(made);
  }
}

static void upcall(size_t turns) {
  for (size_t turn = 0; turn < turns; ++turn) {
    const key_serial_t made = request_key("user", "gsskey-bench:plainc", "callout", ring);
    check(made, "request_key");
    unlink_this(made);
  }
}

const struct key_way keys_in_c = {
    "plainc", connect_key, read_key, describe, search, update, request, add_unlink, create, upcall,
};
