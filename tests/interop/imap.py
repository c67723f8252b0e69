#!/usr/bin/env python3
"""IMAP by SASL's GSSAPI: examples/imap_login with Dovecot and with examples/sasl_server, and that one with gsasl, curl and
OpenJDK, and with clients that do not keep to the rules.
"""
# SPDX-License-Identifier: MIT

import argparse
import base64
import contextlib
import os
import pathlib
import re
import shutil
import socket
import sys
import tempfile

from programs import HOST, SECONDS, Cases, Program, enter_realm, free_port, run, skip, skip_without, without_leak_check
from sasl import Failed, Peer, java

USER, NOBODY = "alice@GSSKEY.TEST", 65534


class Dovecot:
    """A server on a free port of loopback, from where its packages were unpacked: for it alone, they lie in /usr."""

    def __init__(self, root, folder):
        self.port = free_port()
        shutil.copy(os.environ["KRB5_KTNAME"].removeprefix("FILE:"), folder / "keytab")
        shutil.copy(os.environ["KRB5_CONFIG"], folder / "krb5.conf")
        mail = folder / "mail"
        for name in ["cur", "new", "tmp", ".Drafts/cur", ".Drafts/new", ".Drafts/tmp"]:
            (mail / name).mkdir(parents=True)
        (folder / "conf").write_text(
            f"protocols = imap\nlisten = 127.0.0.1\nbase_dir = {folder}/run\nstate_dir = {folder}/run\nssl = no\n"
            "log_path = /dev/stderr\nauth_verbose = yes\nauth_failure_delay = 0\nauth_mechanisms = gssapi\nauth_gssapi_hostname = localhost\n"
            f"auth_krb5_keytab = {folder}/keytab\nfirst_valid_uid = 1\n"
            f"import_environment = KRB5_CONFIG={folder}/krb5.conf KRB5RCACHENAME=file2:{folder}/rcache\n"
            "default_internal_user = nobody\ndefault_internal_group = nogroup\ndefault_login_user = nobody\n"
            f"mail_location = maildir:{mail}\n"
            "passdb {\n driver = static\n args = nopassword=y\n}\n"  # GSSAPI asks it for nothing but that it is there
            f"userdb {{\n driver = static\n args = uid={NOBODY} gid={NOBODY} home={mail} allow_all_users=yes\n}}\n"
            f"service imap-login {{\n chroot =\n inet_listener imap {{\n port = {self.port}\n }}\n"
            " inet_listener imaps {\n port = 0\n }\n}\nservice anvil {\n chroot =\n}\n", encoding="utf-8")
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        command = 'mount -t overlay overlay -o "lowerdir=$1/usr:/usr" /usr && exec setpriv --reuid "$2" --regid "$2" ' \
                  '--clear-groups /usr/sbin/dovecot -F -c "$3"'
        self.program = Program(["unshare", "--mount", "--propagation", "private", "sh", "-c", command, "sh", root,
                                str(NOBODY), folder / "conf"])
        if not self.program.wait_for("starting up for imap"):
            if re.match("unshare: |mount: ", self.program.output):
                skip("nothing can be mounted here")  # in containers without that right
            sys.exit(f"Dovecot does not start: {self.program.output}")


@contextlib.contextmanager
def our_server(options, *arguments):
    server = Program([options.sasl_server, *arguments, "0", "imap", HOST])
    ready = server.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
    try:
        yield server, ready.group(1)
    finally:
        server.stop()


def said_by(server, *patterns):
    return "sasl_server", 0, server.output, 0, list(patterns)


def with_dovecot(cases, options, folder):
    dovecot = Dovecot(options.dovecot_root, folder)
    try:
        code, output = run([options.imap_login, "--without-layer", HOST, str(dovecot.port)])
        refused, words = run([options.imap_login, HOST, str(dovecot.port)])
        cases.check("imap_login, which wants a layer, and Dovecot, which has none",
                    ("imap_login", refused, words, 1, ["the server offers no layer, and a buffer", "!LIST"]))
    finally:
        dovecot.program.stop()
    cases.check("imap_login and Dovecot",
                ("imap_login", code, output, 0, ["^logged in to imap/localhost@GSSKEY.TEST, with a layer of 0 bits$",
                                                 'LIST .* INBOX"$', 'LIST .* Drafts"$', "BYE"]),
                ("Dovecot", 0, dovecot.program.output, 0, ["imap-login: .*Login: user=<alice"]))


