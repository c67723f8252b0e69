"""What the interop tests share: a realm around the test, programs that run beside each other, a table of cases.

Nothing here sleeps to synchronise: a server is ready when it says so, and every wait has a deadline.
"""
# SPDX-License-Identifier: MIT

import argparse
import contextlib
import fcntl
import functools
import itertools
import os
import pathlib
import re
import resource
import select
import shutil
import socket
import subprocess
import sys
import time

SECONDS = 30
HOST, SERVICE = "localhost", "host"


def arguments(parser=None):
    """The programs under test."""
    parser = parser or argparse.ArgumentParser()
    parser.add_argument("--implementation", choices=["mit", "heimdal", "gnu"], required=True)
    for program in ["realm", "client", "server", "first", "delegation", "s4u_service", "echo_client",
                    "poll_echo_server"]:
        parser.add_argument("--" + program, required=True)
    for program in ["prefork_server", "gss_key_client", "gss_key_handler",
                    "large_ticket", "poll_ticket"]:  # where there are libkeyutils and OpenSSL; MIT krb5
        parser.add_argument("--" + program)
    for program in ["first_server", "own_task", "uring_task", "qt_task", "co_echo_client", "co_echo_server", "http_client",
                    "http_server", "postgres_server",
                    "co_ticket", "from_c"]:  # without GNU GSS; where there are liburing, QCoro, Asio; MIT krb5
        parser.add_argument("--" + program)
    options = parser.parse_args()
    if options.implementation != "mit":  # Heimdal and Shishi leak something in every process
        os.environ.update(without_leak_check())
    return options


