#!/usr/bin/env python3
"""What must fail, and how: both sides end with an exit code that is not 0, in time, and with words that help.

gss-server is not asked for its exit code: it is 0 whatever happens.
"""
# SPDX-License-Identifier: MIT

import socket
import threading

from programs import (HOST, Cases, arguments, enter_realm, free_port, gss_client, refuses_a_taken_port, run, start_gss_server, start_server,
                      without_leak_check)

NO_TICKET = {"KRB5CCNAME": "FILE:/nonexistent/ccache"}
CLOSED = r"^(server|client): (recv|send): (the peer closed the connection|Connection reset by peer|Broken pipe)$"

# Words of the implementations, which our programs pass on: for krb5, for spnego
WORDS = {
    "mit": {
        "no ticket": ["No Kerberos credentials available"] * 2,
        "no service": ["Server nosuch/localhost@GSSKEY.TEST not found in Kerberos database"] * 2,
        "no key": ["No key table entry found matching ldap/localhost"],
        "not for us": ["does not match server principal host/localhost"] * 2,
        "told so": ["The ticket isn't for us"] * 2,
    },
    "heimdal": {
        "no ticket": ["no credentials, or they cannot be used"] * 2,
        "no service": ["nosuch/localhost@GSSKEY.TEST", "the mechanism is not supported"],
        "no key": ["no credentials, or they cannot be used"],
        "not for us": ["Decrypt integrity check failed", "failure"],
        "told so": [None, "the mechanism is not supported"],  # its krb5 acceptor sends no reason
    },
}


def both(cases, programs, mechanism, words):
    name = "spnego" if mechanism else "krb5"
    words = {key: of[1 if mechanism else 0] for key, of in words.items() if len(of) == 2}
    told_so = rf"^client: gss_init_sec_context \({name}\): .*({words['told so']})" if words["told so"] else CLOSED
    theirs = ["-spnego"] if mechanism else []
    client = [programs.client, *mechanism, HOST]

    server, port = start_server(programs.server, *mechanism)
    code, output = run([*client, str(port), "host", "hello"], **NO_TICKET)
    cases.check(f"{name}: our client has no ticket",
                ("client", code, output, 1, [rf"^client: gss_acquire_cred \({name}\): .*({words['no ticket']})"]),
                ("server", server.finish(), server.output, 1, [CLOSED]))

    server, port = start_server(programs.server, *mechanism)
    code, output = run(gss_client(port, *theirs), **NO_TICKET)
    cases.check(f"{name}: gss-client has no ticket",
                ("gss-client", code, output, "fails", ["GSS-API error initializing context"]),
                ("server", server.finish(), server.output, 1, [CLOSED]))

    server, port = start_server(programs.server, *mechanism)
    code, output = run([*client, str(port), "nosuch", "hello"])
    cases.check(f"{name}: our client wants a service that does not exist",
                ("client", code, output, 1, [rf"^client: gss_init_sec_context \({name}\): .*({words['no service']})"]),
                ("server", server.finish(), server.output, 1, [CLOSED]))

    server, port = start_server(programs.server, *mechanism)
    code, output = run([*client, str(port), "http", "hello"])
    cases.check(f"{name}: our client wants another service than our server is",
                ("client", code, output, 1, [told_so]),
                ("server", server.finish(), server.output, 1,
                 [rf"^server: gss_accept_sec_context \({name}\): .*({words['not for us']})",
                  rf"^server: refused somebody: {name}; 1 step, \d+us; gss_accept_sec_context \({name}\): "]))

    server, port = start_gss_server()
    code, output = run([*client, str(port), "http", "hello"])
    cases.check(f"{name}: our client wants another service than gss-server is",
                ("client", code, output, 1, [rf"^client: gss_init_sec_context \({name}\): \w+"]),
                ("gss-server", server.finish(), server.output, 0, ["GSS-API error accepting context"]))

    server, port = start_server(programs.server, *mechanism)
    code, output = run(gss_client(port, *theirs, service="http"))
    cases.check(f"{name}: gss-client wants another service than our server is",
                ("gss-client", code, output, "fails", []),
                ("server", server.finish(), server.output, 1,
                 [rf"^server: gss_accept_sec_context \({name}\): .*({words['not for us']})",
                  rf"^server: refused somebody: {name}; 1 step, \d+us; gss_accept_sec_context \({name}\): "]))

    server, port = start_server(programs.server, *mechanism)
    code, output = run(gss_client(port, *theirs, "-noreplay"))
    cases.check(f"{name}: gss-client offers neither replay nor sequence detection, one of which is demanded",
                ("gss-client", code, output, "fails", ["!GSS_C_REPLAY_FLAG"]),
                ("server", server.finish(), server.output, 1,
                 ["^server: gss_accept_sec_context.*: a demanded service was not granted: replay sequence$"]))

    server, port = start_server(programs.server, *mechanism)
    code, output = run(gss_client(port, "-na"))
    cases.check(f"{name}: gss-client does not want to authenticate",
                ("gss-client", code, output, "fails", []),
                ("server", server.finish(), server.output, 1, ["^server: .*the client does not want to authenticate$"]))

    server, port = start_server(programs.server, *mechanism, "--allow", "bob@GSSKEY.TEST")
    code, output = run([*client, str(port), "host", "hello"])
    cases.check(f"{name}: our client has authenticated and is not allowed",
                ("client", code, output, 1, ["!message received"]),
                ("server", server.finish(), server.output, 1,
                 ["^server: --allow: alice@GSSKEY.TEST is not allowed$", "!^message"]))

    server, port = start_server(programs.server, *mechanism, "--allow", "bob@GSSKEY.TEST", "--allow", "alice@GSSKEY.TEST")
    code, output = run([*client, str(port), "host", "hello"])
    cases.check(f"{name}: our client is allowed, beside others",
                ("client", code, output, 0, ["^message received"]),
                ("server", server.finish(), server.output, 0, ['^message "hello"']))

    other = [] if mechanism else ["--spnego"]
    server, port = start_server(programs.server, *mechanism)
    code, output = run([programs.client, *other, HOST, str(port), "host", "hello"])
    cases.check(f"{name}: our client speaks the other mechanism",
                ("client", code, output, 1, [r"^client: "]),
                ("server", server.finish(), server.output, 1, [rf"^server: gss_accept_sec_context \({name}\): \w+"]))


