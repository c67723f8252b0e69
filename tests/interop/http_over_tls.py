#!/usr/bin/env python3
"""HTTP Negotiate over TLS: curl, examples/http_client and python3-gssapi log in to examples/http_server, bound to its
certificate (tls-server-end-point, RFC 5929), to another one, and to none."""
# SPDX-License-Identifier: MIT

import os
import re
import subprocess
import tempfile

from http_logins import SERVICE, USER, Server, curl
from programs import HOST, Cases, arguments, enter_realm, run, skip, skip_without
from tls import ManInTheMiddle, make_certificate

PYTHON = "/usr/bin/python3"  # Debian's, which python3-gssapi is for
GSSAPI_CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gssapi_client.py")
GREETED = [f"^Hello {USER}$", "^status 200$"]
DIFFER = r"^http_server: 401 gss_accept_sec_context \(spnego\): \w+"
UNBOUND = "^http_server: 401 .*: a demanded service was not granted: channel_bound$"


def message(stream):
    """One request or response."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and (line := stream.readline()):
        head += line
    size = re.search(rb"\r\nContent-Length: (\d+)", head)
    return head + stream.read(int(size.group(1)) if size else 0)


def main(programs, folder):
    cases = Cases()
    own, other = make_certificate(folder, "server"), make_certificate(folder, "middle")

    def check(name, client, *patterns, options=(), code=0, says=("!^http_server: 4",)):
        """`client` is given the port of a server with `options` and returns its exit code and output."""
        with Server(programs, *own, *options) as server:
            cases.check(name, ("client", *client(server.port), code, patterns), server.end(*says))

    def with_curl(port):
        return curl(port, "--negotiate", "--user", ":", "--cacert", own[0], scheme="https")

    def with_ours(*options, authority=own):
        return lambda port: run([programs.http_client, HOST, port, authority[0], *options])

    def with_gssapi(binding):
        return lambda port: run([PYTHON, GSSAPI_CLIENT, HOST, port, own[0], binding])

    def through_the_middle(port):
        middle = ManInTheMiddle(other, int(port), message, turns=2)
        outcome = with_ours(authority=other)(str(middle.port))
        middle.thread.join()
        return outcome

    check("curl, which binds to nothing", with_curl, *GREETED)
    check("http_client, bound", with_ours(), f"^{USER} authenticated to {SERVICE}@", *GREETED)
    check("http_client, bound to the certificate of somebody in the middle", through_the_middle,
          "^http_client: ", "!authenticated", "!status", code=1, says=[DIFFER])
    check("http_client, unbound", with_ours("--unbound"), *GREETED)
    check("http_client does not take the certificate", with_ours(authority=other), "certificate verify failed", code=1,
          says=["^http_server: .*unknown ca"])
    check("python3-gssapi, bound", with_gssapi("good"), "^complete True$", *GREETED)
    check("python3-gssapi, bound to another certificate", with_gssapi("wrong"), "^status 401$", "!Hello", says=[DIFFER])
    check("python3-gssapi, unbound", with_gssapi("absent"), "^complete True$", *GREETED)
    if programs.implementation == "mit":  # Heimdal cannot tell
        demanding = {"options": ["--bound"]}
        check("http_client, bound, as the server demands", with_ours(), *GREETED, **demanding)
        check("http_client, unbound, which the server does not take", with_ours("--unbound"), "^http_client: ", "!Hello",
              code=1, says=[UNBOUND], **demanding)
        check("python3-gssapi, bound, as the server demands", with_gssapi("good"), "^complete True$", *GREETED, **demanding)
        check("python3-gssapi, unbound, which the server does not take", with_gssapi("absent"), "^status 401$", "!Hello",
              says=[UNBOUND], **demanding)
        check("curl, which the server does not take", with_curl, "^status 401$", "!Hello", says=[UNBOUND], **demanding)
    cases.end()


if __name__ == "__main__":
    programs = arguments()
    skip_without("curl", "openssl")
    if subprocess.run([PYTHON, "-c", "import gssapi"], capture_output=True).returncode != 0:
        skip("python3-gssapi is not installed")
    enter_realm(programs.realm, "--service", SERVICE)
    with tempfile.TemporaryDirectory() as folder:
        main(programs, folder)
