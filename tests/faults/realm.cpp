// tests/faults/realm: a realm of its own from start to end, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/testing/test_realm.hpp>

#include <unistd.h>

#include <string>
#include <utility>

#include "faults/faults.hpp"

using namespace gsskey;
using faults::again;
using faults::check;
using faults::need;

namespace {

void realm() {
  auto started = again([] {
    return TestRealm::start({.realm = "FAULTS.TEST", .users = {{"carol", "secret"}}, .services = {"host/localhost"}});
  });
  TestRealm realm = std::move(started);
  const auto cache = again([&] { return realm.login("carol"); });
  check(::access(cache.c_str() + 5, R_OK) == 0, "a cache");
  const auto environment = again([&] { return realm.enter(cache); });
  again([&] { return realm.kadmin("modprinc -maxlife 1h carol"); });
  const auto keytab = again([&] { return realm.export_keytab("host/localhost"); });
  check(!keytab.empty(), "a keytab");
  realm.stop_kdc();
  faults::refused(realm.login("carol"));
  again([&] { return realm.restart_kdc(); });
}

const faults::Register registered{"realm", &realm};

}  // namespace
