#!/usr/bin/env python3
"""run.py accepts a case that fails for the expected reason, and none that compiles, is broken, or fails for another.

run_test.py COMPILER [ARGUMENT...]
"""
# SPDX-License-Identifier: MIT
import subprocess
import sys
import tempfile
from pathlib import Path

GOOD = """// expect: not_declared_here
int f(int x) { return x; }
#ifdef MUST_FAIL
int y = not_declared_here;
#endif
"""
TWICE = GOOD.replace("expect:", "expect 2 times:").replace("#endif", "int z = not_declared_here;\n#endif")
BAD = {
    "once, not twice": TWICE.replace("int z = not_declared_here;\n", ""),
    "twice, not three times": TWICE.replace("2 times", "3 times"),
    "compiles": GOOD.replace("not_declared_here;", "f(1);"),
    "twin does not compile": GOOD.replace("return x;", "return z;"),
    "another reason": GOOD.replace("= not_declared_here;", '= "text";'),
    "only the quoted code matches": GOOD.replace("not_declared_here;", "wrong;  // not_declared_here"),
    "nothing expected": GOOD.replace("// expect", "// expects"),
}


def run(text):
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder, "case.cpp")
        case.write_text(text)
        script = Path(__file__).with_name("run.py")
        return subprocess.run([sys.executable, script, case, *sys.argv[1:]], capture_output=True, text=True)


failures = 0
for text in (GOOD, TWICE):
    if (good := run(text)).returncode != 0:
        failures += 1
        print("refuses a good case:", good.stdout, good.stderr)
for name, text in BAD.items():
    if (bad := run(text)).returncode != 1:
        failures += 1
        print(f"accepts a bad case: {name}\n{bad.stdout}{bad.stderr}")
print(f"{len(BAD) + 2} cases, {failures} failures")
sys.exit(1 if failures else 0)
