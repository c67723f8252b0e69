// Writes a credential cache with a large ticket in it, with the key of the default keytab: large_ticket CACHE CLIENT
// SERVICE SIZE. SPDX-License-Identifier: MIT
#include <cstdlib>
#include <exception>
#include <iostream>

#include "support/large_ticket.hpp"

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  try {
    support::store_large_ticket(argv[1], argv[2], argv[3], std::strtoul(argv[4], nullptr, 10));
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "large_ticket: " << error.what() << '\n';
    return 1;
  }
}
