#!/usr/bin/env python3
"""Our ends of SASL exchanges, of each implementation and in each role, in LDAP: with OpenLDAP's slapd and ldapwhoami, and
with Samba's server of Active Directory and its client; with layers, and over TLS without one, bound to the server's certificate or not.
The question of who one is goes through the layer (RFC 4532; of Active Directory, the rootDSE's tokenGroups). Prints the
table that the guide has, and compares it. Then examples/ldap_whoami, with slapd and with servers that break
each rule.
"""
# SPDX-License-Identifier: MIT

import argparse
import contextlib
import hashlib
import os
import pathlib
import re
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import time

from programs import HOST, SECONDS, Cases, Program, enter_realm, free_port, run, skip, skip_without, without_leak_check
from sasl import OURS, Failed, Peer, in_base64
from tls import make_certificate

MECHANISMS = ["GSSAPI", "GSS-SPNEGO"]
WHOAMI = b"1.3.6.1.4.1.4203.1.11.3"
TLS_STRENGTH = 256
# What is below the layer, and the strength of the layer. Bound: to the certificate of the server (RFC 5929).
MANNERS = {"0": (None, 0), "1": (None, 1), "256": (None, 256), "TLS": ("unbound", 0), "TLS, bound": ("bound", 0)}

# Elements of LDAP (RFC 4511) that are used here.
INTEGER, OCTETS, ENUMERATED, SEQUENCE = 0x02, 0x04, 0x0a, 0x30
SET, BOOLEAN, PRESENT = 0x31, 0x01, 0x87
BIND, BOUND, UNBIND, ASK, ANSWER, SEARCH, ENTRY, SEARCHED = 0x60, 0x61, 0x42, 0x77, 0x78, 0x63, 0x64, 0x65
SASL, SASL_ANSWER, ASKED, ANSWERED = 0xa3, 0x87, 0x80, 0x8b
SUCCESS, STRONGER, IN_PROGRESS, INVALID_CREDENTIALS = 0, 8, 14, 49
REFUSALS = {STRONGER: "strongerAuthRequired", INVALID_CREDENTIALS: "invalidCredentials"}


def element(tag, *contents):
    content = b"".join(contents)
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x84" + size.to_bytes(4, "big")
    return bytes([tag]) + length + content


def elements(content):
    """Tag and content of each."""
    found = []
    while content:
        size, begin = content[1], 2
        if size > 0x80:
            begin += size - 0x80
            size = int.from_bytes(content[2:begin], "big")
        found.append((content[0], content[begin:begin + size]))
        content = content[begin + size:]
    return found


def message(number, *operation):
    return element(SEQUENCE, element(INTEGER, bytes([number])), element(*operation))


class Wire:
    """LDAP on a connection; with `layer`, an end of SASL's, under its protection."""

    def __init__(self, connection):
        connection.settimeout(SECONDS)
        self.connection, self.layer, self.opened = connection, None, b""

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.connection.recv(size - len(data))
            if not more:
                raise Failed("the connection was ended")
            data += more
        return data

    def take(self, size):
        if not self.layer:
            return self.read(size)
        while len(self.opened) < size:
            header = self.read(4)
            self.opened += self.layer.open(header + self.read(int.from_bytes(header, "big")))
        taken, self.opened = self.opened[:size], self.opened[size:]
        return taken

    def send(self, data):
        self.connection.sendall(self.layer.seal(data) if self.layer else data)

    def receive(self):
        """The number of the message, and its operation."""
        begin = self.take(2)
        size = begin[1]
        if size > 0x80:
            size = int.from_bytes(self.take(size - 0x80), "big")
        number, operation, *_ = elements(self.take(size))
        return number[1][0], operation


def who_am_i(wire, number):
    wire.send(message(number, ASK, element(ASKED, WHOAMI)))
    _, (_, content) = wire.receive()
    return dict(elements(content)).get(ANSWERED, b"").decode()


