// Sealed tokens: what is not exactly what was sealed does not open.
// SPDX-License-Identifier: MIT
#include <gsskey/handoff/envelope.hpp>

#include <utility>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

const SealKey& key() {
  static const auto made = [] {
    auto bytes = SecretBytes::with_size(SealKey::size);
    return bytes ? SealKey::from_bytes(*std::move(bytes)) : Result<SealKey>{unexpected(bytes.error())};
  }();
  if (!made) std::abort();
  return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  if (input.byte() % 2u == 0) {  // the input itself: nobody who lacks the key makes a seal
    const auto opened = open_seal<mech::Krb5>(key(), input.rest());
    expect(!opened && seal_fault(opened.error()) != SealFault::none, "a forged seal opens");
    return 0;
  }
  const fuzz::Bytes token(input.number() % 2000, 0x37);
  const auto sealed = seal(key(), token, mech::Krb5::oid, Seconds{3600});
  if (!sealed) return 0;
  const fuzz::Bytes whole = fuzz::bytes_of(*sealed);
  const fuzz::Bytes changed = input.altered(whole);
  const auto opened = open_seal<mech::Krb5>(key(), changed);
  if (fuzz::are_same(changed, whole)) {
    expect(opened && ByteView{*opened} == ByteView{token}, "what was sealed opens");
  } else {
    expect(!opened && seal_fault(opened.error()) != SealFault::none, "an altered seal opens");
  }
  return 0;
}
