// A plugin with gsskey in it is loaded, used, unloaded and loaded again. This program itself has no GSS library; MIT's
// stays once it is loaded, Heimdal's goes with the plugin.
#include <gsskey/testing/test_realm.hpp>

#include <dlfcn.h>

#include <string>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

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
    CHECK(::dlclose(plugin) == 0);
    CHECK(::dlopen(PLUGIN, RTLD_NOW | RTLD_NOLOAD) == nullptr);  // it is gone
  }
}