def first_token_group(wire, number):
    """Active Directory's: the SID of the user who asks (the first of the rootDSE's tokenGroups)."""
    nothing = [element(INTEGER, b"\0")] * 2
    wire.send(message(number, SEARCH, element(OCTETS), *[element(ENUMERATED, b"\0")] * 2, *nothing,
                      element(BOOLEAN, b"\0"), element(PRESENT, b"objectClass"),
                      element(SEQUENCE, element(OCTETS, b"tokenGroups"))))
    _, (_, entry) = wire.receive()
    wire.receive()  # and no more entries
    attribute = elements(elements(entry)[1][1])[0][1]
    sid = elements(elements(attribute)[1][1])[0][1]
    parts = [int.from_bytes(sid[at:at + 4], "little") for at in range(8, len(sid), 4)]
    return "-".join(map(str, ["S", sid[0], int.from_bytes(sid[2:8], "big"), *parts]))


def log_in(peer, wire, mechanism, ask):
    """The bind of a client, with `peer` as its end, and who the server says that it is then."""
    answer, number = None, 0
    while True:
        said, _ = peer.step(answer)
        number += 1
        credentials = [] if said is None else [element(OCTETS, said)]
        wire.send(message(number, BIND, element(INTEGER, b"\3"), element(OCTETS),
                          element(SASL, element(OCTETS, mechanism.encode()), *credentials)))
        _, (tag, content) = wire.receive()
        fields = elements(content)
        code = fields[0][1][0]
        if tag != BOUND or code not in (SUCCESS, IN_PROGRESS):
            raise Failed(f"the server says {REFUSALS.get(code, code)}")
        answer = dict(fields).get(SASL_ANSWER)
        if code == SUCCESS:
            break
    if answer:  # the last token of GSS-SPNEGO comes with the success; Samba has an empty one for GSSAPI
        peer.step(answer)
    strength, _ = peer.session()
    wire.layer = peer if strength != "0" else None
    return strength, ask(wire, number + 1)


def tell_of_root(wire, number, fields, attributes):
    """Of the rootDSE, to who asks for it, those attributes that are asked for."""
    asked = [name for _, name in elements(fields[7][1])]
    found = [element(SEQUENCE, element(OCTETS, name), element(SET, element(OCTETS, value)))
             for name, value in attributes.items() if name in asked]
    wire.send(message(number, ENTRY, element(OCTETS), element(SEQUENCE, *found)))
    wire.send(message(number, SEARCHED, element(ENUMERATED, bytes([SUCCESS])), element(OCTETS), element(OCTETS)))


def serve(peer, wire, mechanism):
    """One client's bind, with `peer` as the server's end, and its question who it is."""
    strength, name, has_begun = "0", "", False
    while True:
        try:
            number, (tag, content) = wire.receive()
        except Failed:
            if name:  # Samba's client does not say goodbye
                return strength
            raise
        fields = elements(content)
        if tag == UNBIND:
            return strength
        if tag == BIND:
            is_first, has_begun = not has_begun, True
            asked, *said = [field[1] for field in elements(fields[2][1])]
            if asked.decode() != mechanism:
                raise Failed(f"the client wants {asked.decode()}")
            try:
                # A client that has nothing to say and one that says nothing look alike here, but for the first time.
                answer, is_over = peer.step(said[0] if said else None if is_first else b"")
            except Failed:
                wire.send(message(number, BOUND, element(ENUMERATED, bytes([INVALID_CREDENTIALS])), element(OCTETS),
                                  element(OCTETS)))
                raise
            code = SUCCESS if is_over else IN_PROGRESS
            wire.send(message(number, BOUND, element(ENUMERATED, bytes([code])), element(OCTETS), element(OCTETS),
                              b"" if answer is None else element(SASL_ANSWER, answer)))
            if is_over:
                strength, name = peer.session()
                wire.layer = peer if strength != "0" else None
        if tag == SEARCH:
            tell_of_root(wire, number, fields, {b"supportedSASLMechanisms": mechanism.encode(),
                                                b"description": b"u:" + name.encode()})
        if tag == ASK:
            wire.send(message(number, ANSWER, element(ENUMERATED, bytes([SUCCESS])), element(OCTETS), element(OCTETS),
                              element(ANSWERED, b"u:" + name.encode())))


def begin(peer, role, mechanism, manner, certificate, bindings=None):
    channel, strength = MANNERS[manner]
    peer.ask("service", "ldap")
    peer.ask("external", str(TLS_STRENGTH if channel else 0))
    digest = bindings or hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).digest()
    peer.ask("bindings", in_base64(digest if channel == "bound" else b""))
    peer.ask(role, mechanism, str(strength), peer.manner)  # begin() has bindings of its own


