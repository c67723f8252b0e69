// tests/faults/realm: a realm of its own from start to end, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/testing/test_realm.hpp>

#include <unistd.h>

#include <string>
#include <utility>

#include "faults/faults.hpp"
#include "support/heimdal_root.hpp"

using namespace gsskey;
using faults::again;
using faults::check;
using faults::need;

namespace {

void realm() {
  auto started = again([] {
    return TestRealm::start({.realm = "FAULTS.TEST",
                             .users = {{"carol", "secret"}},
                             .services = {"host/localhost"},
                             .kdc_address = "127.123.123.123"});  // longer than what a string keeps in itself
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

void heimdal_realm() {
  if (!support::has_heimdal_kdc()) return;
  const auto started = again([] { return TestRealm::start({.users = {{"carol", "secret"}}, .kdc = Kdc::heimdal}); });
  check(!again([&] { return started.login("carol"); }).empty(), "a cache");
}

const faults::Register registered[] = {{"realm", &realm}, {"heimdal_realm", &heimdal_realm}};

}  // namespace
