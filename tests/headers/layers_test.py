#!/usr/bin/env python3
"""layers.py passes a good tree and fails, for the right reason, each of the bad ones."""
# SPDX-License-Identifier: MIT
import subprocess
import sys
import tempfile
from pathlib import Path

SPDX = "// SPDX" + "-License-Identifier: MIT\n#pragma once\n"  # in two, or reuse takes it for this file's
GOOD = {
    "core/a.hpp": "#include <cstdint>\n#include <sys/types.h>\n#include <tl/expected.hpp>\n",
    "core/detail/d.hpp": "#include <gsskey/core/a.hpp>\n",
    "core/detail/openssl_a.hpp": "#include <openssl/err.h>\n",
    "gss/b.hpp": "#include <gsskey/core/a.hpp>\n#include <gssapi/gssapi.h>\n",
    "gss/name/local.hpp": "#include <gsskey/gss/b.hpp>\n#include <string>\n",
    "gss/detail/d.hpp": "#include <gsskey/core/detail/d.hpp>\n",
    "gss/d.hpp": "#include <gsskey/gss/detail/d.hpp>\n#include <gsskey/core/detail/d.hpp>\n",
    "tls/e.hpp": "#include <gsskey/core/detail/openssl_a.hpp>\n#include <openssl/ssl.h>\n",
    "asio/c.hpp": "#include <gsskey/gss/b.hpp>\n#include <memory>\n#include <asio.hpp>\n",
    "gss.hpp": "#include <gsskey/core/a.hpp>\n#include <gsskey/gss/b.hpp>\n#include <gsskey/gss/d.hpp>\n",
    "core/long.hpp": "\n" * 397,
    "core/config.hpp": "",
    "gss/fwd.hpp": "",
    "gss/platform/any.hpp": "#include <gsskey/core/detail/reader.hpp>\n",
    "core/detail/reader.hpp": "",
}
BAD = [  # file, text after its first lines, what layers.py must say
    ("core/x.hpp", "#include <gsskey/gss/b.hpp>\n", "may not include <gsskey/gss/b.hpp>"),
    ("gss/x.hpp", "#include <gsskey/io/c.hpp>\n", "may not include <gsskey/io/c.hpp>"),
    ("gss/x.hpp", "#include <gsskey/keyring/key.hpp>\n", "may not include <gsskey/keyring/key.hpp>"),
    ("io/x.hpp", "#include <gsskey/gss.hpp>\n", "may not include <gsskey/gss.hpp>"),
    ("io/x.hpp", "#include <gsskey/core/detail/openssl_a.hpp>\n", "may not include <gsskey/core/detail/openssl_a.hpp>"),
    ("gss.hpp", "#include <gsskey/krb5/enctype.hpp>\n", "may not include <gsskey/krb5/enctype.hpp>"),
    ("gss.hpp", "#include <gsskey/tls/e.hpp>\n", "may not include <gsskey/tls/e.hpp>"),
    ("io/x.hpp", "#include <gsskey/gss/detail/d.hpp>\n", "may not include <gsskey/gss/detail/d.hpp>"),
    ("gss.hpp", "#include <gsskey/core/detail/d.hpp>\n", "may not include <gsskey/core/detail/d.hpp>"),
    ("keyring.hpp", "#include <gsskey/gss/b.hpp>\n", "may not include <gsskey/gss/b.hpp>"),
    ("core/a.hpp", "#include <string>\n", "<string> is too much for what an umbrella reaches"),
    ("gss/detail/d.hpp", "  #  include <atomic>\n", "<atomic> is too much for what an umbrella reaches"),
    ("keyring/x.hpp", "#include <keyutils.h>\n#include <asio.hpp>\n", "<asio.hpp> is not for keyring/"),
    ("core/x.hpp", "#include <openssl/err.h>\n", "<openssl/err.h> is not for core/"),
    ("gss/x.hpp", "#include <krb5.h>\n", "<krb5.h> is not for gss/"),
    ("io/x.hpp", "#include <boost/asio.hpp>\n", "<boost/asio.hpp> is not for io/"),
    ("core/x.hpp", "#include <other/all.hpp>\n", "<other/all.hpp> is not for core/"),
    ("core/x.hpp", '#include "b.hpp"\n', "our own headers are included as"),
    ("core/x.hpp", "\n" * 398, "401 lines, more than 400"),
    ("other/a.hpp", "", "neither in a folder of the table nor a known umbrella"),
    ("all.hpp", "", "neither in a folder of the table nor a known umbrella"),
    ("core/a.hpp.orig", "", "only headers, and interfaces"),
]
GOOD_TESTS = ["core/a", "gss/b", "gss/name/local", "gss/d", "tls/e", "asio/c", "core/long", "core/detail/reader",
              "kernel/any", "scenarios/keyring/any", "support/any"]
