#!/usr/bin/env python3
"""Every C++ block of the README stands, line by line, in a file of examples/, which the build compiles.

readme.py README EXAMPLES_FOLDER
"""
# SPDX-License-Identifier: MIT
import re
import sys
import textwrap
from pathlib import Path


def lines(text):
    return [line.rstrip() for line in textwrap.dedent(text).strip("\n").splitlines()]


def stands_in(block, source):
    for start in range(len(source) - len(block) + 1):
        if lines("\n".join(source[start:start + len(block)])) == block:
            return True
    return False


def main(readme, folder):
    sources = [path.read_text().splitlines() for path in sorted(Path(folder).glob("*.[ch]pp"))]
    blocks = re.findall(r"^```cpp\n(.*?)^```", Path(readme).read_text(), re.MULTILINE | re.DOTALL)
    strangers = [block for block in blocks if not any(stands_in(lines(block), source) for source in sources)]
    for block in strangers:
        print(f"in no file of {folder}:\n{block}")
    print(f"{len(blocks)} blocks, {len(strangers)} of them in no example")
    return 1 if strangers or not blocks else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
