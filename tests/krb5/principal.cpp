// Principals: what libkrb5 makes of the same text, from names and contexts of both kinds, and what is none.
#include <gsskey/krb5/principal.hpp>

#include <krb5.h>

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/implementation.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::is_heimdal;
using support::must;

namespace principals {
using gsskey::Principal;  // Heimdal's <krb5.h> has a ::Principal
namespace {

using Parts = std::vector<std::string>;

/// Realm and components, as bytes.
Parts parts_of(const Principal& principal) {
  Parts parts{std::string{principal.realm()}};
  for (std::size_t at = 0; at < principal.size(); ++at) parts.emplace_back(principal.component(at));
  return parts;
}

/// What libkrb5 does with a text.
class Oracle {
 public:
  Oracle() {
    support::realm();
    REQUIRE(krb5_init_context(&context_) == 0);
  }
  Oracle(const Oracle&) = delete;
  Oracle& operator=(const Oracle&) = delete;
  ~Oracle() { krb5_free_context(context_); }

  /// Empty for what it refuses.
  Parts parse(const std::string& text, int flags = KRB5_PRINCIPAL_PARSE_REQUIRE_REALM) const {
    krb5_principal principal = nullptr;
    if (krb5_parse_name_flags(context_, text.c_str(), flags, &principal) != 0) return {};
#if defined(GSSKEY_GSS_MIT)
    Parts parts{{principal->realm.data, principal->realm.length}};
    for (krb5_int32 at = 0; at < principal->length; ++at) {
      parts.emplace_back(principal->data[at].data, principal->data[at].length);
    }
#else
    Parts parts{krb5_principal_get_realm(context_, principal)};
    for (unsigned at = 0; at < principal->name.name_string.len; ++at) {
      parts.emplace_back(krb5_principal_get_comp_string(context_, principal, at));
    }
#endif
    krb5_free_principal(context_, principal);
    return parts;
  }
  std::string unparse(const std::string& text) const {
    krb5_principal principal = nullptr;
    REQUIRE(krb5_parse_name_flags(context_, text.c_str(), KRB5_PRINCIPAL_PARSE_REQUIRE_REALM, &principal) == 0);
    char* unparsed = nullptr;
    REQUIRE(krb5_unparse_name(context_, principal, &unparsed) == 0);
    krb5_free_principal(context_, principal);
    std::string copy{unparsed};
#if defined(GSSKEY_GSS_MIT)
    krb5_free_unparsed_name(context_, unparsed);
#else
    krb5_xfree(unparsed);
#endif
    return copy;
  }
  std::int32_t type(const std::string& text) const {
    krb5_principal principal = nullptr;
    REQUIRE(krb5_parse_name_flags(context_, text.c_str(), KRB5_PRINCIPAL_PARSE_REQUIRE_REALM, &principal) == 0);
#if defined(GSSKEY_GSS_MIT)
    const std::int32_t type = principal->type;
#else
    const std::int32_t type = krb5_principal_get_type(context_, principal);
#endif
    krb5_free_principal(context_, principal);
    return type;
  }

 private:
  krb5_context context_ = nullptr;
};

/// Every text of these letters, up to five of them.
template <class Visit>
void each_text(Visit visit) {
  constexpr std::string_view letters = "a\\/@0n \n";
  std::string text;
  const auto append = [&](const auto& self) -> void {
    visit(text);
    if (text.size() == 5) return;
    for (const char letter : letters) {
      text.push_back(letter);
      self(self);
      text.pop_back();
    }
  };
  append(append);
}

/// Heimdal's components are C strings, and it lets no '/' be in a realm.
bool is_beyond_heimdal(const Principal& principal) {
  for (const auto& part : parts_of(principal)) {
    if (part.find('\0') != std::string::npos) return true;
  }
  return principal.realm().find('/') != std::string_view::npos;
}

Error usage_of(std::string_view text, std::string_view realm = {}) {
  const auto parsed = Principal::parse(text, realm);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().domain() == Domain::usage);
  CHECK(parsed.error().operation() == std::string_view{"Principal::parse"});
  return parsed.error();
}

}  // namespace

