// Exported names from elsewhere: whatever the bytes are, the implementation that gets them survives it, and a name that
// is taken is exported as the same bytes again.
// SPDX-License-Identifier: MIT
#include <gsskey/gss/name.hpp>

#include <cstdlib>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

/// Around the input, so that the fuzzer need not find it: 04 01, the OID of Kerberos, and the length that is right.
fuzz::Bytes framed(ByteView name) {
  fuzz::Bytes bytes{4, 1, 0, 11, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2};
  for (unsigned shift = 32; shift != 0; shift -= 8) {
    bytes.push_back(static_cast<unsigned char>(name.size() >> (shift - 8)));
  }
  bytes.insert(bytes.end(), name.begin(), name.end());
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  [[maybe_unused]] static const int prepared = ::setenv("KRB5_CONFIG", "/dev/null", 1);
  fuzz::Input input{{data, size}};
  const unsigned kind = input.byte() % 3u;
  const fuzz::Bytes bytes = kind == 0   ? fuzz::bytes_of(input.rest())
                            : kind == 1 ? framed(input.rest())
                                        : input.altered(framed("alice@REALM"));
  const auto name = MechName<mech::Krb5>::import_exported(bytes);
  if (!name) return 0;
  static_cast<void>(name->display());
  const auto again = name->export_name();
  if (again) {
    const auto once_more = MechName<mech::Krb5>::import_exported(*again);
    expect(once_more && once_more->equals(*name).yes(), "the exported form of a name is that name");
  }
  return 0;
}
