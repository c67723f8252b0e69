// examples/allow: who may come in. A handshake says who somebody is; whether they may is the program's to say.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>
#include <iostream>
#include <string_view>
#include <utility>
#include <vector>

#include <gsskey/gss.hpp>

#include "print.hpp"

namespace example {

/// The principals that a program was given with `--allow alice@EXAMPLE.COM`. If there are none: whoever has
/// authenticated, which is everybody whom the realm's KDC, or one that it trusts, gives a ticket.
class AllowList {
 public:
  /// Takes each `--allow PRINCIPAL` out of a program's arguments.
  [[nodiscard]] static gsskey::Result<AllowList> from_arguments(int& argc, char** argv) {
    AllowList list;
    int kept = 1;
    for (int at = 1; at < argc; ++at) {
      if (std::string_view{argv[at]} != "--allow" || at + 1 == argc) {
        argv[kept++] = argv[at];
        continue;
      }
      auto name = gsskey::Name::principal(argv[++at]);
      if (!name) return gsskey::unexpected(name.error());
      list.names_.push_back(*std::move(name));
    }
    argc = kept;
    return list;
  }

  /// Success, if they may.
  [[nodiscard]] gsskey::Result<void> admit(const gsskey::Name& peer) const {
    if (names_.empty()) return {};
    for (const gsskey::Name& name : names_) {
      if (peer.equals(name).yes()) return {};
    }
    return gsskey::unexpected(
        gsskey::Error::policy("--allow", 0, "not allowed").with_text(name_or(peer, "somebody"), " is not allowed"));
  }
  /// The peer of an acceptor's context.
  template <class Context>
    requires requires(const Context& context) { context.inquire(); }
  [[nodiscard]] gsskey::Result<void> admit(const Context& context) const {
    if (names_.empty()) return {};  // GNU GSS cannot say who it is
    auto info = context.inquire();
    if (!info) return gsskey::unexpected(info.error());
    return admit(info->initiator);
  }

 private:
  std::vector<gsskey::Name> names_;
};

/// For the beginning of main(): ends the program if a name is none.
[[nodiscard]] inline AllowList allow_list(const char* program, int& argc, char** argv) {
  auto list = AllowList::from_arguments(argc, argv);
  if (list) return *std::move(list);
  std::cerr << program << ": --allow: " << in_words(list.error()) << '\n';
  std::exit(2);
}

}  // namespace example
