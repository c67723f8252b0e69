#!/usr/bin/env python3
"""What is written in several places of the project is the same: the version, and the rows of tests/run.

project.py SOURCE_FOLDER
"""
# SPDX-License-Identifier: MIT
import re
import sys
from pathlib import Path

VERSIONS = {
    "meson.build": r"version: '([\d.]+)'",
    ".github/packaging/debian/changelog": r"\Agsskey \(([\d.]+)\)",
    ".github/packaging/conan/conanfile.py": r'version = "([\d.]+)"',
    ".github/packaging/vcpkg/gsskey/vcpkg.json": r'"version": "([\d.]+)"',
}
CONFIG = "include/gsskey/core/config.hpp"


def versions(source):
    """Of each place. Of the inline namespaces, which have no patch version, as one with that of the macros."""
    found = {place: re.search(pattern, (source / place).read_text(encoding="utf-8"))[1] for place, pattern in VERSIONS.items()}
    config = (source / CONFIG).read_text(encoding="utf-8")
    parts = [re.search(rf"#define GSSKEY_VERSION_{part} (\d+)", config)[1] for part in ("MAJOR", "MINOR", "PATCH")]
    found[CONFIG] = ".".join(parts)
    for major, minor in re.findall(r"#define GSSKEY_ABI v(\d+)_(\d+)_", config):
        found[f"{CONFIG}, v{major}_{minor}"] = f"{major}.{minor}.{parts[2]}"
    return found


def rows(source):
    """Of tests/run, and of the workflow."""
    tables = re.findall(r"^(?:configurations|matrix)=\(\n(.*?)^\)", (source / "tests/run").read_text(encoding="utf-8"),
                        re.MULTILINE | re.DOTALL)
    workflow = (source / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    return (re.findall(r'^  "(\S+) *\|', "".join(tables), re.MULTILINE),
            re.findall(r"- (\S+)", re.search(r"^ +row:\n((?: +- \S+\n)+)", workflow, re.MULTILINE)[1]))


def main(source):
    found = versions(source)
    there, of_workflow = rows(source)
    print(f"versions: {sorted(set(found.values()))}; {len(there)} rows, {len(of_workflow)} in the workflow")
    if len(set(found.values())) != 1:
        print(*(f"{place}: {version}" for place, version in found.items()), sep="\n")
    if sorted(there) != sorted(of_workflow):
        print(f"only in tests/run, or only in the workflow: {sorted(set(there) ^ set(of_workflow))}")
    return 1 if len(set(found.values())) != 1 or not there or sorted(there) != sorted(of_workflow) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
