#!/usr/bin/env python3
"""moved_from.py finds the classes that it is for, and no others."""
# SPDX-License-Identifier: MIT
import contextlib
import io
import sys
import tempfile
from pathlib import Path

from moved_from import main

HEADER = """namespace gsskey::inline GSSKEY_ABI {
namespace some_detail {
class Hidden {
};
}  // namespace some_detail
class [[nodiscard]] Owner : public some_detail::Hidden {
  class Part {
  };
};
template <class T>
class View final {
};
class Declared;
}  // namespace gsskey::inline GSSKEY_ABI
"""

failures = 0
with tempfile.TemporaryDirectory() as folder:
    include = Path(folder, "gsskey")
    Path(include, "core").mkdir(parents=True)
    Path(include, "core", "some.hpp").write_text(HEADER, encoding="utf-8")
    test = Path(folder, "test.cpp")
    for text, wanted in [("Owner View", []), ("Owner", ["View"]), ("Owners, views", ["Owner", "View"])]:
        test.write_text(text, encoding="utf-8")
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = main(include, test)
        found = [line.split(": ")[1].split()[0] for line in output.getvalue().splitlines() if " has no case " in line]
        if found != wanted or status != (1 if wanted else 0):
            failures += 1
            print(f"FAIL {text!r}: {found}, status {status}")
print(f"3 cases, {failures} failed")
sys.exit(1 if failures else 0)
