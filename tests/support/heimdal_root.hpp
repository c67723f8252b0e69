// tests/support/heimdal_root: whether Heimdal's KDC is there for Kdc::heimdal.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/testing/detail/heimdal_kdc.hpp>

namespace support {

/// Debian's heimdal-kdc and heimdal-clients, unpacked (tests/support/unpack) where $GSSKEY_HEIMDAL_ROOT says.
inline bool has_heimdal_kdc() {
  return gsskey::test_detail::HeimdalKdc::find(gsskey::test_detail::program_folders()).has_value();
}

}  // namespace support
