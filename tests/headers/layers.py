#!/usr/bin/env python3
"""The rules of the house for every public header: who may include whom, what may be included at all, size, first lines.

layers.py INCLUDE_DIR    prints every violation and exits with 1 if there is one.
"""
# SPDX-License-Identifier: MIT
import re
import sys
from fnmatch import fnmatch
from pathlib import Path

# A folder may include itself and these. What lies in detail/ is for its own room only, but for core/detail, which is for
# every room and no umbrella: hostile bytes have one reader.
ROOMS = {
    "core": set(),
    "gss": {"core"},
    "keyring": {"core"},
    "io": {"core", "gss"},
    "openssl": {"core", "gss"},
    "protocol": {"core", "gss"},
    "handoff": {"core", "gss", "keyring", "openssl"},
    "text": {"core", "gss", "keyring"},
    "testing": {"core"},
}
# An umbrella may include what matches one of these and none of those that start with "!".
UMBRELLAS = {
    "gss.hpp": ["core/*", "gss/*", "!gss/krb5.hpp", "io/transport.hpp", "io/framing.hpp", "io/drive.hpp",
                "io/fd_stream.hpp"],
    "keyring.hpp": ["core/*", "keyring/*"],
}
# These stay cheap to include: no heavy standard header, no third party but C headers and tl/expected.hpp.
LEAN = {"core", "gss", "keyring"}
HEAVY = {"string", "memory", "chrono", "system_error", "functional", "vector", "optional", "iostream", "atomic"}
MAX_LINES = 400

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def allowed_in_lean(name):
    if name == "tl/expected.hpp" or name.endswith(".h"):
        return True
    return "/" not in name and "." not in name and name not in HEAVY


def may_include_ours(header, target):
    if len(header.parts) == 1:
        patterns = UMBRELLAS[header.name]
        refused = any(fnmatch(target, pattern[1:]) for pattern in patterns if pattern.startswith("!"))
        allowed = any(fnmatch(target, pattern) for pattern in patterns)
        return allowed and not refused and "/detail/" not in target
    room = header.parts[0]
    if "/detail/" in target and target.split("/")[0] not in ("core", room):
        return False
    return "/" in target and target.split("/")[0] in ROOMS[room] | {room}


def violations(header, text):
    """`header` is relative to include/gsskey."""
    if header.parts[0] not in ROOMS and str(header) not in UMBRELLAS:
        yield 1, "neither in a folder of the table nor a known umbrella"
        return
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        yield MAX_LINES + 1, f"{len(lines)} lines, more than {MAX_LINES}"
    if not any(line.startswith("//") for line in lines[:3]):
        yield 1, "does not open with a // comment that says what it is for"
    if not any(line == "// SPDX-License-Identifier: MIT" for line in lines):
        yield 1, "no line '// SPDX-License-Identifier: MIT'"
    for number, line in enumerate(lines, 1):
        if not (found := INCLUDE.match(line)):
            continue
        name = found[1]
        if name.startswith("gsskey/"):
            if not may_include_ours(header, name.removeprefix("gsskey/")):
                yield number, f"may not include <{name}>"
        elif '"' in line:
            yield number, f'"{name}": our own headers are included as <gsskey/...>'
        elif header.parts[0] in LEAN and not allowed_in_lean(name):
            yield number, f"<{name}> is not for {header.parts[0]}/"


def main(include):
    root = Path(include) / "gsskey"
    headers = sorted(path for path in root.rglob("*") if path.is_file())
    count = 0
    for path in headers:
        if path.suffix != ".hpp":
            print(f"{path}:1: only .hpp files are installed from here")
            count += 1
            continue
        for number, message in violations(path.relative_to(root), path.read_text()):
            print(f"{path}:{number}: {message}")
            count += 1
    print(f"{len(headers)} files, {count} violations")
    return 1 if count or not headers else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
