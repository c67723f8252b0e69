#!/usr/bin/env python3
"""Our programs and those of MIT's krb5-gss-samples, each with each: mechanism, mutual authentication, protection, MIC.

Of both sides it is checked what they say: who the peer is, the mechanism, the flags, the message and how it came.
"""
# SPDX-License-Identifier: MIT

import itertools
import os
import pathlib

from programs import Cases, Program, arguments, enter_realm, gss_client, run, start_gss_server, start_server

USER, TARGET = "alice@GSSKEY.TEST", "host/localhost"
KRB5 = "1.2.840.113554.1.2.2"
MESSAGE = "attack at dawn"

PROTECTIONS = {
    # name: options of gss-client, options of our client, what our server calls it
    "encrypted": ([], [], "encrypted"),
    "unencrypted": (["-nx"], ["--unencrypted"], "authenticated, not encrypted"),
    "plain": (["-nw", "-nx"], ["--plain"], "not protected"),
}


def our_context(spnego, mutual):
    return [rf"^{USER} authenticated to {TARGET}@",
            rf"mechanism  krb5 {KRB5}{', negotiated by SPNEGO' if spnego else ''}$",
            r"flags      mutual " if mutual else r"!flags .*mutual",
            r"flags .*replay .*confidentiality integrity", r"lifetime   \d{2,} s"]


def our_log(spnego, mutual):
    return [rf"^server: accepted {USER} as {TARGET}@\S+: {'spnego' if spnego else 'krb5'}, {KRB5}, "
            rf"aes256-cts-hmac-sha1-96, {'mutual' if mutual else 'replay'}\|.*\|integrity.*; \d steps?, \d+us$"]


def our_client(mic):
    return ["^message received, the server's MIC is right$" if mic else "^message received$"]


def our_server(protection, message=MESSAGE):
    return [rf'^message "{message}": {PROTECTIONS[protection][2]}$']


def mit_client(mutual, mic):
    return [rf'"{USER}" to "{TARGET}@', "Mechanism { 1 2 840 113554 1 2 2 }",
            "GSS_C_MUTUAL_FLAG" if mutual else "!GSS_C_MUTUAL_FLAG",
            "Signature verified" if mic else "Response received", "!Warning|GSS-API error"]


def mit_server(mutual, protection, message=MESSAGE):
    # It prints the bytes that came: that is how to see whether they were encrypted.
    seen = r"\s+".join(f"{byte:02x}" for byte in message.encode())
    return [f'Accepted connection: "{USER}"', "using mechanism OID { 1 2 840 113554 1 2 2 }",
            "GSS_C_MUTUAL_FLAG" if mutual else "!GSS_C_MUTUAL_FLAG", f'Received message: "{message}"',
            f"!{seen}" if protection == "encrypted" else seen, "NOOP token", "!Warning|GSS-API error"]


