// The quota of a user: read, and waited for.
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/quota.hpp>

#include <unistd.h>

#include <string>
#include <string_view>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using key_type::User;
using support::Answers;
using support::must;

TEST_CASE("quotas") {
  const std::string text =
      "    0:     9 8/8 3/1000000 40/25000000\n 1000:   12 11/10 200/200 19999/20000\n65534: 1 1/1 x/200 2/3\n";
  const auto root = must(parse_key_quota(text, 0));
  CHECK((root.keys == 3 && root.max_keys == 1000000 && root.bytes == 40 && root.max_bytes == 25000000));
  const auto user = must(parse_key_quota(text, 1000));
  CHECK((user.keys == 200 && user.max_keys == 200 && user.bytes == 19999 && user.max_bytes == 20000));
  CHECK(parse_key_quota(text, 65534).error().minor_status() == EBADMSG);
  CHECK(parse_key_quota(text, 1).error().minor_status() == ENOENT);

  const support::Session session;
  const auto before = must(key_quota(::geteuid()));
  const auto key = must(session->create(User{"gsskey:quota"}, std::string(1000, 'x')));
  const auto after = must(key_quota(::geteuid()));
  CHECK(after.bytes >= before.bytes + 1000);
}

TEST_CASE("a full quota is waited for, not for ever, and told with its figures") {
  if (::geteuid() != 0) return support::skip("needs root, to become a user whose quota is small");
  const auto work = []() -> long {
    const auto session = must(Keyring::session());
    const std::string payload(15000, 'x');
    {
      const auto first = session.create(User{"gsskey:first"}, payload);
      if (!first) return 12;
      const auto full = wait_for_quota(Seconds{0}, [&] { return session.create(User{"gsskey:second"}, payload); });
      if (full || full.error().minor_status() != static_cast<std::uint32_t>(EDQUOT)) return 13;
      if (full.error().text().find("of 20000 bytes") == std::string_view::npos) return 14;
    }
    // unlinked, but counted until the collector has come by
    const auto second = wait_for_quota(Seconds{30}, [&] { return session.create(User{"gsskey:second"}, payload); });
    if (!second) return 15;
    // an error of another kind is not waited for
    const auto other = wait_for_quota(Seconds{30}, [&] { return session.create(User{"gsskey:second"}, "x"); });
    return other ? 16 : other.error().minor_status() == static_cast<std::uint32_t>(EEXIST) ? 0 : 17;
  };
  CHECK(support::as_user(4242, [&](Answers& found) { found.push_back(work()); }) == Answers{0});
}
