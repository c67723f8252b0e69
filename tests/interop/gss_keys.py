#!/usr/bin/env python3
"""examples/gss_key_handler and gss_key_client: tokens that the kernel has made on request, for another user."""
# SPDX-License-Identifier: MIT

import contextlib
import errno
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

from programs import (Cases, arguments, can_make_handlers_known, enter_realm, request_key_rule, run, skip, skip_without,
                      start_server)

options = arguments()
if os.geteuid() != 0 or not can_make_handlers_known():
    skip("no /sbin/request-key here that the kernel starts, or no right to make a handler known to it")
skip_without("keyctl")
enter_realm(options.realm, "--user", "alice:secret", "--user", "bob:hunter2")
cases = Cases()

# A user whom nobody else is, with the default cache file of such.
USER = next(uid for uid in range(61000, 62000) if not os.path.lexists(f"/tmp/krb5cc_{uid}"))
CACHE = pathlib.Path(f"/tmp/krb5cc_{USER}")
configuration = pathlib.Path(os.environ["KRB5_CONFIG"])
configuration.parent.chmod(0o711)
configuration.chmod(0o644)
MIT = options.implementation == "mit"


def as_user(*command, **how):
    """In a session of its own, without the realm's cache."""
    environment = {**os.environ, **how.pop("env", {})}
    environment.pop("KRB5CCNAME", None)
    done = subprocess.run(["keyctl", "session", "-", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          user=USER, group=USER, extra_groups=[], check=False, timeout=30, env=environment, **how)
    return done.returncode, done.stdout.decode(errors="replace").split("\n", 1)[1]  # without "Joined session key ring"


def request(description, seconds="20"):
    return as_user("keyctl", "request2", "user", description, seconds, "@s")


def equal(name, seen, wanted):
    cases.check(name, ("seen", 0 if seen == wanted else 1, f"{seen!r}, not {wanted!r}", 0, []))


def kinit(cache, *arguments, user="alice", password="secret"):
    command = ["keyctl", "session", "-", "kinit", "-c", cache, *arguments, user]
    subprocess.run(command, input=password.encode(), check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, user=USER, group=USER, extra_groups=[])


def forget():
    for cache in [f"FILE:{CACHE}", f"KEYRING:persistent:{USER}"]:
        as_user("kdestroy", "-q", "-c", cache)


@contextlib.contextmanager
def handler(settings):
    """Known to request-key, with another configuration of Kerberos than the machine's."""
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder) / "handler"
        script.write_text(f"#!/bin/sh\nexec env KRB5_CONFIG={settings} {HANDLER} \"$@\"\n")
        script.chmod(0o700)
        with request_key_rule(RULE.replace(HANDLER, str(script))):
            yield


def parked_keys():
    return pathlib.Path("/proc/keys").read_text(errors="replace").count("gsskey-parked:")


def check_connections():
    """A client that has no ticket that it could read, and a server that sees the user's name."""
    def connection(name, *messages):
        server, port = start_server(options.server)
        client = as_user(options.gss_key_client, "localhost", str(port), "host", *messages)
        cases.check(name, ("client", *client, 0, [r"(message received, the server's MIC is right\n){%d}" % len(messages)]),
                    ("server", server.finish(), server.output, 0,
                     [r"alice@GSSKEY\.TEST", *[f'message "{text}": encrypted' for text in messages]]))

    kinit(f"FILE:{CACHE}")
    connection("a connection, ticket in the default file", "one", "two", "three")
    forget()
    if MIT:
        kinit(f"KEYRING:persistent:{USER}")
        connection("ticket in the persistent keyring", "one", "two")
        kinit(f"FILE:{CACHE}", user="bob", password="hunter2")
        connection("the persistent keyring goes before the file", "one")
        forget()
    kinit(f"FILE:{CACHE}")
    for number in range(3):
        connection(f"a token for each connection: {number}", "again")
    equal("no key is left", parked_keys(), 0)


def refused(name, answer, error):
    cases.check(name, ("keyctl", *answer, "fails", [f"^request_key: {os.strerror(error)}$"]))


