// PACs as bytes: one that Samba's KDC made, others that say what it does not, and what is none.
#include <gsskey/krb5/detail/pac_reader.hpp>
#include <gsskey/krb5/pac_info.hpp>

#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/must.hpp"
#include "support/pac_of_alice.hpp"

using namespace gsskey;
using support::must;

namespace {

constexpr Sid domain{"S-1-5-21-684182061-3079177308-3259334775"};

/// Numbers as a PAC has them.
template <class Number>
std::string number(Number value) {
  std::string bytes;
  for (std::size_t at = 0; at < sizeof value; ++at) bytes += static_cast<char>(value >> (8 * at) & 0xff);
  return bytes;
}
std::string u16(unsigned value) { return number(static_cast<std::uint16_t>(value)); }
std::string u32(std::size_t value) { return number(static_cast<std::uint32_t>(value)); }
std::string bytes_of(const Sid& sid) { return std::string{sid.to_bytes().text()}; }
/// With its number of sub-authorities before it.
std::string conformant(const Sid& sid) { return u32(sid.count()) + bytes_of(sid); }
std::string padded(std::string bytes, std::size_t to) {
  bytes.append((to - bytes.size() % to) % to, '\0');
  return bytes;
}
std::string utf16(std::string_view ascii) {
  std::string wide;
  for (const char letter : ascii) wide.append({letter, '\0'});
  return wide;
}

struct Part {
  unsigned type;
  std::string bytes;
};
std::string pac(const std::vector<Part>& parts, unsigned version = 0) {
  std::string table = u32(parts.size()) + u32(version);
  std::string rest;
  for (const Part& part : parts) {
    table += u32(part.type) + u32(part.bytes.size()) + number(std::uint64_t{8 + 16 * parts.size() + rest.size()});
    rest += padded(part.bytes, 8);
  }
  return table + rest;
}

/// KERB_VALIDATION_INFO; what is not said is 0. What `name` displays is UTF-16.
struct Logon {
  std::uint64_t time = 0;
  std::string name = utf16("carol");
  std::size_t user = 1000;
  std::size_t flags = 0;
  std::vector<std::pair<unsigned, unsigned>> groups = {};  // relative identifier, attributes
  std::vector<std::pair<Sid, unsigned>> extra = {};
  Sid resource_domain = {};
  std::vector<std::pair<unsigned, unsigned>> resources = {};

  [[nodiscard]] Part part() const {
    const auto pointer = [](bool is_there) { return u32(is_there ? 0x20000 : 0); };
    const auto text = [&](std::size_t size) {
      return u16(static_cast<unsigned>(size)) + u16(100) + pointer(size != 0);
    };
    const auto rids = [](const auto& list) {
      std::string bytes = u32(list.size());
      for (const auto& [rid, attributes] : list) bytes += u32(rid) + u32(attributes);
      return bytes;
    };
    std::string body = pointer(true) + number(time);
    for (int other = 1; other < 6; ++other) body += number(std::uint64_t{0});
    body += text(name.size());
    for (int other = 1; other < 6; ++other) body += text(0);
    body += u32(0) + u32(user) + u32(513) + u32(groups.size()) + pointer(!groups.empty()) + u32(flags) +
            std::string(16, '\0') + text(0) + text(0) + pointer(true) + u32(0) + u32(0) + u32(0x10) +
            std::string(28, '\0') + u32(extra.size()) + pointer(!extra.empty()) + pointer(!resource_domain.empty()) +
            u32(resources.size()) + pointer(!resources.empty());
    if (!name.empty()) body += padded(u32(50) + u32(0) + u32(name.size() / 2) + name, 4);
    if (!groups.empty()) body += rids(groups);
    body += conformant(domain);
    if (!extra.empty()) {
      body += u32(extra.size());
      for (const auto& one : extra) body += pointer(true) + u32(one.second);
      for (const auto& one : extra) body += conformant(one.first);
    }
    if (!resource_domain.empty()) body += conformant(resource_domain);
    if (!resources.empty()) body += rids(resources);
    return {1, std::string{"\x01\x10\x08\0\xcc\xcc\xcc\xcc", 8} + u32(body.size()) + u32(0) + body};
  }
};

using Contents = std::unique_ptr<const detail::PacContents>;
Contents read(const std::string& bytes) { return must(detail::read_pac(bytes)); }
bool refused(const std::string& bytes) {
  const std::vector<char> exact(bytes.begin(), bytes.end());  // nothing behind it
  const auto found = detail::read_pac(exact);
  if (found) return false;
  CHECK(found.error().domain() == Domain::policy);
  return true;
}

struct Listed {
  std::string sid;
  unsigned attributes;
  friend bool operator==(const Listed&, const Listed&) = default;
};
std::ostream& operator<<(std::ostream& out, const Listed& one) { return out << one.sid << ' ' << one.attributes; }
std::vector<Listed> listed(std::span<const PacGroup> groups) {
  std::vector<Listed> list;
  for (const auto& [sid, attributes] : groups) list.push_back({std::string{sid.to_text().view()}, attributes.bits()});
  return list;
}
Listed of_domain(unsigned rid, unsigned attributes = 7) {
  return {std::string{must(domain.with_rid(rid)).to_text().view()}, attributes};
}

/// "2026-11-27 12:36:18", in seconds since 1970.
long long seconds(const PacTime& time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.value().time_since_epoch()).count();
}

}  // namespace

