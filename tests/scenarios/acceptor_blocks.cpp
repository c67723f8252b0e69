// What an acceptor's step() waits for: its system calls are those of the table in examples/guide/threads.md, and no
// others. And when a replay cache may be done without.
#include <gsskey/gss.hpp>
#include <gsskey/krb5/defaults.hpp>

#include <krb5.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/implementation.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"
#include "support/system_calls.hpp"

using namespace gsskey;
using support::Environment;
using support::is_heimdal;
using support::must;
using support::Server;
using support::SystemCalls;

namespace {

/// The keys of a file in memory. They are there as long as this is.
class MemoryKeytab {
 public:
  explicit MemoryKeytab(const std::string& file) {
    krb5_keytab from = nullptr;
    krb5_kt_cursor cursor{};
    krb5_keytab_entry entry{};
    REQUIRE(krb5_init_context(&context_) == 0);
    REQUIRE(krb5_kt_resolve(context_, file.c_str(), &from) == 0);
    REQUIRE(krb5_kt_resolve(context_, "MEMORY:acceptor", &keytab_) == 0);
    REQUIRE(krb5_kt_start_seq_get(context_, from, &cursor) == 0);
    while (krb5_kt_next_entry(context_, from, &entry, &cursor) == 0) {
      REQUIRE(krb5_kt_add_entry(context_, keytab_, &entry) == 0);
      krb5_kt_free_entry(context_, &entry);
    }
    REQUIRE(krb5_kt_end_seq_get(context_, from, &cursor) == 0);
    REQUIRE(krb5_kt_close(context_, from) == 0);
  }
  MemoryKeytab(const MemoryKeytab&) = delete;
  MemoryKeytab& operator=(const MemoryKeytab&) = delete;
  ~MemoryKeytab() {
    krb5_kt_close(context_, keytab_);
    krb5_free_context(context_);
  }

 private:
  krb5_context context_ = nullptr;
  krb5_keytab keytab_ = nullptr;
};

Server from_memory_keytab() {
  if constexpr (capabilities.credential_store) return must(Server::acquire_from({.keytab = "MEMORY:acceptor"}));
  must(set_process_keytab("MEMORY:acceptor"));
  return must(Server::acquire_default());
}

/// The name of a row's file, or what else it is.
std::string kind_of(const std::string& file) {
  const auto& realm = support::realm().realm;
  if (file == realm.krb5_conf()) return "`krb5.conf`";
  if (file == realm.keytab()) return "keytab";
  if (file.find("rcache") != file.npos) return "replay cache";
  if (file.find("/krb5/plugins/") != file.npos) return "plug-ins";
  return file;
}

/// "1 open, 2 read": what they are called and how often. Only the names for `krb5.conf`, which is looked at twice or
/// three times, and for a peer, which answers when it likes.
std::string cell_of(const SystemCalls& calls, const std::string& kind) {
  std::string cell;
  for (const auto& [file, counts] : calls) {
    if (kind_of(file) != kind) continue;
    for (const auto& [name, count] : counts) {
      if (!cell.empty()) cell += ", ";
      if (kind != "a peer" && kind != "`krb5.conf`") cell += std::to_string(count) + " ";
      cell += name;
    }
  }
  return cell.empty() ? "nothing" : cell;
}

void check_files(const SystemCalls& step, bool may_ask_kdc) {
  for (const auto& [file, counts] : step) {
    const std::string kind = kind_of(file);
    INFO(file << ": " << counts.begin()->first);
    CHECK((kind == "`krb5.conf`" || kind == "plug-ins" || kind == "keytab" || kind == "replay cache" ||
           (may_ask_kdc && kind == "a peer")));
  }
}

/// Three steps of `acceptor()`, after one that reads what is read once.
template <Mechanism M, class MakeAcceptor>
std::optional<std::vector<SystemCalls>> calls_of_steps(MakeAcceptor acceptor) {
  std::vector<Buffer> tokens;
  for (int turn = 0; turn < 4; ++turn) tokens.push_back(std::move(must(support::initiator<M>().step()).token));
  return support::calls_of([&] {
    if (!acceptor().step(tokens[0])) return false;
    for (std::size_t turn = 1; turn < tokens.size(); ++turn) {
      auto handshake = acceptor();
      const support::Counted counted;
      if (!handshake.step(tokens[turn])) return false;
    }
    return true;
  });
}

#if defined(GSSKEY_GSS_MIT)
/// All of one handshake by password: the acceptor asks the KDC for the initiator.
std::string calls_of_relays() {
  const auto alice =
      must(Credential<mech::Iakerb, Initiate>::acquire_with_password(must(Name::user("alice")), "secret"));
  const auto steps = support::calls_of([&] {
    Initiator<mech::Iakerb> initiator{support::target(), alice};
    auto acceptor = support::acceptor<mech::Iakerb>();
    for (Buffer token; !acceptor.is_complete();) {
      auto ours = initiator.step(token);
      if (!ours) return false;
      const support::Counted counted;
      auto theirs = acceptor.step(ours->token);
      if (!theirs) return false;
      token = std::move(theirs->token);
    }
    return true;
  });
  SystemCalls all;
  for (const auto& step : *steps) {
    check_files(step, true);
    for (const auto& [file, counts] : step) {
      for (const auto& [name, count] : counts) all[file][name] += count;
    }
  }
  return cell_of(all, "a peer");
}
#endif

/// By row of the table, what this implementation has there.
using Column = std::map<std::string, std::string>;

Column column_of_guide() {
  const std::string page = test_detail::read_file(GSSKEY_THREADS_PAGE);
  const std::string_view head = "| `step()` of an acceptor, and | MIT krb5 1.20 | Heimdal 7.8 |";
  const auto start = page.find(head);
  REQUIRE(start != page.npos);
  std::string_view rest = std::string_view{page}.substr(start);
  Column column;
  const auto next = [&rest](char end) {
    const std::string_view part = rest.substr(0, rest.find(end));
    rest.remove_prefix(part.size() + 1);
    return part;
  };
  for (int line = 0; rest.starts_with('|'); ++line) {
    next('|');
    std::string cells[3];
    for (auto& cell : cells) {
      const auto text = next('|');
      if (line > 1) cell = text.substr(1, text.size() - 2);
    }
    if (line > 1) column[cells[0]] = cells[is_heimdal ? 2 : 1];
    next('\n');
  }
  return column;
}

}  // namespace

