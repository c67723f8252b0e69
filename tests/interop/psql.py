#!/usr/bin/env python3
"""PostgreSQL's client logs in to an acceptor and sends and gets more than a packet holds: what it asks for, and what
acceptors by default make of it."""
# SPDX-License-Identifier: MIT

import re

from programs import HOST, Cases, Program, arguments, enter_realm, run, skip_without

USER, SERVICE = "alice@GSSKEY.TEST", "postgres/localhost"
# What Kerberos grants of itself is between them, as are the two of the library's own at the end.
ALL, MUTUAL = "mutual replay sequence confidentiality integrity", "mutual confidentiality integrity"
LONG = "select " + 2000 * "a sentence that is not too short, " + "the end"


def log_in(programs, options, encryption, query):
    server = Program([programs.postgres_server, *options])
    ready = server.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
    port = ready.group(1) if ready else "none"
    code, output = run(["psql", "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--command", query,
                        f"host={HOST} port={port} user=alice sslmode=disable gssencmode={encryption}"])
    return (code, output), (server.finish(), server.output)


if __name__ == "__main__":
    programs = arguments()
    skip_without("psql")
    enter_realm(programs.realm, "--user", "alice:secret", "--service", SERVICE)
    cases = Cases()

    for encryption, options, flags, how in [
            ("require", [], ALL, "encrypted"),
            ("require", ["--any"], ALL, "encrypted"),
            ("disable", ["--any"], MUTUAL, "in the clear")]:
        for query in ["select 1", LONG]:
            (code, output), (end, said) = log_in(programs, options, encryption, query)
            cases.check(f"gssencmode={encryption} {' '.join(options)} query of {len(query)} bytes",
                        ("psql", code, output, 0, [rf"\A{re.escape(query)}\n\Z"]),
                        ("server", end, said, 0, [f"^{USER} authenticated to {SERVICE}@",
                                                  rf"^  flags      {flags}( prot_ready)?( transferable)?$",
                                                  f"^query of {len(query)} bytes, {how}$"]))

    (code, output), (end, said) = log_in(programs, [], "disable", "select 1")
    cases.check("gssencmode=disable is not served by default: it asks for nothing that protects messages",
                ("psql", code, output, 2, ["server closed the connection unexpectedly"]),
                ("server", end, said, 1, ["^postgres_server: .*: a demanded service was not granted: replay sequence$"]))
    cases.end()