TEST_CASE("what Samba's KDC says of a user in nested groups") {
  const Contents found = read(support::pac_of_alice());
  REQUIRE(found->logon);
  const PacLogonInfo& logon = *found->logon;
  CHECK(logon.user == must(domain.with_rid(1102)));
  CHECK(logon.primary_group == must(domain.with_rid(513)));
  CHECK(logon.domain == domain);
  CHECK(listed(logon.groups) == std::vector{of_domain(513), of_domain(1106), of_domain(1107), of_domain(1108),
                                            of_domain(1109), of_domain(1110), of_domain(1111)});
  CHECK(listed(logon.extra) == std::vector<Listed>{{"S-1-18-1", 7}});
  CHECK(logon.resource_groups.empty());
  CHECK(logon.name == "alice");
  CHECK(logon.full_name == "Alice \xce\xa9mega");
  CHECK(logon.domain_name == "GSSKEY");
  CHECK(logon.server == "DC");
  CHECK(logon.account_control == 0x10);  // USER_NORMAL_ACCOUNT
  CHECK(seconds(logon.logon) == 1795782978);
  CHECK_FALSE(logon.logoff);
  CHECK_FALSE(logon.kickoff);
  CHECK(seconds(logon.password_set) == 1795782963);
  CHECK(seconds(logon.password_can_change) == 1795782963 + 86400);
  CHECK(seconds(logon.password_must_change) == 1795782963 + 42 * 86400);

  REQUIRE(found->client);
  CHECK(found->client->name == "alice");
  CHECK(seconds(found->client->authenticated) == 1795783002);
  REQUIRE(found->upn);
  CHECK(found->upn->upn == "alice@gsskey.test");
  CHECK(found->upn->dns_domain == "GSSKEY.TEST");
  CHECK(found->upn->name == "alice");
  CHECK(found->upn->sid == logon.user);
  CHECK_FALSE(found->upn->is_constructed);

  REQUIRE(found->checksum_count == 4);
  for (std::size_t at = 0; at < 4; ++at) {
    constexpr PacChecksumType types[] = {PacChecksumType::server, PacChecksumType::kdc, PacChecksumType::ticket,
                                         PacChecksumType::full};
    CHECK(found->checksums[at].type == types[at]);
    CHECK(found->checksums[at].algorithm == 16);  // hmac-sha1-96-aes256
    CHECK(found->checksums[at].is_verified == (at == 0));
  }
  CHECK(found->requestor.empty());
  CHECK_FALSE(found->attributes);
}

TEST_CASE("extra identifiers and groups of the service's domain count where the flags say that they are there") {
  constexpr Sid other{"S-1-5-21-9-9-9"};
  const Logon logon{.flags = 0x220,
                    .groups = {{513, 7}, {600, 0x10}, {601, 0x17}, {602, 0}},
                    .extra = {{Sid{"S-1-18-1"}, 7}, {Sid{"S-1-5-21-1-2-3-4"}, 7}},
                    .resource_domain = other,
                    .resources = {{700, 0x20000007}, {701, 0x20000000}}};
  const Contents found = read(pac({logon.part()}));
  CHECK(listed(found->logon->groups) ==
        std::vector{of_domain(513), of_domain(600, 0x10), of_domain(601, 0x17), of_domain(602, 0)});
  CHECK(listed(found->logon->extra) == std::vector<Listed>{{"S-1-18-1", 7}, {"S-1-5-21-1-2-3-4", 7}});
  CHECK(listed(found->logon->resource_groups) ==
        std::vector<Listed>{{"S-1-5-21-9-9-9-700", 0x20000007}, {"S-1-5-21-9-9-9-701", 0x20000000}});
  CHECK(found->checksum_count == 0);

  Logon neither = logon;
  neither.flags = 0;
  const Contents without = read(pac({neither.part()}));
  CHECK(without->logon->groups.size() == 4);
  CHECK(without->logon->extra.empty());
  CHECK(without->logon->resource_groups.empty());
}

