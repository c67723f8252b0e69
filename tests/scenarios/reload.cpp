// A plugin with gsskey in it is loaded, used, unloaded and loaded again. This program itself has no GSS library; MIT's
// stays once it is loaded, Heimdal's goes with the plugin.
#include <gsskey/testing/test_realm.hpp>

#include <dlfcn.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

namespace {

struct Range {
  std::uintptr_t begin = 0, end = 0;
};

/// Where the plug-in lies in memory; empty if it does not.
Range range_of_plugin() {
  Range found;
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    if (!line.ends_with(PLUGIN)) continue;
    Range one;
    char dash = 0;
    std::istringstream{line} >> std::hex >> one.begin >> dash >> one.end;
    if (found.begin == 0) found.begin = one.begin;
    found.end = std::max(found.end, one.end);
  }
  return found;
}

}  // namespace

TEST_CASE("loaded, used, unloaded, again and again") {
  const auto realm = must(TestRealm::start({.users = {{"alice", "secret"}}, .services = {"host/localhost"}}));
  const auto environment = must(realm.enter(must(realm.login("alice"))));
  REQUIRE(::dlopen(GSS_LIBRARY, RTLD_NOW | RTLD_NOLOAD) == nullptr);
  for (int time = 0; time < 3; ++time) {
    void* const plugin = ::dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
    INFO((plugin == nullptr ? ::dlerror() : ""));
    REQUIRE(plugin != nullptr);
    auto* const peer = reinterpret_cast<const char* (*)()>(::dlsym(plugin, "peer_of_a_session"));
    REQUIRE(peer != nullptr);
    CHECK(std::string{peer()} == "alice@GSSKEY.TEST");
    const auto [begin, end] = range_of_plugin();
    REQUIRE(begin < end);
    REQUIRE(::dlclose(plugin) == 0);
    REQUIRE(range_of_plugin().begin == 0);  // it is gone
    // And nothing else comes there: whoever kept a pointer to one of its constants finds no memory.
    void* const there = reinterpret_cast<void*>(begin);
    REQUIRE(::mmap(there, end - begin, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == there);
  }
}
