// tests/interop/sasl_peer: ends of SASL exchanges, one after the other, which are told on stdin what to do. Built once
// per implementation.
//
//   service NAME                        of what begins from now on; without it "host"
//   external STRENGTH                   of the channel below; STRENGTH of a layer comes on top of it
//   bindings BASE64                     "=" for none; the hash of tls-server-end-point
//   client|server MECHANISM STRENGTH strict|lenient    begins another exchange; lenient: ignore_unused_buffer
//   step -|=|BASE64                     what the other end says, "-" for nothing: "more …" or "done …", what it gets
//   session                             "session STRENGTH NAME": the strength of the layer, and who is at the other end
//   seal BASE64, open BASE64            "bytes BASE64": what goes on the wire, or came
//
// What goes wrong is "failed", and why. SPDX-License-Identifier: MIT
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <gsskey/core/base64.hpp>
#include <gsskey/core/try.hpp>
#include <gsskey/gss/credential/options.hpp>
#include <gsskey/io/record_layer.hpp>
#include <gsskey/sasl/gs2.hpp>
#include <gsskey/sasl/gss_spnego.hpp>
#include <gsskey/sasl/gssapi.hpp>

#include "print.hpp"

using namespace gsskey;

namespace {

std::string in_base64(const sasl::Message& message) {
  if (!message) return "-";
  return message->size() == 0 ? "=" : base64_encode(*message);
}

/// What all ends have, whatever their mechanism and role.
class End {
 public:
  End() = default;
  End(const End&) = delete;
  virtual ~End() = default;
  virtual Result<std::string> step(std::optional<ByteView> message) = 0;
  virtual Result<std::string> session() = 0;
  virtual Result<std::string> seal(ByteView message) = 0;
  virtual Result<std::string> open(ByteView packets) = 0;
};

template <class E>
class EndOf : public End {
 public:
  explicit EndOf(E end) : end_{std::move(end)} {}

  Result<std::string> step(std::optional<ByteView> message) override {
    GSSKEY_TRY(auto said, end_.step(message));
    return (end_.is_complete() ? "done " : "more ") + in_base64(said);
  }
  Result<std::string> session() override {
    GSSKEY_TRY(auto session, std::move(end_).establish());
    const std::string summary = "session " + std::to_string(session.ssf) + ' ' + example::name_or(session.peer, "-");
    layer_.emplace(std::move(session.context), session.layer);
    return summary;
  }
  Result<std::string> seal(ByteView message) override {
    std::string wire;
    while (!message.empty()) {
      GSSKEY_TRY(const auto sealed, layer_->seal(message));
      message = message.subview(sealed);
      std::size_t size = 0;
      for (const ByteView part : layer_->unsent()) {
        wire += part.text();
        size += part.size();
      }
      layer_->sent(size);
    }
    return "bytes " + base64_encode({wire.data(), wire.size()});
  }
  Result<std::string> open(ByteView packets) override {
    std::string message;
    while (!packets.empty()) {
      GSSKEY_TRY(const auto taken, layer_->put(packets));
      packets = packets.subview(taken);
      for (; !layer_->opened().empty(); layer_->consume(layer_->opened().size())) message += layer_->opened().text();
    }
    return "bytes " + base64_encode({message.data(), message.size()});
  }

 private:
  using Context = SecurityContext<typename E::Mechanism::Gss>;

  E end_;
  std::optional<RecordLayer<Context>> layer_;
};

struct Wanted {
  std::string service = "host";
  std::uint32_t external = 0;
  ChannelBindings bindings = {};
  std::string role = {};
  std::string mechanism = {};
  std::uint32_t strength = 0;  // 256: whatever encrypts
  std::string manner = {};

  template <class Options>
  [[nodiscard]] Options options() const {
    return {.min_ssf = external + (strength > 1 ? 2 : strength),
            .max_ssf = external + strength,
            .external_ssf = external,
            .ignore_unused_buffer = manner == "lenient",
            .bindings = bindings};
  }
};

template <class M>
Result<Credential<M, Initiate>> ticket() {
  GSSKEY_TRY(auto credential, Credential<M, Initiate>::acquire_default());
  if constexpr (M::negotiates) GSSKEY_TRY_VOID(set_no_ci_flags(credential));
  return credential;
}

template <class Mech>
Result<std::unique_ptr<End>> begin(const Wanted& wanted) {
  using M = typename Mech::Gss;
  using Client = sasl::Client<Mech>;
  using Server = sasl::Server<Mech>;
  if (wanted.role == "server") {
    static const auto credential = Credential<M, Accept>::acquire_default();
    if (!credential) return unexpected(credential.error());
    return std::make_unique<EndOf<Server>>(Server{*credential, wanted.options<sasl::ServerOptions>()});
  }
  static const auto credential = ticket<M>();
  if (!credential) return unexpected(credential.error());
  GSSKEY_TRY(auto target, Name::host_service(wanted.service, "localhost"));
  return std::make_unique<EndOf<Client>>(Client{std::move(target), *credential, wanted.options<sasl::ClientOptions>()});
}

Result<std::unique_ptr<End>> begin(const Wanted& wanted) {
  if (wanted.mechanism == sasl::Gssapi::name) return begin<sasl::Gssapi>(wanted);
  if (wanted.mechanism == sasl::GssSpnego::name) return begin<sasl::GssSpnego>(wanted);
  if (wanted.mechanism == sasl::Gs2Krb5::name) return begin<sasl::Gs2Krb5>(wanted);
  if (wanted.mechanism == sasl::Gs2Krb5Plus::name) return begin<sasl::Gs2Krb5Plus>(wanted);
  return unexpected(Error::usage("begin", "no such mechanism"));
}

Result<std::string> obey(std::string_view command, Wanted& wanted, std::unique_ptr<End>& end) {
  if (command == "client" || command == "server") {
    wanted.role = command;
    std::cin >> wanted.mechanism >> wanted.strength >> wanted.manner;
    GSSKEY_TRY(end, begin(wanted));
    return "ready";
  }
  if (command == "session") return end->session();
  if (command == "external") {
    std::cin >> wanted.external;
    return "ready";
  }
  std::string argument;
  std::cin >> argument;
  if (command == "service") {
    wanted.service = argument;
    return "ready";
  }
  if (argument == "-") return end->step(std::nullopt);
  GSSKEY_TRY(const auto bytes, base64_decode(argument == "=" ? std::string_view{} : argument));
  if (command == "bindings") {
    wanted.bindings = bytes.size() == 0 ? ChannelBindings{} : ChannelBindings{"tls-server-end-point", bytes};
    return "ready";
  }
  if (command == "step") return end->step(ByteView{bytes});
  return command == "seal" ? end->seal(bytes) : end->open(bytes);
}

}  // namespace

int main() {
  Wanted wanted;
  std::unique_ptr<End> end;
  for (std::string command; std::cin >> command;) {
    const auto answer = obey(command, wanted, end);
    std::cout << (answer ? *answer : "failed " + example::in_words(answer.error())) << std::endl;
  }
}
