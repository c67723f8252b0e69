#!/usr/bin/env python3
"""Every public header compiles without a warning: alone and twice in a row, or all together.

compile.py INCLUDE_DIR [--without=PATH]... [--together] COMPILER [ARGUMENT...]
The headers are looked up when the test runs, so a new one is never forgotten.
"""
# SPDX-License-Identifier: MIT
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def main(include, *command):
    headers = sorted(path.relative_to(include) for path in (Path(include) / "gsskey").rglob("*.hpp"))
    while command[0].startswith("--without="):
        left_out = "gsskey/" + command[0].split("=")[1]
        headers = [header for header in headers if left_out not in map(str, [header, *header.parents])]
        command = command[1:]
    sources = {header: f"#include <{header}>\n" * 2 for header in headers}
    if command[0] == "--together":
        sources = {"all together": "".join(f"#include <{header}>\n" for header in headers)}
        command = command[1:]
    command = [*command, "-Werror", "-x", "c++", "-fsyntax-only", "-"]

    def compile_one(source):
        return subprocess.run(command, input=source, capture_output=True, text=True)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(compile_one, sources.values()))
    for name, result in zip(sources, results):
        print("ok  " if result.returncode == 0 else "FAIL", name)
        print(result.stderr, end="")
    return 1 if not headers or any(result.returncode for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
