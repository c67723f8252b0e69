#!/usr/bin/env python3
"""What reads bytes from elsewhere is tested with 32 bits: each header that reads through core/detail, and each fuzz
target, has its test in the list `parsers` of tests/run.

parsers.py INCLUDE_DIR TESTS_DIR    prints what is missing and exits with 1 if there is something.
"""
# SPDX-License-Identifier: MIT
import re
import sys
from pathlib import Path

READS = re.compile(r"#include <gsskey/core/detail/(?:reader|der|text_reader|rfc4121_header)\.hpp>")
# Tests that have another name than their header, and headers without one there.
TESTED_BY = {
    "core/detail/rfc4121_header": "fuzz/rfc4121",
    "gss/context/options": None,  # four bytes of the GSS library in this process
    "gss/detail/negotiation": "fuzz/negotiation",
    "gss/detail/token_rewriting": "gss/security_context",
    "gss/platform/keytab_guard": "fuzz/keytab",
    "handoff/detail/library_build": "handoff/envelope",
    "handoff/parked_context": "fuzz/parked_token",
    "http/negotiate_header": "fuzz/http_header",
    "keyring/description": "fuzz/keyring_text",
    "keyring/detail/proc_file": "fuzz/keyring_text",
    "keyring/diagnosis": None,  # one line of the kernel, /proc/self/uid_map
    "keyring/handler/requester": "fuzz/keyring_text",
    "keyring/handler/upcall": "fuzz/keyring_text",
    "keyring/proc_keys": "fuzz/keyring_text",
    "keyring/quota": "fuzz/keyring_text",
    "krb5/detail/principal_text": "fuzz/principal",
    "krb5/enctype": None,  # two bytes of it
    "krb5/kdc_proxy": "fuzz/tgs_message",
    "krb5/detail/ndr": "krb5/pac_info",
    "krb5/detail/pac_reader": "krb5/pac_info",
    "krb5/detail/tgs_message": "fuzz/tgs_message",
    "krb5/detail/tgs_exchange": "fuzz/tgs_message",  # but for names, of which it compares the parts
    "messages/detail/rfc4121": "fuzz/rfc4121",
    "sasl/mechanism_list": "fuzz/sasl_text",
}
# What needs Asio, which is not there.
NOT_THERE = {"fuzz/secure_stream"}


def main(include, tests):
    listed = re.search(r'^parsers="(.*?)"', Path(tests, "run").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    listed = set(listed[1].split())
    needed = {}
    for header in sorted(Path(include).rglob("*.hpp")):
        if READS.search(header.read_text(encoding="utf-8")):
            name = header.relative_to(include).with_suffix("").as_posix()
            needed[header] = TESTED_BY.get(name, name)
    for target in sorted(Path(tests, "fuzz").glob("*.cpp")):
        if "LLVMFuzzerTestOneInput" in target.read_text(encoding="utf-8") and target.stem != "replay":
            needed[target] = f"fuzz/{target.stem}"
    missing = {where: test for where, test in needed.items() if test and test not in listed | NOT_THERE}
    for where, test in missing.items():
        print(f"{where}: {test} is not among the parsers of tests/run")
    stale = sorted(name for name in TESTED_BY if Path(include, name + ".hpp") not in needed)
    for name in stale:
        print(f"{name} does not read any more")
    print(f"{len(needed)} readers, {len(missing)} missing, {len(stale)} stale")
    return 1 if missing or stale or not needed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