class Server:
    """One of LDAP on `port`, and over TLS on `tls_port`, of `address`, with the certificate of HOST."""

    def connect(self, manner):
        self.program.drain()
        channel, _ = MANNERS[manner]
        connection = socket.create_connection((self.address, self.tls_port if channel else self.port), SECONDS)
        if not channel:
            return connection
        return ssl.create_default_context(cafile=self.certificate).wrap_socket(connection, server_hostname=HOST)

    def as_server(self, peer, mechanism, manner, bindings=None):
        begin(peer, "client", mechanism, manner, self.certificate, bindings)
        with self.connect(manner) as connection:
            strength, name = log_in(peer, Wire(connection), mechanism, self.ask)
        if not re.match(self.alice, name):
            raise Failed(f"the server takes alice for {name}")
        return strength

    def accept(self, listener, channel):
        connection, _ = listener.accept()
        connection.settimeout(SECONDS)
        if not channel:
            return connection
        settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        settings.load_cert_chain(self.certificate, self.certificate.with_suffix(".key"))
        return settings.wrap_socket(connection, server_side=True)

    def end(self):
        self.program.stop()


class OpenLdap(Server):
    """slapd, and ldapwhoami."""

    name, address, alice = "OpenLDAP", "127.0.0.1", "dn:uid=alice,"
    ask = staticmethod(who_am_i)

    def __init__(self, root, folder, programs):
        self.ours = {option: Peer("gsskey", [program]) for option, program in programs.items()}
        self.certificate, key = map(pathlib.Path, make_certificate(folder, "server"))
        self.port, self.tls_port = free_port(), free_port()
        # libldap wants the certificate of "localhost" to have the name of the machine.
        self.rules = {"LDAPTLS_REQCERT": "never", "LDAPCONF": "/dev/null", "LDAPSASL_NOCANON": "on"}
        config = pathlib.Path(folder, "slapd.conf")
        config.write_text(f"sasl-host {HOST}\nsasl-realm GSSKEY.TEST\nsasl-cbinding tls-endpoint\n"
                          f"TLSCertificateFile {self.certificate}\nTLSCertificateKeyFile {key}\n"
                          f"pidfile {folder}/slapd.pid\n", encoding="utf-8")
        urls = f"ldap://{self.address}:{self.port} ldaps://{self.address}:{self.tls_port}"
        self.program = Program([root / "usr/sbin/slapd", "-f", config, "-h", urls, "-d", "conns"],
                               LD_LIBRARY_PATH=str(next(root.rglob("libslapi-2.5.so.0")).parent))
        if not self.program.wait_for(r"(?s)epoll: listen=.*epoll: listen="):  # at both
            sys.exit(f"slapd does not start: {self.program.output}")

    def as_client(self, peer, mechanism, manner, bindings=None):
        channel, strength = MANNERS[manner]
        begin(peer, "server", mechanism, manner, self.certificate, bindings)
        least = min(strength, 2)
        with socket.create_server((self.address, 0)) as listener:
            listener.settimeout(SECONDS)
            program = Program(["ldapwhoami", "-N", "-Q", "-Y", mechanism, "-O",
                               f"minssf={least},maxssf={strength}", "-H",  # over TLS, too: GSS-SPNEGO encrypts else
                               f"ldap{'s' if channel else ''}://{HOST}:{listener.getsockname()[1]}"],
                              LDAPSASL_CBINDING="tls-endpoint" if channel == "bound" else "none", **self.rules)
            try:
                with self.accept(listener, channel) as connection:
                    found = serve(peer, Wire(connection), mechanism)
            finally:
                code = program.finish()
        if code != 0 or "u:alice@GSSKEY.TEST" not in program.output:
            raise Failed(f"ldapwhoami: {code}: {program.output}")
        return found


