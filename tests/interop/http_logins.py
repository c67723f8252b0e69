#!/usr/bin/env python3
"""curl --negotiate and examples/http_client against examples/http_server, or examples/beast_server: who gets the page, who
does not, and what the server says of them."""
# SPDX-License-Identifier: MIT

import base64
import contextlib
import os
import re
import socket
import tempfile

from hostile_http import CHALLENGE, HostileServer, authorization_in, get, in_bytes, page, talk
from programs import (HOST, SECONDS, Cases, Program, arguments, enter_realm, outlasts_a_shortage, refuses_a_taken_port,
                      refuses_without_memory, run, skip_without)

USER, SERVICE = "alice@GSSKEY.TEST", "HTTP/localhost"
NO_TICKET = {"KRB5CCNAME": "FILE:/nonexistent/ccache"}
# An answer in SPNEGO: accept-completed, krb5, and for its token an AP-REP that nobody has the key of.
ANOTHERS = base64.b64encode(bytes.fromhex(
    "a1333031a0030a0100a10b06092a864886f712010202a21d041b601906092a864886f71201020202006f0a3008a003020105a10302010f")).decode()


def server_name(programs):
    """What the server calls itself: in patterns it is http_server."""
    return os.path.basename(programs.http_server).removeprefix("boost-")


class Server:
    """examples/http_server, or another one; ends with the block."""

    def __init__(self, programs, *options, **environment):
        self.name = server_name(programs)
        self.program = Program([programs.http_server, "0", HOST, *options], **environment)
        ready = self.program.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
        self.port = ready.group(1) if ready else "0"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.stop()

    def end(self, *patterns):
        wanted = [pattern.replace("http_server", self.name) for pattern in patterns]
        return ("server", self.program.stop(), self.program.output, 0, wanted)


def curl(port, *options, host=HOST, scheme="http", **environment):
    return run(["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--write-out", "status %{http_code}\n",
                *options, f"{scheme}://{host}:{port}/"], **environment)


def request(port, authorization):
    """(status, value of WWW-Authenticate)"""
    answer = b""
    with socket.create_connection((HOST, int(port))) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + authorization + b"\r\n\r\n")
        while b"\r\n\r\n" not in answer and (more := connection.recv(65536)):
            answer += more
    text = answer.decode(errors="replace")
    challenge = re.search(r"^WWW-Authenticate: (.*)\r$", text, re.MULTILINE)
    return text[9:12], challenge.group(1) if challenge else ""


def clock(offset):
    """Environment for a program whose clock is wrong. Not faketime itself, which would get the signal that ends it."""
    _, library = run(["faketime", "-f", offset, "printenv", "LD_PRELOAD"])
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return {"LD_PRELOAD": library.strip(), "FAKETIME": offset, "ASAN_OPTIONS": sanitizer}


