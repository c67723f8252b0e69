// Names: every type, what they show, how they compare, and what only a mechanism name can do.
#include <gsskey/gss/mechanism_inquiry.hpp>
#include <gsskey/gss/name.hpp>

#include <unistd.h>

#include <string>

#include "support/catch.hpp"
#include "support/exported_names.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;
using support::shown;

namespace {}  // namespace

TEST_CASE("every name type is imported and shown with its text and type") {
  support::realm();
  struct Row {
    Name name;
    Oid type;
    std::string text;
  };
  Row rows[] = {
      {must(Name::user("alice")), name_type::user, "alice"},
      {must(Name::user("alice@EXAMPLE.COM")), name_type::user, "alice@EXAMPLE.COM"},
      {must(Name::host_service("imap", "mail.example.com")), name_type::host_service, "imap@mail.example.com"},
      {must(Name::service("imap")), name_type::host_service, "imap"},
      {must(Name::principal("HTTP/www.example.com@EXAMPLE.COM")), name_type::krb5_principal,
       "HTTP/www.example.com@EXAMPLE.COM"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto displayed = must(row.name.display());
    CHECK(displayed.text() == row.text);
    CHECK(displayed.type == row.type);
  }
}

#if defined(GSSKEY_GSS_HEIMDAL)
TEST_CASE("Heimdal 7.8 knows no local users and no anonymous name, and says that it is the type") {
  const ::uid_t uid = 0;
  for (const Error& error : {Name::import_name<name_type::machine_uid>({&uid, sizeof uid}).error(),
                             Name::import_name<name_type::string_uid>("0").error(),
                             Name::import_name<name_type::host_service_x>("imap@mail.example.com").error()}) {
    CHECK(routine_error(error) == RoutineError::bad_nametype);
  }
  CHECK(routine_error(Name::import_name<name_type::anonymous>({}).error()) == RoutineError::bad_name);
}
#else
TEST_CASE("uids and anonymous are names too") {
  const ::uid_t uid = 0;
  CHECK(must(must(Name::import_name<name_type::machine_uid>({&uid, sizeof uid})).display()).type ==
        name_type::machine_uid);
  const auto text = must(must(Name::import_name<name_type::string_uid>("0")).display());
  CHECK(text.text() == "0");
  CHECK(text.type == name_type::string_uid);
  const auto deprecated = must(must(Name::import_name<name_type::host_service_x>("imap@mail.example.com")).display());
  CHECK(deprecated.text() == "imap@mail.example.com");
  CHECK(must(must(Name::import_name<name_type::anonymous>({})).display()).type == name_type::anonymous);
}
#endif

TEST_CASE("names that would mean something else to C are refused") {
  const auto refused = [](const Result<Name>& name) {
    REQUIRE_FALSE(name);
    CHECK(name.error().domain() == Domain::usage);
    CHECK_FALSE(name.error().text().empty());
  };
  refused(Name::user(""));
  refused(Name::user(std::string_view{"alice\0.evil", 11}));
  refused(Name::principal(std::string_view{"alice\0", 6}));
  refused(Name::host_service("", "host"));
  refused(Name::host_service("imap", ""));
  refused(Name::host_service("imap@mail", "x"));
  refused(Name::host_service("imap", "mail@x"));
  refused(Name::host_service("imap", std::string_view{"a\0b", 3}));
  refused(Name::host_service("imap", std::string(1276, 'x')));
  CHECK(Name::host_service("imap", std::string(1275, 'x')));
  refused(Name::service("imap@mail"));
  refused(Name::service(""));
}

TEST_CASE("an unknown name type is refused by the library") {
  static constexpr Oid unknown{"1.2.3.4.5"};
  const auto name = Name::import_name<unknown>("x");
  if (!name) {
    CHECK(routine_error(name.error()) == RoutineError::bad_nametype);
    CHECK(std::string{name.error().operation()} == "gss_import_name");
  } else {  // the type may be looked at only when a mechanism gets the name
    CHECK_FALSE(name->canonicalize<mech::Krb5>());
  }
}

TEST_CASE("names are compared by what they name") {
  const auto alice = must(Name::user("alice"));
  CHECK(alice.equals(must(Name::user("alice"))).yes());
  CHECK(alice.equals(must(Name::user("bob"))).no());
  CHECK(alice.equals(must(alice.duplicate())).yes());
}

TEST_CASE("a duplicate is independent of its original") {
  auto name = must(Name::user("alice"));
  const auto copy = must(name.duplicate());
  name = Name{};
  CHECK(shown(copy) == "alice");
}

TEST_CASE("an empty name answers, and never passes for the default") {
  Name name = must(Name::user("alice"));
  const Name moved = std::move(name);
  for (const Error& error : {name.display().error(), name.equals(moved).error(), moved.equals(name).error(),
                             name.duplicate().error(), name.canonicalize<mech::Krb5>().error()}) {
    CHECK(error.domain() == Domain::usage);
  }
  CHECK(mechanisms_for(name).error().domain() == Domain::usage);
  using Initiating = Credential<mech::Krb5, Initiate>;
  CHECK(Initiating::acquire(name).error().domain() == Domain::usage);
  CHECK(Initiating::acquire_with_password(name, "secret").error().domain() == Domain::usage);
  CHECK(Initiating::acquire_from({.ccache = "MEMORY:x"}, name).error().domain() == Domain::usage);
}

TEST_CASE("canonical names are exported, imported and exported again to the same bytes") {
  support::realm();
  const auto canonical = must(must(Name::user("alice")).canonicalize<mech::Krb5>());
  CHECK(shown(canonical) == support::realm().realm.principal("alice"));
  const auto exported = must(canonical.export_name());
  const auto imported = must(MechName<mech::Krb5>::import_exported(exported));
  CHECK(ByteView{must(imported.export_name())} == ByteView{exported});
  CHECK(imported.equals(canonical).yes());
  CHECK(ByteView{must(must(must(Name::user("bob")).canonicalize<mech::Krb5>()).export_name())} != ByteView{exported});
}

TEST_CASE("exported names of another mechanism and damaged ones are refused") {
  support::realm();
  const auto exported = must(must(must(Name::user("alice")).canonicalize<mech::Krb5>()).export_name());
  const std::string good{exported.text()};
  CHECK_FALSE(MechName<mech::Spnego>::import_exported(good));
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(MechName<mech::Krb5>::import_exported(good.substr(0, size)));
  }
  for (std::size_t i = 0; i < 6 + mech::Krb5::oid.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    CAPTURE(i);
    CHECK_FALSE(MechName<mech::Krb5>::import_exported(bad));
  }
}

