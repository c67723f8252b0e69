#!/usr/bin/env python3
"""The examples in coroutines against each other: Asio's and those of an event loop of our own, many at once."""
# SPDX-License-Identifier: MIT

import socket

from programs import (HOST, Cases, Program, arguments, enter_realm, refuses_a_taken_port, refuses_without_memory,
                      run)

USER, SERVICE = "alice@GSSKEY.TEST", "host/localhost"
NO_TICKET = {"KRB5CCNAME": "FILE:/nonexistent/ccache"}


def start(programs, *options):
    server = Program([programs.co_echo_server, *options, "0", "host", HOST])
    ready = server.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
    return server, ready.group(1) if ready else "0"


def echoes(cases, programs):
    server, port = start(programs)
    clients = [Program([programs.co_echo_client, HOST, port, "host", f"message {number}"]) for number in range(5)]
    sides = [("client", client.finish(), client.output, 0, [f"^{USER} authenticated to {SERVICE}@",
                                                            f'^echo "message {number}"$'])
             for number, client in enumerate(clients)]
    cases.check("five clients at once", *sides,
                ("server", server.stop(), server.output, 0, [f"^{USER} authenticated to {SERVICE}@", "!^co_echo_server:"]))

    server, port = start(programs)
    messages = [f"message {number}" for number in range(20)]
    code, output = run([programs.own_task, HOST, port, "host", *messages])
    cases.check("twenty connections of one thread, in a coroutine type of its own",
                ("client", code, output, 0, [f'^echo "{message}"$' for message in messages]),
                ("server", server.stop(), server.output, 0, [f"^{USER} authenticated to {SERVICE}@", "!^co_echo_server:"]))

    server, port = start(programs)
    code, output = run([programs.co_echo_client, HOST, port, "host", "x" * 100_000])
    cases.check("a long message", ("client", code, output, 0, ['^echo "x{100000}"$']),
                ("server", server.stop(), server.output, 0, ["!^co_echo_server:"]))

    for ours, theirs in [(["--openssl"], []), ([], ["--openssl"]), (["--openssl"], ["--openssl"])]:
        server, port = start(programs, *ours)
        code, output = run([programs.co_echo_client, *theirs, "--times", "50", HOST, port, "host", "x" * 20_000])
        cases.check(f"messages by OpenSSL: server {ours}, client {theirs}",
                    ("client", code, output, 0, ['^echo "x{20000}"$', f"^{USER} authenticated to {SERVICE}@",
                                                 r"^\S+ echoes/s, \S+ MiB/s each way$"]),
                    ("server", server.stop(), server.output, 0, [f"^{USER} authenticated to {SERVICE}@",
                                                                 "!^co_echo_server:"]))


def refusals(cases, programs):
    server, port = start(programs)
    code, output = run([programs.co_echo_client, HOST, port, "host", "hello"], **NO_TICKET)
    cases.check("a client without a ticket", ("client", code, output, 1, [r"^co_echo_client: gss_acquire_cred \(krb5\)"]))
    code, output = run([programs.own_task, HOST, port, "host", "hello"], **NO_TICKET)
    cases.check("own_task without a ticket", ("client", code, output, 1, [r"^own_task: gss_acquire_cred \(krb5\)"]))
    code, output = run([programs.co_echo_client, HOST, port, "other", "hello"])
    cases.check("a ticket for another service", ("client", code, output, 1, ["^co_echo_client: "]))
    for said in [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\4abcd", b"\0\0"]:
        with socket.create_connection((HOST, int(port))) as stranger:
            stranger.sendall(said)
    code, output = run([programs.co_echo_client, HOST, port, "host", "hello"])
    cases.check("strangers, and a good client afterwards", ("client", code, output, 0, ['^echo "hello"$']),
                ("server", server.stop(), server.output, 0,
                 [r"^co_echo_server: gss_accept_sec_context \(krb5\): \w+", "longer token than is allowed"]))

    for options in [[], ["--openssl"]]:
        server, port = start(programs, *options, "--allow", "bob@GSSKEY.TEST")
        code, output = run([programs.co_echo_client, HOST, port, "host", "hello"])
        cases.check(f"a client that is not allowed {options}", ("client", code, output, 1, ["!^echo"]),
                    ("server", server.stop(), server.output, 0, [f"^co_echo_server: --allow: {USER} is not allowed$"]))

    server = Program([programs.co_echo_server, "0", "nosuch", HOST])
    cases.check("a server without a key", ("server", server.finish(), server.output, 1,
                                           [r"^co_echo_server: gss_acquire_cred \(krb5\): \w+"]))
    refuses_a_taken_port(cases, "co_echo_server", programs.co_echo_server, "PORT", "host", HOST)
    refuses_without_memory(cases, "co_echo_server", programs.co_echo_server, "0", "host", HOST)
    refuses_without_memory(cases, "co_echo_client", programs.co_echo_client, HOST, "1", "host", "hello")


if __name__ == "__main__":
    programs = arguments()
    enter_realm(programs.realm, "--service", SERVICE, "--service", "other/localhost")
    cases = Cases()
    echoes(cases, programs)
    refusals(cases, programs)
    cases.end()
