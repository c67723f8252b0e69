// PACs: what is read lies in memory of its own, is text in UTF-8 and groups that the bytes have room for; the same
// bytes say the same, and bytes of an identifier that is found are in the PAC. SPDX-License-Identifier: MIT
#include <gsskey/krb5/detail/pac_reader.hpp>

#include <cstdlib>
#include <cwchar>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

void is_utf8(std::string_view text, const detail::PacContents& contents, std::size_t pac_size) {
  expect(text.empty() || (text.data() >= contents.text.get() && text.size() <= 3 * pac_size), "text has its memory");
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at++]);
    const int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    expect(first < 0x80 || (first >= 0xc2 && first < 0xf5), "UTF-8 begins a letter");
    for (int count = 0; count < more; ++count) {
      expect(at < text.size() && (static_cast<unsigned char>(text[at++]) & 0xc0) == 0x80, "UTF-8 goes on");
    }
  }
}

void are_groups(std::span<const PacGroup> groups, std::size_t pac_size) {
  expect(groups.size() <= pac_size / 8, "groups are in the PAC");
  for (const PacGroup& group : groups) {
    expect(!group.sid.empty() && group.sid.count() <= Sid::max_count, "a group has an identifier");
    if (group.grants()) expect((group.attributes.bits() & 0x14) == 4, "what is disabled grants nothing");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Bytes pac(data, data + size);  // no larger, so that what is read behind it is found
  const auto found = detail::read_pac(pac);
  if (!found) {
    expect(found.error().domain() == Domain::policy, "bytes that are no PAC are a matter of policy");
    return 0;
  }
  const detail::PacContents& contents = **found;
  if (contents.logon) {
    const PacLogonInfo& logon = *contents.logon;
    expect(!logon.user.empty() && !logon.domain.empty() && !logon.primary_group.empty(), "a logon is somebody's");
    for (const auto text : {logon.name, logon.full_name, logon.domain_name, logon.server}) {
      is_utf8(text, contents, size);
    }
    for (const auto groups : {logon.groups, logon.extra, logon.resource_groups}) are_groups(groups, size);
  }
  if (contents.client) is_utf8(contents.client->name, contents, size);
  if (contents.upn) {
    for (const auto text : {contents.upn->upn, contents.upn->dns_domain, contents.upn->name}) {
      is_utf8(text, contents, size);
    }
  }
  expect(contents.checksum_count <= 4, "one checksum of each type");
  return 0;
}
