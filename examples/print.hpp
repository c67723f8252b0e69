// examples/print: errors, contexts and messages in words.
// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <iostream>
#include <string>
#include <string_view>

#include <gsskey/gss.hpp>

namespace example {

inline std::string names_of(gsskey::ContextFlags flags) {
  using gsskey::ContextFlag;
  constexpr struct {
    ContextFlag flag;
    const char* name;
  } table[] = {
      {ContextFlag::delegate, "delegate"},
      {ContextFlag::mutual, "mutual"},
      {ContextFlag::replay, "replay"},
      {ContextFlag::sequence, "sequence"},
      {ContextFlag::confidentiality, "confidentiality"},
      {ContextFlag::integrity, "integrity"},
      {ContextFlag::anonymous, "anonymous"},
      {ContextFlag::prot_ready, "prot_ready"},
      {ContextFlag::transferable, "transferable"},
      {ContextFlag::channel_bound, "channel_bound"},
  };
  std::string names;
  for (const auto& [flag, name] : table) {
    if (flags.contains(flag)) names += (names.empty() ? "" : " ") + std::string{name};
  }
  return names;
}

/// "gss_init_sec_context (krb5): no credentials, or they cannot be used; …"
inline std::string in_words(const gsskey::Error& error) {
  std::string words = error.operation();
  if (const std::string mechanism = error.mechanism(); !mechanism.empty()) words += " (" + mechanism + ")";
  words += ": ";
  words += error.text();
  if (error.domain() == gsskey::Domain::policy) {
    const auto missing = gsskey::ContextFlags::from_bits(error.minor_status());
    if (!missing.empty()) words += ": " + names_of(missing);
  }
  return words;
}

/// What ended a coroutine of `program`, if it did not end by itself.
inline void print_thrown(const char* program, std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const std::exception& failure) {
    std::cerr << program << ": " << failure.what() << std::endl;
  }
}

/// What a peer sent, safe for a terminal.
inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) out += c >= ' ' && c != '\x7f' ? c : '?';
  return out + "\"";
}

inline std::string name_or(const gsskey::Name& name, const char* otherwise) {
  if (!name) return otherwise;
  const auto shown = name.display();
  return shown ? std::string{shown->text()} : otherwise;
}

/// Who authenticated as whom, and what the context can do.
inline void print(const gsskey::ContextInfo& info, bool negotiated = false) {
  std::cout << name_or(info.initiator, "somebody") << " authenticated to " << name_or(info.acceptor, "this service")
            << "\n  mechanism  " << (info.mechanism == gsskey::mech::Krb5::oid ? "krb5 " : "");
  std::cout << info.mechanism.to_text().view();
  std::cout << (negotiated ? ", negotiated by SPNEGO" : "") << "\n  flags      " << names_of(info.flags)
            << "\n  lifetime   ";
  if (info.lifetime.is_indefinite()) {
    std::cout << "indefinite\n";
  } else {
    std::cout << info.lifetime.count() << " s\n";
  }
}
/// A SecurityContext, or what else protects messages.
template <class Context>
  requires requires(const Context& context) { context.inquire(); }
void print(const Context& context) {
  const auto info = context.inquire();
  if constexpr (requires { Context::Mechanism::negotiates; }) {
    if (info) return print(*info, Context::Mechanism::negotiates);
  }
  if (info) return print(*info);
  // GNU GSS cannot say
  std::cout << "authenticated; more is not known: " << in_words(info.error()) << '\n';
}

}  // namespace example
