/* benchmarks/handoff: the reference, in plain C.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "handoff.h"

#include <keyutils.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
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

static long done(long result, const char* call) {
  if (result >= 0) return result;
  perror(call);
  exit(1);
}

static void sealed(int result) {
  if (result == 1) return;
  fprintf(stderr, "handoff.c: OpenSSL\n");
  exit(1);
}

enum { key_size = 32, nonce_size = 12, tag_size = 16, max_token = 4096 };

/* AES-256-GCM, in one direction or the other. */
static void crypt_token(int encrypt, const unsigned char* key, const unsigned char* nonce, const unsigned char* in,
                        size_t size, unsigned char* out, unsigned char* tag) {
  static EVP_CIPHER* algorithm;
  if (algorithm == NULL) algorithm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
  EVP_CIPHER_CTX* const cipher = EVP_CIPHER_CTX_new();
  int length = 0;
  sealed(EVP_CipherInit_ex2(cipher, algorithm, key, nonce, encrypt, NULL));
  sealed(EVP_CipherUpdate(cipher, out, &length, in, (int)size));
  if (!encrypt) sealed(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, tag_size, tag));
  sealed(EVP_CipherFinal_ex(cipher, out + length, &length));
  if (encrypt) sealed(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, tag_size, tag));
  EVP_CIPHER_CTX_free(cipher);
}

/* What gsskey promises, with the same calls of the kernel, and nothing else: the context's end is not looked at, nor
 * which mechanism it is, or which build of which library made it, or whose the ring is; the seal has no header, the key
 * always one name. */
static void both_sealed(gss_ctx_id_t* context, size_t turns) {
  static const char name[] = "gsskey-bench:0123456789abcdef";
  const key_serial_t session = (key_serial_t)done(keyctl_get_keyring_ID(KEY_SPEC_SESSION_KEYRING, 0), "session");
  for (size_t turn = 0; turn < turns; ++turn) {
    OM_uint32 minor;
    unsigned char key[key_size], nonce[nonce_size], tag[tag_size], seal[max_token], opened[max_token];
    sealed(RAND_priv_bytes(key, sizeof key));
    sealed(RAND_bytes(nonce, sizeof nonce));
    const key_serial_t own = (key_serial_t)done(keyctl_get_keyring_ID(KEY_SPEC_THREAD_KEYRING, 1), "thread");
    const key_serial_t box = (key_serial_t)done(add_key("keyring", name, NULL, 0, own), "add_key");
    done(keyctl_set_timeout(box, 30), "keyctl_set_timeout");
    const key_serial_t made = (key_serial_t)done(add_key("user", name, key, sizeof key, box), "add_key");
    done(keyctl_set_timeout(made, 30), "keyctl_set_timeout");
    done(keyctl_setperm(made, KEY_POS_VIEW | KEY_POS_READ | KEY_POS_SEARCH), "keyctl_setperm");
    done(keyctl_move(box, own, session, KEYCTL_MOVE_EXCL), "keyctl_move");
    char description[128];
    done(keyctl_describe(made, description, sizeof description), "keyctl_describe"); /* it is possessed here */
    gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
    check(gss_export_sec_context(&minor, context, &token), "gss_export_sec_context");
    if (token.length > max_token) done(-1, "gss_export_sec_context");
    const size_t size = token.length;
    crypt_token(1, key, nonce, token.value, size, seal, tag);
    release(&token);
    explicit_bzero(key, sizeof key);

    const key_serial_t place = (key_serial_t)done(keyctl_search(session, "keyring", name, 0), "keyctl_search");
    const key_serial_t found = (key_serial_t)done(keyctl_search(place, "user", name, 0), "keyctl_search");
    done(keyctl_read(found, (char*)key, sizeof key), "keyctl_read");
    done(keyctl_unlink(found, place), "keyctl_unlink");
    done(keyctl_unlink(place, session), "keyctl_unlink");
    crypt_token(0, key, nonce, seal, size, opened, tag);
    gss_buffer_desc again = {size, opened};
    check(gss_import_sec_context(&minor, &again, context), "gss_import_sec_context");
    explicit_bzero(opened, size);
    explicit_bzero(key, sizeof key);
  }
}

const struct handoff_way sealed_handoff_in_c = {both_sealed, NULL, NULL};
