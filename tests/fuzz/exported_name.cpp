// Exported names from elsewhere, with attributes and without: whatever the bytes are, the implementation that gets them
// survives it, and a name that is taken is exported as the same bytes again.
// SPDX-License-Identifier: MIT
#include <gsskey/gss/name.hpp>

#include <cstdlib>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

void append_counted(fuzz::Bytes& to, ByteView octets) {
  for (unsigned shift = 32; shift != 0; shift -= 8) {
    to.push_back(static_cast<unsigned char>(octets.size() >> (shift - 8)));
  }
  to.insert(to.end(), octets.begin(), octets.end());
}
/// Around the input, so that the fuzzer need not find it: 04 01, the OID of Kerberos, and the length that is right.
fuzz::Bytes framed(ByteView name, unsigned char kind = 1) {
  fuzz::Bytes bytes{4, kind, 0, 11, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2};
  append_counted(bytes, name);
  return bytes;
}

/// RFC 6680: with attributes, which are whatever MIT krb5 makes of them.
void composite(fuzz::Input& input) {
  fuzz::Bytes bytes = framed("alice@REALM", 2);
  if (input.byte() % 4u != 0) {
    append_counted(bytes, input.rest());
  } else {
    const ByteView rest = input.rest();
    bytes.insert(bytes.end(), rest.begin(), rest.end());
  }
  const auto name = Name::import_name<name_type::composite_export>(bytes);
  if (!name) return;
  expect(!gss_detail::mechanism_of_exported(bytes, true).empty(), "a composite name is whole");
  static_cast<void>(name->display());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  [[maybe_unused]] static const int prepared = ::setenv("KRB5_CONFIG", "/dev/null", 1);
  fuzz::Input input{{data, size}};
  const unsigned char what = input.byte();
  if (what >= 0x80) {
    composite(input);
    return 0;
  }
  const unsigned kind = what % 3u;
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
