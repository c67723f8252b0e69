#!/usr/bin/env python3
"""examples/prefork_server: every connection is served by one worker, which is another user and never the acceptor."""
# SPDX-License-Identifier: MIT

import os
import pathlib
import re
import signal

from programs import Cases, Program, arguments, enter_realm, gss_client, run

USER = "alice@GSSKEY.TEST"
WORKERS, CLIENTS = 4, 24

options = arguments()
enter_realm(options.realm)
cases = Cases()
as_root = os.geteuid() == 0
if as_root:  # the workers read the realm's configuration, not its keytab
    configuration = pathlib.Path(os.environ["KRB5_CONFIG"])
    configuration.parent.chmod(0o711)
    configuration.chmod(0o644)

server = Program([options.prefork_server, "0", "host", "localhost"])
ready = server.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
for _ in range(WORKERS):
    server.wait_for(rf"(?:\d+ works as user \d+\n(?:.*\n)*?){{{WORKERS}}}")
workers = re.findall(r"^(\d+) works as user (\d+)$", server.output, re.MULTILINE)
port = ready.group(1) if ready else "0"


def served():
    """Worker and message of every connection so far."""
    return re.findall(rf'^(\d+) {USER} says "(.*)"$', server.output, re.MULTILINE)


def ours(number):
    code, output = run([options.client, "localhost", port, "host", f"ours {number}"])
    server.wait_for(rf'says "ours {number}"')
    return "client", code, output, 0, ["^message received, the server's MIC is right$"]


clients = [ours(number) for number in range(CLIENTS)]
cases.check("our clients", *clients)
code, output = run(gss_client(port, message="theirs"))
server.wait_for('says "theirs"')
cases.check("MIT's client", ("gss-client", code, output, 0, ["Signature verified"]))

killed = int(workers[0][0]) if workers else 0
if killed:
    os.kill(killed, signal.SIGKILL)
cases.check("our clients, with a worker less", *[ours(number) for number in range(CLIENTS, 2 * CLIENTS)])

expected = sorted([f"ours {number}" for number in range(2 * CLIENTS)] + ["theirs"])
problems = []
if sorted(message for _, message in served()) != expected:
    problems.append("not every message was answered once")
if not {worker for worker, _ in served()} <= {worker for worker, _ in workers}:
    problems.append("not only workers answered")
if as_root and {user for _, user in workers} != {"65534"}:
    problems.append("a worker is no other user")
if str(server.process.pid) in dict(workers):
    problems.append("the acceptor works itself")
if "gsskey-parked:" in pathlib.Path("/proc/keys").read_text(errors="replace"):
    problems.append("a key is left")
cases.check("who answered what", ("server", len(problems), server.output + "\n".join(problems), 0, []))
cases.check("its end", ("server", server.stop(), server.output, -signal.SIGTERM, ["!claimed or given up"]))
cases.end()
