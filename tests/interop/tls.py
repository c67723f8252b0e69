#!/usr/bin/env python3
"""examples/tls_channel_binding: Kerberos bound to the TLS connection that it runs in, and somebody between the ends."""
# SPDX-License-Identifier: MIT

import argparse
import os
import socket
import ssl
import subprocess
import tempfile
import threading

from programs import HOST, SECONDS, SERVICE, Cases, Program, enter_realm, run, skip_without, without_leak_check

USER = "alice@GSSKEY.TEST"


def make_certificate(folder, name):
    """Self-signed, for HOST: the certificate and its key."""
    certificate, key = (os.path.join(folder, f"{name}.{kind}") for kind in ("pem", "key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={HOST}",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def frame(stream):
    """One frame of FramedTransport, or nothing if there is none."""
    header = stream.read(4)
    return header + stream.read(int.from_bytes(header, "big"))


class ManInTheMiddle:
    """Takes one connection with a certificate of its own, and passes on what both ends say: `turns` times a message of
    the client and the server's answer, each as `message` reads it from a stream."""

    def __init__(self, certificate, port, message=frame, turns=1):
        self.message, self.turns = message, turns
        self.settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.settings.load_cert_chain(*certificate)
        self.behind = port
        self.listener = socket.create_server((HOST, 0))
        self.listener.settimeout(SECONDS)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        with self.settings.wrap_socket(self.listener.accept()[0], server_side=True) as client, \
                trusting.wrap_socket(socket.create_connection((HOST, self.behind))) as server:
            for end in (client, server):
                end.settimeout(SECONDS)
            ends = [end.makefile("rwb") for end in (client, server)]
            for _ in range(self.turns):
                for source, sink in (ends, reversed(ends)):
                    sink.write(self.message(source))
                    sink.flush()


def main(program, implementation, folder):
    cases = Cases()
    own, other = make_certificate(folder, "server"), make_certificate(folder, "middle")

    def start(*options):
        server = Program([program, "server", *own, SERVICE, HOST, *options])
        return server, int(server.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n").group(1))

    def client(authority, port, *options):
        return run([program, "client", authority[0], HOST, str(port), SERVICE, "attack at dawn", *options])

    server, port = start()
    code, output = client(own, port)
    bound = "flags .*channel_bound" if implementation == "mit" else "!channel_bound"
    cases.check("both ends bind to the same connection",
                ("client", code, output, 0, [f"^{USER} authenticated to", "^message received$"]),
                ("server", server.finish(), server.output, 0,
                 [f"^{USER} authenticated to", '^message "attack at dawn"$', bound]))

    server, port = start("--allow", "bob@GSSKEY.TEST")
    code, output = client(own, port)
    cases.check("a client that is not allowed", ("client", code, output, 1, ["!message received"]),
                ("server", server.finish(), server.output, 1, [f"^server: --allow: {USER} is not allowed$", "!^message"]))

    server, port = start()
    middle = ManInTheMiddle(other, port)
    code, output = client(other, middle.port)
    middle.thread.join()
    told = "gss_init_sec_context.*Generic error" if implementation == "mit" else "SSL_read"  # Heimdal sends no reason
    cases.check("a certificate that the client takes is not enough to be between the two",
                ("client", code, output, 1, [told, "!authenticated"]),
                ("server", server.finish(), server.output, 1,
                 [r"^server: gss_accept_sec_context \(krb5\): the channel bindings differ$", "!authenticated"]))

    server, port = start()
    code, output = client(other, port)
    cases.check("a certificate that the client does not take",
                ("client", code, output, 1, ["^client: SSL_connect: certificate verify failed$"]),
                ("server", server.finish(), server.output, 1, ["^server: SSL_accept: .*unknown ca$"]))

    server, port = start()
    code, output = client(own, port, "--unbound")
    if implementation == "mit":
        cases.check("a client that binds to nothing is refused",
                    ("client", code, output, 1, ["!message received"]),
                    ("server", server.finish(), server.output, 1,
                     ["a demanded service was not granted: channel_bound$", "!message"]))
    else:
        cases.check("Heimdal cannot tell a client that binds to nothing",
                    ("client", code, output, 0, ["^message received$"]),
                    ("server", server.finish(), server.output, 0, ['^message "attack at dawn"$']))
    cases.end()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ["implementation", "realm", "program"]:
        parser.add_argument("--" + option, required=True)
    options = parser.parse_args()
    if options.implementation != "mit":
        os.environ.update(without_leak_check())
    skip_without("openssl")
    enter_realm(options.realm)
    with tempfile.TemporaryDirectory() as folder:
        main(options.program, options.implementation, folder)
