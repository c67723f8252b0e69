#!/usr/bin/env python3
"""Every C and C++ file is laid out as clang-format leaves it: .clang-format says how.

format.py CLANG_FORMAT SOURCE_ROOT
"""
# SPDX-License-Identifier: MIT
import subprocess
import sys
from pathlib import Path


def main(clang_format, root):
    files = [path for folder in ("include", "tests", "examples", "benchmarks")
             for path in Path(root, folder).rglob("*") if path.suffix in (".hpp", ".cpp", ".h", ".c")]
    checked = subprocess.run([clang_format, "--dry-run", "-Werror", *files])
    return checked.returncode if files else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
