// main() of every test program: Catch2's, plus the exit code for skipping.
// SPDX-License-Identifier: MIT
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include "support/skip.hpp"

int main(int argc, char** argv) { return support::exit_code(Catch::Session().run(argc, argv)); }