TEST_CASE("each text of the letters that matter is what libkrb5 makes of it, both ways") {
  const Oracle oracle;
  std::size_t parsed = 0;
  std::size_t refused = 0;
  std::size_t wrong = 0;
  each_text([&](const std::string& text) {
    const auto ours = Principal::parse(text);
    if (ours && is_heimdal && is_beyond_heimdal(*ours)) return;
    const Parts theirs = oracle.parse(text);
    bool same = ours.has_value() == !theirs.empty() && (!ours || parts_of(*ours) == theirs);
    if (same && ours) {
      const std::string again{ours->text()};
      same = oracle.parse(again) == theirs && must(Principal::parse(again)) == *ours &&
             (is_heimdal || oracle.unparse(text) == again);
    }
    ++(ours ? parsed : refused);
    if (same) return;
    ++wrong;
    UNSCOPED_INFO(text);
  });
  CHECK(wrong == 0);
  CHECK(parsed > 5000);
  CHECK(refused > 5000);
}

TEST_CASE("an enterprise name is one component, and keeps its first '@'") {
  const Oracle oracle;
  constexpr int flags = KRB5_PRINCIPAL_PARSE_ENTERPRISE;
  std::size_t parsed = 0;
  std::size_t wrong = 0;
  each_text([&](const std::string& text) {
    const auto ours = Principal::parse_enterprise(text, "R");
    if (ours && is_heimdal && is_beyond_heimdal(*ours)) return;
    Parts theirs = oracle.parse(text, flags | KRB5_PRINCIPAL_PARSE_REQUIRE_REALM);
    if (theirs.empty()) theirs = oracle.parse(text, flags | KRB5_PRINCIPAL_PARSE_IGNORE_REALM);
    if (!theirs.empty() && oracle.parse(text, flags | KRB5_PRINCIPAL_PARSE_REQUIRE_REALM).empty()) theirs[0] = "R";
    parsed += ours ? 1u : 0u;
    if (ours.has_value() == !theirs.empty() && (!ours || parts_of(*ours) == theirs)) return;
    ++wrong;
    UNSCOPED_INFO(text);
  });
  CHECK(wrong == 0);
  CHECK(parsed > 5000);
  const auto alice = must(Principal::parse_enterprise("alice@example.com", "REALM"));
  CHECK(alice.text() == "alice\\@example.com@REALM");
  CHECK(alice.type() == PrincipalType::enterprise);
  CHECK(must(Principal::parse("alice\\@example.com@REALM")) == alice);  // the type is a hint
}

TEST_CASE("realm, components and type") {
  const auto http = must(Principal::parse("HTTP/www.example.com@EXAMPLE.COM"));
  CHECK(http.realm() == "EXAMPLE.COM");
  CHECK(http.size() == 2);
  CHECK(http.component(0) == "HTTP");
  CHECK(http.component(1) == "www.example.com");
  CHECK(http.component(2).empty());
  CHECK(http.component(static_cast<std::size_t>(-1)).empty());
  const Oracle oracle;
  for (const char* text : {"alice@R", "krbtgt/R@R", "krbtgt@R", "krbtgt/R/x@R", "WELLKNOWN/ANONYMOUS@R", "WELLKNOWN@R",
                           "k\\rbtgt/R@R", "krbtg\\t/R@R", "host/a@R"}) {
    INFO(text);
    const auto type = must(Principal::parse(text)).type();
    if (!is_heimdal) CHECK(static_cast<std::int32_t>(type) == oracle.type(text));  // which knows more of them
  }
  CHECK(must(Principal::parse("WELLKNOWN/ANONYMOUS@R")).is_anonymous());
  CHECK_FALSE(must(Principal::parse("WELLKNOWN\\/ANONYMOUS@R")).is_anonymous());
  CHECK_FALSE(must(Principal::parse("WELLKNOWN/ANONYMOUS/x@R")).is_anonymous());
}

TEST_CASE("a default realm is for a text that has none") {
  CHECK(must(Principal::parse("alice", "R")).text() == "alice@R");
  CHECK(must(Principal::parse("alice@S", "R")).text() == "alice@S");
  CHECK(must(Principal::parse("alice@", "R")).text() == "alice@");  // the realm is not known: RFC 6806
  CHECK(must(Principal::parse("al\\@ice", "A@B\\")).text() == "al\\@ice@A\\@B\\\\");
  CHECK(must(Principal::parse("al\\@ice", "A@B\\")).realm() == "A@B\\");
}

TEST_CASE("parts are taken as they are, and come back from the text") {
  const std::string_view strange[] = {"a/b", "c@d\\", std::string_view{"\0\n\t\b ", 5}, ""};
  const auto principal = must(Principal::from_parts("R/S", strange));
  CHECK(principal.text() == "a\\/b/c\\@d\\\\/\\0\\n\\t\\b /@R\\/S");
  CHECK(parts_of(principal) == Parts{"R/S", "a/b", "c@d\\", std::string{"\0\n\t\b ", 5}, ""});
  CHECK(must(Principal::parse(principal.text())) == principal);
  CHECK(must(Principal::from_parts("R", {"krbtgt", "R"})).type() == PrincipalType::service_instance);
  CHECK(must(Principal::from_parts("", {"a"})).text() == "a@");
}

