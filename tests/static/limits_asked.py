"""Whatever goes into a gss_* call as bytes is measured first: each function that says borrow() says admits(), too.

SPDX-License-Identifier: MIT
"""
import re
import sys
from pathlib import Path

BEGINNING = re.compile(r"^\s*\[\[nodiscard|^ *template|^ *static ", re.M)
MEASURED_BY_ITS_CALLER = {("name.hpp", "import_raw"), ("buffer.hpp", "borrow")}


def functions_with_borrow(text):
    """The text of each, from its declaration to the use."""
    for use in re.finditer(r"\bborrow\(", text):
        start = max(match.start() for match in BEGINNING.finditer(text, 0, use.start()))
        yield text[start:use.end()]


def main():
    seen, unmeasured = 0, []
    for header in sorted(Path(sys.argv[1]).rglob("*.hpp")):
        for function in functions_with_borrow(header.read_text(encoding="utf-8")):
            name = re.search(r"(\w+)\(", re.sub(r"\[\[.*?\]\]|template <.*?>\n", "", function, flags=re.S))[1]
            seen += 1
            if "admits" not in function and (header.name, name) not in MEASURED_BY_ITS_CALLER:
                unmeasured.append(f"{header}: {name}() hands bytes to C and asks no limit (gss/platform/select.hpp, limits)")
    assert seen > 20, f"only {seen} uses of borrow() found: this test has lost them"
    return "\n".join(unmeasured) or None


sys.exit(main())
