#!/usr/bin/env python3
"""Every C++ block of the README stands, line by line, in a file of examples/, which the build compiles; and its table of
headers has every public header, and no other.

readme.py README EXAMPLES_FOLDER INCLUDE_FOLDER
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


def wrong_headers(readme, include):
    """A name without a folder is of the one before it in its row."""
    named = set()
    for row in re.findall(r"^\| (`gsskey/[^|]*)", readme, re.MULTILINE):
        folder = ""
        for name in re.findall(r"`([^`]*)`", row):
            folder = name.rpartition("/")[0] if "/" in name else folder
            named.add(f"{folder}/{name.rpartition('/')[2]}")
    there = {str(path.relative_to(include)) for path in Path(include, "gsskey").rglob("*.hpp")}
    public = {name for name in there if "/detail/" not in name and "gss/platform/" not in name}
    return [f"not in the table: {name}" for name in sorted(public - named)] + [
        f"no such header: {name}" for name in sorted(named - there)]


def main(readme, folder, include):
    sources = [path.read_text().splitlines() for path in sorted(Path(folder).glob("*.[ch]pp"))]
    blocks = re.findall(r"^```cpp\n(.*?)^```", Path(readme).read_text(), re.MULTILINE | re.DOTALL)
    strangers = [block for block in blocks if not any(stands_in(lines(block), source) for source in sources)]
    for block in strangers:
        print(f"in no file of {folder}:\n{block}")
    wrong = wrong_headers(Path(readme).read_text(), include)
    print(*wrong, sep="\n")
    print(f"{len(blocks)} blocks, {len(strangers)} of them in no example; {len(wrong)} headers wrong")
    return 1 if strangers or wrong or not blocks else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
