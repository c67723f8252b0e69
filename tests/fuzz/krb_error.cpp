// Errors of KDCs: no more than one code is told, only by bytes that are all there and no more.
// SPDX-License-Identifier: MIT
#include <gsskey/core/detail/krb_error.hpp>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  int told = 0;
  for (unsigned code = 0; code < 0x100; ++code) {
    if (!detail::is_krb_error({data, size}, static_cast<unsigned char>(code))) continue;
    ++told;
    expect(!detail::is_krb_error({data, size - 1}, static_cast<unsigned char>(code)), "a cut message tells nothing");
    expect(data[0] == 0x7e, "it is a KRB-ERROR");
  }
  expect(told <= 1, "one code");
  return 0;
}
