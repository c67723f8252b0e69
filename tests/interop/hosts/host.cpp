// A program in C++17 that hosts gsskey in three ways, none of which it sees:
//
//   host pam FOLDER USER PASSWORD     libpam, with the configuration of FOLDER
//   host nss USER                     the C library, which loads libnss_gsskey.so.2
//   host shim PORT                    one file in C++20 that it is linked with
//
// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <netinet/in.h>
#include <nss.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>

#include "shim.h"

static_assert(__cplusplus < 202002L);

namespace {

int answer(int count, const pam_message**, pam_response** responses, void* password) {
  *responses = static_cast<pam_response*>(std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
  for (int at = 0; at < count; ++at) (*responses)[at].resp = ::strdup(static_cast<const char*>(password));
  return PAM_SUCCESS;
}

int by_pam(const char* folder, const char* user, char* password) {
  const pam_conv conversation{answer, password};
  int code = PAM_SUCCESS;
  for (int time = 0; code == PAM_SUCCESS && time < 2; ++time) {  // pam_end() unloads the module
    pam_handle_t* handle = nullptr;
    code = ::pam_start_confdir("gsskey", user, &conversation, folder, &handle);
    if (code == PAM_SUCCESS) code = ::pam_authenticate(handle, PAM_SILENT);
    std::cout << "pam: " << ::pam_strerror(handle, code) << '\n';
    ::pam_end(handle, code);
  }
  return code == PAM_SUCCESS ? 0 : 1;
}

int by_nss(const char* user) {
  ::__nss_configure_lookup("passwd", "gsskey");
  const passwd* const found = ::getpwnam(user);
  std::cout << "nss: " << (found == nullptr ? "nobody" : std::to_string(found->pw_uid)) << '\n';
  return found == nullptr ? 1 : 0;
}

int by_shim(const char* port) {
  const std::string message = "from C++17";
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int wire = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(wire, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 1;
  const std::unique_ptr<session, void (*)(session*)> peer{::session_open(wire, "host", "localhost"), ::session_close};
  std::string token(4096, '\0');
  std::size_t size = token.size();
  const bool is_done = ::session_wrap(peer.get(), message.data(), message.size(), &token[0], &size) == 0;
  std::cout << "shim: " << (is_done ? std::to_string(size) + " bytes" : ::session_error(peer.get())) << '\n';
  ::close(wire);
  return is_done ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string how = argc > 1 ? argv[1] : "";
  if (how == "pam" && argc == 5) return by_pam(argv[2], argv[3], argv[4]);
  if (how == "nss" && argc == 3) return by_nss(argv[2]);
  if (how == "shim" && argc == 3) return by_shim(argv[2]);
  return 2;
}
