// What the kernel tells of keys (/proc/keys, /proc/key-users, keyctl_describe, the arguments of an upcall), in which
// strangers' descriptions stand.
// SPDX-License-Identifier: MIT
#include <gsskey/keyring.hpp>

#include <string>
#include <utility>
#include <vector>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

void keys(ByteView text) {
  auto copy = SecretBytes::copy_of(text);
  if (!copy) return;
  const ByteView whole{copy->data(), copy->size()};
  const ProcKeys keys{*std::move(copy)};
  std::size_t count = 0;
  keys.for_each([&](const ProcKey& key) {
    ++count;
    expect(key.flags.size() == 7, "seven flags");
    expect(key.type.size() <= 9, "nine characters of type");
    for (const std::string_view part : {key.flags, key.timeout, key.type, key.text}) {
      expect(fuzz::is_within(part, whole), "views lie within the text");
    }
  });
  expect(count <= text.size() / 9 + 1, "no key without a line");
  pid_t thread = 0;
  if (keyring_detail::find_thread(keys, 0x12345678, thread)) {
    expect(thread > 0, "a thread has a number");
    expect(text.text().find("12345678") != std::string_view::npos, "the line is there");
  }
}

void described(ByteView text) {
  auto copy = SecretBytes::copy_of(text);
  if (!copy) return;
  const auto info = KeyInfo::parse(*std::move(copy));
  if (!info) return;
  expect(info->type().find(';') == std::string_view::npos, "a type holds no semicolon");
  expect(text.size() >= info->type().size() + info->description().size() + 4, "no more than there was");
  expect(text.text().starts_with(info->type()), "the type comes first");
  expect(text.text().substr(0, text.size() - 1).ends_with(info->description()), "the description comes last");
}

void arguments(ByteView text) {
  std::vector<std::string> words{"handler"};
  std::string_view rest = text.text();
  while (!rest.empty() && words.size() < 12) {
    const std::string_view word = rest.substr(0, rest.find('\0'));
    words.emplace_back(word);
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  }
  std::vector<const char*> pointers;
  for (const std::string& word : words) pointers.push_back(word.c_str());
  pointers.push_back(nullptr);
  const auto request = KeyRequest::parse(static_cast<int>(words.size()), pointers.data());
  if (!request) return;
  expect(words.size() == 8 && words[1] == "create", "nothing but the seven arguments");
  expect(request->key().serial() > 0, "a key has a number");
  expect(request->user() != static_cast<uid_t>(-1), "-1 is nobody's id");
  expect(std::to_string(request->user()) == words[3] || words[3].starts_with('-') || words[3].starts_with('0'),
         "the user that was written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  const unsigned kind = input.byte() % 4u;
  if (kind == 0) keys(input.rest());
  if (kind == 1) described(input.rest());
  if (kind == 2) arguments(input.rest());
  if (kind == 3) {
    pid_t process = 0;
    if (keyring_detail::find_process(input.rest().text(), process)) expect(process > 0, "a process has a number");
    const auto quota = parse_key_quota(input.rest().text(), 0);
    if (quota) expect(!input.rest().empty(), "no quota out of nothing");
  }
  return 0;
}
