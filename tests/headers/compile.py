#!/usr/bin/env python3
"""Every public header compiles alone, twice in a row, without a warning.

compile.py INCLUDE_DIR [--without=FOLDER]... COMPILER [ARGUMENT...]
The headers are looked up when the test runs, so a new one is never forgotten.
"""
# SPDX-License-Identifier: MIT
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def main(include, *command):
    headers = sorted(path.relative_to(include) for path in (Path(include) / "gsskey").rglob("*.hpp"))
    while command[0].startswith("--without="):
        folder = command[0].split("=")[1]
        headers = [header for header in headers if header.with_suffix("").parts[1] != folder]
        command = command[1:]
    command = [*command, "-Werror", "-x", "c++", "-c", "-o", os.devnull, "-"]

    def compile_alone(header):
        source = f"#include <{header}>\n#include <{header}>\n"
        return subprocess.run(command, input=source, capture_output=True, text=True)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(compile_alone, headers))
    for header, result in zip(headers, results):
        print("ok  " if result.returncode == 0 else "FAIL", header)
        print(result.stderr, end="")
    return 1 if not headers or any(result.returncode for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