def logins(cases, programs):
    with Server(programs) as server:
        code, output = curl(server.port, "--negotiate", "--user", ":")
        cases.check("curl with a ticket", ("curl", code, output, 0, [f"^Hello {USER}$", "^status 200$"]),
                    server.end("!^http_server: 4"))
    with Server(programs) as server:
        url = f"http://{HOST}:{server.port}/"
        code, output = curl(server.port, "--negotiate", "--user", ":", "--anyauth", url)
        cases.check("curl that waits for the challenge, two requests over one connection",
                    ("curl", code, output, 0, [f"(?s)Hello {USER}.*status 200.*Hello {USER}.*status 200"]),
                    server.end("!^http_server: 4"))
    with tempfile.TemporaryDirectory() as folder, Server(programs) as server:
        jar = f"{folder}/jar"
        code, output = curl(server.port, "--negotiate", "--user", ":", "--cookie-jar", jar)
        again, with_cookie = curl(server.port, "--cookie", jar, **NO_TICKET)
        beside, with_others = curl(server.port, "--header", "Cookie: other=1", "--header", "COOKIE: more=2", "--cookie", jar,
                                   "--verbose", **NO_TICKET)
        cookies = open(jar).read()
        open(jar, "w").write(cookies[:-8] + ("A" if cookies[-8] != "A" else "B") + cookies[-7:])
        changed, with_another = curl(server.port, "--cookie", jar, **NO_TICKET)
        cases.check("curl logs in once, and its cookie does for it, unless a letter is changed",
                    ("login", code, output, 0, [f"^Hello {USER}$", "^status 200$"]),
                    ("cookie", again, with_cookie, 0, [f"^Hello {USER}$", "^status 200$"]),
                    ("beside other fields", beside, with_others, 0,
                     ["^> Cookie: other=1", "^> COOKIE: more=2", f"^Hello {USER}$", "^status 200$"]),
                    ("another", changed, with_another, 0, ["^Who are you", "^status 401$"]), server.end("!^http_server: 4"))
    with tempfile.TemporaryDirectory() as folder, Server(programs, "--allow", "bob@GSSKEY.TEST") as server:
        jar = f"{folder}/jar"
        code, output = curl(server.port, "--negotiate", "--user", ":", "--cookie-jar", jar)
        again, with_cookie = curl(server.port, "--cookie", jar, **NO_TICKET)
        cases.check("a cookie lets nobody in who is not allowed",
                    ("login", code, output, 0, ["^Not you", "^status 403$"]),
                    ("cookie", again, with_cookie, 0, ["!Hello", "^status 40[13]$"]))
    with Server(programs) as server:
        code, output = curl(server.port, "--negotiate", "--user", ":", **NO_TICKET)
        cases.check("curl without a ticket", ("curl", code, output, 0, ["^Who are you", "^status 401$"]),
                    server.end("!^http_server: 4"))
    with Server(programs) as server:
        code, output = curl(server.port)
        cases.check("curl that does not log in", ("curl", code, output, 0, ["^Who are you", "^status 401$"]), server.end())
    for who, greeting, status in [(USER, f"^Hello {USER}$", 200), ("bob@GSSKEY.TEST", "^Not you", 403)]:
        with Server(programs, "--allow", who) as server:
            code, output = curl(server.port, "--negotiate", "--user", ":")
            cases.check(f"curl with a ticket where {who} is allowed",
                        ("curl", code, output, 0, [greeting, f"^status {status}$"]),
                        server.end("!^http_server: 4" if status == 200 else f"^http_server: 403 --allow: {USER} is not allowed$"))
    with Server(programs) as server:
        code, output = curl(server.port, "--negotiate", "--user", ":", host="127.0.0.1")
        cases.check("a ticket for a service that the server is not",
                    ("curl", code, output, 0, ["!Hello", "^status 401$"]),
                    server.end(r"^http_server: 401 gss_accept_sec_context \(spnego\): \w+"))
    with Server(programs, **clock("+11h")) as server:
        code, output = curl(server.port, "--negotiate", "--user", ":")
        cases.check("a ticket that has ended, by the server's clock",
                    ("curl", code, output, 0, ["!Hello", "^status 401$"]),
                    server.end(r"^http_server: 401 gss_accept_sec_context \(spnego\): \w+"))


def clients(cases, programs):
    with Server(programs) as server:
        code, output = run([programs.http_client, HOST, server.port])
        cases.check("http_client with a ticket: both know who the other is",
                    ("client", code, output, 0, [f"^{USER} authenticated to {SERVICE}@", "^  flags .*mutual", "^status 200$",
                                                 f"^Hello {USER}$"]),
                    server.end("!^http_server: 4"))
    with Server(programs) as server:
        code, output = run([programs.http_client, HOST, server.port], **NO_TICKET)
        cases.check("http_client without a ticket",
                    ("client", code, output, 1, [r"^http_client: gss_\w+ \(spnego\): \w+", "!status"]), server.end())
    with Server(programs) as server:
        code, output = run([programs.http_client, "127.0.0.1", server.port])
        cases.check("http_client with a ticket for a service that the server is not",
                    ("client", code, output, 1, [r"^http_client: ", "!status"]),
                    server.end(r"^http_server: 401 gss_accept_sec_context \(spnego\): \w+"))
    for what, words, *header in [
            ("no proof", "WWW-Authenticate: the server accepts and does not prove who it is: mutual$"),
            ("another's proof", r"gss_init_sec_context \(spnego\): \w+", "WWW-Authenticate: Negotiate " + ANOTHERS),
            ("noise for a proof", r"gss_init_sec_context \(spnego\): \w+", "WWW-Authenticate: Negotiate bm9pc2U="),
    ]:
        with HostileServer(CHALLENGE, page(*header)) as server:
            code, output = run([programs.http_client, HOST, server.port])
        cases.check(f"http_client and a server that has {what}",
                    ("client", code, output, 1, ["^http_client: " + words, "!page", "!authenticated"]))


