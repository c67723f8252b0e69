// Tokens of gss_wrap and gss_get_mic, changed as the input says: our verdict is that of gss_unwrap and gss_verify_mic,
// and so is the plaintext; that of MessageLanes, too, with -DGSSKEY_TEST_LANES. With -DFUZZING it is a target of
// libFuzzer; without, a program that runs the files of a folder. To look for more: clang++-19 -std=c++20 -O1
// -fsanitize=fuzzer,address -DFUZZING, with -Iinclude -Itests and what mit-krb5-gssapi.pc and libcrypto.pc say, and
// then -max_len=35 and the folder.
#include <gsskey/gss/context/export.hpp>
#include <gsskey/messages/take_over.hpp>
#ifdef GSSKEY_TEST_LANES
#include <gsskey/messages/lanes.hpp>
#endif

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

using Bytes = std::vector<unsigned char>;

/// Three acceptors with the same keys and sequence numbers, and who they hear.
struct Peers {
  SecurityContext<mech::Krb5> sender = SecurityContext<mech::Krb5>::adopt(GSS_C_NO_CONTEXT);
  SecurityContext<mech::Krb5> theirs = SecurityContext<mech::Krb5>::adopt(GSS_C_NO_CONTEXT);
  Result<MessageProtector> ours = unexpected(Error::usage("test", "not yet"));
  Result<MessageProtector> laned = unexpected(Error::usage("test", "not yet"));

  Peers() {
    support::realm();
    auto ends = support::pair<mech::Krb5>();
    sender = std::move(ends.initiator);
    const auto exported = must(export_context(std::move(ends.acceptor)));
    theirs = must(import_context<mech::Krb5>(exported));
    ours = take_over_after(must(import_context<mech::Krb5>(exported)), MessagesReceived{0});
    laned = take_over_after(must(import_context<mech::Krb5>(exported)), MessagesReceived{0});
    if (!ours || !laned) std::abort();
  }
};

/// The input: three bytes, then four for each change.
class Script {
 public:
  explicit Script(ByteView input) : input_{input} {}

  [[nodiscard]] unsigned kind() const { return static_cast<unsigned>(at(0) % 3); }
  [[nodiscard]] Bytes message() const {
    Bytes message((at(1) << 8 | at(2)) % 700);
    for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<unsigned char>(i * 31);
    return message;
  }
  [[nodiscard]] Bytes changed(Bytes token) const {
    for (std::size_t next = 3; next + 4 <= input_.size() && next < 3 + 4 * 8; next += 4) {
      const std::size_t number = at(next + 1) << 8 | at(next + 2);
      const auto octet = static_cast<unsigned char>(at(next + 3));
      if (token.empty()) return token;
      switch (at(next) % 5) {
        case 0:
          token[number % token.size()] ^= octet;
          break;
        case 1:
          token.resize(number % (token.size() + 1));
          break;
        case 2:
          token.insert(token.end(), octet, 0x5a);
          break;
        case 3:  // turned as it should be
          if (token.size() > 16 && kind() != 2) {
            std::rotate(token.begin() + 16, token.end() - static_cast<long>(number % (token.size() - 16)), token.end());
            const std::size_t count =
                (static_cast<std::size_t>(token[6]) << 8 | token[7]) + number % (token.size() - 16);
            token[6] = static_cast<unsigned char>(count >> 8);
            token[7] = static_cast<unsigned char>(count);
          }
          break;
        default:  // the header
          token[number % std::min<std::size_t>(token.size(), 16)] = octet;
      }
    }
    return token;
  }

 private:
  [[nodiscard]] std::size_t at(std::size_t index) const { return index < input_.size() ? input_[index] : 0; }
  ByteView input_;
};

[[noreturn]] void differ(const char* how) {
  std::fprintf(stderr, "%s\n", how);
  std::abort();
}

#ifdef GSSKEY_TEST_LANES
constexpr std::size_t at_once = 16;  // so many go in lanes; the others are empty

MessageLanes& lanes_of(Peers& peers) {
  static auto lanes = must(MessageLanes::from_protector(*peers.laned));
  return lanes;
}
#endif

/// Whether lanes accept a token, as `expected` says, with that plaintext.
void compare_lanes([[maybe_unused]] Peers& peers, [[maybe_unused]] Bytes token,
                   [[maybe_unused]] const Result<Unwrapped>& expected) {
#ifdef GSSKEY_TEST_LANES
  BatchToken tokens[at_once];
  tokens[0].token = token;
  lanes_of(peers).unwrap(tokens);
  const auto& got = tokens[0].message;
  if (got.has_value() != expected.has_value()) differ(got ? "lanes take this token" : "lanes refuse this token");
  if (got && ByteView{*got} != ByteView{expected->message}) differ("two plaintexts of lanes");
  if (!got && got.error().major_status() != expected.error().major_status()) differ("another error of lanes");
#endif
}
void compare_lanes([[maybe_unused]] Peers& peers, [[maybe_unused]] ByteView message, [[maybe_unused]] ByteView mic,
                   [[maybe_unused]] const Result<void>& expected) {
#ifdef GSSKEY_TEST_LANES
  BatchMic mics[at_once];
  mics[0].message = message;
  mics[0].mic = mic;
  lanes_of(peers).verify_mic(mics);
  const auto& got = mics[0].verified;
  if (got.has_value() != expected.has_value()) differ(got ? "lanes take this MIC" : "lanes refuse this MIC");
  if (!got && got.error().major_status() != expected.error().major_status()) differ("another error of lanes");
#endif
}

/// Whether both accepted it.
bool judged(Peers& peers, const Script& script, const Bytes& message, const Bytes& token) {
  if (script.kind() == 2) {
    const bool theirs = peers.theirs.verify_mic(message, token).has_value();
    const auto ours = peers.ours->verify_mic(message, token);
    if (theirs != ours.has_value()) differ(ours ? "we take this MIC" : "they take this MIC");
    compare_lanes(peers, message, token, ours);
    return ours.has_value();
  }
  const Bytes copy = token;  // MIT krb5 writes into the header of what was not encrypted
  const auto theirs = peers.theirs.unwrap_unencrypted(copy);
  const auto ours = peers.ours->unwrap_unencrypted(token);
  if (theirs.has_value() != ours.has_value()) differ(ours ? "we take this token" : "they take this token");
  if (ours && (ByteView{ours->message} != ByteView{theirs->message} || ours->confidential != theirs->confidential)) {
    differ("two plaintexts");
  }
  if (script.kind() == 0) {
    compare_lanes(peers, token, ours);
  } else {
    static_cast<void>(peers.laned->unwrap_unencrypted(token));
  }
  return ours.has_value();
}

void run(ByteView input) {
  static Peers peers;
  const Script script{input};
  const Bytes message = script.message();
  const auto made = script.kind() == 0   ? must(peers.sender.wrap(message))
                    : script.kind() == 1 ? must(peers.sender.wrap_unencrypted(message))
                                         : must(peers.sender.get_mic(message));
  const Bytes token{made.begin(), made.end()};
  // Both go on from the same number, whatever came of it.
  if (!judged(peers, script, message, script.changed(token)) && !judged(peers, script, message, token)) {
    differ("the token itself is refused");
  }
}

}  // namespace

#ifdef FUZZING
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  run({data, size});
  return 0;
}
#else
int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator{argv[1]}) {
    std::ifstream file{entry.path(), std::ios::binary};
    const std::string input{std::istreambuf_iterator<char>{file}, {}};
    run(input);
    ++count;
  }
  std::printf("%zu inputs\n", count);
  return count != 0 ? 0 : 1;
}
#endif