TEST_CASE("a group lets in that is enabled, and not for denying only") {
  const auto grants = [](std::uint32_t bits) { return PacGroup{domain, GroupAttributes::from_bits(bits)}.grants(); };
  CHECK(grants(7));
  CHECK(grants(4));
  CHECK(grants(0x20000007));
  CHECK_FALSE(grants(0));
  CHECK_FALSE(grants(3));
  CHECK_FALSE(grants(0x10));
  CHECK_FALSE(grants(0x17));
}

TEST_CASE("a user of no domain is the first of the extra identifiers, and that is no group") {
  const Logon logon{.user = 0, .flags = 0x20, .extra = {{Sid{"S-1-5-21-7-7-7-1"}, 7}, {Sid{"S-1-18-1"}, 7}}};
  const Contents found = read(pac({logon.part()}));
  CHECK(found->logon->user == Sid{"S-1-5-21-7-7-7-1"});
  CHECK(listed(found->logon->extra) == std::vector<Listed>{{"S-1-18-1", 7}});
  CHECK(refused(pac({Logon{.user = 0}.part()})));
  CHECK(refused(pac({Logon{.user = 0, .extra = logon.extra}.part()})));  // the flag is missing
}

TEST_CASE("names in every length of UTF-8, and half a surrogate pair, which is none") {
  const struct {
    std::string wide;
    std::string text;
  } cases[] = {{utf16("a"), "a"},
               {u16(0x7f) + u16(0x80), "\x7f\xc2\x80"},
               {u16(0x7ff) + u16(0x800), "\xdf\xbf\xe0\xa0\x80"},
               {u16(0xffff), "\xef\xbf\xbf"},
               {u16(0xd83d) + u16(0xde00), "\xf0\x9f\x98\x80"},
               {u16(0xdbff) + u16(0xdfff), "\xf4\x8f\xbf\xbf"},
               {"", ""}};
  for (const auto& [wide, text] : cases) {
    CAPTURE(text);
    CHECK(read(pac({Logon{.name = wide}.part()}))->logon->name == text);
  }
  for (const std::string& wide : {u16(0xd83d), u16(0xde00), u16(0xd83d) + u16('a'), u16(0xd83d) + u16(0xd83d),
                                  u16('a') + u16(0xdfff) + u16('a')}) {
    CHECK(refused(pac({Logon{.name = wide}.part()})));
  }
}

TEST_CASE("times: not set, never, the first, the last") {
  const auto time = [](std::uint64_t raw) { return read(pac({Logon{.time = raw}.part()}))->logon->logon; };
  CHECK_FALSE(time(0));
  CHECK_FALSE(time(0x7fffffffffffffff));
  CHECK_FALSE(time(0xffffffffffffffff));
  CHECK(seconds(time(116444736000000000)) == 0);
  CHECK(time(116444736000000001)->time_since_epoch().count() == 1);
  CHECK(seconds(time(1)) == -11644473599);
  CHECK(time(0x7ffffffffffffffe)->time_since_epoch().count() == 0x7ffffffffffffffe - 116444736000000000);
}

TEST_CASE("what is meant for KDCs, and what is not told") {
  const Contents found = read(pac({{2, "keys"}, {17, u32(2) + u32(1)}, {18, bytes_of(domain)}, {99, ""}, {0, "?"}}));
  CHECK(found->attributes == 1u);
  CHECK(found->requestor == domain);
  CHECK_FALSE(found->logon);
  CHECK_FALSE(found->client);
  CHECK_FALSE(found->upn);
  CHECK(refused(pac({{18, bytes_of(domain) + "x"}})));
  CHECK(refused(pac({{17, u32(2)}})));
}

