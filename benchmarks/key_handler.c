/* The handler for the reference's upcalls: %o %k %u %g %T %P %S.
 * SPDX-License-Identifier: MIT */
#include <keyutils.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  if (argc != 8) return 2;
  const key_serial_t key = atoi(argv[2]);
  char* description = NULL;
  void* callout = NULL;
  if (keyctl_assume_authority(key) < 0 || keyctl_describe_alloc(key, &description) < 0 ||
      keyctl_read_alloc(KEY_SPEC_REQKEY_AUTH_KEY, &callout) < 0 || keyctl_set_timeout(key, 60) < 0 ||
      keyctl_instantiate(key, "payload", 7, 0) < 0) {
    return 1;
  }
  return 0;
}
