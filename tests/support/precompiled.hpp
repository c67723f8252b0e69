// tests/support/precompiled: what nearly every test includes, for compilers to read once. Tests include what they use.
// SPDX-License-Identifier: MIT

#include <gsskey/gss.hpp>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