BAD_TESTS = [  # a header that is added, tests that are added, those that are not there, what layers.py must say
    (None, [], ["gss/name/local"], "gsskey/gss/name/local.hpp:1: tests/gss/name/local.cpp is missing"),
    (("text/x.hpp", ""), [], [], "gsskey/text/x.hpp:1: tests/text/x.cpp is missing"),
    (("gss/detail/x.hpp", "#include <gsskey/core/detail/reader.hpp>\n"), [], [],
     "gsskey/gss/detail/x.hpp:1: tests/gss/detail/x.cpp is missing"),
    (None, ["gss/other"], [], "tests/gss/other.cpp:1: belongs to no header"),
    (None, ["gss/detail/local"], [], "tests/gss/detail/local.cpp:1: belongs to no header"),
    (None, ["main"], [], "tests/main.cpp:1: belongs to no header"),
]
BAD_TOPS = [
    ("core/x.hpp", "#pragma once\n" + SPDX, "does not open with '// gsskey/core/x: '"),
    ("core/x.hpp", "// gsskey/core/y: a header.\n" + SPDX, "does not open with '// gsskey/core/x: '"),
    ("core/x.hpp", "// gsskey/core/x: a header.\n#pragma once\n", "SPDX-License-Identifier"),
]


def whole(name, text):
    return f"// gsskey/{name.removesuffix('.hpp')}: a header.\n{SPDX}{text}"


def layers(files, tests=()):
    """With a test for each header of `files` that is none of GOOD."""
    added = [name.removesuffix(".hpp") for name in files if name not in GOOD and name.endswith(".hpp")]
    with tempfile.TemporaryDirectory() as include, tempfile.TemporaryDirectory() as folder:
        for name in tests or GOOD_TESTS + added:
            path = Path(folder) / f"{name}.cpp"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        for name, text in files.items():
            path = Path(include) / "gsskey" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        script = Path(__file__).with_name("layers.py")
        return subprocess.run([sys.executable, script, include, folder], capture_output=True, text=True)


failures = 0
GOOD = {name: whole(name, text) for name, text in GOOD.items()}
good = layers(GOOD)
if good.returncode != 0:
    failures += 1
    print("refuses a good tree:", good.stdout)
bad_trees = [(name, whole(name, text), message) for name, text, message in BAD] + BAD_TOPS
for name, text, message in bad_trees:
    bad = layers(GOOD | {name: text})
    violations = bad.stdout.splitlines()[:-1]
    if bad.returncode != 1 or len(violations) != 1 or message not in violations[0]:
        failures += 1
        print(f"{name}: expected one violation, '{message}', got:\n{bad.stdout}{bad.stderr}")
for header, added, missing, message in BAD_TESTS:
    files = GOOD | ({header[0]: whole(*header)} if header else {})
    bad = layers(files, [name for name in GOOD_TESTS + added if name not in missing])
    violations = bad.stdout.splitlines()[:-1]
    if bad.returncode != 1 or len(violations) != 1 or message not in violations[0]:
        failures += 1
        print(f"expected one violation, '{message}', got:\n{bad.stdout}{bad.stderr}")
if layers({}).returncode == 0:
    failures += 1
    print("passes an empty tree")
print(f"{len(bad_trees) + len(BAD_TESTS) + 2} trees, {failures} failures")
sys.exit(1 if failures else 0)