def port_of(pid):
    """The port that a process listens on."""
    sockets = {os.readlink(at) for at in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for line in pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    [port] = [int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]
    return str(port)


def pairs(cases, programs):
    for spnego, mutual, protection, mic in itertools.product([False, True], [True, False], PROTECTIONS, [True, False]):
        theirs = (["-spnego"] if spnego else []) + ([] if mutual else ["-nomutual"]) + PROTECTIONS[protection][0]
        ours = (["--spnego"] if spnego else []) + ([] if mutual else ["--no-mutual"]) + PROTECTIONS[protection][1]
        if not mic:
            theirs.append("-nm")
            ours.append("--no-mic")
        mechanism = ["--spnego"] if spnego else []
        name = ", ".join(["spnego" if spnego else "krb5", "mutual" if mutual else "one-way", protection,
                          "MIC" if mic else "no MIC"])

        server, port = start_server(programs.server, *mechanism)
        code, output = run(gss_client(port, *theirs, message=MESSAGE))
        cases.check(f"gss-client to our server: {name}",
                    ("gss-client", code, output, 0, mit_client(mutual, mic)),
                    ("server", server.finish(), server.output, 0,
                     our_log(spnego, mutual) + our_context(spnego, mutual) + our_server(protection)))

        server, port = start_gss_server("-verbose")
        code, output = run([programs.client, *ours, "localhost", str(port), "host", MESSAGE])
        cases.check(f"our client to gss-server: {name}",
                    ("client", code, output, 0, our_context(spnego, mutual) + our_client(mic)),
                    ("gss-server", server.finish(), server.output, 0, mit_server(mutual, protection)))

        server, port = start_server(programs.server, *mechanism)
        code, output = run([programs.client, *ours, "localhost", str(port), "host", MESSAGE])
        cases.check(f"our client to our server: {name}",
                    ("client", code, output, 0, our_context(spnego, mutual) + our_client(mic)),
                    ("server", server.finish(), server.output, 0,
                     our_log(spnego, mutual) + our_context(spnego, mutual) + our_server(protection)))


def more(cases, programs):
    """Beyond the matrix."""
    for mechanism, option in [([], []), (["--spnego"], ["-spnego"])]:
        name = "spnego" if mechanism else "krb5"
        server, port = start_server(programs.server, *mechanism, once=False)
        code, output = run(gss_client(port, *option, "-ccount", "3", "-mcount", "4"))
        again, more_output = run([programs.client, *mechanism, "localhost", str(port), "host", "one more"])
        server.wait_for("one more.*\n")
        server.stop()
        cases.check(f"four connections and 13 messages with one credential: {name}",
                    ("gss-client", code, output, 0, [r"(?s)(Signature verified\..*){12}"]),
                    ("client", again, more_output, 0, our_client(mic=True)),
                    ("server", 0, server.output, 0,
                     [r"(?s)(authenticated to .*){4}", r'(?s)(message "hello": encrypted.*){12}',
                      *our_server("encrypted", "one more")]))

    server, port = start_server(programs.server)
    code, output = run(gss_client(port, "-seq"))
    cases.check("gss-client asks for sequence detection",
                ("gss-client", code, output, 0, ["GSS_C_SEQUENCE_FLAG"]),
                ("server", server.finish(), server.output, 0, ["flags .*sequence"]))

    server, port = start_server(programs.server)
    code, output = run(gss_client(port, message=""))
    cases.check("an empty message, from gss-client",
                ("gss-client", code, output, 0, ["Signature verified"]),
                ("server", server.finish(), server.output, 0, our_server("encrypted", "")))

    long = "0123456789" * 6000
    server, port = start_server(programs.server)
    code, output = run(gss_client(port, message=long))
    cases.check("60,000 bytes, from gss-client",
                ("gss-client", code, output, 0, ["Signature verified"]),
                ("server", server.finish(), server.output, 0, our_server("encrypted", long)))

    server, port = start_gss_server()
    code, output = run([programs.client, "localhost", str(port), "host", long])
    cases.check("60,000 bytes, to gss-server",
                ("client", code, output, 0, our_client(mic=True)),
                ("gss-server", server.finish(), server.output, 0, [f'Received message: "{long}"']))

    server, port = start_server(programs.server)
    code, output = run([programs.client, "--default-credential", "localhost", str(port), "host", MESSAGE])
    cases.check("the default credential",
                ("client", code, output, 0, our_context(False, True) + our_client(mic=True)),
                ("server", server.finish(), server.output, 0, our_server("encrypted")))

    if programs.from_c:
        code, output = run([programs.from_c, "host@localhost"])
        cases.check("an initiator of C calls, an acceptor of this library",
                    ("from_c", code, output, 0, ["host@localhost understands hello"]))

    for realm, words in [("GSSKEY.TEST", f'{USER} says "hello"'), ("OTHER.TEST", "authorize: .*realm")]:
        server = Program([programs.first_server, "0", realm])
        server.wait_for("listening\n")
        code, output = run([programs.first, "localhost", port_of(server.process.pid), "host"])
        server.wait_for(words)
        server.stop()
        cases.check(f"examples/first to examples/first_server, which lets {realm} in",
                    ("first", code, output, 0, []), ("server", 0, server.output, 0, [words]))


if __name__ == "__main__":
    programs = arguments()
    enter_realm(programs.realm)
    cases = Cases()
    pairs(cases, programs)
    more(cases, programs)
    cases.end()
