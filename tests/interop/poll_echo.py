#!/usr/bin/env python3
"""The echo server of one thread with poll(), over the record layer: a hundred clients at once, some that stall, and those
of Asio; and the blocking client with it and with Asio's server. Tickets by poll() and by Asio."""
# SPDX-License-Identifier: MIT

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from programs import (HOST, SECONDS, Cases, Program, arguments, enter_realm, outlasts_a_shortage, refuses_a_taken_port, run,
                      start_server)

USER, SERVICE = "alice@GSSKEY.TEST", "host/localhost"
AUTHENTICATED = f"^{USER} authenticated to {SERVICE}@"
NO_TICKET = {"KRB5CCNAME": "FILE:/nonexistent/ccache"}


def start(program, *options):
    server = Program([program, *options, "0", "host", HOST])
    ready = server.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
    return server, ready.group(1) if ready else "0"


def connections_to(port):
    lines = pathlib.Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return sum(line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines)


def echoes(cases, programs):
    server, port = start(programs.poll_echo_server)
    messages = [f"message {number}" for number in range(100)]
    # It does nothing before all have connected: none can be done before the last one comes.
    server.process.send_signal(signal.SIGSTOP)
    client = Program([programs.own_task, HOST, port, "host", *messages])
    while connections_to(int(port)) < 100 and time.monotonic() < client.deadline:
        time.sleep(0.01)
    server.process.send_signal(signal.SIGCONT)
    cases.check("a hundred connections at once", ("client", client.finish(), client.output, 0, [f'^echo "{message}"$' for message in messages]),
                ("server", server.stop(), server.output, 0, [AUTHENTICATED, "^100 clients at once$", "!^poll_echo_server:"]))

    server, port = start(programs.poll_echo_server)
    with contextlib.ExitStack() as stack:
        for said in [b"", b"\0\0", b"\0\0\2\0" + b"x" * 100]:  # and then nothing more
            stalling = stack.enter_context(socket.create_connection((HOST, int(port))))
            stalling.sendall(said)
        clients = [programs.echo_client] + [programs.co_echo_client] * bool(programs.co_echo_client)
        for client in clients:
            code, output = run([client, HOST, port, "host", "x" * 100_000])
            cases.check("a long message, while others stall", ("client", code, output, 0, ['^echo "x{100000}"$', AUTHENTICATED]))
    cases.check("all hung up", ("server", server.stop(), server.output, 0, ["^[45] clients at once$", "!^poll_echo_server:"]))

    for options in [[], ["--openssl"]] if programs.co_echo_server else []:
        server, port = start(programs.co_echo_server, *options)
        code, output = run([programs.echo_client, HOST, port, "host", "x" * 100_000])
        cases.check(f"a blocking client, and Asio's server {options}",
                    ("client", code, output, 0, ['^echo "x{100000}"$', AUTHENTICATED]),
                    ("server", server.stop(), server.output, 0, [AUTHENTICATED, "!^co_echo_server:"]))


def refusals(cases, programs):
    server, port = start(programs.poll_echo_server)
    code, output = run([programs.echo_client, HOST, port, "host", "hello"], **NO_TICKET)
    cases.check("a client without a ticket", ("client", code, output, 1, [r"^echo_client: gss_acquire_cred \(krb5\)"]))
    for said in [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\4abcd", b"\0\0"]:
        with socket.create_connection((HOST, int(port))) as stranger:
            with contextlib.suppress(OSError):
                stranger.sendall(said)
                stranger.shutdown(socket.SHUT_WR)
                while stranger.recv(1000):  # until it hangs up
                    pass
    code, output = run([programs.echo_client, HOST, port, "host", "hello"])
    cases.check("strangers, and a good client afterwards", ("client", code, output, 0, ['^echo "hello"$']),
                ("server", server.stop(), server.output, 0,
                 [r"^poll_echo_server: gss_accept_sec_context \(krb5\): \w+", "the peer's token has \\d+ bytes, and at most \\d+ are allowed"]))

    server, port = start(programs.poll_echo_server, "--allow", "bob@GSSKEY.TEST")
    code, output = run([programs.echo_client, HOST, port, "host", "hello"])
    cases.check("a client that is not allowed", ("client", code, output, 1, ["!^echo "]),
                ("server", server.stop(), server.output, 0, [f"^poll_echo_server: --allow: {USER} is not allowed$"]))
    server = Program([programs.poll_echo_server, "0", "nosuch", HOST])
    cases.check("a server without a key", ("server", server.finish(), server.output, 1,
                                           [r"^poll_echo_server: gss_acquire_cred \(krb5\): \w+"]))
    refuses_a_taken_port(cases, "poll_echo_server", programs.poll_echo_server, "PORT", "host", HOST)
    code, output = run([programs.echo_client, HOST, "1", "host", "hello"])
    cases.check("nobody listens", ("client", code, output, 1, ["^echo_client: connect: Connection refused$"]))


def shortages(cases, programs):
    """The accept loops: of blocking sockets, of poll(), of Asio."""
    for name in ["server", "poll_echo_server", "co_echo_server"]:
        if not (program := getattr(programs, name)):
            continue
        server, port = start_server(program, once=False) if name == "server" else start(program)
        client = programs.client if name == "server" else programs.echo_client
        answer = "the server's MIC is right" if name == "server" else '^echo "hello"$'
        outlasts_a_shortage(cases, name, server, port, [client, HOST, str(port), "host", "hello"], answer)
        server.stop()


def tickets(cases, name, program):
    """KDCs that are not there come first; of some there is no word, and of others a name that nobody has."""
    config = pathlib.Path(os.environ["KRB5_CONFIG"])
    kdc = re.search(r"kdc = (\S+)", config.read_text(encoding="ascii"))
    for title, first in [("one KDC", []), ("the third of three", ["kdc..invalid", "127.0.0.1:1"])]:
        other = config.with_name("kdcs.conf")
        other.write_text(config.read_text(encoding="ascii").replace(
            kdc[0], "\n  ".join(f"kdc = {place}" for place in [*first, kdc[1]])), encoding="ascii")
        for password, code, said in [("secret", 0, r"^a token of \d{3,} bytes$"),
                                     ("wrong", 1, rf"^{name}: krb5_init_creds_step \(krb5\): failure; \w+")]:
            done = subprocess.run([program, "alice", "host", HOST], input=password + "\n", text=True,
                                  check=False, capture_output=True, timeout=SECONDS, env={**os.environ, **NO_TICKET, "KRB5_CONFIG": str(other)})
            cases.check(f"tickets by {name}, {title}, {password} password",
                        (name, done.returncode, done.stdout + done.stderr, code, [said]))


if __name__ == "__main__":
    programs = arguments()
    enter_realm(programs.realm, "--service", SERVICE)
    cases = Cases()
    echoes(cases, programs)
    refusals(cases, programs)
    shortages(cases, programs)
    for name in ["poll_ticket", "co_ticket"]:
        if program := getattr(programs, name):
            tickets(cases, name, program)
    cases.end()
