// tests/support/wait_until: the end of a ticket, waited for.
// SPDX-License-Identifier: MIT
#pragma once

#include "support/catch.hpp"
#include "support/eventually.hpp"

namespace support {

/// Until `condition()` came true; gives up after many times a ticket's life.
template <class Condition>
void wait_until(Condition condition) {
  REQUIRE(eventually(condition, 6000));
}

}  // namespace support
