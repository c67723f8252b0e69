// tests/support/eventually: what another process or the kernel does in its own time, asked for again and again.
// SPDX-License-Identifier: MIT
#pragma once

#include <poll.h>

namespace support {

/// Whether `condition()` comes true; asked again every 10 ms, `patience` times: 30 s, on a machine with much to do.
template <class Condition>
bool eventually(Condition condition, int patience = 3000) {
  while (!condition()) {
    if (patience-- == 0) return false;
    ::poll(nullptr, 0, 10);
  }
  return true;
}

}  // namespace support
