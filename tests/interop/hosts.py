#!/usr/bin/env python3
"""Hosts of gsskey: libpam, the C library's name service and Apache load it, a program in C and one in C++17 are linked with
it."""
# SPDX-License-Identifier: MIT

import argparse
import os
import pathlib
import shutil
import sys
import tempfile

from programs import HOST, Cases, Program, free_port, run, skip

NO_TICKET = {"KRB5CCNAME": "FILE:/nonexistent/ccache"}
NO_KEY = {"KRB5_KTNAME": "FILE:/nonexistent/keytab"}
NOBODY = 65534


def pam(cases, options, folder):
    (folder / "gsskey").write_text(f"auth required {options.pam} localhost\naccount required pam_permit.so\n", encoding="utf-8")
    (folder / "passwd").write_text(f"alice:x:65533:65533::{folder}:/bin/sh\n", encoding="utf-8")
    (folder / "group").write_text("nogroup:x:65533:\n", encoding="utf-8")
    users = {"LD_PRELOAD": "libnss_wrapper.so", "NSS_WRAPPER_PASSWD": str(folder / "passwd"),
             "NSS_WRAPPER_GROUP": str(folder / "group")}
    for what, user, password, environment, code, words in [
            ("the password", "alice", "secret", {}, 0, "Success"),
            ("who is no user here", "carol", "secret", {}, 1, "Permission denied"),
            ("another's", "alice", "hunter2", {}, 1, "Authentication failure"),
            ("an unknown user", "nobody", "secret", {}, 1, "User not known"),
            ("a host without its key", "alice", "secret", NO_KEY, 1, "cannot retrieve authentication info")]:
        came, output = run([options.host, "pam", folder, user, password], **NO_TICKET, **users, **environment)
        cases.check(f"PAM: {what}", ("host", came, output, code, [f"^pam: .*{words}"]))


def nss(cases, options):
    here = {"LD_LIBRARY_PATH": os.path.dirname(options.nss)}
    for user, environment, code, words in [("alice", {}, 0, "65533"), ("bob", {}, 1, "nobody"),
                                           ("alice", NO_TICKET, 1, "nobody")]:
        came, output = run([options.host, "nss", user], **here, **environment)
        cases.check(f"NSS: {user} {environment}", ("host", came, output, code, [f"^nss: {words}$"]))


def linked(cases, options):
    server = Program([options.poll_echo_server, "0", "host", HOST])
    ready = server.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
    port = ready.group(1) if ready else "0"
    code, output = run([options.client, port, "from C"])
    cases.check("a program in C", ("client", code, output, 0, [
        '^echo "from C"$', "^altered: gss_unwrap: ", "^short: session: the buffer is too small$"]))
    code, output = run([options.client, port, "from C"], **NO_TICKET)
    cases.check("a program in C, without a ticket", ("client", code, output, 1, ["^client: gss_acquire_cred: no credentials"]))
    code, output = run([options.host, "shim", port])
    cases.check("a program in C++17", ("host", code, output, 0, [r"^shim: \d+ bytes$"]))
    cases.check("whom the server saw", ("server", server.stop(), server.output, 0, [
        "(alice@GSSKEY.TEST authenticated to host/localhost@(.|\n)*){2}"]))


def apache(cases, options, folder):
    """As somebody who is not root: Apache then stays who it is."""
    port = free_port()
    for source in ["KRB5_KTNAME", "KRB5_CONFIG"]:
        shutil.copy(os.environ[source].removeprefix("FILE:"), folder / source)
    (folder / "www").mkdir()
    (folder / "www/index.html").write_text("Who you are\n", encoding="utf-8")
    modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                      for name in ["mpm_prefork", "authn_core", "authz_core", "authz_user", "dir"])
    (folder / "conf").write_text(
        f"ServerName {HOST}\nListen 127.0.0.1:{port}\nPidFile {folder}/pid\nDefaultRuntimeDir {folder}\nErrorLog /dev/stderr\n{modules}"
        f"LoadModule gsskey_module {options.apache}\nDocumentRoot {folder}/www\n"
        f"<Directory {folder}/www>\nAuthType Gsskey\nRequire user alice@GSSKEY.TEST\n</Directory>\n", encoding="utf-8")
    as_nobody = []
    if os.geteuid() == 0:
        as_nobody = ["sh", "-c", 'chown "$0" /dev/stderr && exec setpriv --reuid "$0" --regid "$0" --clear-groups "$@"', str(NOBODY)]
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
    server = Program([*as_nobody, "/usr/sbin/apache2", "-X", "-d", folder, "-f", folder / "conf"],
                     KRB5_CONFIG=str(folder / "KRB5_CONFIG"), KRB5_KTNAME=f"FILE:{folder}/KRB5_KTNAME", KRB5RCACHENAME="none:")
    server.wait_for("gsskey: ready")
    url = f"http://{HOST}:{port}/"
    asked = [run(["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--write-out", "status %{http_code}\n", *how,
                  url], **environment)
             for how, environment in [(["--negotiate", "--user", ":"], {}), ([], {}),
                                      (["--header", "Authorization: Negotiate AAAA"], {})]]
    code = server.stop()
    for (what, status, words), (came, output) in zip(
            [("a login", 200, "Who you are"), ("no login", 401, "!Who you are"), ("no token", 401, "!Who you are")], asked):
        cases.check(f"Apache: {what}", ("curl", came, output, 0, [f"status {status}$", words]))
    cases.check("Apache says why", ("apache2", code, server.output, 0, ["gsskey: gss_accept_sec_context: ", "!Segmentation"]))


def main():
    parser = argparse.ArgumentParser()
    for name in ["realm", "poll_echo_server", "pam", "nss", "apache", "host", "client"]:
        parser.add_argument("--" + name, required=True, type=os.path.abspath)
    options = parser.parse_args()
    if not os.path.exists("/usr/sbin/apache2"):
        skip("Apache is not installed")
    if "GSSKEY_INTEROP_REALM" not in os.environ:
        os.environ.update(GSSKEY_INTEROP_REALM="yes", LC_ALL="C")
        os.execv(options.realm, [options.realm, "--user", "alice:secret", "--user", "carol:secret", "--service",
                                 "host/localhost", "--service", "HTTP/localhost", "--", sys.executable, *sys.argv])
    cases = Cases()
    with tempfile.TemporaryDirectory(prefix="gsskey-hosts-") as name:
        folder = pathlib.Path(name)
        pam(cases, options, folder)
        nss(cases, options)
        linked(cases, options)
        apache(cases, options, folder)
    cases.end()


if __name__ == "__main__":
    main()
