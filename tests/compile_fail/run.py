#!/usr/bin/env python3
"""A case file compiles as it is, and with -DMUST_FAIL fails for the reason that its `// expect: REGEX` lines give.

run.py CASE.cpp COMPILER [ARGUMENT...]
Each regex must match an error message or a note (not the source lines that compilers quote); `// expect N times: REGEX`
so many of them.
"""
# SPDX-License-Identifier: MIT
import re
import subprocess
import sys
from pathlib import Path


def main(case, *compiler):
    expected = re.findall(r"^// expect(?: (\d+) times)?: (.+)$", Path(case).read_text(), re.MULTILINE)
    if not expected:
        print(f"{case}: no '// expect: REGEX' line")
        return 1
    # Quoted code would match; more than the default of notes may be needed.
    if is_clang(compiler):
        own = ["-fno-caret-diagnostics", "-Werror=dangling", "-Werror=return-stack-address"]
    else:
        own = ["-fno-diagnostics-show-caret"]
    command = [*compiler, *own, "-Werror=unused-result", "-fsyntax-only", case]

    good = subprocess.run(command, capture_output=True, text=True)
    if good.returncode != 0:
        print(f"the twin that should compile does not:\n{good.stderr}")
        return 1
    bad = subprocess.run([*command, "-DMUST_FAIL"], capture_output=True, text=True)
    if bad.returncode == 0:
        print("compiles, but must not")
        return 1
    messages = re.findall(r": (?:fatal )?(?:error|note): (.*)", bad.stderr)
    missing = 0
    for times, regex in expected:
        found = sum(bool(re.search(regex, message)) for message in messages)
        if found == 0 or (times and found != int(times)):
            missing += 1
            print(f"fails for another reason; expected: {regex}" + (f", {times} times, not {found}" if times else ""))
    print(bad.stderr)
    return 1 if missing else 0


def is_clang(compiler):
    return "clang" in subprocess.run([*compiler, "--version"], capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