class Samba(Server):
    """A domain of its own, on an address of its own: Samba's ports of LDAP are fixed."""

    name, port, tls_port, as_client = "Samba, AD", 389, 636, None
    ask = staticmethod(first_token_group)

    def __init__(self, folder, programs):
        certificate, key = make_certificate(folder, "server")
        os.chmod(key, 0o600)
        self.certificate = pathlib.Path(certificate)
        self.address = f"127.{os.getpid() >> 16 & 255}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 255}"
        environment = {"KRB5_CONFIG": f"{folder}/krb5.conf", "KRB5CCNAME": f"FILE:{folder}/ccache", "TDB_NO_FSYNC": "1"}
        maker = pathlib.Path(__file__).parents[1] / "support/active_directory"
        code, output = run([maker, folder, str(free_port()), self.address], **environment)
        if code != 0:
            skip(f"no domain: {output}")
        self.program = Program(["samba", "-i", "-M", "single", "-s", f"{folder}/etc/smb.conf", "--debug-stdout"],
                               **environment)
        self.wait_until_it_listens()
        self.alice = pathlib.Path(folder, "sids/alice").read_text(encoding="ascii").split()[0] + "$"
        subprocess.run(["kinit", "alice"], input="Secret-1234", text=True, check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, **environment})
        self.ours = {option: Peer("gsskey", [program], **environment) for option, program in programs.items()}

    def wait_until_it_listens(self):
        """It does not say when; LDAP over TLS comes last."""
        while time.monotonic() < self.program.deadline and self.program.process.poll() is None:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection((self.address, self.tls_port)):
                return
            select.select([self.program.process.stdout], [], [], 0.02)
            self.program.drain()
        sys.exit(f"samba does not start: {self.program.output}")


class SambaClient(Server):
    """Samba's library of LDAP, which asks the server whom it takes it for. It does not believe that "localhost" is a
    server's name."""

    name, as_server = "Samba, client", None
    host = HOST.upper()
    program = """
import ldb, sys
from samba import Ldb
from samba.credentials import Credentials, MUST_USE_KERBEROS
from samba.param import LoadParm
settings, who = LoadParm(), Credentials()
settings.load_default()
settings.set("client ldap sasl wrapping", sys.argv[2])
who.guess(settings)
who.set_username("alice")
who.set_password("secret")
who.set_realm("GSSKEY.TEST")
who.set_kerberos_state(MUST_USE_KERBEROS)
server = Ldb(sys.argv[1], lp=settings, credentials=who, options=["modules:"])
print("taken for", server.search(base="", scope=ldb.SCOPE_BASE, attrs=["description"])[0]["description"])
"""

    def __init__(self, folder, programs):
        self.ours = {option: Peer("gsskey", [program]) for option, program in programs.items()}
        self.certificate = pathlib.Path(make_certificate(folder, "samba")[0])

    def as_client(self, peer, mechanism, manner, _=None):
        channel, strength = MANNERS[manner]
        if channel:
            raise Failed("not tried over TLS")
        begin(peer, "server", mechanism, manner, self.certificate)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(SECONDS)
            url = f"ldap://{self.host}:{listener.getsockname()[1]}"
            program = Program(["/usr/bin/python3", "-c", self.program, url, {0: "plain", 1: "sign", 256: "seal"}[strength]])
            try:
                with self.accept(listener, channel) as connection:
                    found = serve(peer, Wire(connection), mechanism)
            except Failed as failure:
                program.finish()
                said = re.search("Did not manage to negotiate .*", program.output)
                raise Failed(said[0] if said else str(failure)) from failure
            finally:
                code = program.finish()
        if code != 0 or "taken for u:alice@GSSKEY.TEST" not in program.output:
            raise Failed(f"{code}: {program.output}")
        return found

    def end(self):
        pass


def cell(ours, peer, role, mechanism, notes):
    """What could be had, and the numbers of the notes that say why the rest could not, or what was odd."""
    done, numbers = [], set()
    login = peer.as_server if role == "client" else peer.as_client
    if not login:
        return "–"
    for manner, (channel, strength) in MANNERS.items():
        words = None
        try:
            found = login(ours, mechanism, manner)
            done.append(manner)
            if found != str(strength):
                words = f"{peer.name}: a layer of {found} bits, where {strength} were asked for"
        except Failed as failure:
            words = f"{peer.name}: {failure}"
        if channel == "bound":
            try:
                login(ours, mechanism, manner, b"of another certificate")
                words = f"{peer.name}: other bindings are taken, too"
            except Failed:
                pass
        if words:
            notes += [] if words in notes else [words]
            numbers.add(notes.index(words) + 1)
    return " ".join(["; ".join(done) or "nothing", *(f"[{number}]" for number in sorted(numbers))])


