// tests/support/wait_until: the end of a ticket, waited for.
// SPDX-License-Identifier: MIT
#pragma once

#include <poll.h>

#include "support/catch.hpp"

namespace support {

/// Asks every 5 ms whether `condition()` came true, and gives up after many times a ticket's life.
template <class Condition>
void wait_until(Condition condition) {
  for (int patience = 12'000; !condition(); --patience) {
    REQUIRE(patience > 0);
    ::poll(nullptr, 0, 5);
  }
}

}  // namespace support
