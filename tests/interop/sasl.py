#!/usr/bin/env python3
"""Our ends of SASL exchanges, of each implementation and in each role, with those of other libraries: the login, the
strength of the layer, who the client is, and messages each way. Prints the table that the guide has, and compares it.
"""
# SPDX-License-Identifier: MIT

import argparse
import base64
import contextlib
import os
import pathlib
import re
import select
import subprocess
import sys
import tempfile
import time

from programs import SECONDS, enter_realm, run, skip, skip_without, without_leak_check

OURS = {"mit": "MIT krb5", "heimdal": "Heimdal"}
# The strengths that a mechanism's layer can have; 256: it encrypts.
MECHANISMS = {"GSSAPI": [0, 1, 256], "GSS-SPNEGO": [0, 1, 256], "GS2-KRB5": [0], "GS2-KRB5-PLUS": [0]}


class Failed(Exception):
    pass


class Missing(Failed):
    """The mechanism is not there."""


class Process:
    """A program that answers lines; its stderr is the test's."""

    def __init__(self, command, **environment):
        self.process = subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.output = b""

    def say(self, *words):
        try:
            self.process.stdin.write(" ".join(words).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError as broken:
            raise Failed("it has ended") from broken

    def line(self):
        """What it says next; every wait has a deadline."""
        deadline = time.monotonic() + SECONDS
        while b"\n" not in self.output:
            if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failed("it does not answer")
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise Failed("it has ended")
            self.output += more
        line, _, self.output = self.output.partition(b"\n")
        return line.decode()

    def end(self):
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def in_base64(message):
    return "-" if message is None else base64.b64encode(message).decode() or "="


def from_base64(text):
    return None if text == "-" else base64.b64decode(text.removeprefix("="))


class Peer:
    """One that is told what to do as sasl_peer.cpp is."""

    def __init__(self, name, command, manner="strict", strengths=(0, 1, 256), **environment):
        self.name, self.process, self.manner, self.strengths = name, Process(command, **environment), manner, strengths

    def ask(self, *words):
        self.process.say(*words)
        kind, _, answer = self.process.line().partition(" ")
        if kind == "failed":
            raise (Missing if answer == "no such mechanism" else Failed)(f"{self.name}: {answer}")
        return kind, answer

    def begin(self, role, mechanism, strength):
        self.ask("bindings", in_base64(b"a certificate's hash" if mechanism.endswith("-PLUS") else b""))
        self.ask(role, mechanism, str(strength), self.manner)
        if strength not in self.strengths:
            raise Failed(f"{self.name}: no layers")

    def step(self, message):
        """What it says then, and whether it is done."""
        kind, said = self.ask("step", in_base64(message))
        return from_base64(said), kind == "done"

    def session(self):
        """The strength of the layer, and who is at the other end."""
        strength, name = self.ask("session")[1].split(" ")
        return strength, name

    def seal(self, message):
        return from_base64(self.ask("seal", in_base64(message))[1])

    def open(self, packets):
        return from_base64(self.ask("open", in_base64(packets))[1])

    def end(self):
        self.process.end()


class Gsasl:
    """GNU SASL's command, one for each exchange. It has no layers with Kerberos."""

    def __init__(self, name):
        self.name, self.process = name, None
        self.mechanisms = run(["gsasl", "--client-mechanisms"])[1].split()

    def begin(self, role, mechanism, strength):
        self.end()
        if mechanism not in self.mechanisms:
            raise Missing(mechanism)
        if strength:
            raise Failed(f"{self.name}: no layers")
        self.role, self.user, self.has_begun = role, "-", False
        self.process = Process(["gsasl", "--quiet", f"--{role}", "--mechanism", mechanism, "--service", "host",
                                "--hostname", "localhost", "--authentication-id", "", "--application-data"])  # the last turns it off
        for _ in range(1 if role == "client" else 2):  # the mechanism; and a server has nothing to say yet
            self.process.line()

    def step(self, message):
        if self.has_begun or self.role == "server":
            self.process.say(base64.b64encode(message or b"").decode())
        self.has_begun = True
        said = self.process.line()
        if not said.startswith("Authzid:"):
            return base64.b64decode(said), False
        self.user = self.process.line().removeprefix("Display Name: ")
        self.process.say("y")  # that user may come in
        said = self.process.line().removeprefix("Validate GSS-API user? (y/n) ")
        return base64.b64decode(said) or None, True

    def session(self):
        self.process.say("")
        self.process.process.stdin.close()
        if self.process.process.wait(SECONDS) != 0:
            raise Failed(f"{self.name}: does not succeed")
        return "0", self.user

    def end(self):
        if self.process:
            self.process.end()


def log_in(client, server, mechanism, strength):
    """One whole exchange, and messages each way; a layer that is said to have another strength comes with them."""
    client.begin("client", mechanism, strength)
    server.begin("server", mechanism, strength)
    response, is_over = client.step(None)[0], False
    while not is_over:
        challenge, is_over = server.step(response)
        if challenge is not None:
            response, _ = client.step(challenge)
    strange = []
    for end, names in [(client, r"-|host/localhost@.*"), (server, r"alice(@GSSKEY\.TEST)?")]:
        layer, peer = end.session()
        if not re.fullmatch(names, peer):
            raise Failed(f"{end.name}: is with {peer}")
        if layer != str(strength):
            strange.append(f"{end.name}: calls a layer of {strength} bits one of {layer}")
    for source, sink in [(client, server), (server, client)] if strength else []:
        for message in [b"attack at dawn", b"x" * 3000]:  # that one can be several packets
            packets = source.seal(message)
            if sink.open(packets) != message or (message[:14] in packets) != (strength == 1):
                raise Failed(f"{source.name}: seals otherwise than it should")
    return strange


def outcome(ours, ends, mechanism, strength):
    """Whether they could, and what is to be said of it."""
    try:
        return True, log_in(*ends, mechanism, strength)
    except Missing:
        return False, []
    except Failed as failure:
        refused = str(failure)
    ours.manner = "lenient"
    try:
        return True, [f"{refused}; it did", *log_in(*ends, mechanism, strength)]
    except Failed:
        return False, [refused]
    finally:
        ours.manner = "strict"


def cell(ours, peer, role, mechanism, notes):
    """The strengths that could be had, and the numbers of the notes that say why others could not, or what was odd; "–"
    where the other end does not have the mechanism."""
    done, numbers = [], set()
    for strength in MECHANISMS[mechanism]:
        could, words = outcome(ours, (ours, peer) if role == "client" else (peer, ours), mechanism, strength)
        done += [str(strength)] if could else []
        notes += [word for word in words if word not in notes]
        numbers.update(notes.index(word) + 1 for word in words)
    return " ".join([", ".join(done) or ("nothing" if numbers else "–"), *(f"[{number}]" for number in sorted(numbers))])


def table(ours, peers):
    notes, rows = [], [["our end", *(peer.name for peer in peers)], ["---"] * (len(peers) + 1)]
    for mechanism in MECHANISMS:
        for name, end in ours.items():
            for role in ["client", "server"]:
                rows.append([f"{name}, {role}, {mechanism}",
                             *(cell(end, peer, role, mechanism, notes) for peer in peers)])
    lines = ["| " + " | ".join(row) + " |" if row[0] != "---" else "|" + "|".join(row) + "|" for row in rows]
    return "\n".join([*lines, "", *(f"{number}. {note}" for number, note in enumerate(notes, 1))])


def java(folder, service="host"):
    """The command, with the ticket of the realm and the keys of that service."""
    cache, keytab = (os.environ[name].removeprefix("FILE:") for name in ["KRB5CCNAME", "KRB5_KTNAME"])
    module = "com.sun.security.auth.module.Krb5LoginModule required doNotPrompt=true"
    (folder / "jaas.conf").write_text(
        f'com.sun.security.jgss.initiate {{ {module} useTicketCache=true ticketCache="{cache}"; }};\n'
        f'com.sun.security.jgss.accept {{ {module} isInitiator=false useKeyTab=true storeKey=true keyTab="{keytab}"'
        f' principal="{service}/localhost"; }};\n', encoding="utf-8")
    return ["java", "-XX:TieredStopAtLevel=1", f"-Djava.security.krb5.conf={os.environ['KRB5_CONFIG']}",
            f"-Djava.security.auth.login.config={folder}/jaas.conf", "-Djavax.security.auth.useSubjectCredsOnly=false",
            pathlib.Path(__file__).with_name("SaslPeer.java"), service]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ["realm", "mit", "heimdal", "sasl-heimdal-root"]:
        parser.add_argument("--" + option, required=True)
    parser.add_argument("--page", help="must contain the table")
    options = parser.parse_args()
    skip_without("gsasl", "java")
    plugins = next(pathlib.Path(options.sasl_heimdal_root).rglob("libgssapiv2.so"), None)
    if not plugins:
        skip("Cyrus SASL's plug-in for Heimdal is not there: tests/run unpacks it")
    enter_realm(options.realm)
    os.environ.update(without_leak_check())  # Heimdal leaks something in every process
    cyrus = [sys.executable, pathlib.Path(__file__).with_name("cyrus_peer.py")]
    with tempfile.TemporaryDirectory() as folder:
        ours = {name: Peer("gsskey", [getattr(options, option)]) for option, name in OURS.items()}
        peers = [Peer("Cyrus SASL, MIT krb5", cyrus), Peer("Cyrus SASL, Heimdal", cyrus, SASL_PATH=str(plugins.parent)),
                 Gsasl("GNU SASL"), Peer("OpenJDK 17", openjdk := java(pathlib.Path(folder))),
                 Peer("OpenJDK 17 for Kafka", openjdk, "kafka", [0])]
        try:
            seen = table(ours, peers)
        finally:
            for end in [*ours.values(), *peers]:
                end.end()
    print(seen)
    if options.page and seen not in pathlib.Path(options.page).read_text(encoding="utf-8"):
        sys.exit("the guide has another table")


if __name__ == "__main__":
    main()
