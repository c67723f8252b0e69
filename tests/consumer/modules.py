#!/usr/bin/env python3
"""include/gsskey/module/NAME.cppm exports each name that its umbrella has, and no other: the compiler's completion is asked.
Then programs that import the modules are built and run.

modules.py SOURCE_DIR LIBRARIES CLANG FLAG...
"""
# SPDX-License-Identifier: MIT
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# Its umbrella, and the namespaces that users see.
MODULES = {
    "gsskey": ("gsskey/gss.hpp", ["gsskey", "gsskey::mech", "gsskey::name_type"]),
    "gsskey.keyring": ("gsskey/keyring.hpp", ["gsskey", "gsskey::key_type"]),
}
PROGRAMS = {"gsskey": ["gsskey"], "keyring": ["gsskey", "gsskey.keyring"]}
COMPLETION = re.compile(r"COMPLETION: (operator[^\w\s]+|\w+)")
# Of namespaces: those of no user, and those that are inline.
INTERNAL = re.compile(r"\w*_?detail|rfc4121|v\d\w+|mit|heimdal\w*|gnu|unavailable")


def names(clang, umbrella, namespace, folder):
    """What a program that includes the umbrella may write behind `namespace::`."""
    line = f"{namespace}::"
    source = folder / "asks.cpp"
    source.write_text(f"#include <{umbrella}>\nint main() {{\n{line}\n}}\n")
    asked = [*clang, "-fsyntax-only", "-Xclang", f"-code-completion-at={source}:3:{len(line) + 1}", source]
    text = subprocess.run(asked, capture_output=True, text=True, check=False).stdout  # it is no whole program
    return {name for name in COMPLETION.findall(text) if not INTERNAL.fullmatch(name)}


def exported(text, namespace):
    body = re.search(rf"^export namespace {namespace} \{{\n(.*?)^\}}", text, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^using [\w:]*::(operator[^\w\s;]+|\w+);", body[1], re.MULTILINE)) if body else set()


def file_of(module):
    return module.rpartition(".")[2]


def main(source, libraries, *clang):
    source = Path(source)
    wrong = count = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for module, (umbrella, namespaces) in MODULES.items():
            interface = source / f"include/gsskey/module/{file_of(module)}.cppm"
            text = interface.read_text(encoding="utf-8")
            for namespace in namespaces:
                inner = {each.rpartition("::")[2] for each in namespaces if each.startswith(f"{namespace}::")}
                there, here = names(clang, umbrella, namespace, folder) - inner, exported(text, namespace)
                count += len(here)
                for each in sorted(there ^ here):
                    wrong += 1
                    print(f"{interface}: {namespace}::{each} {'is missing' if each in there else 'is not in ' + umbrella}")
            compiled = folder / f"{module}.pcm"
            subprocess.run([*clang, "--precompile", interface, "-o", compiled], check=True)
            subprocess.run([clang[0], "-c", compiled, "-o", compiled.with_suffix(".o")], check=True)
        for program, modules in PROGRAMS.items():
            command = [*clang, source / f"tests/consumer/module/{program}.cpp", "-o", folder / program]
            for module in modules:
                command += [f"-fmodule-file={module}={folder / module}.pcm", folder / f"{module}.o"]
            subprocess.run([*command, *libraries.split()], check=True)
            subprocess.run([folder / program], check=True)
    print(f"{len(MODULES)} modules, {count} names, {wrong} wrong; {len(PROGRAMS)} programs ran")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
