#!/usr/bin/env python3
"""No public declaration has a bool inside of a Result, an expected or an optional: `if (result)` would ask whether there
is an answer and read as if the answer were yes. A "no" is an Error of Domain::policy, or an Answer (core/answer.hpp).

answers.py INCLUDE_DIR    prints every such type and exits with 1 if there is one.
"""
# SPDX-License-Identifier: MIT
import re
import sys
from pathlib import Path

from nodiscard import NOISE, report

BOOL = re.compile(r"\b(?:Result|expected|optional)\s*<\s*(?:const\s+)?bool\b(?:\s*const)?\s*[,>]")


def violations(text):
    """(line, type)"""
    code = NOISE.sub(lambda noise: "\n" * noise[0].count("\n"), text)
    for found in BOOL.finditer(code):
        yield code.count("\n", 0, found.start()) + 1, " ".join(found[0].split())


def main(include):
    headers = {path: path.read_text() for path in sorted(Path(include).rglob("*.hpp"))}
    return report(headers, lambda text: ((line, f"{message}...: an `if` would read it as yes")
                                         for line, message in violations(text)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
