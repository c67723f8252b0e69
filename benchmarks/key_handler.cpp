// The handler for gsskey's upcalls.
// SPDX-License-Identifier: MIT
#include <gsskey/keyring.hpp>

using namespace gsskey;

int main(int argc, char** argv) {
  return handle_upcall<key_type::User>(argc, argv, [](const KeyRequest&) -> expected<Instantiation, Rejection> {
    auto payload = SecretBytes::copy_of("payload");
    if (!payload) return unexpected(Rejection{ENOMEM, Seconds{1}});
    return Instantiation{*std::move(payload), Seconds{60}, {}, Destination::none()};
  });
}
