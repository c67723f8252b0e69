#!/usr/bin/env python3
"""No public declaration has a bool inside of a Result, an expected or an optional: `if (result)` would ask whether there
is an answer and read as if the answer were yes. A "no" is an Error of Domain::policy, or an Answer (core/answer.hpp).

answers.py INCLUDE_DIR    prints every such type and exits with 1 if there is one.
"""
# SPDX-License-Identifier: MIT
import re
import sys
from pathlib import Path

from nodiscard import NOISE

BOOL = re.compile(r"\b(?:Result|expected|optional)\s*<\s*(?:const\s+)?bool\b(?:\s*const)?\s*[,>]")


def violations(text):
    """(line, type)"""
    code = NOISE.sub(lambda noise: "\n" * noise[0].count("\n"), text)
    for found in BOOL.finditer(code):
        yield code.count("\n", 0, found.start()) + 1, " ".join(found[0].split())


def main(include):
    headers = sorted(Path(include).rglob("*.hpp"))
    count = 0
    for path in headers:
        for line, message in violations(path.read_text()):
            print(f"{path}:{line}: {message}...: an `if` would read it as yes")
            count += 1
    print(f"{len(headers)} headers, {count} violations")
    return 1 if count or not headers else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
