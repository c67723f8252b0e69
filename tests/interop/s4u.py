#!/usr/bin/env python3
"""A service that acts for a user who gave it nothing, in a realm of Heimdal's KDC, which decides how far it gets."""
# SPDX-License-Identifier: MIT

import os

from programs import HOST, Cases, arguments, enter_realm, run, skip, start_server

USER, SERVICE, TARGET, FORBIDDEN = "bob@GSSKEY.TEST", "host/localhost", "other/localhost", "third/localhost"
MESSAGE = "attack at dawn"


def act(programs, user, port, target, *options):
    return run([programs.s4u_service, *options, "host", HOST, user, HOST, str(port), target, MESSAGE],
               KRB5_CLIENT_KTNAME=os.environ["KRB5_KTNAME"])


def impersonate(cases, programs):
    for target, service in [("other", TARGET), ("host", SERVICE)]:
        server, port = start_server(programs.server, service=target)
        code, output = act(programs, "bob", port, target)
        cases.check(f"as bob to {service}",
                    ("service", code, output, 0, [f"^{SERVICE}@GSSKEY.TEST acts for {USER}$",
                                                  f"^{USER} authenticated to {service}@", "^message received$"]),
                    ("server", server.finish(), server.output, 0,
                     [f"^{USER} authenticated to {service}@", f'^message "{MESSAGE}": encrypted$']))

    server, port = start_server(programs.server, service="third")
    code, output = act(programs, "bob", port, "third")
    cases.check("not to a service that is not in the list",
                ("service", code, output, 1, [r"^s4u_service: gss_init_sec_context \(krb5\): .*fulfill requested option"]),
                ("server", server.finish(), server.output, 1, [f"!{USER}"]))

    code, output = act(programs, "nobody", 1, "other")
    cases.check("not as somebody whom the realm does not know",
                ("service", code, output, 1, [r"^s4u_service: gss_acquire_cred_impersonate_name \(krb5\): .*not found"]))

    code, output = act(programs, "bob", 1, "other", "--allow", "alice@GSSKEY.TEST")
    cases.check("not as somebody whom it may not be asked to be",
                ("service", code, output, 1, [f"^s4u_service: --allow: {USER} is not allowed$"]))


def unavailable(cases, programs):
    code, output = act(programs, "bob", 1, "other")
    cases.check("the implementation cannot",
                ("service", code, output, 1, ["^s4u_service: gss_acquire_cred_from.*: .*Heimdal has no"]))


if __name__ == "__main__":
    programs = arguments()
    if not os.path.exists(os.environ.get("GSSKEY_HEIMDAL_ROOT", "") + "/usr/lib/heimdal-servers/kdc"):
        skip("heimdal-kdc is not unpacked")
    enter_realm(programs.realm, "--implementation", "heimdal", "--user", "alice:secret", "--user", "bob:hunter2",
                "--service", SERVICE, "--service", TARGET, "--service", FORBIDDEN,
                "--delegation", f"{SERVICE}:{TARGET}")
    cases = Cases()
    (impersonate if programs.implementation == "mit" else unavailable)(cases, programs)
    cases.end()
