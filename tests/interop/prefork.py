#!/usr/bin/env python3
"""examples/prefork_server: every connection is served by one worker, which is another user and never the acceptor, or
it is lost, if that worker is killed, and reported. --connections 1000: as many, of eight clients at a time."""
# SPDX-License-Identifier: MIT

import argparse
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed

from programs import SECONDS, Cases, Program, arguments, enter_realm, gss_client, refuses_a_taken_port, run

USER = "alice@GSSKEY.TEST"
WORKERS, CLIENTS = 4, 8

parser = argparse.ArgumentParser()
parser.add_argument("--connections", type=int, default=60, help="at least 60")
options = arguments(parser)
enter_realm(options.realm)
cases = Cases()
as_root = os.geteuid() == 0
if as_root:  # the workers read the realm's configuration, not its keytab
    configuration = pathlib.Path(os.environ["KRB5_CONFIG"])
    configuration.parent.chmod(0o711)
    configuration.chmod(0o644)

server = Program([options.prefork_server, "0", "host", "localhost"])
ready = server.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
server.wait_for(rf"(?:\d+ works as user \d+\n(?:.*\n)*?){{{WORKERS}}}")
workers = re.findall(r"^(\d+) works as user (\d+)$", server.output, re.MULTILINE)
port = ready.group(1) if ready else "0"


def ours(number):
    """Whether our client was answered, and how it ended."""
    code, output = run([options.client, "localhost", port, "host", f"ours {number}"])
    right = bool(re.search("^message received, the server's MIC is right$", output, re.MULTILINE))
    return number, right, ("client", code, output, code if right else 1, [])  # its goodbye may find nobody


code, output = run(gss_client(port, message="theirs"))
server.wait_for('says "theirs"')
cases.check("MIT's client", ("gss-client", code, output, 0, ["Signature verified"]))

started = time.monotonic()
answered, ends = set(), []


def serve(numbers, kill_after, worker):
    """That worker is killed when so many are done."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        for done, each in enumerate(as_completed([clients.submit(ours, number) for number in numbers]), 1):
            number, right, end = each.result()
            ends.append(end)
            if right:
                answered.add(number)
            if done == kill_after and len(workers) == WORKERS:
                os.kill(int(workers[worker][0]), signal.SIGKILL)
            server.drain()


half = options.connections // 2
serve(range(half), half // 2, 0)  # whatever it does
if len(workers) == WORKERS:
    os.kill(int(workers[1][0]), signal.SIGSTOP)  # so that there are connections that wait for it
serve(range(half, options.connections), half // 2, 1)
seconds = time.monotonic() - started
cases.check("our clients", *ends)
cases.check("with two workers less", *[end for _, right, end in [ours("last")] if right])

server.deadline = time.monotonic() + SECONDS
code = server.stop()
says = Counter(re.findall(rf'^\d+ {USER} says "ours (\d+)"$', server.output, re.MULTILINE))
speakers = set(re.findall(rf"^(\d+) {USER} says", server.output, re.MULTILINE))
lost = re.findall(r"^\d+ connection (\d+) is lost, with worker (\d+)$", server.output, re.MULTILINE)
unanswered = options.connections - len(answered)
killed = {pid for pid, _ in workers[:2]}
print(f"{options.connections} connections in {seconds:.1f} s, 2 of {WORKERS} workers killed: {len(answered)} answered, "
      f"{unanswered} not, {len(lost)} reported as lost")

problems = []
if any(count != 1 for count in says.values()):
    problems.append("a connection was served twice")
if not answered <= {int(number) for number in says}:
    problems.append("a client was answered whom nobody served")
# One that was killed between its answer and its word about it leaves a connection that is only thought to be lost.
if not unanswered <= len(lost) <= unanswered + len(killed) or not unanswered:
    problems.append("not each lost connection was reported")
if len(set(number for number, _ in lost)) != len(lost) or not {pid for _, pid in lost} <= killed:
    problems.append("reported as lost are others than those of the killed workers")
if not speakers <= {worker for worker, _ in workers}:
    problems.append("not only workers answered")
if as_root and {user for _, user in workers} != {"65534"}:
    problems.append("a worker is no other user")
if str(server.process.pid) in dict(workers):
    problems.append("the acceptor works itself")
cases.check("who answered what", ("server", len(problems), server.output + "\n".join(problems), 0, []))
cases.check("its end", ("server", code, server.output, 0,
                        ["^\\d+ ends; keys that are left: 0$", "!claimed or given up"]))

server = Program([options.prefork_server, "--as", "root", "0", "host", "localhost"])
ready = server.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
code, output = run([options.client, "localhost", ready.group(1) if ready else "0", "host", "hello"])
cases.check("a client that may not act as the user", ("client", code, output, 1, ["!message received"]),
            ("server", server.stop(), server.output, 0,
             [f"connection 1: gss_userok: {USER} may not act as the local user root$", "!says"]))
refuses_a_taken_port(cases, "prefork_server", options.prefork_server, "PORT", "host", "localhost")


def writes_of(command):
    """What a program and its children write, write by write: such a pipe keeps them apart. Its end is theirs."""
    read, write = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=write, stderr=write):
        os.close(write)
        writes = list(iter(lambda: os.read(read, 4096), b""))
    os.close(read)
    return writes


# Several processes write to one place: a line in two writes has those of others in it.
with socket.create_server(("127.0.0.1", 0), reuse_port=False) as taken:
    writes = writes_of([options.prefork_server, str(taken.getsockname()[1]), "host", "localhost"])
parts = [text for text in writes if text.count(b"\n") != 1 or not text.endswith(b"\n")]
cases.check("a line is one write", ("prefork_server", len(parts), b"".join(writes).decode(), 0,
                                    [r"^\d+ works as user \d+$", "^prefork_server: .*Address already in use"]))
cases.end()