def without_leak_check():
    """Environment for where a library is known to leak by itself; for programs built with AddressSanitizer."""
    return {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


def skip(reason):
    """Exit code 77 is Meson's "skipped"; a machine for CI can run everything."""
    print("skipped:", reason)
    sys.exit(1 if os.environ.get("CI") == "true" else 77)


def skip_without(*programs):
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    for program in programs:
        if shutil.which(program, path=path) is None:
            skip(f"{program} is not installed")


def enter_realm(realm, *options):
    """Runs this test again in a realm of its own, unless it is inside already."""
    inside = "GSSKEY_INTEROP_REALM"
    if inside not in os.environ:
        skip_without("krb5kdc", "kadmin.local", "kinit", "gss-client", "gss-server")
        os.environ[inside] = "yes"
        os.environ["LC_ALL"] = "C"
        os.execv(realm, [realm, *options, "--", sys.executable, *sys.argv])


REQUEST_KEY_RULES = pathlib.Path("/etc/request-key.d")


@functools.lru_cache
def can_make_handlers_known():
    """Whether the kernel starts the /sbin/request-key that is here: in a chroot or container it starts the one outside,
    which knows other rules."""
    programs = ["/sbin/request-key", "/bin/keyctl"]
    if not all(map(os.path.exists, programs)) or not os.access(REQUEST_KEY_RULES, os.W_OK):
        return False
    name = f"gsskey-test-{os.getpid()}:probe"
    with request_key_rule(f"create user {name} * /bin/keyctl instantiate %k here 0\n"):
        command = ["/bin/keyctl", "session", "-", "/bin/keyctl", "request2", "user", name, "probe"]
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


@contextlib.contextmanager
def request_key_rule(text):
    """For as long as it lasts /sbin/request-key knows the handler. One test at a time: the examples' patterns are fixed.
    What is left of killed tests goes first."""
    folder = os.open(REQUEST_KEY_RULES, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    for file in REQUEST_KEY_RULES.glob("gsskey-test-*.conf"):
        if not os.path.exists("/proc/" + file.stem.removeprefix("gsskey-test-")):
            file.unlink(missing_ok=True)
    rules = REQUEST_KEY_RULES / f"gsskey-test-{os.getpid()}.conf"
    try:
        rules.write_text(text, encoding="utf-8")
        yield
    finally:
        rules.unlink(missing_ok=True)
        os.close(folder)


class Program:
    """A running program. Its stdout and stderr are one stream, as on a terminal."""

    def __init__(self, command, **environment):
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.output = ""
        self.deadline = time.monotonic() + SECONDS

    def _read(self):
        """Some more output; False at its end or at the deadline."""
        pipe = self.process.stdout
        ready, _, _ = select.select([pipe], [], [], max(0, self.deadline - time.monotonic()))
        more = os.read(pipe.fileno(), 65536) if ready else b""
        self.output += more.decode(errors="replace")
        return bool(more)

    def wait_for(self, pattern):
        """The match, or None when the program ends or the time is over before it says so."""
        while not (match := re.search(pattern, self.output)):
            if not self._read():
                return None
        return match

    def drain(self):
        """What it has said by now: its pipe must not fill up."""
        while select.select([self.process.stdout], [], [], 0)[0] and self._read():
            pass

    def finish(self):
        """Its exit code, negative for a signal; it is killed when its time is over."""
        while self._read():
            pass
        try:
            self.process.wait(max(0.1, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.output += "\n(killed: it did not end in time)\n"
            self.process.kill()
        return self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.finish()


def run(command, **environment):
    program = Program(command, **environment)
    return program.finish(), program.output


def start_server(command, *options, service=SERVICE, once=True, arguments=(), **environment):
    """examples/server, or another program that says "listening on …", and its port; None if it refuses to start."""
    program = Program([command, *options, *(["--once"] if once else []), "--port", "0", service, HOST, *arguments],
                      **environment)
    ready = program.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
    return program, int(ready.group(1)) if ready else None


PORTS = itertools.count(8 * os.getpid())


def free_port():
    """Below those that the kernel gives away: nobody gets it before the server that it is for."""
    for number in PORTS:
        port = 16384 + number % 16384
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def start_gss_server(*options, service=SERVICE):
    """MIT's gss-server for one connection. It takes no port 0 and can be too late for a free one, and it listens on
    all interfaces: it has no option for that."""
    for _ in range(10):
        port = free_port()
        program = Program(["gss-server", "-once", "-port", str(port), *options, f"{service}@{HOST}"])
        if program.wait_for(r"starting\.\.\.\n"):
            return program, port
        program.finish()
        if "Address already in use" not in program.output:
            break
    return program, None


def gss_client(port, *options, service=SERVICE, message="hello"):
    # Without stdbuf its words are lost when it dies of SIGPIPE.
    return ["stdbuf", "-oL", "gss-client", "-port", str(port), *options, HOST, f"{service}@{HOST}", message]


def refuses_a_taken_port(cases, name, *command):
    """A server that is to listen where somebody else does: a line and a status. Its port goes where "PORT" is."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=False) as taken:
        port = str(taken.getsockname()[1])
        code, output = run([word.replace("PORT", port) for word in command])
    cases.check(f"{name} on a port that is taken",
                (name, code, output, 1, [rf"^{name}: ", r"Address already in use( \[.*)?$", "!^listening"]))


def refuses_without_memory(cases, name, *command):
    """A program that needs a thread, and has no memory for the thread's stack: a line and a status."""
    code, output = run(["prlimit", "--as=1073741824", "--stack=68719476736", *command])
    cases.check(f"{name} without memory for a thread",
                (name, code, output, 1, [rf"^{name}: .*Resource temporarily unavailable", "!^terminate called"]))


def outlasts_a_shortage(cases, name, server, port, client, *patterns):
    """A server that has no descriptor for the next connection says so, and takes it when there is one again. One that
    waits in accept() already has one, which the stranger gets."""
    folder = pathlib.Path(f"/proc/{server.process.pid}/fd")
    used = {int(file.name) for file in folder.iterdir()}
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (next(n for n in itertools.count() if n not in used), limits[1]))
    with socket.create_connection((HOST, int(port))):
        pass
    server.wait_for(r"accept: Too many open files")
    waiting = Program(client)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
    cases.check(f"{name} without a descriptor for the connection, and then with one",
                ("client", waiting.finish(), waiting.output, 0, patterns),
                ("server", server.process.poll() or 0, server.output, 0, ["^accept: Too many open files"]))


class Cases:
    """Counts and prints the cases; what failed shows the output of all its programs."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, name, *sides):
        """A side is (what it is, exit code, output, wanted exit code, patterns). "!" before a pattern: not there.
        Wanted "fails": any exit code but 0."""
        problems = []
        for side, code, output, wanted, patterns in sides:
            if code == 0 if wanted == "fails" else code != wanted:
                problems.append(f"{side}: exit code {code}, not {wanted}")
            for pattern in patterns:
                absent = pattern.startswith("!")
                if bool(re.search(pattern.lstrip("!"), output, re.MULTILINE)) == absent:
                    problems.append(f"{side}: {'says' if absent else 'does not say'} {pattern.lstrip('!')}")
        self.count += 1
        print("ok  " if not problems else "FAIL", name)
        if problems:
            self.failed += 1
            print(*("     " + problem for problem in problems), sep="\n")
            for side, code, output, _, _ in sides:
                lines = [line for line in output.splitlines() if not re.fullmatch(r"([0-9a-f]{2} ?){4,}|", line)]
                print(*(f"     | {side}: {line}" for line in lines), sep="\n")  # without hex dumps

    def end(self):
        print(f"{self.count} cases, {self.failed} failed")
        sys.exit(1 if self.failed or not self.count else 0)
