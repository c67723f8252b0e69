// tests/support/implementation: which GSS library this is, for what a test can expect of it.
// SPDX-License-Identifier: MIT
#pragma once

namespace support {

#if defined(GSSKEY_GSS_HEIMDAL)
inline constexpr bool is_heimdal = true;
#else
inline constexpr bool is_heimdal = false;
#endif

}  // namespace support