TEST_CASE("names in the directory of an older KDC, made of name and domain") {
  const std::string text = utf16("bob@a.test");
  const Contents found = read(pac({{12, u16(20) + u16(12) + u16(0) + u16(0) + u32(1) + text}}));
  CHECK(found->upn->upn == "bob@a.test");
  CHECK(found->upn->is_constructed);
  CHECK(found->upn->dns_domain.empty());
  CHECK(found->upn->sid.empty());
  CHECK(refused(pac({{12, u16(20) + u16(13) + u16(0) + u16(0) + u32(1) + text}})));
  CHECK(refused(pac({{12, u16(19) + u16(12) + u16(0) + u16(0) + u32(1) + text}})));  // half a letter
}

TEST_CASE("an empty PAC is one; not with another version, a part outside, twice, or more than there are") {
  CHECK(read(pac({}))->checksum_count == 0);
  CHECK(refused(""));
  CHECK(refused(pac({}, 1)));
  CHECK(refused(u32(1) + u32(0)));
  CHECK(refused(u32(0xffffffff) + u32(0) + std::string(64, '\0')));
  CHECK(refused(pac({Logon{}.part(), Logon{.user = 500}.part()})));
  const auto placed = [](std::uint64_t offset, std::size_t size) {
    return u32(1) + u32(0) + u32(99) + u32(size) + number(offset) + std::string(8, '\0');
  };
  CHECK_FALSE(refused(placed(24, 8)));
  CHECK_FALSE(refused(placed(32, 0)));
  CHECK(refused(placed(24, 9)));
  CHECK(refused(placed(33, 0)));
  CHECK(refused(placed(23, 8)));
  CHECK(refused(placed(0, 8)));
  CHECK(refused(placed(0x100000018, 8)));
  CHECK(refused(placed(0xfffffffffffffff8, 8)));
  CHECK(refused(std::string(detail::PacReader::max_size + 1, '\0')));
}

TEST_CASE("counts that are not those of the arrays, arrays that are not there, and more than there is") {
  const std::string whole =
      Logon{.flags = 0x20, .groups = {{513, 7}, {600, 7}}, .extra = {{Sid{"S-1-18-1"}, 7}}}.part().bytes;
  const auto with = [&whole](std::size_t at, const std::string& bytes) {
    std::string other = whole;
    other.replace(at, bytes.size(), bytes);
    return pac({{1, other}});
  };
  constexpr std::size_t header = 20, count = header + 48 + 48 + 4 + 8, pointer = count + 4;
  REQUIRE_FALSE(refused(with(count, u32(2))));
  for (const std::size_t other : {0u, 1u, 3u, 0x20000000u, 0xffffffffu}) CHECK(refused(with(count, u32(other))));
  CHECK(refused(with(pointer, u32(0))));
  const std::size_t array = whole.find(u32(2) + u32(513));
  REQUIRE(array != std::string::npos);
  CHECK(refused(with(array, u32(0x20000000))));
  CHECK(refused(with(0, "\x02")));                // version
  CHECK(refused(with(1, std::string(1, '\0'))));  // big-endian
  CHECK(refused(with(16, u32(0))));               // no value
  const std::size_t domain_at = whole.find(conformant(domain));
  CHECK(refused(with(domain_at, u32(3))));
  CHECK(refused(with(domain_at, u32(16))));
  CHECK(refused(with(domain_at, u32(0xffffffff))));
  CHECK(refused(with(pointer + 40, u32(0))));                      // no domain
  const std::size_t name = whole.find(u32(50) + u32(0) + u32(5));  // room, offset and count of "carol"
  REQUIRE(name != std::string::npos);
  CHECK_FALSE(refused(with(name, u32(5))));
  CHECK(refused(with(name, u32(4))));
  CHECK(refused(with(name + 4, u32(1))));
  for (const std::size_t other : {0u, 4u, 6u, 0x80000005u}) CHECK(refused(with(name + 8, u32(other))));
}

TEST_CASE("each cut, and each byte changed, of what a KDC made: refused, or read within its bytes") {
  const std::string whole = support::pac_of_alice();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(refused(whole.substr(0, size)));
  }
  std::size_t read_anyway = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int bit : {0x01, 0x80, 0xff}) {
      std::vector<char> other(whole.begin(), whole.end());
      other[at] = static_cast<char>(other[at] ^ bit);
      if (detail::read_pac(other)) ++read_anyway;
    }
  }
  CHECK(read_anyway > 0);
}
