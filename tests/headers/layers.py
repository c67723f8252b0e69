#!/usr/bin/env python3
"""The rules of the house for every public header: who may include whom, what may be included at all, size, first lines;
and for its test: tests/PATH.cpp for gsskey/PATH.hpp, and in the folders of rooms no other tests.

layers.py INCLUDE_DIR TESTS_DIR    prints every violation and exits with 1 if there is one.
"""
# SPDX-License-Identifier: MIT
import re
import sys
from fnmatch import fnmatch
from pathlib import Path

# Headers that are neither ours nor the system's, by the library that they need.
LIBRARIES = {
    "expected": ["tl/expected.hpp"],
    "gss": ["gssapi*", "gss.h", "GSS/*"],
    "krb5": ["krb5.h", "krb5/*"],
    "keyutils": ["keyutils.h"],
    "openssl": ["openssl/*"],
    "ipsec-mb": ["intel-ipsec-mb.h"],
    "asio": ["asio*", "boost/*"],
    "cares": ["ares.h"],
    "fmt": ["fmt/*"],
}
# A room is a folder of include/gsskey with the folders in it: which rooms it may include besides itself, and which
# libraries it needs. What lies in detail/ is for its own room only, but for core/detail, which is for every room.
ROOMS = {
    "core": ("", "expected"),
    "gss": ("core", "gss"),
    "krb5": ("core gss", "gss krb5"),
    "messages": ("core gss krb5", "openssl ipsec-mb"),
    "tls": ("core gss", "openssl"),
    "io": ("core gss messages", ""),
    "asio": ("core gss krb5 messages io text", "asio cares"),
    "http": ("core gss krb5 tls keyring handoff", ""),
    "sasl": ("core gss krb5 tls io", ""),
    "keyring": ("core", "keyutils"),
    "handoff": ("core gss krb5 keyring", "openssl"),
    "text": ("core gss krb5 keyring", "fmt"),
    "testing": ("core", ""),
}
# Failures of OpenSSL, and owners of what is its, are for the three rooms above that need it.
OPENSSL_OF_CORE = "core/detail/openssl_*"
# An umbrella may include what matches one of these, and nothing of a detail/.
UMBRELLAS = {
    "gss.hpp": ["core/*", "gss/*", "io/transport.hpp", "io/drive.hpp"],
    "keyring.hpp": ["core/*", "keyring/*"],
}
# What the umbrellas reach stays cheap to include: none of these.
HEAVY = {"string", "memory", "chrono", "system_error", "functional", "vector", "optional", "iostream", "atomic"}
MAX_LINES = 400
# Tested through what uses them: implementation details, what one implementation has, and macros and declarations that
# every header has. But a detail that reads bytes from elsewhere, by one of READERS, has a test of its own.
WITHOUT_TEST = ["*/detail/*", "gss/platform/*", "core/config.hpp", "*/fwd.hpp", *UMBRELLAS]
READERS = ["core/detail/reader.hpp", "core/detail/der.hpp", "core/detail/text_reader.hpp"]
# But of these the callers are tested with such bytes:
READ_THROUGH = {
    "core/detail/rfc4121_header.hpp": "core/detail/reader, fuzz/rfc4121",
    "handoff/detail/library_build.hpp": "handoff/envelope",
    "keyring/detail/proc_file.hpp": "keyring/proc_keys, keyring/quota",
    "krb5/detail/ndr.hpp": "krb5/pac_info, fuzz/pac",
    "krb5/detail/pac_reader.hpp": "krb5/pac_info, fuzz/pac",
    "krb5/detail/principal_text.hpp": "krb5/principal, fuzz/principal",
    "krb5/detail/tgs_exchange.hpp": "krb5/renewed_ticket, krb5/impersonated_ticket",
    "krb5/detail/tgs_message.hpp": "krb5/renewed_ticket, krb5/impersonated_ticket, fuzz/tgs_message",
}
# Tests that belong to no one header.
OTHER_TESTS = ["compile_fail", "consumer", "faults", "fuzz", "headers", "interop", "kernel", "odr", "scenarios",
               "static", "support"]

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        if found := INCLUDE.match(line):
            yield number, found[1], '"' in line


