#!/usr/bin/env python3
"""Our programs built for GNU GSS, with Debian's gss-client and gss-server (MIT) at the other end.

GNU GSS gets its tickets and keys from Shishi, which takes the KDC on port 88 only. The handshake works with it, the
protection of messages does not: it knows no AES. That has to be said clearly.
"""
# SPDX-License-Identifier: MIT

import tempfile

from programs import HOST, Cases, arguments, free_port, gss_client, run, start_gss_server, start_server
from shishi import REALM, USER, enter_realm_on_port_88, log_in

NO_AES = r"client: gss_wrap \(krb5\): failure; GNU GSS protects messages with DES3 and RC4 keys only$"


def clients(cases, programs):
    """Our client and gss-server."""
    def against_gss_server(name, options, code, words, server_says, service="host"):
        server, port = start_gss_server("-verbose")
        result, output = run([programs.client, *options, HOST, str(port), service, "hello"])
        cases.check(name, ("client", result, output, code, words),
                    ("gss-server", server.finish(), server.output, 0, server_says))

    accepted = [f'Accepted connection: "{USER}@{REALM}"', "using mechanism OID { 1 2 840 113554 1 2 2 }"]
    default = ["--default-credential"]
    against_gss_server("mutual authentication, plain message", [*default, "--plain", "--no-mic"], 0,
                       ["^authenticated", "^message received$"],
                       [*accepted, "GSS_C_MUTUAL_FLAG", 'Received message: "hello"', "NOOP token"])
    against_gss_server("one-way authentication, plain message", [*default, "--no-mutual", "--plain", "--no-mic"], 0,
                       ["^authenticated", "^message received$"],
                       [*accepted, "!GSS_C_MUTUAL_FLAG", 'Received message: "hello"', "NOOP token"])
    against_gss_server("mutual authentication, then no way to encrypt", default, 1, ["^authenticated", NO_AES],
                       [*accepted, "GSS_C_MUTUAL_FLAG", "!Received message"])
    against_gss_server("mutual authentication, then no way to sign", [*default, "--unencrypted"], 1,
                       ["^authenticated", NO_AES], [*accepted, "!Received message"])
    against_gss_server("mutual authentication, then no way to check a MIC", [*default, "--plain"], 1,
                       ["^authenticated", r"^client: gss_verify_mic \(krb5\): the operation is not available"],
                       [*accepted, 'Received message: "hello"'])
    against_gss_server("no credential for initiators", [], 1, [r"^client: gss_acquire_cred: GNU GSS has "],
                       ["!Accepted"])
    against_gss_server("a service that does not exist", default, 1,
                       [r"^client: gss_init_sec_context \(krb5\): no cred"], ["!Accepted"], service="nosuch")

    result, output = run([programs.client, *default, "--spnego", HOST, str(free_port()), "host", "hello"])
    cases.check("our client has no SPNEGO",
                ("client", result, output, 1, [r"^client: --spnego: GNU GSS has no SPNEGO$"]))

    server, port = start_gss_server()
    result, output = run([programs.client, *default, HOST, str(port), "host", "hello"],
                         SHISHI_TICKETS="/nonexistent/tickets")
    cases.check("no ticket", ("client", result, output, 1, [r"^client: gss_init_sec_context \(krb5\): no cred"]),
                ("gss-server", server.finish(), server.output, 0, ["!Accepted"]))

    server, port = start_gss_server()
    result, output = run([programs.first, HOST, str(port), "host"])
    cases.check("examples/first speaks another protocol than gss-server", ("first", result, output, 1, ["^recv: "]),
                ("gss-server", server.finish(), server.output, 0, ["!Accepted"]))


def servers(cases, programs):
    """Our server and gss-client."""
    server, port = start_server(programs.server)
    code, output = run(gss_client(port))
    cases.check("GNU's acceptor reports no protection, which is demanded",
                ("gss-client", code, output, "fails", [f'"{USER}@{REALM}" to "host/localhost@', "GSS_C_MUTUAL_FLAG"]),
                ("server", server.finish(), server.output, 1,
                 ["^server: gss_accept_sec_context.*: a demanded service was not granted: "
                  "replay sequence confidentiality integrity$"]))

    server, port = start_server(programs.server, service="nosuch")
    cases.check("our server has no key", ("server", server.finish(), server.output, 1,
                                          [r"^server: gss_acquire_cred \(krb5\): no credentials"]))
    server, port = start_server(programs.server, "--spnego")
    cases.check("our server has no SPNEGO", ("server", server.finish(), server.output, 1,
                                             [r"^server: --spnego: GNU GSS has no SPNEGO$"]))


if __name__ == "__main__":
    programs = arguments()
    kdc = enter_realm_on_port_88(programs.realm)
    with tempfile.TemporaryDirectory() as folder:
        log_in(folder, kdc)
        cases = Cases()
        clients(cases, programs)
        servers(cases, programs)
    cases.end()
