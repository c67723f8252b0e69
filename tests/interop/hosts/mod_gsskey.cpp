// An Apache module: "AuthType Gsskey" lets in who logs in by HTTP's Negotiate. The key of HTTP/localhost must be in the
// keytab.
// SPDX-License-Identifier: MIT
#include <httpd.h>
// After httpd.h.
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

#include <new>
#include <optional>
#include <string>
#include <string_view>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/http/negotiate.hpp>

using namespace gsskey;
using mech::Spnego;

extern "C" module AP_MODULE_DECLARE_DATA gsskey_module;
APLOG_USE_MODULE(gsskey);

namespace {

// Made in each child, and gone before the module is unloaded: its pool is the child's.
std::optional<Credential<Spnego, Accept>> key;

void log_error(server_rec* server, const Error& error) {
  const std::string text{error.text()};
  ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, server, "gsskey: %s: %s", error.operation(), text.c_str());
}

Result<Credential<Spnego, Accept>> acquire() {
  GSSKEY_TRY(const auto name, Name::host_service("HTTP", "localhost"));
  return Credential<Spnego, Accept>::acquire(name);
}
apr_status_t forget_key(void*) {
  key.reset();
  return APR_SUCCESS;
}
void begin(apr_pool_t* pool, server_rec* server) {
  if (auto acquired = acquire()) {
    key = *std::move(acquired);
    apr_pool_cleanup_register(pool, nullptr, forget_key, apr_pool_cleanup_null);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, server, "gsskey: ready");
  } else {
    log_error(server, acquired.error());
  }
}

apr_status_t destroy_acceptor(void* acceptor) {
  static_cast<HttpAcceptor<Spnego>*>(acceptor)->~HttpAcceptor();
  return APR_SUCCESS;
}
/// A handshake may take several requests, of one connection.
HttpAcceptor<Spnego>& acceptor_of(conn_rec* connection) {
  void* found = ap_get_module_config(connection->conn_config, &gsskey_module);
  if (found == nullptr) {
    found = new (apr_palloc(connection->pool, sizeof(HttpAcceptor<Spnego>))) HttpAcceptor<Spnego>{*key};
    apr_pool_cleanup_register(connection->pool, found, destroy_acceptor, apr_pool_cleanup_null);
    ap_set_module_config(connection->conn_config, &gsskey_module, found);
  }
  return *static_cast<HttpAcceptor<Spnego>*>(found);
}

int authenticate(request_rec* request) {
  const char* const type = ap_auth_type(request);
  if (type == nullptr || std::string_view{type} != "Gsskey") return DECLINED;
  if (!key) return HTTP_INTERNAL_SERVER_ERROR;
  const char* const authorization = apr_table_get(request->headers_in, "Authorization");
  const auto answer = acceptor_of(request->connection).step(authorization == nullptr ? "" : authorization);
  const std::string& field = answer ? answer->www_authenticate : answer.error().www_authenticate;
  if (!field.empty()) apr_table_set(request->err_headers_out, "WWW-Authenticate", field.c_str());
  if (!answer) {
    if (!answer.error().is_challenge) log_error(request->server, answer.error().error);
    return answer.error().status;
  }
  const auto peer = answer->peer.display();
  if (!peer) return HTTP_INTERNAL_SERVER_ERROR;
  const std::string_view name = peer->text();
  request->user = apr_pstrmemdup(request->pool, name.data(), name.size());
  return OK;
}

void register_hooks(apr_pool_t*) {
  ap_hook_child_init(begin, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_check_authn(authenticate, nullptr, nullptr, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
}

}  // namespace

module AP_MODULE_DECLARE_DATA gsskey_module = {
    STANDARD20_MODULE_STUFF, nullptr, nullptr, nullptr, nullptr, nullptr, register_hooks, AP_MODULE_FLAG_NONE};
