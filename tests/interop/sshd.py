#!/usr/bin/env python3
"""Whom sshd lets in by .k5login and auth_to_local, and whom examples/authorize --act-as: the same."""
# SPDX-License-Identifier: MIT

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from programs import HOST, Cases, Program, free_port, run, skip

CLIENT = ["ssh", "-F", "none", "-o", "GSSAPIAuthentication=yes", "-o", "PreferredAuthentications=gssapi-with-mic",
          "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]


class Sshd:
    """A server on a free port of loopback, whose only way in is Kerberos. Users of the machine are those of a file."""

    def __init__(self, root, folder):
        self.port = free_port()
        key, config = folder / "host_key", folder / "sshd_config"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        config.write_text(f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {key}\nPidFile none\nUsePAM no\n"
                          "GSSAPIAuthentication yes\nGSSAPIStrictAcceptorCheck no\nPasswordAuthentication no\n"
                          "PubkeyAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
                          "StrictModes no\nLogLevel ERROR\n", encoding="utf-8")
        self.program = Program([root / "usr/sbin/sshd", "-D", "-e", "-f", config, "-o", "LogLevel=INFO"],
                               **users(folder))
        if not self.program.wait_for(r"Server listening on 127\.0\.0\.1"):
            sys.exit(f"sshd does not start: {self.program.output}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.stop()

    def admits(self, user, environment):
        code, output = run([*CLIENT, "-p", str(self.port), f"{user}@{HOST}", "true"], **environment)
        if code not in (0, 255):
            sys.exit(f"ssh: {code}: {output}\n{self.program.output}")
        return code == 0


def users(folder):
    """Environment in which there are the users that sshd separates its privileges with, and that one logs in as."""
    return {"LD_PRELOAD": "libnss_wrapper.so", "NSS_WRAPPER_PASSWD": str(folder / "passwd"),
            "NSS_WRAPPER_GROUP": str(folder / "group")}


def enter_realm(realm):
    if "GSSKEY_INTEROP_REALM" not in os.environ:
        os.environ.update(GSSKEY_INTEROP_REALM="yes", LC_ALL="C")
        os.execv(realm, [realm, "--user", "alice:secret", "--user", "bob:hunter2", "--", sys.executable, *sys.argv])


def login(folder, user, password):
    cache = f"FILE:{folder}/{user}.cache"
    subprocess.run(["kinit", "-c", cache, user], input=password, text=True, check=True, stdout=subprocess.DEVNULL)
    return cache


# What stands in the files, by user of the machine, and what one would expect; what counts is that both agree.
FILES = {
    "no file": {},
    "alice for www": {"www": "alice@GSSKEY.TEST\n"},
    "an empty file": {"www": "", "alice": ""},
    "both, spaces, and another's": {"www": "  alice@GSSKEY.TEST  \nbob@GSSKEY.TEST\t# of ours\ncarol@GSSKEY.TEST\n"},
    "another realm, other letters": {"www": "alice@OTHER.TEST\nALICE@GSSKEY.TEST\nalice@gsskey.test\nalice\n*\n"},
    "no line feed at the end": {"www": "bob@GSSKEY.TEST", "alice": "bob@GSSKEY.TEST"},
    "an instance": {"www": "alice/admin@GSSKEY.TEST\n", "bob": "alice@GSSKEY.TEST\n"},
}
RULES = {"by default": "", "bob is www": "  auth_to_local = RULE:[1:$1@$0](^bob@GSSKEY.TEST$)s/.*/www/\n  auth_to_local = DEFAULT\n"}


def main():
    parser = argparse.ArgumentParser()
    for name in ["realm", "authorize", "sshd-root"]:
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    root = pathlib.Path(options.sshd_root).resolve()
    if os.geteuid() != 0:
        skip("only root becomes another user")
    if not (root / "usr/sbin/sshd").exists():
        skip("sshd is not there: tests/run unpacks it")
    enter_realm(options.realm)

    cases = Cases()
    separation = pathlib.Path("/run/sshd")  # sshd's own, and empty
    is_ours = not separation.exists()
    separation.mkdir(mode=0o755, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="gsskey-sshd-") as name:
            folder = pathlib.Path(name)
            folder.chmod(0o755)
            (folder / "k5login").mkdir()
            home = folder / "home"
            home.mkdir()
            passwd = ["root:x:0:0:root:/root:/bin/sh\n", f"sshd:x:65533:65533::{home}:/usr/sbin/nologin\n"]
            passwd += [f"{user}:x:{number}:65533::{home}:/bin/sh\n" for number, user in enumerate(["www", "alice", "bob"], 65530)]
            (folder / "passwd").write_text("".join(passwd), encoding="utf-8")
            (folder / "group").write_text("root:x:0:\nnogroup:x:65533:\n", encoding="utf-8")
            caches = [login(folder, "alice", "secret"), login(folder, "bob", "hunter2")]
            original = pathlib.Path(os.environ["KRB5_CONFIG"]).read_text(encoding="utf-8")
            for rule, text in RULES.items():
                config = original.replace("[libdefaults]\n", f"[libdefaults]\n k5login_directory = {folder}/k5login\n", 1)
                config = re.sub(r"(GSSKEY\.TEST = \{\n)", lambda found: found[1] + text, config)
                (folder / "krb5.conf").write_text(config, encoding="utf-8")
                os.environ["KRB5_CONFIG"] = str(folder / "krb5.conf")
                with Sshd(root, folder) as sshd:
                    compare(cases, sshd, options, folder, rule, caches)
    finally:
        if is_ours:
            separation.rmdir()
    cases.end()


def compare(cases, sshd, options, folder, rule, caches):
    for what, files in FILES.items():
        for old in (folder / "k5login").iterdir():
            old.unlink()
        for user, lines in files.items():
            (folder / "k5login" / user).write_text(lines, encoding="utf-8")
        for user in ["www", "alice"]:
            for cache in caches:
                environment = {"KRB5CCNAME": cache}
                theirs = sshd.admits(user, environment)
                code, output = run([options.authorize, "--act-as", user, "host", HOST], **environment, **users(folder))
                peer = pathlib.Path(cache).stem
                cases.check(f"{rule}, {what}: {peer} as {user}: {'yes' if theirs else 'no'}",
                            ("authorize", code, output, 0 if theirs else 1,
                             ["^may come in$" if theirs else "act_as: "]))


if __name__ == "__main__":
    main()
