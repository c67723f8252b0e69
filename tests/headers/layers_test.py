#!/usr/bin/env python3
"""layers.py passes a good tree and fails, for the right reason, each of the bad ones."""
# SPDX-License-Identifier: MIT
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = "// gsskey/x: a header.\n// SPDX-License-Identifier: MIT\n#pragma once\n"
GOOD = {
    "core/a.hpp": TOP + "#include <cstdint>\n#include <sys/types.h>\n#include <tl/expected.hpp>\n",
    "gss/b.hpp": TOP + "#include <gsskey/core/a.hpp>\n#include <gssapi/gssapi.h>\n",
    "core/detail/d.hpp": TOP + "#include <gsskey/core/a.hpp>\n",
    "gss/detail/d.hpp": TOP + "#include <gsskey/core/detail/d.hpp>\n",
    "gss/d.hpp": TOP + "#include <gsskey/gss/detail/d.hpp>\n#include <gsskey/core/detail/d.hpp>\n",
    "io/c.hpp": TOP + "#include <gsskey/gss/b.hpp>\n#include <memory>\n#include <asio.hpp>\n",
    "gss.hpp": TOP + "#include <gsskey/core/a.hpp>\n#include <gsskey/gss/b.hpp>\n#include <gsskey/io/drive.hpp>\n",
    "core/long.hpp": TOP + "\n" * 397,
}
BAD = [  # file, text, what layers.py must say
    ("core/a.hpp", TOP + "#include <gsskey/gss/b.hpp>\n", "may not include <gsskey/gss/b.hpp>"),
    ("gss/a.hpp", TOP + "#include <gsskey/io/c.hpp>\n", "may not include <gsskey/io/c.hpp>"),
    ("gss/a.hpp", TOP + "#include <gsskey/keyring/key.hpp>\n", "may not include <gsskey/keyring/key.hpp>"),
    ("io/a.hpp", TOP + "#include <gsskey/gss.hpp>\n", "may not include <gsskey/gss.hpp>"),
    ("gss.hpp", TOP + "#include <gsskey/gss/krb5.hpp>\n", "may not include <gsskey/gss/krb5.hpp>"),
    ("gss.hpp", TOP + "#include <gsskey/io/asio.hpp>\n", "may not include <gsskey/io/asio.hpp>"),
    ("io/a.hpp", TOP + "#include <gsskey/gss/detail/d.hpp>\n", "may not include <gsskey/gss/detail/d.hpp>"),
    ("gss.hpp", TOP + "#include <gsskey/core/detail/d.hpp>\n", "may not include <gsskey/core/detail/d.hpp>"),
    ("keyring.hpp", TOP + "#include <gsskey/gss/b.hpp>\n", "may not include <gsskey/gss/b.hpp>"),
    ("core/a.hpp", TOP + "#include <string>\n", "<string> is not for core/"),
    ("gss/a.hpp", TOP + "  #  include <atomic>\n", "<atomic> is not for gss/"),
    ("keyring/a.hpp", TOP + "#include <keyutils.h>\n#include <asio.hpp>\n", "<asio.hpp> is not for keyring/"),
    ("core/a.hpp", TOP + '#include "b.hpp"\n', "our own headers are included as"),
    ("core/a.hpp", TOP + "\n" * 398, "401 lines, more than 400"),
    ("core/a.hpp", "#pragma once\n\n\n" + TOP, "does not open with a // comment"),
    ("core/a.hpp", "// gsskey/x: a header.\n#pragma once\n", "SPDX-License-Identifier"),
    ("other/a.hpp", TOP, "neither in a folder of the table nor a known umbrella"),
    ("all.hpp", TOP, "neither in a folder of the table nor a known umbrella"),
    ("core/a.hpp.orig", TOP, "only .hpp files"),
]


def layers(files):
    with tempfile.TemporaryDirectory() as include:
        for name, text in files.items():
            path = Path(include) / "gsskey" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        script = Path(__file__).with_name("layers.py")
        return subprocess.run([sys.executable, script, include], capture_output=True, text=True)


failures = 0
good = layers(GOOD)
if good.returncode != 0:
    failures += 1
    print("refuses a good tree:", good.stdout)
for name, text, message in BAD:
    bad = layers(GOOD | {name: text})
    violations = bad.stdout.splitlines()[:-1]
    if bad.returncode != 1 or len(violations) != 1 or message not in violations[0]:
        failures += 1
        print(f"{name}: expected one violation, '{message}', got:\n{bad.stdout}{bad.stderr}")
if layers({}).returncode == 0:
    failures += 1
    print("passes an empty tree")
print(f"{len(BAD) + 2} trees, {failures} failures")
sys.exit(1 if failures else 0)
