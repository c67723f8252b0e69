// gsskey/handoff/detail/library_build: which build of the GSS library a process has loaded. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <link.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// Which build of the GSS library this process has loaded: the build-id that the linker gave it, the first 20 bytes;
/// zeros if it gave none. No implementation tells its version, and an exported context is private to one.
struct LibraryBuild {
  static constexpr std::size_t size = 20;
  unsigned char id[size] = {};

  GSSKEY_HIDDEN [[nodiscard]] static const LibraryBuild& loaded() noexcept {
    static const LibraryBuild build = find();
    return build;
  }

 private:
  [[nodiscard]] static LibraryBuild find() noexcept {
    LibraryBuild build;
    ::dl_iterate_phdr(
        [](::dl_phdr_info* module, std::size_t, void* found) {
          if (!has_the_library(*module)) return 0;
          for (int at = 0; at < module->dlpi_phnum; ++at) {
            const auto& segment = module->dlpi_phdr[at];
            if (segment.p_type != PT_NOTE) continue;
            const auto* const notes = reinterpret_cast<const void*>(module->dlpi_addr + segment.p_vaddr);
            static_cast<LibraryBuild*>(found)->read({notes, segment.p_memsz});
          }
          return 1;
        },
        &build);
    return build;
  }
  [[nodiscard]] static bool has_the_library(const ::dl_phdr_info& module) noexcept {
    // The bytes of an OID: a program may have a copy of a variable of the library, and functions of the same name.
#ifdef GSSKEY_GSS_DLOPEN
    const auto address = reinterpret_cast<std::uintptr_t>(gss_indicate_mechs.find());
#else
    const auto address = reinterpret_cast<std::uintptr_t>(GSS_C_NT_HOSTBASED_SERVICE->elements);
#endif
    for (int at = 0; at < module.dlpi_phnum; ++at) {
      const auto& segment = module.dlpi_phdr[at];
      const std::uintptr_t start = module.dlpi_addr + segment.p_vaddr;
      if (segment.p_type == PT_LOAD && address >= start && address - start < segment.p_memsz) return true;
    }
    return false;
  }
  /// The build-id among these notes, if it is there.
  void read(ByteView notes) noexcept {
    const auto padding = [](std::size_t count) { return (4 - count % 4) % 4; };
    detail::Reader in{notes};
    ElfW(Nhdr) note;
    ByteView header;
    ByteView name;
    ByteView description;
    while (in.take(sizeof note, header)) {
      std::memcpy(&note, header.data(), sizeof note);
      if (!in.take(note.n_namesz, name) || !in.skip(padding(name.size())) || !in.take(note.n_descsz, description))
        return;
      if (note.n_type == NT_GNU_BUILD_ID && name == ByteView{"GNU\0"}) {
        if (!description.empty()) std::memcpy(id, description.data(), description.subview(0, size).size());
        return;
      }
      if (!in.skip(padding(description.size()))) return;
    }
  }
};

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
