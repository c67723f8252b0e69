// The C interface of shim.h: an opaque owner, and nothing that throws. The one file in C++20.
// SPDX-License-Identifier: MIT
#include "shim.h"

#include <cstdio>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>

using namespace gsskey;

struct session {
  std::optional<SecurityContext<mech::Krb5>> context;
  char error[256] = "";
};

namespace {

Result<void> establish(session& self, int socket, const char* service, const char* host) {
  GSSKEY_TRY(auto target, Name::host_service(service, host));
  FdStream stream{socket};
  FramedTransport wire{stream};
  GSSKEY_TRY(auto context, drive(Initiator<mech::Krb5>{std::move(target)}, wire));
  self.context = std::move(context);
  return {};
}

int told(session& self, const Result<void>& done) {
  const auto text = done ? ByteView{}.text() : done.error().text();
  std::snprintf(self.error, sizeof self.error, "%s%s%.*s", done ? "" : done.error().operation(), done ? "" : ": ",
                static_cast<int>(text.size()), text.data());
  return done ? 0 : -1;
}

template <class Call>
int into(session& self, void* out, std::size_t* out_size, Call call) {
  if (!self.context) return told(self, unexpected(Error::usage("session", "it is not established")));
  const auto bytes = call(*self.context);
  if (!bytes) return told(self, unexpected(bytes.error()));
  if (bytes->size() > *out_size) return told(self, unexpected(Error::usage("session", "the buffer is too small")));
  *out_size = bytes->size();
  if (!bytes->empty()) std::memcpy(out, bytes->data(), bytes->size());
  return told(self, {});
}

}  // namespace

session* session_open(int socket, const char* service, const char* host) {
  auto* const self = new (std::nothrow) session;
  if (self != nullptr) told(*self, establish(*self, socket, service, host));
  return self;
}
const char* session_error(const session* self) { return self->error; }
int session_wrap(session* self, const void* message, size_t size, void* out, size_t* out_size) {
  return into(*self, out, out_size, [&](auto& context) { return context.wrap(ByteView{message, size}); });
}
int session_unwrap(session* self, const void* token, size_t size, void* out, size_t* out_size) {
  return into(*self, out, out_size, [&](auto& context) { return context.unwrap(ByteView{token, size}); });
}
void session_close(session* self) { delete self; }
