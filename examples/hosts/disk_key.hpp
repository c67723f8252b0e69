// examples/hosts/disk_key: the key of an encrypted disk goes to the kernel as a logon key, which no program reads back,
// is there while the disk is set up, and gone when that is done, as cryptsetup has it.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <gsskey/keyring.hpp>

/// Calls `activate(table)` with the target line of dm-crypt. The driver looks the key up in the rings of this thread,
/// by its description, at that moment; from then on the disk has a copy of its own.
template <class Activate>
gsskey::Result<void> set_up_disk(const std::string& name, const std::string& device, std::uint64_t sectors,
                                 gsskey::ByteView volume_key, Activate activate) {
  auto ring = gsskey::Keyring::install_thread();
  if (!ring) return gsskey::unexpected(ring.error());
  const std::string description = "cryptsetup:" + name + "-d0";
  // To be found, and taken away: nothing else, for nobody else.
  const auto mask = gsskey::Permissions{}
                        .possessor(gsskey::Right::search | gsskey::Right::link | gsskey::Right::write)
                        .accepting(gsskey::Risk::possessor_reads_anyway | gsskey::Risk::nobody_may_change_again);
  auto key = ring->create(gsskey::key_type::Logon{description}, volume_key, {.permissions = mask});
  if (!key) return gsskey::unexpected(key.error());
  const auto until_here = (*std::move(key)).on_destroy<gsskey::OnDestroy::revoke_then_unlink>();
  return activate("0 " + std::to_string(sectors) + " crypt aes-xts-plain64 :" + std::to_string(volume_key.size()) +
                  ":logon:" + description + " 0 " + device + " 0");
}
