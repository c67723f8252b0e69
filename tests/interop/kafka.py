#!/usr/bin/env python3
"""examples/kafka_broker: librdkafka logs in by Kafka's requests (kcat), and clients that do not keep to the rules do not."""
# SPDX-License-Identifier: MIT

import argparse
import contextlib
import os
import socket
import struct

from programs import HOST, SECONDS, Cases, Program, enter_realm, run, skip_without, without_leak_check

USER = "alice@GSSKEY.TEST"
METADATA, HANDSHAKE, VERSIONS, AUTHENTICATE = 3, 17, 18, 36


@contextlib.contextmanager
def broker(options, *arguments):
    program = Program([options.kafka_broker, *arguments, "0", "kafka", HOST])
    ready = program.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
    try:
        yield program, ready.group(1)
    finally:
        program.stop()


def kcat(port):
    settings = ["security.protocol=SASL_PLAINTEXT", "sasl.mechanisms=GSSAPI", "sasl.kerberos.service.name=kafka",
                "sasl.kerberos.min.time.before.relogin=0"]  # no kinit of its own
    return ["kcat", "-L", "-m", str(SECONDS), "-b", f"{HOST}:{port}", *(word for name in settings for word in ("-X", name))]


def request(api, body, version=0):
    payload = struct.pack(">hhihs", api, version, 7, 1, b"x") + body
    return struct.pack(">i", len(payload)) + payload


def string(text):
    return struct.pack(">h", len(text)) + text


def sized(message):
    return struct.pack(">i", len(message)) + message


def talk(port, *requests):
    """The status of each answer, and "end" where the broker ends the connection."""
    said = []
    with socket.create_connection((HOST, int(port)), SECONDS) as connection, connection.makefile("rb") as stream:
        try:
            for words in requests:
                connection.sendall(words)
                answer = stream.read(struct.unpack(">i", stream.read(4))[0])
                said.append(str(struct.unpack(">h", answer[4:6])[0]))
            said += ["more"] if stream.read(1) else []
        except (ConnectionError, struct.error):
            pass
    return " ".join([*said, "end"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ["implementation", "realm", "kafka-broker"]:
        parser.add_argument("--" + option, required=True)
    options = parser.parse_args()
    skip_without("kcat")
    enter_realm(options.realm, "--service", "kafka/localhost")
    if options.implementation != "mit":
        os.environ.update(without_leak_check())
    cases = Cases()
    with broker(options, "--allow", "bob@GSSKEY.TEST") as (program, port):
        client = Program(kcat(port))
        client.wait_for("SASL authentication error")
        client.process.kill()  # it would try again
        client.finish()
        program.wait_for("allowed\n")
        cases.check("a client that is not allowed",
                    ("kcat", 0, client.output, 0, ["SASL authentication error", "!1 brokers"]),
                    ("kafka_broker", 0, program.output, 0, [f"{USER} is not allowed$", "!has logged in"]))
    with broker(options) as (program, port):
        choice = request(HANDSHAKE, string(b"GSSAPI"), version=1)
        for name, requests, wanted in [
            ("does not log in", [request(METADATA, sized(b""))], "end"),
            ("does not choose a mechanism", [request(AUTHENTICATE, sized(b"noise"))], "end"),
            ("chooses another mechanism", [request(HANDSHAKE, string(b"PLAIN"), version=1)], "33 end"),
            ("chooses twice", [choice, choice], "0 end"),
            ("sends noise", [choice, request(AUTHENTICATE, sized(b"noise"))], "0 58 end"),
            ("sends nothing, twice", [choice, *[request(AUTHENTICATE, sized(b""))] * 2], "0 58 end"),
            ("cuts its message", [choice, request(AUTHENTICATE, b"\0\0\1\0noise")], "0 end"),
            ("has a message of -1 bytes", [choice, request(AUTHENTICATE, b"\xff\xff\xff\xff")], "0 58 end"),
            ("cuts its request", [b"\0\0\0\3\0\x12\0"], "end"),
            ("has a request of 2 GiB", [b"\x7f\xff\xff\xff\0\x12\0"], "end"),
            ("asks for a new version", [request(VERSIONS, b"\1", version=3), request(VERSIONS, b""), choice,
                                        request(METADATA, sized(b""))], "35 0 0 end"),
        ]:
            cases.check(f"a client that {name}", ("kafka_broker", 0, talk(port, *requests), 0, [rf"\A{wanted}\Z"]))
        code, output = run(kcat(port))
        cases.check("and then librdkafka", ("kcat", code, output, 0, ["^ 1 brokers:$", f"broker 1 at {HOST}:{port}"]),
                    ("kafka_broker", 0, program.output if program.wait_for("has logged in\n") else "", 0,
                     [f"^{USER} has logged in$", "!terminate called"]))
    cases.end()


if __name__ == "__main__":
    main()
