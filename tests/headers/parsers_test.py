#!/usr/bin/env python3
"""parsers.py finds a reader, and a fuzz target, that no test of the list is for."""
# SPDX-License-Identifier: MIT
import contextlib
import io
import sys
import tempfile
from pathlib import Path

import parsers

parsers.TESTED_BY = {"room/renamed": "other"}
parsers.NOT_THERE = {"fuzz/absent"}
CASES = [
    ("room/one other fuzz/one", []),
    ("room/one\n  other", ["fuzz/one"]),
    ("other fuzz/one", ["room/one"]),
    ("room/ones fuzz/one", ["room/one", "other"]),
]

failures = 0
with tempfile.TemporaryDirectory() as folder:
    include, tests = Path(folder, "gsskey"), Path(folder, "tests")
    Path(include, "room").mkdir(parents=True)
    Path(tests, "fuzz").mkdir(parents=True)
    for name, included in [("one", "core/detail/der"), ("renamed", "core/detail/text_reader"), ("no_reader", "core/bytes")]:
        Path(include, "room", name + ".hpp").write_text(f"#include <gsskey/{included}.hpp>\n", encoding="utf-8")
    for name in ("one", "absent", "replay"):
        Path(tests, "fuzz", name + ".cpp").write_text("int LLVMFuzzerTestOneInput();\n", encoding="utf-8")
    for text, wanted in CASES:
        Path(tests, "run").write_text(f'# parsers of\nparsers="{text}"\nother="one"\n', encoding="utf-8")
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = parsers.main(include, tests)
        found = sorted(line.split(": ")[1].split()[0] for line in output.getvalue().splitlines()[:-1])
        if found != sorted(wanted) or status != (1 if wanted else 0):
            failures += 1
            print(f"FAIL {text!r}: {found}, status {status}")
print(f"{len(CASES)} cases, {failures} failed")
sys.exit(1 if failures else 0)