TEST_CASE("an acceptor's step() makes the system calls of the guide's table, and no others") {
  auto& realm = support::realm().realm;
  const std::string folder = realm.folder();
  const Environment place{"KRB5RCACHEDIR", folder};  // of dfl:
  const auto from_file = must(Server::acquire_default());
  const MemoryKeytab keytab{"FILE:" + realm.keytab()};
  Column column;
  const auto run = [&]<Mechanism M>(M, const char* replay_cache, const auto& acceptor) -> SystemCalls {
    const Environment chosen{"KRB5RCACHENAME", replay_cache};
    auto steps = calls_of_steps<M>(acceptor);
    if (!steps) return {};
    REQUIRE(steps->size() == 3);
    for (const auto& step : *steps) check_files(step, false);
    // The place of a token in the replay cache may be another's: then the next place is read.
    const auto sum = [](const SystemCalls& step) {
      int calls = 0;
      for (const auto& [file, counts] : step) {
        for (const auto& [name, count] : counts) calls += count;
      }
      return calls;
    };
    auto& least = *std::min_element(steps->begin(), steps->end(),
                                    [&](const auto& one, const auto& other) { return sum(one) < sum(other); });
    // Of every step.
    for (const char* row : {"`krb5.conf`", "plug-ins"}) {
      const auto [place_of, is_new] = column.emplace(row, cell_of(least, row));
      CHECK(place_of->second == cell_of(least, row));
    }
    return std::move(least);
  };
  const auto with = [](const Server& credential) { return [&credential] { return Acceptor<mech::Krb5>{credential}; }; };
  const mech::Krb5 krb5{};

  const auto none = run(krb5, "none:", with(from_file));
  if (none.empty()) return support::skip("this machine has no ptrace()");
  column["keytab, `FILE:`"] = cell_of(none, "keytab");
  column["replay cache, `none:`"] = cell_of(none, "replay cache");
  const auto without = run(krb5, "none:", [] { return Acceptor<mech::Krb5>{}; });
  column["keytab, `FILE:`, acceptors without a credential"] = cell_of(without, "keytab");
  const auto from_memory = from_memory_keytab();
  const auto memory = run(krb5, "none:", with(from_memory));
  column["keytab, `MEMORY:`"] = cell_of(memory, "keytab");
  column["replay cache, `dfl:`"] = cell_of(run(krb5, "dfl:", with(from_memory)), "replay cache");
  column["replay cache, `file2:`"] =
      cell_of(run(krb5, ("file2:" + folder + "/rcache2").c_str(), with(from_memory)), "replay cache");
  if (!capabilities.credential_store) must(set_process_keytab(nullptr));
  // A negotiation makes those of its mechanism.
  using Negotiated = mech::Negotiate<mech::Krb5>;
  const auto negotiated = must(Credential<Negotiated, Accept>::acquire_default());
  const auto steps = run(Negotiated{}, "none:", [&] { return Acceptor<Negotiated>{negotiated}; });
  CHECK(cell_of(steps, "keytab") == column["keytab, `FILE:`"]);

  column["IAKERB"] = "no IAKERB";
#if defined(GSSKEY_GSS_MIT)
  column["IAKERB"] = calls_of_relays();
#endif
  for (const auto& [row, cell] : column) std::printf("| %s | %s |\n", row.c_str(), cell.c_str());
  const auto guide = column_of_guide();
  CHECK(guide.size() == column.size());
  for (const auto& [row, cell] : guide) {
    INFO(row);
    CHECK(column[row] == cell);
  }
}

TEST_CASE(
    "without a replay cache: who repeats a token has the keys, and messages, only of a context that is not mutual") {
  const auto credential = must(Server::acquire_default());
  for (const bool is_mutual : {true, false}) {
    const Environment none{"KRB5RCACHENAME", "none:"};
    InitiatorOptions options;
    if (!is_mutual) options.demand = ContextFlag::confidentiality | ContextFlag::integrity | ContextFlag::replay;
    auto initiator = support::initiator<mech::Krb5>(options);
    Acceptor<mech::Krb5> first{credential};
    const Buffer token = std::move(must(initiator.step()).token);
    const Buffer answer = std::move(must(first.step(token)).token);
    if (is_mutual) must(initiator.step(answer));
    auto client = must(std::move(initiator).establish());
    auto server = must(std::move(first).establish());
    const Buffer message = must(client.wrap("pay"));
    CHECK(must(server.unwrap(message)).text() == "pay");

    Acceptor<mech::Krb5> second{credential};
    must(second.step(token));
    auto deceived = must(std::move(second).establish());
    CHECK(deceived.unwrap(message).has_value() == !is_mutual);
  }
}
