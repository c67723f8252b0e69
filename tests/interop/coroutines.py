#!/usr/bin/env python3
"""The examples in coroutines against each other: Asio's and those of an event loop of our own, many at once."""
# SPDX-License-Identifier: MIT

import contextlib
import functools
import os
import socket

from programs import (HOST, SECONDS, Cases, Program, arguments, enter_realm, refuses_a_taken_port, refuses_without_memory,
                      run)

USER, SERVICE = "alice@GSSKEY.TEST", "host/localhost"
NO_TICKET = {"KRB5CCNAME": "FILE:/nonexistent/ccache"}


def start(programs, *options):
    server = Program([programs.co_echo_server, *options, "0", "host", HOST])
    ready = server.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
    return server, ready.group(1) if ready else "0"


@functools.lru_cache
def is_forbidden(program):
    """Whether the kernel gives it no io_uring, as in most containers. A machine for CI gives it."""
    _, output = run([program, HOST, "1", "host", "hello"])
    if "io_uring_queue_init" not in output or os.environ.get("CI") == "true":
        return False
    print("left out:", output.strip())
    return True


def loops(programs):
    """The clients with another event loop than Asio's, of those that there are."""
    names = ["own_task", "uring_task", "qt_task"]
    there = [(name, vars(programs)[name]) for name in names if vars(programs)[name]]
    return [(name, program) for name, program in there if not is_forbidden(program)]


def echoes(cases, programs):
    server, port = start(programs)
    clients = [Program([programs.co_echo_client, HOST, port, "host", f"message {number}"]) for number in range(5)]
    sides = [("client", client.finish(), client.output, 0, [f"^{USER} authenticated to {SERVICE}@",
                                                            f'^echo "message {number}"$'])
             for number, client in enumerate(clients)]
    cases.check("five clients at once", *sides,
                ("server", server.stop(), server.output, 0, [f"^{USER} authenticated to {SERVICE}@", "!^co_echo_server:"]))

    messages = [f"message {number}" for number in range(20)]
    for name, program in loops(programs):
        server, port = start(programs)
        code, output = run([program, HOST, port, "host", *messages])
        cases.check(f"twenty connections of one thread: {name}",
                    ("client", code, output, 0, [f'^echo "{message}"$' for message in messages]),
                    ("server", server.stop(), server.output, 0,
                     [f"^{USER} authenticated to {SERVICE}@", "!^co_echo_server:"]))

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
    for name, program in loops(programs):
        code, output = run([program, HOST, port, "host", "hello"], **NO_TICKET)
        cases.check(f"{name} without a ticket", ("client", code, output, 1, [rf"^{name}: gss_acquire_cred \(krb5\)"]))
    code, output = run([programs.co_echo_client, HOST, port, "other", "hello"])
    cases.check("a ticket for another service", ("client", code, output, 1, ["^co_echo_client: "]))
    for said in [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\4abcd", b"\0\0"]:
        with socket.create_connection((HOST, int(port))) as stranger:
            stranger.sendall(said)
    code, output = run([programs.co_echo_client, HOST, port, "host", "hello"])
    cases.check("strangers, and a good client afterwards", ("client", code, output, 0, ['^echo "hello"$']),
                ("server", server.stop(), server.output, 0,
                 [r"^co_echo_server: gss_accept_sec_context \(krb5\): \w+", "the peer's token has \\d+ bytes, and at most \\d+ are allowed"]))

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


def answer(listener, said):
    """A server that reads a token, says `said`, byte after byte as long as somebody listens, if it is None, and hangs up."""
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.recv(100_000)
        if said is not None:
            connection.sendall(said)
            return
        connection.sendall(b"\0\0\x7f\0")
        connection.settimeout(0.1)
        while True:
            connection.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1):
                    return


def bad_servers(cases, programs):
    ended = "the peer closed the connection|Connection reset by peer|Broken pipe"
    for name, program in loops(programs):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(SECONDS)
            port = str(listener.getsockname()[1])
            for what, said, told in [("hangs up at once", b"", ended),
                                     ("hangs up within a length", b"\0\0\0", ended),
                                     ("hangs up within a token", b"\0\0\0\x64abc", ended),
                                     ("announces too much", b"\x7f\xff\xff\xff", r"the peer's token has \d+ bytes, and at most"),
                                     ("is too slow", None, "Connection timed out")]:
                client = Program([program, "--seconds", "30" if said is not None else "1", HOST, port, "host", "hello"])
                answer(listener, said)
                cases.check(f"{name}: a server that {what}",
                            ("client", client.finish(), client.output, 1, [f"^{name}: \\w+: .*({told})"]))
            code, output = run([program, "--seconds", "1", HOST, port, "host", "hello", "hello"])
            cases.check(f"{name}: a server that says nothing",
                        ("client", code, output, 1, [f"^({name}: \\w+: Connection timed out.*\n){{2}}"]))
        server, allowing = start(programs, "--allow", "bob@GSSKEY.TEST")
        code, output = run([program, HOST, allowing, "host", "hello"])
        cases.check(f"{name}: a server that hangs up after the handshake",
                    ("client", code, output, 1, [f"^{name}: \\w+: .*({ended})"]), ("server", server.stop(), server.output, 0, []))
        code, output = run([program, HOST, port, "host", "hello"])
        cases.check(f"{name}: no server", ("client", code, output, 1, [f"^{name}: \\w+: Connection refused"]))


if __name__ == "__main__":
    programs = arguments()
    enter_realm(programs.realm, "--service", SERVICE, "--service", "other/localhost")
    cases = Cases()
    echoes(cases, programs)
    refusals(cases, programs)
    bad_servers(cases, programs)
    cases.end()
