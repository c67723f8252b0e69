// Lines of request-key.conf: ours against what /sbin/request-key itself says of them, which in its debug mode reads a
// configuration from the working directory and starts nothing.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gsskey/keyring.hpp>

#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::must;

namespace {

/// The kernel's upcall that every line here is for: create or negate, a key "user" "debug:1234", callout info "info".
class RealProgram {
 public:
  RealProgram() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gsskey-test-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    std::filesystem::create_directory(folder_ / "request-key.d");
    // Read last, so that no upcall fails for want of a line.
    std::ofstream{folder_ / "request-key.conf"} << "create * * * /bin/true\nnegate * * * /bin/true\n";
  }
  RealProgram(const RealProgram&) = delete;
  RealProgram& operator=(const RealProgram&) = delete;
  ~RealProgram() { std::filesystem::remove_all(folder_); }

  static bool is_missing() { return ::access("/sbin/request-key", X_OK) != 0; }

  /// Whether both operations go well with `text` as a file of request-key.d.
  [[nodiscard]] bool accepts(std::string_view text) const {
    return run(text, "create") == 0 && run(text, "negate") == 0;
  }
  /// What it says while it does so.
  [[nodiscard]] std::string words() const {
    std::stringstream text;
    text << std::ifstream{folder_ / "output"}.rdbuf();
    return text.str();
  }
  [[nodiscard]] int run(std::string_view text, const char* operation) const {
    std::ofstream{folder_ / "request-key.d/test.conf"} << text << std::flush;
    const pid_t child = ::fork();
    if (child == 0) {
      const int output = ::open((folder_ / "output").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      ::dup2(output, 1);
      ::dup2(output, 2);
      if (::chdir(folder_.c_str()) != 0) ::_exit(126);
      // -v: it looks at the program's name then, which it otherwise would only after the fact
      ::execl("/sbin/request-key", "request-key", "-d", "-l", "-n", "-v", "-D", "user;0;0;1f0000;debug:1234", operation,
              "1073741824", "11", "12", "13", "14", "15", "info", nullptr);
      ::_exit(127);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
  }

 private:
  std::filesystem::path folder_;
};

std::string repeated(std::string_view text, int count) {
  std::string all;
  for (int at = 0; at < count; ++at) all += text;
  return all;
}

constexpr std::string_view never_applies = "the operation is neither create nor negate: the line would never apply";
constexpr std::string_view patterns = "type, description and callout info are patterns with at most one '*'";
constexpr std::string_view relative = "the program is not an absolute path";
constexpr std::string_view macro = "an unknown macro";
constexpr std::string_view too_long = "longer than 4094 characters";
constexpr std::string_view indented = "a space in front: request-key passes over the line";
constexpr std::string_view no_line_feed = "the last line does not end with a line feed";

static_assert(!check_request_key_conf("create user debug:* * /bin/true %k\n"));
static_assert(check_request_key_conf("# fine\ncreate user debug:*\n").line == 2);
static_assert(!check_request_key_conf(""));

}  // namespace

TEST_CASE("what request-key accepts is accepted") {
  if (RealProgram::is_missing()) return support::skip("/sbin/request-key is not installed");
  const support::Session session;
  const auto keysub = must(session->create(key_type::User{"gsskey-keysub"}, "text"));  // for %{user:gsskey-keysub}
  const RealProgram real;
  const std::string start = "create user debug:* * /bin/true";
  const std::string texts[] = {
      "",
      "\n\n\n",
      "# comment\n",
      "#\n",
      "   \n\t\n",
      " \r\n\r\n",
      start + "\n",
      start + " \n",
      start + " \t %k\t\n",
      start + " %k\r\n",
      "create\tuser\tdebug:*\t*\t/bin/true\t%k\n",
      "create user debug:1234 info /bin/true\n",
      "create * * * /bin/true\n",
      "negate * * * /bin/true %k 30 %S\n",
      "* * * * /bin/true\n",
      "c* user * * /bin/true\n",
      "*e user * * /bin/true\n",
      "ne*gate user * * /bin/true\n",
      "create user *34 * /bin/true\n",
      "create user de*34 * /bin/true\n",
      "create user debug:* i*o |/bin/cat\n",
      start + " %o %k %t %d %c %u %g %T %P %S\n",
      start + " %% %%k %%%% 100% a%k\n",
      start + " %kk %ab %k%u\n",
      start + " %{user:gsskey-keysub}\n",
      start + " %%{nothing}\n",
      start + " - -- * ** \"quoted\" ' \\ $PATH # no comment\n",
      start + repeated(" x", 253) + "\n",
      start + " " + std::string(4094 - start.size() - 1, 'x') + "\n",
      "#" + std::string(4093, 'x') + "\n",
      start + "\n" + start + "\n# and\n\n" + start + "\n",
  };
  for (const std::string& text : texts) {
    CAPTURE(text);
    CHECK(real.accepts(text));
    CHECK(std::string_view{check_request_key_conf(text) ? check_request_key_conf(text).text : ""} == "");
  }
}

TEST_CASE("what ends request-key is found, and on which line") {
  if (RealProgram::is_missing()) return support::skip("/sbin/request-key is not installed");
  const RealProgram real;
  const std::string start = "create user debug:* * /bin/true";
  struct {
    std::string line;
    std::string_view fault;
  } const table[] = {
      {"create", patterns},
      {"create ", patterns},
      {"create user", patterns},
      {"create user ", patterns},
      {"create user debug:*", patterns},
      {"create user debug:* ", patterns},
      {"create user debug:* *", relative},
      {"create user debug:* * ", relative},
      {"create user debug:* * \t \r", relative},
      {"negate", patterns},
      {"* user debug:* *", relative},
      {"cr*", patterns},
      {"create user debug:* * true", relative},
      {"create user debug:* * | /bin/cat", relative},
      {"create user debug:* * |", relative},
      {start + " %", macro},
      {start + " %x", macro},
      {start + " %K", macro},
      {start + " %{", macro},
      {start + " %}", macro},
      {start + " %k %c %z", macro},
      {start + " %{user", macro},
      {start + " %{user}", macro},
      {start + " %{user:", macro},
      {start + " %{user:x", macro},
      {start + " %{:x}", macro},
      {start + " %{user:}", macro},
      {start + " %{user:x}y", macro},
      {start + " %{user:a b}", macro},
      {start + repeated(" x", 254), "more than 253 arguments"},
      {start + " " + std::string(4095 - start.size() - 1, 'x'), too_long},
      {start + " " + std::string(10'000, 'x'), too_long},
      {"#" + std::string(4094, 'x'), too_long},
      {std::string(4095, ' '), too_long},
      {std::string(5000, '#'), too_long},
      {"other" + std::string(5000, ' '), too_long},
      {std::string{"create user\0debug:* * /bin/true", 31}, "a NUL"},
      {std::string{"\0", 1}, "a NUL"},
  };
  for (const auto& [line, fault] : table) {
    CAPTURE(line);
    CHECK_FALSE(real.accepts(line + "\n"));
    const auto alone = check_request_key_conf(line + "\n");
    REQUIRE(alone);
    CHECK(alone.line == 1);
    CHECK(alone.text == fault);
    CHECK_FALSE(real.accepts("# comment\n\n" + line + "\n# more\n"));
    CHECK(check_request_key_conf("# comment\n\n" + line + "\n# more\n").line == 3);
  }
}

TEST_CASE("what request-key would read otherwise than it is meant is found too") {
  if (RealProgram::is_missing()) return support::skip("/sbin/request-key is not installed");
  const RealProgram real;
  struct {
    std::string text;
    std::size_t line;
    std::string_view fault;
  } const table[] = {
      {"update user debug:* * /bin/true\n", 1, never_applies},
      {"Create user debug:* * /bin/true\n", 1, never_applies},
      {"creates user debug:* * /bin/true\n", 1, never_applies},
      {"creat*te user debug:* * /bin/true\n", 1, never_applies},  // 'creat' and 'te' are more than 'create'
      {"user debug:* * /bin/true\n", 1, never_applies},
      {"include other.conf\n", 1, never_applies},
      {"create user *:* * /bin/true\n", 1, patterns},  // the second '*' is a star
      {"create user debug:* ** /bin/true\n", 1, patterns},
      {"create user debug:* * bin/true\n", 1, relative},
      {"create user debug:* * ./true\n", 1, relative},
      {"create user debug:* * /bin/true x", 1, no_line_feed},  // 'x' is lost
      {"# comment", 1, no_line_feed},
      {"\n# comment\n ", 3, no_line_feed},
      {"\n create user debug:* * /bin/true\n", 2, indented},
      {"\tcreate user debug:* * /bin/true\n", 1, indented},
  };
  for (const auto& [text, line, fault] : table) {
    CAPTURE(text);
    CHECK(real.accepts(text));
    const auto found = check_request_key_conf(text);
    REQUIRE(found);
    CHECK(found.line == line);
    CHECK(found.text == fault);
  }
}

TEST_CASE("no line of many made by chance ends request-key unnoticed") {
  if (RealProgram::is_missing()) return support::skip("/sbin/request-key is not installed");
  const RealProgram real;
  const std::vector<std::string> words = {"create",     "create", "negate", "*",    "cr*e",      "user", "debug:*",
                                          "debug:1234", "info",   "%",      "%k",   "%q",        "%%",   "%{user:x",
                                          "/bin/true",  "true",   "|",      "%{:}", "|/bin/cat", "a*b",  "#"};
  const std::vector<std::string> gaps = {" ", " ", " ", "\t", "  ", "\n", "\r", ""};
  std::mt19937 random{20240521};
  const auto one_of = [&](const std::vector<std::string>& list) { return list[random() % list.size()]; };
  int refused = 0;
  int refused_by_real = 0;
  for (int number = 0; number < 300; ++number) {
    std::string text = number % 2 == 0 ? "create user debug:* * " : "";
    for (auto left = random() % 8; left > 0; --left) text += one_of(words) + one_of(gaps);
    text += '\n';
    CAPTURE(text);
    const bool is_found = static_cast<bool>(check_request_key_conf(text));
    const bool is_fine = real.accepts(text);
    CHECK((is_fine || is_found));
    refused += is_found ? 1 : 0;
    refused_by_real += is_fine ? 0 : 1;
  }
  CHECK(refused < 300);
  CHECK(refused_by_real > 50);
}

TEST_CASE("of several lines that fit, the type decides first, then the description, then the callout info") {
  if (RealProgram::is_missing()) return support::skip("/sbin/request-key is not installed");
  const RealProgram real;
  const std::pair<std::string, std::string> pairs[] = {
      {"user * *", "use* debug:1234 info"},  // whose '*' stands for fewer characters in all
      {"user debug:* *", "user debug* info"},
      {"user debug:1234 inf*", "user debug:1234 *"},
      {"user *1234 info", "user *1234 info"},  // the first
  };
  for (const auto& [winner, loser] : pairs) {
    CAPTURE(winner, loser);
    const std::string lines[] = {"create " + winner + " /bin/winner\n", "create " + loser + " /bin/loser\n"};
    CHECK(real.run(lines[0] + lines[1], "create") == 0);
    CHECK(real.words().find("- argv[0] = \"winner\"\n") != std::string::npos);
    if (winner == loser) continue;
    CHECK(real.run(lines[1] + lines[0], "create") == 0);
    CHECK(real.words().find("- argv[0] = \"winner\"\n") != std::string::npos);
  }
}

TEST_CASE("a line that was made gives a handler the arguments that it parses") {
  if (RealProgram::is_missing()) return support::skip("/sbin/request-key is not installed");
  const RealProgram real;
  const auto line = must(request_key_line({.type = "user", .description = "debug:*", .program = "/usr/lib/x/handler"}));
  CHECK(line.text() == "create user debug:* * /usr/lib/x/handler %o %k %u %g %T %P %S\n");
  CHECK_FALSE(check_request_key_conf(line.text()));
  CHECK(real.run(line.text(), "create") == 0);
  std::string arguments;
  std::istringstream words{real.words()};
  for (std::string word; std::getline(words, word);) {
    if (word.starts_with("- argv[")) arguments += word + '\n';
  }
  CHECK(arguments ==
        "- argv[0] = \"handler\"\n- argv[1] = \"create\"\n- argv[2] = \"1073741824\"\n- argv[3] = \"11\"\n"
        "- argv[4] = \"12\"\n- argv[5] = \"13\"\n- argv[6] = \"14\"\n- argv[7] = \"15\"\n");
}

TEST_CASE("what cannot be said in a line is refused") {
  const RequestKeyRule good{.type = "user", .description = "krb:*", .callout_info = "x*", .program = "/bin/handler"};
  CHECK(must(request_key_line(good)).text() == "create user krb:* x* /bin/handler %o %k %u %g %T %P %S\n");
  const auto refused = [](const RequestKeyRule& rule) {
    CAPTURE(rule.type, rule.description, rule.callout_info, rule.program);
    const auto line = request_key_line(rule);
    REQUIRE_FALSE(line);
    CHECK(line.error().domain() == Domain::usage);
    CHECK(line.error().operation() == std::string_view{"request_key_line"});
  };
  using namespace std::string_view_literals;
  for (const std::string_view word : {""sv, " "sv, "a b"sv, "a\tb"sv, "a\n"sv, "\ncreate"sv, "*a*"sv, "a\0b"sv}) {
    RequestKeyRule rule = good;
    rule.type = word;
    refused(rule);
    rule = good;
    rule.description = word;
    refused(rule);
    rule = good;
    rule.callout_info = word;
    refused(rule);
  }
  for (const std::string_view program :
       {""sv, "handler"sv, "bin/handler"sv, "|/bin/handler"sv, "/a b"sv, "/a\nb"sv, "/a\0b"sv}) {
    RequestKeyRule rule = good;
    rule.program = program;
    refused(rule);
  }
  const std::string long_word(4095, 'x');
  RequestKeyRule rule = good;
  rule.description = long_word;
  refused(rule);
}