def reached(texts):
    """The headers that the umbrellas among `texts` (by their paths within gsskey/) include, directly or not."""
    found, waiting = set(), [name for name in UMBRELLAS if name in texts]
    while waiting:
        name = waiting.pop()
        if name not in found and name in texts:
            found.add(name)
            waiting += [target.removeprefix("gsskey/") for _, target, _ in includes(texts[name]) if "gsskey/" in target]
    return found


def may_include_ours(header, target):
    inside = "/detail/" in target
    if len(header.parts) == 1:
        return not inside and any(fnmatch(target, pattern) for pattern in UMBRELLAS[header.name])
    room, theirs = header.parts[0], target.split("/")[0]
    rooms, libraries = ROOMS[room]
    if fnmatch(target, OPENSSL_OF_CORE):
        return room == "core" or "openssl" in libraries.split()
    if inside and theirs not in ("core", room):
        return False
    return "/" in target and theirs in [room, *rooms.split()]


def may_include_theirs(header, target):
    needed = [library for library, names in LIBRARIES.items() if any(fnmatch(target, name) for name in names)]
    if not needed:
        return target.endswith(".h") or not ("/" in target or "." in target)  # of the system, of the standard library
    if fnmatch(str(header), OPENSSL_OF_CORE):
        return needed == ["openssl"]
    return len(header.parts) > 1 and needed[0] in ROOMS[header.parts[0]][1].split()


def violations(header, text, cheap=False):
    """`header` is relative to include/gsskey; `cheap`: an umbrella reaches it."""
    if header.parts[0] not in ROOMS and str(header) not in UMBRELLAS:
        yield 1, "neither in a folder of the table nor a known umbrella"
        return
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        yield MAX_LINES + 1, f"{len(lines)} lines, more than {MAX_LINES}"
    opening = f"// gsskey/{header.with_suffix('')}: "
    if not lines or not lines[0].startswith(opening):
        yield 1, f"does not open with '{opening}' and what it is for"
    if not any(line == "// SPDX-License-Identifier: MIT" for line in lines):
        yield 1, "no line '// SPDX-License-Identifier: MIT'"
    for number, name, quoted in includes(text):
        if name.startswith("gsskey/"):
            if not may_include_ours(header, name.removeprefix("gsskey/")):
                yield number, f"may not include <{name}>"
        elif quoted:
            yield number, f'"{name}": our own headers are included as <gsskey/...>'
        elif not may_include_theirs(header, name):
            yield number, f"<{name}> is not for {header.parts[0]}/"
        elif cheap and name in HEAVY:
            yield number, f"<{name}> is too much for what an umbrella reaches"


def needs_test(name, text):
    if any(target.removeprefix("gsskey/") in READERS for _, target, _ in includes(text)) or name in READERS:
        return name not in READ_THROUGH and "/platform/" not in name
    return not any(fnmatch(name, pattern) for pattern in WITHOUT_TEST)


def without_their_other(texts, tests):
    """`tests`: paths within tests/. A header without its test, a test of a room without its header."""
    for name, text in texts.items():
        test = name.removesuffix(".hpp") + ".cpp"
        if test not in tests and needs_test(name, text):
            yield f"gsskey/{name}:1: tests/{test} is missing"
    for test in sorted(tests):
        if test.split("/")[0] not in OTHER_TESTS and test.removesuffix(".cpp") + ".hpp" not in texts:
            yield f"tests/{test}:1: belongs to no header; others are in scenarios/"


def main(include, tests):
    root = Path(include) / "gsskey"
    files = sorted(path for path in root.rglob("*") if path.is_file())
    texts = {str(path.relative_to(root)): path.read_text() for path in files if path.suffix == ".hpp"}
    cheap = reached(texts)
    found = [f"{path}:1: only headers, and interfaces of modules, are installed from here" for path in files
             if path.suffix != ".hpp" and not path.match("module/*.cppm")]
    for name, text in texts.items():
        found += [f"{root / name}:{number}: {message}" for number, message in violations(Path(name), text, name in cheap)]
    found += without_their_other(texts, {str(path.relative_to(tests)) for path in Path(tests).rglob("*.cpp")})
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(texts)} headers, {len(cheap)} within the umbrellas, {len(found)} violations")
    return 1 if found or not texts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