def hostile_servers(cases, programs):
    """None of them can prove who it is, so http_client never shows a page, and it always ends."""
    def mirror(request):
        return page("WWW-Authenticate: " + authorization_in(request).decode(), status="401 No")

    for what, *answers in [
            ("asks for ever", *[CHALLENGE] * 100),
            ("gives the client's token back", CHALLENGE, mirror, mirror),
            ("gives another's token, again and again", CHALLENGE, *[page("WWW-Authenticate: Negotiate " + ANOTHERS, status="401 No")] * 100),
            ("speaks NTLM", CHALLENGE, page("WWW-Authenticate: Negotiate TlRMTVNTUAACAAAAAAAAAAA=", status="401 No")),
            ("says it in single bytes", in_bytes(CHALLENGE), in_bytes(page())),
            ("says the page with the challenge", CHALLENGE + page(), page()),
            ("says the page at once", page()),
            ("says it in mixed case", b"HTTP/1.1 401 No\r\nwww-AUTHENTICATE: nEGOTIATE\r\nCONTENT-length: 0\r\n\r\n", page()),
            ("closes at once", b""),
            ("closes within the challenge", CHALLENGE[:30]),
            ("closes within the token", CHALLENGE, page("WWW-Authenticate: Negotiate " + ANOTHERS)[:60]),
            ("closes within the page", CHALLENGE, page("WWW-Authenticate: Negotiate " + ANOTHERS, length=1000)),
            ("has no status", b"HTTP\r\n\r\n"),
            ("does not speak HTTP", b"SSH-2.0-x\r\n\r\n"),
            ("has a head without an end", b"HTTP/1.1 401 No\r\n" + b"X: y\r\n" * 200000),
            ("has a page of 2^64 bytes", page(length=2**64 - 1)),
            ("has a page of -1 bytes", page(length=-1)),
            ("sends a token of 16 MiB", CHALLENGE, page("WWW-Authenticate: Negotiate " + "A" * (1 << 24), status="401 No")),
            ("sends two that differ", CHALLENGE, page("WWW-Authenticate: Negotiate bm8=", "WWW-Authenticate: Negotiate " + ANOTHERS)),
    ]:
        with HostileServer(*answers) as server:
            code, output = run([programs.http_client, HOST, server.port])
        asked = f"asked {len(server.requests)} times"
        cases.check(f"http_client and a server that {what}",
                    ("client", code, output + asked, 1, ["^http_client: .", "!page", "!authenticated", "asked [123] times"]))


def hostile_clients(cases, programs):
    """Whatever the connections before have said, the next one logs in."""
    def token():
        with HostileServer(page()) as server:  # curl begins with it
            curl(server.port, "--negotiate", "--user", ":", "--service-name", "HTTP")
        return authorization_in(server.requests[0])

    with Server(programs) as server:
        for what, parts, wanted in [
                ("in single bytes", in_bytes(get(b"Authorization: " + token())), "200"),
                ("in mixed case", [get(b"aUTHORIZATION:" + token().replace(b"Negotiate", b"nEGOTIATE"))], "200"),
                ("pipelined with a request that says nothing", [get(b"Authorization: " + token()) + get()], "200 401"),
                ("pipelined behind one that says nothing", [get() + get(b"Authorization: " + token())], "401 200"),
                ("twice, pipelined", [get(b"Authorization: " + (once := token())) + get(b"Authorization: " + once)],
                 "200 401" if programs.implementation == "mit" else "200 200"),  # Heimdal has no replay cache
                ("in two headers", [get(b"Authorization: " + (once := token()), b"Authorization: " + once)], "400"),
                ("in two headers that differ", [get(b"Authorization: " + token(), b"Authorization: Basic YTpi")], "400"),
                ("behind another scheme", [get(b"Authorization: Basic YTpi, " + token())], "401"),
                ("with a body behind it", [get(b"Authorization: " + token(), b"Content-Length: 4") + b"GET "], "200"),
                ("with two lengths and a body", [get(b"Authorization: " + token(), b"Content-Length: 18", b"Content-Length: 0")
                                                 + b"GET / HTTP/1.1\r\n\r\n"], "200|"),
                ("cut in the token", [get(b"Authorization: " + token())[:200]], ""),
                ("cut in base64", [get(b"Authorization: " + token()[:200])], "40[01]"),
                ("noise, again and again", [get(b"Authorization: Negotiate bm9pc2U=") * 40], " ".join(["401"] * 40)),
                ("a head without an end", [b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 40000], ""),
                ("a token of 16 MiB", [get(b"Authorization: Negotiate " + b"A" * (1 << 24))], ""),
                ("a server's token", [get(b"Authorization: Negotiate " + ANOTHERS.encode())], "40[01]"),
                ("no HTTP", [b"\0" * 1000 + b"\r\n\r\n"], "401|"),
                ("nothing", [b""], ""),
        ]:
            said = talk(server.port, *parts)
            statuses = " ".join(re.findall(r"^HTTP/1.1 (\d+) ", said, re.MULTILINE))
            cases.check(f"{server.name} and a login {what}", ("server", 0, statuses, 0, [rf"\A({wanted})\Z"]))
        code, output = curl(server.port, "--negotiate", "--user", ":")
        cases.check("and a good login afterwards, of curl's", ("curl", code, output, 0, [f"^Hello {USER}$", "^status 200$"]),
                    server.end("!terminate called"))


