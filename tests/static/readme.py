#!/usr/bin/env python3
"""What the pages of this project say is so: README, the guides of examples/guide, and the pages of .github.

readme.py README EXAMPLES_FOLDER INCLUDE_FOLDER

Every C++ block of README and of the guides stands, line by line, in a file of examples/, which the build compiles. README has
the first client and the first server whole, to be copied. What a table has under "C++" stands in an example, too. The table of
headers has every public header, and no other. Links lead to files and headings that are there. The tests that a table names
under "held by" are tests, and cases of them. Pages are no longer than they may be.
"""
# SPDX-License-Identifier: MIT
import re
import sys
import textwrap
from pathlib import Path

LONGEST = {"README.md": 180, "examples/guide": 120}  # lines
WHOLE = ["first.cpp", "first_server.cpp"]


def lines(text):
    return [line.rstrip() for line in textwrap.dedent(text).strip("\n").splitlines()]


def stands_in(block, source):
    for start in range(len(source) - len(block) + 1):
        if lines("\n".join(source[start:start + len(block)])) == block:
            return True
    return False


def blocks_of(text):
    return re.findall(r"^```cpp\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def rows_under(text, heading):
    """The last cells of the tables whose last column has this heading."""
    for table in re.findall(rf"^\|.*\| {re.escape(heading)} \|\n\|[-|]*\|\n((?:\|.*\n)+)", text, re.MULTILINE):
        for row in table.splitlines():
            yield row, row.rstrip("| ").rpartition("|")[2]


def without_spaces(text):
    return re.sub(r"\s", "", text)


def wrong_expressions(page, sources):
    everything = without_spaces("\n".join(line for source in sources for line in source))
    for _, cell in rows_under(page.read_text(encoding="utf-8"), "C++"):
        for expression in re.findall(r"`([^`]*)`", cell):
            if without_spaces(expression) not in everything:
                yield f"{page}: in no example: {expression}"


def wrong_headers(text, include):
    """A name without a folder is of the one before it in its row."""
    named = set()
    for row in re.findall(r"^\| (`gsskey/[^|]*)", text, re.MULTILINE):
        folder = ""
        for name in re.findall(r"`([^`]*)`", row):
            folder = name.rpartition("/")[0] if "/" in name else folder
            named.add(f"{folder}/{name.rpartition('/')[2]}")
    there = {str(path.relative_to(include)) for path in Path(include, "gsskey").rglob("*.hpp")}
    public = {name for name in there if "/detail/" not in name and "gss/platform/" not in name}
    return [f"not in the table: {name}" for name in sorted(public - named)] + [
        f"no such header: {name}" for name in sorted(named - there)]


def without_blocks(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text):
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", without_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page):
    text = re.sub(r"`[^`\n]*`", "", without_blocks(page.read_text(encoding="utf-8")))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        path = page.parent / target if target else page
        if not path.exists():
            yield f"{page}: nothing at {link}"
        elif anchor and anchor not in anchors(path.read_text(encoding="utf-8")):
            yield f"{page}: no heading for {link}"


def titles(test):
    """Of the test cases of a file: a literal may go on in the next line."""
    text = test.read_text(encoding="utf-8") if test.is_file() else ""
    cases = re.findall(r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', text)
    return ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', case)) for case in cases]


def is_test(name, tests):
    """A meson.build of its folder has the name; a title begins one of its test cases."""
    name, _, title = name.partition(": ")
    folder, _, short = name.rpartition("/")
    if title and not any(known.startswith(title) for known in titles(tests / f"{name}.cpp")):
        return False
    builds = (tests / folder.partition("/")[0]).rglob("meson.build")
    return any(re.search(rf"'(?:[\w/]*/)?{re.escape(short)}'", build.read_text(encoding="utf-8")) for build in builds)


def wrong_tests(page, tests):
    for row, cell in rows_under(page.read_text(encoding="utf-8"), "held by"):
        held_by = re.findall(r"`([^`]*)`", cell)
        for name in held_by or [row]:
            if not held_by or not is_test(name, tests):
                yield f"{page}: no such test: {name}"


def too_long(page, longest):
    size = len(page.read_text(encoding="utf-8").splitlines())
    if size > longest:
        yield f"{page}: {size} lines, and {longest} are allowed"


def main(readme, folder, include):
    readme, folder, include = Path(readme), Path(folder), Path(include)
    guides = sorted((folder / "guide").glob("*.md"))
    pages = [readme, *guides, *sorted((readme.parent / ".github").rglob("*.md"))]
    sources = [path.read_text().splitlines() for path in sorted(folder.rglob("*.[ch]pp"))]
    texts = [page.read_text(encoding="utf-8") for page in [readme, *guides]]
    blocks = [block for text in texts for block in blocks_of(text)]
    wrong = [f"in no file of {folder}:\n{block}" for block in blocks
             if not any(stands_in(lines(block), source) for source in sources)]
    wrong += [f"not whole in {readme}: {name}" for name in WHOLE if (folder / name).read_text() not in blocks_of(texts[0])]
    wrong += wrong_headers("\n".join(texts), include)
    for page in pages:
        wrong += dead_links(page)
        wrong += wrong_tests(page, include.parent / "tests")
        wrong += wrong_expressions(page, sources)
    wrong += too_long(readme, LONGEST["README.md"])
    for guide in guides:
        wrong += too_long(guide, LONGEST["examples/guide"])
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{len(pages)} pages, {len(blocks)} blocks; {len(wrong)} wrong")
    return 1 if wrong or not blocks else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