def gsasl(port, authzid=""):
    return run(["gsasl", "--imap", HOST, port, "--mechanism", "GSSAPI", "--no-starttls", "--authentication-id", "",
                "--authorization-id", authzid, "--application-data"])  # the last turns it off


def curl(port):
    return run(["curl", "-s", "--max-time", str(SECONDS), "--user", USER + ":", "--login-options", "AUTH=GSSAPI",
                f"imap://{HOST}:{port}/"])


def with_our_server(cases, options):
    with our_server(options) as (server, port):
        code, output = run([options.imap_login, HOST, port])
        refused, words = gsasl(port)
        server.wait_for("no layer that was offered")
        cases.check("imap_login and sasl_server, and gsasl, which has no layer",
                    ("imap_login", code, output, 0, ["with a layer of 256 bits$", "INBOX", f"BYE {USER}"]),
                    ("gsasl", refused, words, 1, [r"^\. NO \[AUTHENTICATIONFAILED\]\s*$"]),
                    said_by(server, f"^{USER} has logged in, with a layer of 256 bits$", "!layer of 0 bits"))
    with our_server(options, "--without-layer") as (server, port):
        for name, client, patterns in [("gsasl", gsasl, [r"^\. OK", "server trusted"]), ("curl", curl, ["LIST .* INBOX"])]:
            code, output = client(port)
            server.wait_for("0 bits\n(.*\n)*.*0 bits\n" if name == "curl" else "0 bits\n")
            cases.check(f"{name} and sasl_server without a layer", (name, code, output, 0, patterns))
        cases.check("and they have logged in", said_by(server, rf"^({USER} has logged in, with a layer of 0 bits\n){{2}}\Z"))
        code, output = gsasl(port, "bob@GSSKEY.TEST")
        server.wait_for("nobody says")
        cases.check("gsasl that wants to act as another", ("gsasl", code, output, 1, [r"^\. NO \[AUTHENTICATIONFAILED\]\s*$"]),
                    said_by(server, "the client wants to act as another, and nobody says that it may$", "!^bob"))
    with our_server(options, "--allow", "bob@GSSKEY.TEST") as (server, port):
        code, output = run([options.imap_login, HOST, port])
        server.wait_for("allowed\n")
        cases.check("a client that is not allowed",
                    ("imap_login", code, output, 1, [r"the server says .*NO \[AUTHENTICATIONFAILED\]", "!logged in", "!allow"]),
                    said_by(server, f"{USER} is not allowed$", "!logged in"))


class Lines:
    """A client by hand."""

    def __init__(self, port):
        self.socket = socket.create_connection((HOST, int(port)), SECONDS)
        self.stream = self.socket.makefile("rwb")
        self.line()  # the greeting

    def say(self, text):
        self.stream.write(text.encode() + b"\r\n")
        self.stream.flush()

    def line(self):
        return self.stream.readline().decode().rstrip("\r\n")

    def ask(self, text):
        self.say(text)
        return self.line()

    def end(self):
        self.stream.close()
        self.socket.close()


def with_java(cases, options, folder):
    client = Peer("OpenJDK", java(folder, "imap"))
    with our_server(options, "--without-layer") as (server, port):
        for strength in [0, 1, 256]:
            wire = Lines(port)
            try:
                client.begin("client", "GSSAPI", strength)
                answer = wire.ask("j AUTHENTICATE GSSAPI " + base64.b64encode(client.step(None)[0]).decode())
                while answer.startswith("+ "):
                    answer = wire.ask(base64.b64encode(client.step(base64.b64decode(answer[2:]))[0]).decode())
                layer = client.session()[0]
                command = b"k LOGOUT\r\n"
                wire.stream.write(client.seal(command) if strength else command)
                wire.stream.flush()
                packets = wire.stream.read()
                answer += "\n" + (client.open(packets) if strength else packets).decode()
            except Failed as failure:
                answer, layer = str(failure), "-"
            wire.end()
            cases.check(f"OpenJDK and sasl_server, layer {strength}",
                        ("OpenJDK", 0, f"{answer}\n{layer}\n", 0, [r"\Aj OK", f"BYE {USER}", "^k OK", f"^{strength}$"]))
        server.wait_for("256 bits\n")
        cases.check("and they have logged in", said_by(server, "0 bits\n.* 1 bits\n.* 256 bits\n"))
    client.end()