TEST_CASE("who is equal to whom") {
  const auto alice = must(Principal::parse("alice@R"));
  CHECK(alice == must(Principal::parse("ali\\ce@R")));
  for (const char* other : {"Alice@R", "alice@r", "alice/@R", "alice@", "alice@RR", "alice\\@R@"}) {
    CHECK_FALSE(alice == must(Principal::parse(other)));
    CHECK((alice <=> must(Principal::parse(other))) != std::strong_ordering::equal);
  }
  CHECK_FALSE(must(Principal::parse("a/b@R")) == must(Principal::parse("a\\/b@R")));
}

TEST_CASE("what is no principal says why") {
  CHECK(usage_of("alice").text() == "the text has no realm, and no default one was given");
  CHECK(usage_of("alice\\", "R").text() == "the text ends with a backslash");
  for (const char* text : {"alice@R@S", "alice@R/s", "a@R@"}) CHECK(usage_of(text).text().starts_with("there is more"));
  std::string many;
  for (int count = 0; count < 63; ++count) many += "a/";
  CHECK(must(Principal::parse(many, "R")).size() == 64);
  CHECK(usage_of(many + "/", "R").text() == "more components than principals have");
  const std::string longest(limits.name.size - 2, '/');
  CHECK(must(Principal::from_parts("R", {longest})).component(0) == longest);
  CHECK(Principal::from_parts("R", {longest, "aa"}).error().domain() == Domain::usage);
  CHECK(usage_of(std::string(limits.name.size + 1, 'a'), "R").text() == limits.name.exceeded);
  const std::vector<std::string_view> parts(65);
  CHECK(Principal::from_parts("R", parts).error().domain() == Domain::usage);
  CHECK(Principal::from_parts("R", std::span<const std::string_view>{}).error().domain() == Domain::usage);
}

TEST_CASE("an empty one, and one that was moved from, is nobody") {
  Principal principal;
  const auto is_empty = [](const Principal& none) {
    CHECK(none == Principal{});
    CHECK(none.text().empty());
    CHECK(none.realm().empty());
    CHECK(none.size() == 0);
    CHECK(none.type() == PrincipalType::unknown);
    CHECK_FALSE(none.is_anonymous());
    CHECK(none.name().error().domain() == Domain::usage);
  };
  is_empty(principal);
  principal = must(Principal::parse("krbtgt/R@R"));
  const Principal copy = principal;
  const Principal moved = std::move(principal);
  is_empty(principal);  // NOLINT(bugprone-use-after-move)
  CHECK(moved == copy);
  CHECK_FALSE(moved == Principal{});
}

TEST_CASE("names become principals, with the default realm") {
  support::realm();
  CHECK(must(Principal::from_name(must(Name::principal("alice")))).text() == "alice@GSSKEY.TEST");
  CHECK(must(Principal::from_name(must(Name::user("alice")))).text() == "alice@GSSKEY.TEST");
  CHECK(must(Principal::from_name(must(Name::principal("a\\/b\\@c/d@R")))).text() == "a\\/b\\@c/d@R");
  const auto host = must(Principal::from_name(support::target()));
  CHECK(host.component(0) == "host");
  CHECK(host.size() == 2);
  const auto exported = must(must(must(Name::principal("a b/c")).canonicalize<mech::Krb5>()).export_name());
  const auto imported = must(MechName<mech::Krb5>::import_exported(exported));
  CHECK(must(Principal::from_name(imported)) == must(Principal::parse("a b/c", "GSSKEY.TEST")));
  CHECK(Principal::from_name(Name{}).error().domain() == Domain::usage);
  CHECK(Principal::from_name(MechName<mech::Krb5>{}).error().domain() == Domain::usage);
}

TEST_CASE("principals become names, but for those that a library would read otherwise") {
  support::realm();
  for (const char* text : {"alice@GSSKEY.TEST", "a\\/b\\@c/d\\n\\\\ e@R", "alice\\@example.com@R"}) {
    const auto principal = must(Principal::parse(text));
    CHECK(must(Principal::from_name(must(principal.name()))) == principal);
  }
  const auto nul = must(Principal::parse("root\\0x@R")).name();
  REQUIRE_FALSE(nul);
  CHECK(nul.error().domain() == Domain::usage);
  CHECK(must(Principal::parse("root@R\\0x")).name().error().domain() == Domain::usage);
}

}  // namespace principals
