#!/usr/bin/env python3
"""Examples whose keys only gssproxy has: without ticket and keytab of their own, through the plugin of Debian's package,
which stands before every mechanism of MIT krb5. Refused is what crashes in that plugin."""
# SPDX-License-Identifier: MIT

import os
import pathlib
import tempfile
import time

from programs import HOST, SECONDS, SERVICE, Cases, Program, arguments, enter_realm, run, skip, skip_without, start_server

USER, MESSAGE = "alice@GSSKEY.TEST", "attack at dawn"
PLUGIN = pathlib.Path("/usr/lib/x86_64-linux-gnu/gssproxy/proxymech.so")
PLUGIN_OID = "2.16.840.1.113730.3.8.15.1"


class Proxy:
    """The daemon: at one socket alice for who asks, at the other the service. Ends with the block."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        kdc_conf = pathlib.Path(os.environ["KRB5_CONFIG"]).with_name("kdc.conf")
        keytab = self.folder / "alice.keytab"
        run(["kadmin.local", "-q", f"ktadd -k {keytab} -norandkey alice"], KRB5_KDC_PROFILE=str(kdc_conf))
        services = {
            "client": ["cred_usage = initiate", f"cred_store = client_keytab:{keytab}",
                       f"cred_store = ccache:FILE:{self.folder}/ccache"],
            "server": ["cred_usage = accept", f"cred_store = keytab:{os.environ['KRB5_KTNAME']}"],
        }
        configuration = ""
        for name, lines in services.items():
            lines += ["mechs = krb5", f"euid = {os.geteuid()}", f"socket = {self.folder}/{name}"]
            configuration += f"[service/{name}]\n" + "".join(f"  {line}\n" for line in lines)
        (self.folder / "conf").write_text(configuration)
        (self.folder / "plugins").write_text(f"gssproxy_v1 {PLUGIN_OID} {PLUGIN} <interposer>\n")
        # Without a folder of its own it reads /etc/gssproxy too.
        self.daemon = Program(["gssproxy", "-i", "-C", str(self.folder), "-c", str(self.folder / "conf"),
                               "-s", str(self.folder / "default")])

    def __enter__(self):
        deadline = time.monotonic() + SECONDS
        while not all((self.folder / name).exists() for name in ["client", "server"]) and time.monotonic() < deadline:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.daemon.stop()

    def environment(self, name):
        # The plugin keeps what it was given, encrypted, in the program's own cache.
        return {"GSS_USE_PROXY": "yes", "GSSPROXY_SOCKET": str(self.folder / name), "KRB5CCNAME": "MEMORY:proxied",
                "GSS_MECH_CONFIG": str(self.folder / "plugins"), "KRB5_KTNAME": "FILE:/nonexistent/keytab",
                "KRB5_CLIENT_KTNAME": "FILE:/nonexistent/keytab"}


def sessions(cases, programs, proxy):
    client, server, own = proxy.environment("client"), proxy.environment("server"), {}
    for name, mechanism, client_keys, server_keys in [
            ("the client's keys", [], client, own),
            ("the server's keys", [], own, server),
            ("the keys of both", [], client, server),
            ("the server's keys, over SPNEGO", ["--spnego"], own, server)]:
        listening, port = start_server(programs.server, *mechanism, **server_keys)
        code, output = run([programs.client, *mechanism, HOST, str(port), SERVICE, MESSAGE], **client_keys)
        cases.check(f"gssproxy has {name}",
                    ("client", code, output, 0, ["MIC is right"]),
                    ("server", listening.finish(), listening.output, 0,
                     [f"^{USER} authenticated to {SERVICE}/{HOST}@", f'^message "{MESSAGE}": encrypted$']))


def refusals(cases, programs, proxy):
    server, port = start_server(programs.server)
    code, output = run([programs.client, HOST, str(port), SERVICE, MESSAGE], **proxy.environment("nobody"))
    cases.check("no daemon at the socket", ("client", code, output, 1, [r"^client: gss_acquire_cred \(krb5\): "]),
                ("server", server.stop(), server.output, "fails", []))

    # gssproxy 0.9.1 takes its own credential out of SPNEGO's hands for the first token only.
    server, port = start_server(programs.server, "--spnego")
    code, output = run([programs.client, "--spnego", HOST, str(port), SERVICE, MESSAGE], **proxy.environment("client"))
    cases.check("SPNEGO with a credential that gssproxy has",
                ("client", code, output, 1, [r"^client: gss_init_sec_context \(spnego\): the credential is invalid"]),
                ("server", server.stop(), server.output, "fails", [f"!{MESSAGE}"]))


if __name__ == "__main__":
    programs = arguments()
    skip_without("gssproxy")
    if not PLUGIN.exists():
        skip(f"{PLUGIN} is not installed")
    enter_realm(programs.realm)
    cases = Cases()
    with tempfile.TemporaryDirectory(prefix="gsskey-gssproxy-") as folder, Proxy(folder) as proxy:
        sessions(cases, programs, proxy)
        refusals(cases, programs, proxy)
    cases.end()
