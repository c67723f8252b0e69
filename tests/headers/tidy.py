#!/usr/bin/env python3
"""clang-tidy finds nothing in any public header: .clang-tidy says what it looks for.

tidy.py CLANG_TIDY SOURCE_ROOT [--without=PATH]... [ARGUMENT...]    ARGUMENT: what the compiler gets
"""
# SPDX-License-Identifier: MIT
import subprocess
import sys
import tempfile
from pathlib import Path


def main(clang_tidy, root, *arguments):
    include = Path(root) / "include"
    headers = sorted(path.relative_to(include) for path in (include / "gsskey").rglob("*.hpp"))
    while arguments and arguments[0].startswith("--without="):
        left_out = "gsskey/" + arguments[0].split("=")[1]
        headers = [header for header in headers if left_out not in map(str, [header, *header.parents])]
        arguments = arguments[1:]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "all.cpp"
        source.write_text("".join(f"#include <{header}>\n" for header in headers))
        found = subprocess.run([clang_tidy, "--quiet", f"--config-file={root}/.clang-tidy", source, "--", *arguments],
                               capture_output=True, text=True)
    print(found.stdout, end="")
    if found.returncode and not found.stdout:
        print(found.stderr, end="")
    return 0 if headers and not found.returncode else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