TEST_CASE("no exported name of Kerberos, whatever was done to it, ends the process") {
  support::realm();
  const auto canonical = must(must(Name::principal("host/a.b@EXAMPLE.COM")).canonicalize<mech::Krb5>());
  const std::string exported{must(canonical.export_name()).text()};
  CHECK(support::survives(exported, [](const std::string& bytes) {
          static_cast<void>(Name::import_name<name_type::exported>(bytes));
          static_cast<void>(Name::import_name<name_type::composite_export>(bytes));
          static_cast<void>(MechName<mech::Krb5>::import_exported(bytes));
        }) == 0);
}

TEST_CASE("what an exported name has more than its lengths say is no part of it, and what it hides is not taken") {
  support::realm();
  const std::string good{must(must(must(Name::user("alice")).canonicalize<mech::Krb5>()).export_name()).text()};
  const auto refused = [](const std::string& bytes) {
    CHECK(Name::import_name<name_type::exported>(bytes).error().domain() == Domain::usage);
    CHECK(MechName<mech::Krb5>::import_exported(bytes).error().domain() == Domain::usage);
  };
  refused(good + '\0');
  refused(good + "x");
  std::string shorter = good;  // the name is longer than it says
  shorter[6 + mech::Krb5::oid.size() + 3] = static_cast<char>(shorter[6 + mech::Krb5::oid.size() + 3] - 1);
  refused(shorter);
  std::string hiding = good;  // "alice" and a NUL
  hiding[6 + mech::Krb5::oid.size() + 4 + 5] = '\0';
  refused(hiding);
  CHECK(Name::import_name<name_type::exported>(good));
}

TEST_CASE("a user's number has the size of one") {
  for (const std::size_t size : {1u, 3u, 5u, 8u}) {
    CAPTURE(size);
    CHECK(Name::import_name<name_type::machine_uid>(std::string(size, '\0')).error().domain() == Domain::usage);
  }
}

TEST_CASE("whether the library itself refuses to export other names is in the table") {
  support::realm();
  const auto name = must(Name::user("alice"));
  OM_uint32 minor = 0;
  Buffer exported;
  const OM_uint32 major = gss_export_name(&minor, name.get(), exported.put());
  CHECK((major == GSS_S_NAME_NOT_MN) == capabilities.name_not_mn);
}

TEST_CASE("the mechanisms of a name and the name types of a mechanism") {
  support::realm();
  CHECK(must(mechanisms_for(must(Name::host_service("host", "localhost")))).contains(mech::Krb5::oid));
  CHECK(must(name_types_of<mech::Krb5>()).contains(name_type::host_service));
}

TEST_CASE("adopt and release hand a handle over") {
  Name name = must(Name::user("alice"));
  const gss_name_t raw = name.release();
  CHECK_FALSE(name);
  const Name again = Name::adopt(raw);
  CHECK(again.get() == raw);
  CHECK(shown(again) == "alice");
}

TEMPLATE_TEST_CASE("the name of a peer is one like any other, negotiated or not", "", mech::Krb5, mech::Spnego) {
  const auto ends = support::pair<TestType>();
  for (const auto* context : {&ends.initiator, &ends.acceptor}) {
    const ContextInfo info = must(context->inquire());
    CHECK(shown(info.initiator) == "alice@GSSKEY.TEST");
    for (const char* same : {"alice@GSSKEY.TEST", "alice"}) {
      CHECK(info.initiator.equals(must(Name::principal(same))).yes());
      CHECK(must(Name::principal(same)).equals(info.initiator).yes());
    }
    CHECK(info.initiator.equals(must(Name::principal("bob@GSSKEY.TEST"))).no());
    CHECK(info.initiator.is_anonymous().no());
    const Name copy = must(info.initiator.duplicate());
    CHECK(copy.equals(info.initiator).yes());
    const MechName<mech::Krb5> canonical = must(copy.canonicalize<mech::Krb5>());
    CHECK(must(MechName<mech::Krb5>::import_exported(must(canonical.export_name()))).equals(canonical).yes());
    CHECK(shown(info.acceptor) == "host/localhost@GSSKEY.TEST");
    CHECK(info.acceptor.equals(must(Name::principal("host/localhost@GSSKEY.TEST"))).yes());
    CHECK(shown(must(info.acceptor.duplicate())) == "host/localhost@GSSKEY.TEST");
  }
}