def table(peers):
    notes = []
    lines = ["| our end | " + " | ".join(peer.name for peer in peers) + " |", "|---" * (len(peers) + 1) + "|"]
    for mechanism in MECHANISMS:
        for option, name in OURS.items():
            for role in ["client", "server"]:
                cells = [cell(peer.ours[option], peer, role, mechanism, notes) for peer in peers]
                lines.append(f"| {name}, {role}, {mechanism} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, *([""] if notes else []), *(f"{number}. {note}" for number, note in enumerate(notes, 1))])


def hostile_answers():
    """What a server says that breaks a rule, message after message, and what examples/ldap_whoami says to it."""
    def bound(code, *more):
        return message(1, BOUND, element(ENUMERATED, bytes([code])), element(OCTETS), element(OCTETS), *more)

    return [
        ("says that it is over at once", [bound(SUCCESS)], "the exchange is not complete"),
        ("refuses", [bound(INVALID_CREDENTIALS)], 'the server refuses, 49: ""'),
        ("sends noise", [bound(IN_PROGRESS, element(SASL_ANSWER, b"noise"))], "gss_init_sec_context"),
        ("asks for ever for nothing", [bound(IN_PROGRESS)] * 20, "gss_init_sec_context"),
        ("goes away", [bound(IN_PROGRESS)[:9]], "the peer closed the connection"),
        ("has a message of four gigabytes", [b"\x30\x84\xff\xff\xff\xff"], "none of LDAP"),
        ("has a length without an end", [b"\x30\x80\x02\x01\x01\x00\x00"], "none of LDAP"),
        ("has a length of nine octets", [b"\x30\x89" + b"\0" * 9], "none of LDAP"),
        ("has an element that is longer than the message", [b"\x30\x03\x02\x05\x01"], "none of LDAP"),
        ("answers with nothing", [message(1, BOUND)], "none of LDAP"),
        ("has a code without a number", [message(1, BOUND, *[element(OCTETS)] * 3)], "none of LDAP"),
    ]


def log_in_by_example(cases, program, slapd):
    for mechanism, options in [("gssapi", []), ("gss-spnego", ["--spnego"])]:
        code, output = run([program, *options, HOST, str(slapd.port)])
        cases.check(f"ldap_whoami by {mechanism}", ("ldap_whoami", code, output, 0, [
            rf"^logged in to ldap/{HOST}@GSSKEY.TEST, with a layer of 256 bits$", rf'^"dn:uid=alice,.*cn={mechanism},cn=auth"$']))
        for name, answers, wanted in hostile_answers():
            with socket.create_server((HOST, 0)) as listener:
                listener.settimeout(SECONDS)
                login = Program([program, *options, HOST, str(listener.getsockname()[1])])
                with listener.accept()[0] as connection, contextlib.suppress(ConnectionError, Failed):
                    wire = Wire(connection)
                    for answer in answers:
                        wire.receive()
                        wire.send(answer)
                code = login.finish()
            cases.check(f"ldap_whoami by {mechanism} and a server that {name}",
                        ("ldap_whoami", code, login.output, 1, ["^ldap_whoami: .*" + wanted, "!logged in"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ["realm", "mit", "heimdal", "slapd-root", "ldap-whoami"]:
        parser.add_argument("--" + option, required=True)
    parser.add_argument("--page", help="must contain the table")
    options = parser.parse_args()
    skip_without("ldapwhoami", "openssl", "samba")
    root = pathlib.Path(options.slapd_root).resolve()
    if not (root / "usr/sbin/slapd").exists():
        skip("slapd is not there: tests/run unpacks it")
    enter_realm(options.realm, "--service", f"ldap/{HOST}", "--service", f"ldap/{SambaClient.host}")
    os.environ.update(without_leak_check())  # Heimdal leaks something in every process
    programs = {option: getattr(options, option) for option in OURS}
    cases = Cases()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as domain, contextlib.ExitStack() as ends:
        peers = []
        for make in [lambda: OpenLdap(root, folder, programs), lambda: Samba(domain, programs),
                     lambda: SambaClient(folder, programs)]:
            peers.append(make())
            for end in [peers[-1], *peers[-1].ours.values()]:
                ends.callback(end.end)
        seen = table(peers)
        log_in_by_example(cases, options.ldap_whoami, peers[0])
    print(seen)
    if options.page and seen not in pathlib.Path(options.page).read_text(encoding="utf-8"):
        sys.exit("the guide has another table")
    cases.end()


if __name__ == "__main__":
    main()
