// examples/dns_handler: addresses for NFS, CIFS and AFS in the kernel, as keyutils' key.dns_resolver finds them.
//   dns_handler --rule > /etc/request-key.d/dns.conf ; keyctl pipe $(keyctl request2 dns_resolver localhost ipv4)
// SPDX-License-Identifier: MIT
#include <netdb.h>

#include <chrono>
#include <string>

#include <gsskey/keyring.hpp>

#include "print_rule.hpp"
using namespace gsskey;
struct DnsResolver {  // a type of the kernel that gsskey does not know
  static constexpr const char* name = "dns_resolver";
  static constexpr std::size_t max_payload = 32767;
  static constexpr bool can_read = true, can_update = false;
  using Payload = ByteView;
  Description<NonEmptyText> description;
};
static expected<Instantiation, Rejection> resolve(const KeyRequest& request) {
  const auto said = [&](const char* word) { return request.callout_info().find(word) != std::string_view::npos; };
  ::addrinfo wanted{}, *found = nullptr;
  wanted.ai_family = said("ipv4") ? AF_INET : said("ipv6") ? AF_INET6 : AF_UNSPEC;
  const int fault = ::getaddrinfo(std::string{request.description()}.c_str(), nullptr, &wanted, &found);
  if (fault != 0) return unexpected(Rejection{fault == EAI_AGAIN ? EAGAIN : ENODATA, std::chrono::seconds{10}});
  std::string list;
  char text[NI_MAXHOST];
  for (const ::addrinfo* each = found; each != nullptr && (list.empty() || said("list")); each = each->ai_next) {
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    list += (list.empty() ? "" : ",") + std::string{text};
  }
  ::freeaddrinfo(found);
  auto payload = SecretBytes::copy_of({list.c_str(), list.size() + 1});  // its NUL too
  if (!payload) return unexpected(Rejection{ENOMEM});
  return Instantiation{.payload = *std::move(payload), .timeout = std::chrono::minutes{10}};
}
int main(int argc, char** argv) {
  if (argc == 2 && std::string_view{argv[1]} == "--rule") return example::print_rule("*", DnsResolver::name);
  return handle_upcall<DnsResolver>(argc, argv, resolve, {.deadline = std::chrono::seconds{30}});
}
