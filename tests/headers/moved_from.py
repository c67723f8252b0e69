#!/usr/bin/env python3
"""Every public class is in tests/scenarios/moved_from.cpp: moved, moved onto itself and asked afterwards, or said to be
a value or to stay where it is.

moved_from.py INCLUDE_DIR TEST    prints the classes that are missing and exits with 1 if there is one.
"""
# SPDX-License-Identifier: MIT
import re
import sys
from pathlib import Path

CLASS = re.compile(r"class (?:\[\[nodiscard\]\] )?(\w+)(?: final)?(?: : .*)? \{")


def public_classes(text):
    """Those at the level of a namespace that is not a detail."""
    namespaces = []
    for line in text.splitlines():
        if line.startswith(("namespace ", "inline namespace ")) and line.endswith("{"):
            namespaces.append(line)
        elif line.startswith("}  // namespace"):
            namespaces.pop()
        elif (found := CLASS.match(line)) and not any(re.search(r"detail\b", name) for name in namespaces):
            yield found[1]


def main(include, test):
    words = set(re.findall(r"\w+", Path(test).read_text(encoding="utf-8")))
    missing = count = 0
    for header in sorted(Path(include).rglob("*.hpp")):
        if "detail" in header.parts:
            continue
        for name in public_classes(header.read_text(encoding="utf-8")):
            count += 1
            if name not in words:
                missing += 1
                print(f"{header}: {name} has no case in {test}")
    print(f"{count} classes, {missing} missing")
    return 1 if missing or not count else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
