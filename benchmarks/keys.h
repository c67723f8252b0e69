/* benchmarks/keys: operations of the kernel's key service, done in two ways: by gsskey (keys.cpp) and by plain C that
 * calls libkeyutils itself and keeps the same promises (keys.c).
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Each function does its work `turns` times and ends the program if it fails. */
struct key_way {
  const char* name;      /* six letters: arguments move the stack */
  void (*connect)(void); /* once, first: the user key "gsskey:bench" of 64 bytes in the session ring */

  void (*read)(size_t turns);     /* the payload is wiped before its memory goes back */
  void (*describe)(size_t turns); /* and takes the answer apart */
  void (*search)(size_t turns);
  void (*update)(size_t turns);
  void (*request)(size_t turns);    /* request_key of a key that is there */
  void (*add_unlink)(size_t turns); /* create or update, then unlink this key and no other of its name */
  void (*create)(size_t turns);     /* fails if a living one is there; with a timeout, set before anybody can find it */
  void (*upcall)(size_t turns);     /* request_key of one that a handler makes, then unlink */
};

extern const struct key_way keys_in_c;
extern const struct key_way keys_with_gsskey;

#ifdef __cplusplus
}
#endif
