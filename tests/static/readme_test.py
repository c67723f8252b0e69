#!/usr/bin/env python3
"""readme.py finds what it is for, and nothing else."""
# SPDX-License-Identifier: MIT
import tempfile
from pathlib import Path

import readme

PAGE = """# A heading, with `code`

[there](other.md) [a heading](#a-heading-with-code) [its](other.md#below) `[no](link)` [away](https://example.com/)
[gone](gone.md) [no heading](#below)

| promise | severity | held by |
|---|---|---|
| kept | high | `room/test`, `room/test: what is tested, in`, `alone` |
| broken | high | `room/gone`, `room/test: what nobody tests`, `room/forgotten`, `missing` |
| claimed | high | |
"""
TEST = """TEST_CASE("what is tested, "
          "in two lines") {
}
"""
CELLS = """| C | C++ |
|---|---|
| `gss_wrap(…)` | `context.wrap(message)`: encrypted |
| `gss_unwrap(…)` | `context.unwrap(gone)` |
"""
EXPECTED = ["nothing at gone.md", "no heading for #below", "no such test: room/gone",
            "no such test: room/test: what nobody tests", "no such test: room/forgotten", "no such test: missing",
            "no such test: | claimed | high | |"]

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "tests/room").mkdir(parents=True)
    (folder / "tests/room/test.cpp").write_text(TEST)
    (folder / "tests/room/forgotten.cpp").write_text(TEST)
    (folder / "tests/room/meson.build").write_text("foreach name : ['test']\ntest('alone', python)\n")
    (folder / "page.md").write_text(PAGE)
    (folder / "other.md").write_text("# Below\n")
    found = [*readme.dead_links(folder / "page.md"), *readme.wrong_tests(folder / "page.md", folder / "tests")]
    assert [line.partition(": ")[2] for line in found] == EXPECTED, found
    (folder / "cells.md").write_text(CELLS)
    found = list(readme.wrong_expressions(folder / "cells.md", [["  auto x = context.wrap(", "      message);"]]))
    assert [line.partition(": ")[2] for line in found] == ["in no example: context.unwrap(gone)"], found
    assert len(list(readme.too_long(folder / "page.md", 9))) == 1
    assert not list(readme.too_long(folder / "page.md", 10))

assert readme.stands_in(readme.lines("  a\n    b\n"), ["x", "a", "  b", "y"])
assert not readme.stands_in(readme.lines("a\nc\n"), ["a", "b", "c"])
