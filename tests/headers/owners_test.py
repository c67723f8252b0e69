#!/usr/bin/env python3
"""owners.py finds what it is for, and nothing else."""
# SPDX-License-Identifier: MIT
import tempfile
from pathlib import Path

import owners

HEADER = """namespace gsskey {
class Holder {
};
class Bytes {
};
class Forgotten {
};
namespace some_detail {
class Inside {
};
}  // namespace some_detail
}  // namespace gsskey
"""
TEST = """TEST_CASE("what is tested, "
          "in two lines") {
}
"""
EVENTS = {
    "forked": ({"room/test: what is tested, in two": "Holder"}, {}),
    "killed": ({"room/test: what nobody tests": "Holder"}, {"a reason": "Holder"}),
    "asleep": ({}, {"a reason": "Stranger"}),
}
EXPECTED = {
    "Forgotten is neither among the owners nor among the values",
    "killed: Holder is there 2 times",
    "killed: no test case in room/test.cpp begins with 'what nobody tests'",
    "asleep: Holder is there 0 times",
    "asleep: Stranger is there 1 times",
}

with tempfile.TemporaryDirectory() as folder:
    (Path(folder) / "include").mkdir()
    (Path(folder) / "include/header.hpp").write_text(HEADER)
    (Path(folder) / "tests/room").mkdir(parents=True)
    (Path(folder) / "tests/room/test.cpp").write_text(TEST)
    found = list(owners.faults(Path(folder) / "include", Path(folder) / "tests", EVENTS, ["Holder"], ["Bytes"]))
assert len(found) == len(EXPECTED), found
for fault in EXPECTED:
    assert any(line.endswith(fault) for line in found), (fault, found)
