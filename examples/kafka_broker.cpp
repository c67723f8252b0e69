// examples/kafka_broker: as much of a broker of Kafka as a login by SASL's GSSAPI takes, and the answer that there are
// no topics. Its clients are kcat, and others of librdkafka.
//
//   kafka_broker [--allow PRINCIPAL]... PORT SERVICE HOST      port 0: a free one
//
// Without --allow: whoever has authenticated. Kafka uses no layer: what follows the login is protected by TLS, if at
// all. SPDX-License-Identifier: MIT
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/sasl/gssapi.hpp>

#include "allow.hpp"
#include "kafka_text.hpp"
#include "print.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace std::chrono_literals;
using namespace example::kafka;
using example::AllowList;
using Wire = FramedTransport<FdStream>;

namespace {

unexpected<Error> unwanted(const char* why) { return unexpected<Error>(Error::transport("kafka_broker", EPROTO, why)); }

/// The apis, and the versions of them, that there are. Newer clients ask anew, in version 0.
Result<void> tell_versions(Wire& wire, const Request& request) {
  // Where there is no JoinGroup, librdkafka takes the broker for one from before SASL.
  constexpr std::pair<Api, std::int16_t> apis[] = {{Api::metadata, 0},
                                                   {Api::join_group, 0},
                                                   {Api::sasl_handshake, 1},
                                                   {Api::api_versions, 0},
                                                   {Api::sasl_authenticate, 0}};
  Response response{request.correlation};
  response.status(request.version == 0 ? Status::ok : Status::unsupported_version)
      .integer(std::int32_t{std::size(apis)});
  for (const auto& [api, greatest] : apis) {
    response.integer(static_cast<std::int16_t>(api)).integer(std::int16_t{0}).integer(greatest);
  }
  return wire.send(response.text());
}

/// A client's choice of the mechanism.
Result<void> choose(Wire& wire, Request& request) {
  const bool is_ours = request.fields.string() == sasl::Gssapi::name;
  Response response{request.correlation};
  response.status(is_ours ? Status::ok : Status::unsupported_mechanism)
      .integer(std::int32_t{1})
      .string(sasl::Gssapi::name);
  GSSKEY_TRY_VOID(wire.send(response.text()));
  if (!is_ours) return unwanted("the client wants another mechanism");
  return {};
}

unexpected<Error> refuse(Wire& wire, const Request& request, Error why) {
  const Response response = Response{request.correlation}.status(Status::authentication_failed).no_string().bytes({});
  static_cast<void>(wire.send(response.text()));  // and no word of why
  return unexpected<Error>(std::move(why));
}

/// Messages of SASL, each in a request.
Result<sasl::Session<mech::Krb5>> log_in(Wire& wire, sasl::Server<sasl::Gssapi> server, const AllowList& allowed) {
  bool has_chosen = false;
  while (true) {
    GSSKEY_TRY(auto request, receive(wire));
    if (request.api == Api::api_versions) {
      GSSKEY_TRY_VOID(tell_versions(wire, request));
    } else if (request.api == Api::sasl_handshake && !has_chosen) {
      GSSKEY_TRY_VOID(choose(wire, request));
      has_chosen = true;
    } else if (request.api == Api::sasl_authenticate && has_chosen) {
      const auto message = request.fields.bytes();
      if (request.fields.has_failed()) return unwanted("a message of SASL is cut");
      const auto challenge = server.step(message);
      if (!challenge) return refuse(wire, request, challenge.error());
      Response response{request.correlation};
      response.status(Status::ok).no_string().bytes(*challenge ? ByteView{**challenge} : ByteView{});
      if (!server.is_complete()) {
        GSSKEY_TRY_VOID(wire.send(response.text()));
        continue;
      }
      GSSKEY_TRY(auto session, std::move(server).establish());
      if (auto admitted = allowed.admit(session.peer); !admitted) return refuse(wire, request, admitted.error());
      GSSKEY_TRY_VOID(wire.send(response.text()));
      return session;
    } else {
      return unwanted("the client has not logged in");
    }
  }
}

/// One connection, to its end.
Result<void> serve(int socket, std::uint16_t port, const char* host, sasl::Server<sasl::Gssapi> server,
                   const AllowList& allowed) {
  FdStream stream{socket};
  stream.expires_after(10s);
  Wire wire{stream};
  GSSKEY_TRY(const auto session, log_in(wire, std::move(server), allowed));
  std::cout << session.authzid << " has logged in" << std::endl;
  while (true) {
    stream.expires_after(10s);
    GSSKEY_TRY(const auto request, receive(wire));
    if (request.api == Api::api_versions) {
      GSSKEY_TRY_VOID(tell_versions(wire, request));
    } else if (request.api == Api::metadata && request.version == 0) {  // one broker, and no topics
      Response response{request.correlation};
      response.integer(std::int32_t{1}).integer(std::int32_t{1}).string(host).integer(std::int32_t{port});
      GSSKEY_TRY_VOID(wire.send(response.integer(std::int32_t{0}).text()));
    } else {
      return unwanted("the client wants what there is not");
    }
  }
}

Result<void> serve_all(std::uint16_t port, const char* service, const char* host, const AllowList& allowed) {
  GSSKEY_TRY(const auto name, Name::host_service(service, host));
  GSSKEY_TRY(const auto credential, Credential<mech::Krb5, Accept>::acquire(name));
  GSSKEY_TRY(const auto listener, example::listen_on_loopback(port));
  GSSKEY_TRY(const auto actual, example::port_of(listener));
  std::cout << "listening on 127.0.0.1:" << actual << std::endl;
  while (true) {
    GSSKEY_TRY(const auto socket, example::accept_from(listener));
    sasl::Server<sasl::Gssapi> server{credential, {.min_ssf = 0, .max_ssf = 0}};
    const auto served = serve(socket.get(), actual, host, std::move(server), allowed);
    if (!served) std::cerr << "kafka_broker: " << example::in_words(served.error()) << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const AllowList allowed = example::allow_list("kafka_broker", argc, argv);
  if (argc != 4) {
    std::cerr << "usage: kafka_broker [--allow PRINCIPAL]... PORT SERVICE HOST\n";
    return 2;
  }
  const auto served = serve_all(static_cast<std::uint16_t>(std::atoi(argv[1])), argv[2], argv[3], allowed);
  if (served) return 0;
  std::cerr << "kafka_broker: " << example::in_words(served.error()) << '\n';
  return 1;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "kafka_broker: " << failure.what() << '\n';
  return 1;
}