def hostile(cases, options):
    with our_server(options) as (server, port):
        for name, lines, wanted in [
            ("cancels", ["a AUTHENTICATE GSSAPI", "*"], "^a NO"),
            ("sends no base64", ["a AUTHENTICATE GSSAPI", "????"], "^a NO"),
            ("sends noise", ["a AUTHENTICATE GSSAPI bm9pc2U="], "^a NO"),
            ("answers with nothing", ["a AUTHENTICATE GSSAPI", "", ""], "^a NO"),
            ("begins with nothing, and that twice", ["a AUTHENTICATE GSSAPI =", ""], "^a NO"),
            ("wants another mechanism", ["a AUTHENTICATE PLAIN AGEAYg=="], "^a BAD"),
            ("wants one of a longer name", ["a AUTHENTICATE GSSAPIX"], "^a BAD"),
            ("does not log in", ['a LIST "" "*"'], "^a BAD"),
            ("says nothing", [""], "^ BAD"),
        ]:
            client = Lines(port)
            said = ""
            with contextlib.suppress(ConnectionError):
                for line in lines:
                    said = client.ask(line) if not re.search(wanted, said) else said
            client.end()
            cases.check(f"a client that {name}", ("sasl_server", 0, said, 0, [wanted]))
        code, output = run([options.imap_login, HOST, port])
        cases.check("and a good login afterwards", ("imap_login", code, output, 0, ["layer of 256 bits$"]),
                    said_by(server, "!terminate called", "!runtime error"))
    for name, answers, wanted in [
        ("says that it is over at once", [b"* OK\r\n", b"a OK\r\n"], "the exchange is not complete"),
        ("refuses", [b"* OK\r\n", b"a NO\r\n"], 'the server says "a NO"'),
        ("has no greeting", [b"220 smtp\r\n"], "the server says"),
        ("sends noise", [b"* OK\r\n", b"+ \r\n", b"+ bm9pc2U=\r\n"], "gss_init_sec_context"),
        ("sends no base64", [b"* OK\r\n", b"+ ?\r\n"], "base64"),
        ("asks for ever for nothing", [b"* OK\r\n", *[b"+ \r\n"] * 20], "gss_init_sec_context"),
        ("has a line without an end", [b"* OK\r\n", b"+ " + b"A" * (1 << 18)], "the peer's line has no end"),
        ("goes away", [b"* OK\r\n", b"+ "], "the peer closed the connection"),
    ]:
        with socket.create_server((HOST, 0)) as listener:
            login = Program([options.imap_login, HOST, str(listener.getsockname()[1])])
            listener.settimeout(SECONDS)
            with listener.accept()[0] as connection, contextlib.suppress(ConnectionError):
                connection.settimeout(SECONDS)
                for answer in answers:
                    connection.sendall(answer)
                    if answer.endswith(b"\r\n") and answer is not answers[-1] and not connection.recv(65536):
                        break
            code = login.finish()
        cases.check(f"imap_login and a server that {name}",
                    ("imap_login", code, login.output, 1, ["^imap_login: .*" + wanted, "!logged in"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ["implementation", "realm", "imap-login", "sasl-server", "dovecot-root"]:
        parser.add_argument("--" + option, required=True)
    options = parser.parse_args()
    skip_without("gsasl", "curl", "java", "unshare", "setpriv")
    if os.geteuid() != 0:
        skip("only root gives Dovecot a /usr of its own")
    options.dovecot_root = pathlib.Path(options.dovecot_root).resolve()
    if not options.dovecot_root.exists():
        skip("Dovecot is not there: tests/run unpacks it")
    enter_realm(options.realm, "--service", "imap/localhost")
    if options.implementation != "mit":
        os.environ.update(without_leak_check())
    cases = Cases()
    with tempfile.TemporaryDirectory(prefix="gsskey-imap-") as folder:
        with_dovecot(cases, options, pathlib.Path(folder))
        with_our_server(cases, options)
        with_java(cases, options, pathlib.Path(folder))
        hostile(cases, options)
    cases.end()


if __name__ == "__main__":
    main()
