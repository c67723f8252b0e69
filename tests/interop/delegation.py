#!/usr/bin/env python3
"""A front end that goes on to a back end as its client: only with what the client delegated."""
# SPDX-License-Identifier: MIT

from programs import HOST, Cases, arguments, enter_realm, gss_client, run, start_gss_server, start_server

USER, FRONT, BACK = "alice@GSSKEY.TEST", "host/localhost", "other/localhost"
MESSAGE = "attack at dawn"


def front_end(programs, back_port, *options):
    return start_server(programs.delegation, *options, arguments=[HOST, str(back_port), "other"])


def to_the_back(cases, programs):
    clients = {
        "our client": lambda port: [programs.client, "--delegate", HOST, str(port), "host", MESSAGE],
        "gss-client": lambda port: gss_client(port, "-d", message=MESSAGE),
    }
    servers = {
        "our server": (lambda: start_server(programs.server, service="other"),
                       [f"^{USER} authenticated to {BACK}@", f'^message "{MESSAGE}": encrypted$']),
        "gss-server": (lambda: start_gss_server("-verbose", service="other"),
                       [f'Accepted connection: "{USER}"', f'Received message: "{MESSAGE}"']),
    }
    for client, command in clients.items():
        for server, (start, seen) in servers.items():
            back, back_port = start()
            front, port = front_end(programs, back_port)
            code, output = run(command(port))
            cases.check(f"{client} to our front end to {server}",
                        (client, code, output, 0, ["MIC is right|Signature verified"]),
                        ("front end", front.finish(), front.output, 0,
                         [f"^{USER} authenticated to {FRONT}@", "flags .*delegate",
                          f"^{USER} authenticated to {BACK}@", "^message sent on$"]),
                        (server, back.finish(), back.output, 0, seen))


def nothing_delegated(cases, programs):
    back, back_port = start_server(programs.server, service="other")
    front, port = front_end(programs, back_port)
    code, output = run([programs.client, HOST, str(port), "host", MESSAGE])
    cases.check("without delegation the front end does nothing",
                ("client", code, output, 1, []),
                ("front end", front.finish(), front.output, 1, [r"^delegation: .*: delegate$", f"!{BACK}"]))
    front, port = front_end(programs, back_port, "--allow", "bob@GSSKEY.TEST")
    code, output = run([programs.client, "--delegate", HOST, str(port), "host", MESSAGE])
    cases.check("nor for somebody who is not allowed",
                ("client", code, output, 1, []),
                ("front end", front.finish(), front.output, 1,
                 [f"^delegation: --allow: {USER} is not allowed$", f"!{BACK}"]))
    back.stop()


if __name__ == "__main__":
    programs = arguments()
    enter_realm(programs.realm, "--service", FRONT, "--service", BACK)
    cases = Cases()
    to_the_back(cases, programs)
    nothing_delegated(cases, programs)
    cases.end()