def say(connection, words):
    """All of it, and then the end; the other side may have left by then."""
    try:
        connection.sendall(words)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    except OSError:
        pass


def wire(cases, programs):
    """Peers that do not speak the protocol."""
    strangers = {
        "nothing": (b"", "the peer closed the connection"),
        "half a frame": (b"\x11\0\0", "the peer closed the connection"),
        "HTTP": (b"GET / HTTP/1.0\r\n\r\n", "the peer announces too long a frame"),
        "version 1 of the protocol": (b"\0\0\0\x05hello", "version 1"),
        "a frame of 4 GiB": (b"\x11\xff\xff\xff\xff", "too long a frame"),
        "a handshake token of 4 GiB": (b"\x11\0\0\0\0\x02\xff\xff\xff\xff", "too long a frame"),
        "a message before the handshake": (b"\x11\0\0\0\0\x04\0\0\0\x05hello", "no handshake token"),
        "an empty handshake token": (b"\x11\0\0\0\0\x02\0\0\0\0", r"gss_accept_sec_context \(krb5\): \w+"),
        "a handshake token of noise": (b"\x11\0\0\0\0\x02\0\0\0\x08" + b"\x60\x06\x06\x09noise"[:8],
                                       r"gss_accept_sec_context \(krb5\): \w+"),
    }
    for name, (said, words) in strangers.items():
        server, port = start_server(programs.server)
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            say(stranger, said)
            server.finish()
        cases.check(f"our server hears {name}", ("server", server.process.returncode, server.output, 1, [words]))

    answers = {
        "nothing": (b"", CLOSED),
        "half a frame": (b"\x02\0", CLOSED),
        "HTTP": (b"HTTP/1.0 400 Bad Request\r\n\r\n", "too long a frame"),
        "a message before the handshake": (b"\x04\0\0\0\x05hello", "no handshake token"),
        "a handshake token of noise": (b"\x02\0\0\0\x08" + b"\x60\x06\x06\x09noise"[:8],
                                       r"gss_init_sec_context \(krb5\): \w+"),
    }
    for name, (said, words) in answers.items():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def answer():
                connection, _ = listener.accept()
                with connection:
                    say(connection, said)
            peer = threading.Thread(target=answer, daemon=True)
            peer.start()
            code, output = run([programs.client, "127.0.0.1", str(listener.getsockname()[1]), "host", "hello"])
            peer.join(10)
        cases.check(f"our client hears {name}", ("client", code, output, 1, [words]))


if __name__ == "__main__":
    programs = arguments()
    enter_realm(programs.realm, "--service", "host/localhost", "--service", "http/localhost",
                "--service", "host/127.0.0.1")
    words = WORDS[programs.implementation]
    cases = Cases()
    for mechanism in [[], ["--spnego"]]:
        both(cases, programs, mechanism, words)

    # A gss_acquire_cred of MIT krb5 1.20 that does not find the key leaks the principal.
    server, port = start_server(programs.server, service="ldap", **without_leak_check())
    cases.check("krb5: our server has no key", ("server", server.finish(), server.output, 1,
                                                [rf"^server: gss_acquire_cred \(krb5\): .*({words['no key'][0]})"]))
    code, output = run([programs.client, HOST, str(free_port()), "host", "hello"])
    cases.check("no server", ("client", code, output, 1, ["^client: connect: Connection refused$"]))
    code, output = run([programs.first, HOST, str(free_port()), "host"])
    cases.check("no server, examples/first", ("first", code, output, 1, ["^connect: Connection refused$"]))
    refuses_a_taken_port(cases, "server", programs.server, "--port", "PORT", "host", HOST)
    refuses_a_taken_port(cases, "delegation", programs.delegation, "--port", "PORT", "host", HOST, HOST, "1", "host")
    refuses_a_taken_port(cases, "realm", programs.realm, "--kdc", "127.0.0.1:PORT", "--", "true")
    for program, usage in [(programs.client, "usage: client"), (programs.server, "usage: server")]:
        code, output = run([program, "--nonsense"])
        cases.check("unknown option", ("program", code, output, 2, ["^" + usage]))
    wire(cases, programs)
    cases.end()
