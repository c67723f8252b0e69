#!/usr/bin/env python3
"""Every file is under the license of the project, and says so, or .reuse/dep5 does: `reuse lint` is asked. It wants the text
of the license in a folder of its own, so it gets a copy.

reuse.py REUSE SOURCE_ROOT
"""
# SPDX-License-Identifier: MIT
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def lint(reuse, root):
    """Its exit status, and what it says. A file that it cannot read is a file without a license."""
    done = subprocess.run([reuse, "--root", root, "lint"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode or " - ERROR - " in done.stdout, done.stdout


def main(reuse, root):
    def without_what_is_built(folder, names):
        return [name for name in names if name in (".git", "__pycache__") or folder == root and name.startswith("build")]

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "gsskey")
        shutil.copytree(root, copy, ignore=without_what_is_built)
        (copy / "LICENSES").mkdir()
        shutil.copy(copy / "LICENSE", copy / "LICENSES/MIT.txt")
        failed, said = lint(reuse, copy)
        print(said)
        for foreign in ("GPL-2.0-only", "what I like"):
            (copy / "include/foreign.hpp").write_text("// SPDX" + f"-License-Identifier: {foreign}\n")
            refused, said = lint(reuse, copy)
            if not refused:
                print(f"a file under '{foreign}' is not found:\n{said}")
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