def check_refusals():
    for wanted in ["gss:host", "gss:@localhost", "gss:host@", "gss:host@local@host", "gss:"]:
        refused(f"no service: {wanted}", request(wanted), errno.EINVAL)
    for seconds in ["0", "61", "-1", "", "ten", "10x", "99999999999"]:
        refused(f"for {seconds!r} seconds", request("gss:host@localhost", seconds), errno.EINVAL)
    refused("no ticket", request("gss:host@localhost"), errno.ENOENT)

    shutil.copy(os.environ["KRB5CCNAME"].removeprefix("FILE:"), CACHE)
    CACHE.chmod(0o644)
    refused("somebody else's file", request("gss:host@localhost"), errno.ENOENT)
    CACHE.unlink()
    theirs = pathlib.Path(f"{CACHE}.elsewhere")
    kinit(f"FILE:{theirs}")
    CACHE.symlink_to(theirs)
    refused("a symbolic link", request("gss:host@localhost"), errno.ENOENT)
    code, output = as_user(options.gss_key_client, "localhost", "1", "host", "x", env={"KRB5CCNAME": f"FILE:{theirs}"})
    cases.check("nothing from the requester's environment",
                ("client", code, output, 1, [f"request_key: user;gss:host@localhost: {os.strerror(errno.ENOENT)}"]))
    CACHE.unlink()
    theirs.unlink()

    kinit(f"FILE:{CACHE}")
    refused("no such service", request("gss:nosuch@localhost"), errno.ENXIO)
    equal("another user gets none of it", [request_as_root()], [os.strerror(errno.ENOENT)])
    kinit(f"FILE:{CACHE}", "-l", "1s")
    while as_user("klist", "-s", f"FILE:{CACHE}")[0] == 0:
        pass
    refused("a ticket that has ended", request("gss:host@localhost"), errno.EKEYEXPIRED if MIT else errno.ENOENT)
    forget()
    if options.large_ticket:
        quota = int(pathlib.Path("/proc/sys/kernel/keys/maxbytes").read_text())
        for size, error in [(20000, errno.EDQUOT), (40000, errno.EMSGSIZE)]:
            if error == errno.EDQUOT and quota > size:
                continue
            run([options.large_ticket, f"FILE:{CACHE}", "alice", "host/localhost", str(size)])
            os.chown(CACHE, USER, USER)
            refused(f"a ticket of {size} bytes", request("gss:host@localhost"), error)
        forget()
    equal("no key is left of a refusal", parked_keys(), 0)


def request_as_root():
    done = subprocess.run(["keyctl", "session", "-", "keyctl", "request2", "user", "gss:host@localhost", "20", "@s"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode().strip().rsplit(": ", 1)[1]


def check_lost_kdcs():
    """One whose port is closed, and one that takes what it is sent and says nothing."""
    text = configuration.read_text()
    kinit(f"FILE:{CACHE}")
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        stream.bind(("127.0.0.1", 0))
        port = stream.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))
        lost = configuration.with_name("lost.conf")
        lost.write_text(re.sub(r"(kdc = \S*?127\.0\.0\.1):\d+", rf"\1:{port}", text))
        lost.chmod(0o644)
        equal("another KDC", lost.read_text() != text, True)
        with handler(lost):
            stream.listen()  # it connects
            refused("a KDC that does not answer", request("gss:host@localhost", "1"), errno.ETIMEDOUT)
        stream.close()
        datagrams.close()
        with handler(lost):
            refused("no KDC", request("gss:host@localhost"), errno.EHOSTUNREACH)
    forget()


def users_with_persistent_rings():
    return set(re.findall(r"_persistent\.(\d+)", pathlib.Path("/proc/keys").read_text(errors="replace")))


had_persistent_rings = users_with_persistent_rings()
HANDLER = os.path.realpath(options.gss_key_handler)
RULE = run([options.gss_key_handler, "--rule"])[1]
equal("the rule", RULE, f"create user gss:* * {HANDLER} %o %k %u %g %T %P %S\n")
try:
    with handler(configuration):
        check_refusals()
        check_connections()
    check_lost_kdcs()
finally:
    forget()
    CACHE.unlink(missing_ok=True)
    for user in users_with_persistent_rings() - had_persistent_rings:  # MIT krb5 makes them where it looks for a cache
        subprocess.run(["keyctl", "session", "-", "sh", "-c", f"keyctl invalidate $(keyctl get_persistent @s {user})"],
                       stderr=subprocess.DEVNULL, check=True)
cases.end()
