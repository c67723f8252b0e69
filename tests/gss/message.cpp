// The vocabulary of messages: who has all of it. scenarios/message_context.cpp shows what each word does.
#include <gsskey/gss/message.hpp>

#include <gsskey/gss/context/expiring.hpp>

#include <string>

#include "support/catch.hpp"

using namespace gsskey;

static_assert(MessageContext<SecurityContext<mech::Krb5>>);
static_assert(MessageContext<SecurityContext<mech::Negotiate<mech::Krb5>>>);
static_assert(MessageContext<ExpiringContext<mech::Krb5>>);
static_assert(OwnedBytes<Buffer>);
static_assert(OwnedBytes<SecretBytes>);

namespace {

/// Enough for a stream, and no more.
struct Double {
  [[nodiscard]] Result<std::string> wrap(ByteView message) { return std::string{message.text()}; }
  [[nodiscard]] Result<SecretBytes> unwrap(ByteView token) { return SecretBytes::copy_of(token); }
  [[nodiscard]] Result<std::uint32_t> wrap_size_limit(std::uint32_t size) const { return size; }
};
static_assert(WrapsMessages<Double>);
static_assert(!MessageContext<Double>);
static_assert(!OwnedBytes<std::string>);
static_assert(!WrapsMessages<std::string>);

template <class C>
std::string passed(C& context, ByteView message)
  requires WrapsMessages<C>
{
  const auto token = context.wrap(message);
  if (!token) return std::string{token.error().operation()};
  const auto plain = context.unwrap(*token);
  return plain ? std::string{plain->text()} : std::string{plain.error().operation()};
}

}  // namespace

TEST_CASE("code that takes whatever wraps messages takes a double, and a context") {
  Double twice;
  CHECK(passed(twice, "message") == "message");
  auto empty = SecurityContext<mech::Krb5>::adopt(GSS_C_NO_CONTEXT);
  CHECK(passed(empty, "message") == "gss_wrap");
}