def garbage(cases, programs):
    with Server(programs) as server:
        # Beast's fields have less than 64 KiB, in which a token of 48,000 bytes has room, the most that Windows makes.
        is_beast = server.name == "beast_server"
        longest = 48_000 if is_beast else 65_536
        answers = {name: request(server.port, b"Negotiate " + said) for name, said in {
            "noise": base64.b64encode(b"noise"),
            "no base64": b"???",
            "nothing": b"",
            "oversized": base64.b64encode(b"\x60" * 65537),
            "long": base64.b64encode(b"\x60" * longest),
            "NTLM": base64.b64encode(b"NTLMSSP\0\1\0\0\0"),
        }.items()}
        wanted = {"noise": "401", "no base64": "400", "nothing": "400", "oversized": " $" if is_beast else "400",
                  "long": "401", "NTLM": "401"}
        lines = "".join(f"{name} {status} {challenge}\n" for name, (status, challenge) in answers.items())
        cases.check("tokens that are none", ("client", 0, lines, 0, [f"^{name} {status}" for name, status in wanted.items()]))
        status, _ = request(server.port, b"Basic YWxpY2U6c2VjcmV0")
        cases.check("another scheme", ("client", 0, status, 0, ["^401$"]))
        code, output = curl(server.port, "--negotiate", "--user", ":")
        cases.check("and a good login afterwards", ("curl", code, output, 0, [f"^Hello {USER}$", "^status 200$"]),
                    server.end(r"^http_server: 401 gss_accept_sec_context \(spnego\): \w+",
                               "^http_server: 400 base64_decode: \\w+|^http_server: 400 Authorization: not one token",
                               "^beast_server: header limit exceeded" if is_beast else
                               "^http_server: 400 Authorization: the peer's token has \\d+ bytes, and at most \\d+ are allowed$"))


def connections(cases, programs):
    """How a connection ends is the client's to say (RFC 9112 section 9.3)."""
    def conversation(*requests):
        """What the server says in all, and whether it closes then; not asked where it must not: another request shows."""
        with socket.create_connection((HOST, int(server.port))) as connection:
            connection.settimeout(SECONDS)
            connection.sendall("".join(requests).encode())
            answer = b""
            while answer.count(b"Who are you?\n") < len(requests) and (more := connection.recv(65536)):
                answer += more
            closed = requests[-1] != GOES_ON and connection.recv(1) == b""
        return answer.decode(), closed

    GOES_ON = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with Server(programs) as server:
        for name, last, words in [
                ("HTTP/1.1", GOES_ON, "keep-alive"),  # the first one, whatever the second is
                ("Connection: close", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "close"),
                ("Connection: TE, Close", "GET / HTTP/1.1\r\nHost: x\r\nConnection: TE\r\nConnection: Close\r\n\r\n", "close"),
                ("HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "close"),
                ("HEAD", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "close"),
                ("a body", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 37\r\n\r\nGET / HTTP/1.1\r\nConnection: evil\r\n\r\n", "close"),
        ]:
            answer, closed = conversation(GOES_ON, last)
            said = f"{len(answer.split('Who are you?'))-1} answers\n{answer.split('Who are you?')[1]}\nclosed {closed}"
            cases.check(f"a connection after {name}",
                        ("server", 0, said, 0, ["^2 answers$", f"^Connection: {words}\r$", f"^closed {words == 'close'}$"]))
        code, output = curl(server.port, "--negotiate", "--user", ":", "--http1.0")
        cases.check("curl that speaks HTTP/1.0", ("curl", code, output, 0, [f"^Hello {USER}$", "^status 200$"]),
                    server.end("!^http_server: 4"))
    with Server(programs) as server:
        outlasts_a_shortage(cases, server.name, server.program, server.port,
                            ["curl", "--silent", "--noproxy", "*", "--negotiate", "--user", ":", f"http://{HOST}:{server.port}/"],
                            f"^Hello {USER}$")
    refuses_a_taken_port(cases, server_name(programs), programs.http_server, "PORT", HOST)
    refuses_without_memory(cases, server_name(programs), programs.http_server, "0", HOST)
    refuses_without_memory(cases, "http_client", programs.http_client, HOST, "1")


if __name__ == "__main__":
    programs = arguments()
    skip_without("curl", "faketime")
    enter_realm(programs.realm, "--service", SERVICE, "--service", "HTTP/127.0.0.1")
    cases = Cases()
    logins(cases, programs)
    clients(cases, programs)
    hostile_servers(cases, programs)
    hostile_clients(cases, programs)
    garbage(cases, programs)
    connections(cases, programs)
    cases.end()
