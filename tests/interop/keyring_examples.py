"""The keyring's examples, watched from outside by keyctl(1) and /proc/keys, in a session of their own."""
# SPDX-License-Identifier: MIT

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
from programs import Cases, can_make_handlers_known, request_key_rule, run, skip, skip_without  # noqa: E402

parser = argparse.ArgumentParser()
for program in ["dns-handler", "keep-secret", "key-handler", "key-tree"]:
    parser.add_argument("--" + program, required=True)
options = parser.parse_args()

skip_without("keyctl")
if "GSSKEY_OWN_SESSION" not in os.environ:
    os.environ.update(GSSKEY_OWN_SESSION="yes", LC_ALL="C")
    os.execvp("keyctl", ["keyctl", "session", "-", sys.executable, *sys.argv])

NAME = "gsskey-test:secret"
NOBODY = 65534
cases = Cases()


def keyctl(*arguments, **how):
    """What it prints, without the last line feed; on an error the text of that."""
    done = subprocess.run(["keyctl", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **how)
    return done.stdout.decode("latin-1").removesuffix("\n")


def keep_secret(*arguments, secret=b"", **how):
    done = subprocess.run([options.keep_secret, *arguments], input=secret, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, **how)
    return done.returncode, done.stdout, done.stderr.decode()


def timeout_of(serial):
    """As /proc/keys has it."""
    for line in pathlib.Path("/proc/keys").read_text(errors="replace").splitlines():
        if line.startswith(f"{int(serial):08x} "):
            return line.split()[3]
    return None


def equal(name, seen, wanted):
    cases.check(name, ("seen", 0 if seen == wanted else 1, f"{seen!r}, not {wanted!r}", 0, []))


def check_keep_secret():
    equal("store", keep_secret("store", NAME, "216000", secret=b"s3cret"), (0, b"", ""))
    serial = keyctl("search", "@s", "user", NAME)
    equal("keyctl: description", keyctl("rdescribe", serial), f"user;{os.getuid()};{os.getgid()};3f010000;{NAME}")
    equal("keyctl: payload", keyctl("pipe", serial), "s3cret")
    equal("keyctl: the only key of the ring", keyctl("rlist", "@s"), serial)
    equal("/proc/keys: timeout", timeout_of(serial), "2d")
    equal("fetch, in another process", keep_secret("fetch", NAME), (0, b"s3cret", ""))
    equal("store again", keep_secret("store", NAME, "60", secret=b"x"), (0, b"", ""))
    equal("another key in its place", keyctl("search", "@s", "user", NAME) == serial, False)
    serial = keyctl("search", "@s", "user", NAME)
    equal("with its own timeout", (keyctl("pipe", serial), timeout_of(serial) in ["60s", "59s", "1m"]), ("x", True))
    equal("the only one", keyctl("rlist", "@s"), serial)
    keyctl("revoke", serial)
    equal("store over a revoked one", keep_secret("store", NAME, "216000", secret=b"s3cret"), (0, b"", ""))
    serial = keyctl("search", "@s", "user", NAME)
    equal("alone again", (keyctl("rlist", "@s"), keyctl("pipe", serial)), (serial, "s3cret"))
    elsewhere = run(["keyctl", "session", "-", options.keep_secret, "fetch", NAME])
    cases.check("fetch in another session",
                ("fetch", *elsewhere, 1, [f"request_key: user;{NAME}: Required key not available", "!s3cret"]))
    equal("forget", keep_secret("forget", NAME), (0, b"", ""))
    equal("fetch what was forgotten", keep_secret("fetch", NAME),
          (1, b"", f"keep_secret: request_key: user;{NAME}: Required key not available\n"))
    equal("forget it again", keep_secret("forget", NAME),
          (1, b"", f"keep_secret: keyctl_search: user;{NAME}: Required key not available\n"))

    every_byte = bytes(range(256)) * 127
    for size in [1, 511, 512, 513, 32512]:
        keep_secret("store", NAME, "60", secret=every_byte[:size])
        equal(f"{size} bytes, all values", keep_secret("fetch", NAME)[1] == every_byte[:size], True)
        keep_secret("forget", NAME)
    equal("nothing to store", keep_secret("store", NAME, "60"),
          (1, b"", f"keep_secret: add_key: user;{NAME}: Invalid argument\n"))
    equal("too much to store", keep_secret("store", NAME, "60", secret=bytes(32768)),
          (1, b"", f"keep_secret: add_key: user;{NAME}: the payload is larger than a key of this type can be\n"))
    for arguments in [[], ["store"], ["store", NAME], ["store", NAME, "0"], ["store", NAME, "soon"], ["fetch"],
                      ["steal", NAME]]:
        equal("usage: " + " ".join(arguments), keep_secret(*arguments, secret=b"x")[0], 2)
    if os.geteuid() == 0:  # as within su: another user in this session
        code, _, words = keep_secret("store", NAME, "60", secret=b"x", user=NOBODY, group=NOBODY, extra_groups=[])
        equal("in another user's session", (code, "the ring belongs to another user" in words), (1, True))
        equal("nothing was stored", keyctl("rlist", "@s"), "")
        equal("unless told", keep_secret("--in-session-of-another-user", "store", NAME, "60", secret=b"x",
                                         user=NOBODY, group=NOBODY, extra_groups=[]), (0, b"", ""))
        keyctl("clear", "@s")
    equal("nothing is left", keyctl("rlist", "@s"), "")


def check_key_tree():
    session = keyctl("id", "@s")
    outer = keyctl("newring", "outer", "@s")
    shared = keyctl("newring", "shared", "@s")
    keyctl("link", shared, outer)
    plain = keyctl("add", "user", "a;b: c", "x", outer)
    strange = keyctl("add", "user", b"\x1b[31m\n\\\xff", "x", shared)
    keyctl("timeout", strange, "216000")
    hidden = keyctl("add", "user", "hidden", "x", "@s")
    keyctl("setperm", hidden, "0x10000000")
    closed = keyctl("newring", "closed", "@s")
    keyctl("setperm", closed, "0x00010000")
    user, group = f"{os.getuid():5}", f"{os.getgid():5}"

    def line(serial, rights, text, timeout="perm"):
        return f"{serial:>10}  {rights} ------ ------  {user} {group}  {timeout:>5}  P  {text}"

    def outside(indent, text):
        return f"{'':10}  {indent}  ({text})"

    usual = "alswrv -----v"
    wanted = [
        line(session, "alswrv ----rv", "keyring: _ses"),
        line(outer, usual, "  keyring: outer"),
        line(shared, usual, "    keyring: shared"),
        line(strange, usual, r"      user: \x1b[31m\x0a\x5c\xff", "2d"),
        line(plain, usual, "    user: a;b: c"),
        line(shared, usual, "  keyring: shared"),
        outside("  ", "see above"),
        f"{hidden:>10}    (Permission denied)",
        line(closed, "------ -----v", "  keyring: closed").replace("  P  ", "  -  "),
        outside("  ", "Permission denied"),
    ]
    code, output = run([options.key_tree])
    equal("the tree", (code, sorted(output.splitlines())), (0, sorted(wanted)))  # a ring has no order of its own
    lines = output.splitlines()
    equal("a ring before what it holds", lines.index(wanted[1]) < lines.index(wanted[4]), True)
    code, output = run([options.key_tree, shared])
    equal("one ring", (code, output.splitlines()),
          (0, [line(shared, usual, "keyring: shared"), line(strange, usual, r"  user: \x1b[31m\x0a\x5c\xff", "2d")]))
    equal("one key", run([options.key_tree, plain]), (0, line(plain, usual, "user: a;b: c") + "\n"))
    equal("no such ring", run([options.key_tree, "@t"]),
          (1, "key_tree: keyctl_get_keyring_ID: keyring;@t: Required key not available\n"))
    for wrong in ["0", "many", "@", "-7", "2147483647"]:
        cases.check("no such key: " + wrong, ("key_tree", *run([options.key_tree, wrong]), "fails", ["key_tree"]))
    equal("as another user", as_nobody([options.key_tree, plain])[0], 1)
    keyctl("clear", "@s")


def as_nobody(command):
    """In a session of its own."""
    done = subprocess.run(["keyctl", "session", "-", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          user=NOBODY, group=NOBODY, extra_groups=[], check=False)
    return done.returncode, done.stdout.decode()


def check_key_handler():
    code, rule = run([options.key_handler, "--rule"])
    equal("the rule", (code, rule), (0, f"create user gsskey-token:* * {os.path.realpath(options.key_handler)}"
                                        " %o %k %u %g %T %P %S\n"))
    cases.check("no handler by hand", ("key_handler", *run([options.key_handler]), 1, ["arguments are not"]))
    if not can_make_handlers_known():
        print("not run: the handler itself: no /sbin/request-key that the kernel starts, or no right to make it known")
        return
    with request_key_rule(rule):
        serial = keyctl("request2", "user", "gsskey-token:printer", "60", "@s")
        token = keyctl("pipe", serial)
        equal("a token", bool(re.fullmatch("[0-9a-f]{32}", token)), True)
        equal("its key", keyctl("rdescribe", serial),
              f"user;{os.getuid()};{os.getgid()};3b000000;gsskey-token:printer")
        equal("its timeout", bool(re.fullmatch(r"5\dm|1h", timeout_of(serial))), True)
        equal("the same token", keyctl("request2", "user", "gsskey-token:printer", "10", "@s"), serial)
        other = keyctl("request2", "user", "gsskey-token:scanner", "1", "@s")
        equal("another token", keyctl("pipe", other) == token, False)
        for number, wish in enumerate(["0", "61", "-1", "", "ten", "10x", " 10", "99999999999"]):
            equal(f"for {wish!r} minutes", keyctl("request2", "user", f"gsskey-token:{number}", wish, "@s"),
                  "request_key: Invalid argument")
        code, theirs = as_nobody(["sh", "-c", "keyctl pipe $(keyctl request2 user gsskey-token:printer 5 @s)"])
        equal("another user's own", (code, bool(re.fullmatch("[0-9a-f]{32}", theirs)), theirs == token),
              (0, True, False))
    keyctl("clear", "@s")


def check_dns_handler():
    code, rule = run([options.dns_handler, "--rule"])
    equal("dns_handler: the rule", (code, rule), (0, "create dns_resolver * * " + os.path.realpath(options.dns_handler) +
                                                  " %o %k %u %g %T %P %S\n"))
    if not can_make_handlers_known():
        return
    with request_key_rule(rule.replace("dns_resolver *", "dns_resolver localhost") +
                          rule.replace("dns_resolver *", "dns_resolver gsskey.invalid")):
        serial = keyctl("request2", "dns_resolver", "localhost", "ipv4", "@s")
        if serial == "request_key: Required key not available":
            print("not run: dns_handler: the kernel has no such keys")
            return
        equal("the address of localhost", keyctl("pipe", serial), "127.0.0.1")
        equal("its key", keyctl("rdescribe", serial).split(";")[0::4], ["dns_resolver", "localhost"])
        equal("its timeout", timeout_of(serial) in ["10m", "9m"], True)
        equal("no address", keyctl("request2", "dns_resolver", "gsskey.invalid", "ipv4", "@s") in
              ["request_key: No data available", "request_key: Resource temporarily unavailable"], True)
    keyctl("clear", "@s")


def in_quota(user):
    """The keys and bytes that count against that user, as /proc/key-users has it."""
    for line in pathlib.Path("/proc/key-users").read_text().splitlines():
        if (words := line.replace(":", " ", 1).split())[0] == str(user):
            return [int(word.split("/")[0]) for word in words[3:5]]
    return [0, 0]


keyctl("show", "@us")  # made when first asked for, and counted from then on
if os.getuid() == 0:
    keyctl("show", "@us", user=NOBODY, group=NOBODY, extra_groups=[])
before = {user: in_quota(user) for user in {os.getuid(), NOBODY}}
check_keep_secret()
check_key_tree()
check_dns_handler()
check_key_handler()
for user, counted in before.items():
    for _ in range(500):  # what is dead counts until it is collected
        left = in_quota(user)
        if left[0] <= counted[0] and left[1] <= counted[1]:
            break
        time.sleep(0.01)
    equal(f"nothing is left of {user}'s: {left}, and {counted} before",
          left[0] <= counted[0] and left[1] <= counted[1], True)
cases.end()
