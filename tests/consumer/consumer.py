#!/usr/bin/env python3
"""The programs in program/ build and run with the installed headers, or with gsskey as a subproject.

consumer.py pkg_config|cmake|subproject MESON GSS COMPILER [ARGUMENT...]
"""
# SPDX-License-Identifier: MIT
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).resolve().parent / "program"


def run(*command):
    command = [str(word) for word in command]
    print("+", shlex.join(command), flush=True)
    if (status := subprocess.run(command, stderr=subprocess.STDOUT).returncode) != 0:
        sys.exit(f"exit status {status}")


def install(folder, meson):
    """Installs a fresh build; returns the prefix."""
    prefix, build = folder / "prefix", folder / "build"
    run(meson, "setup", build, SOURCE, f"--prefix={prefix}", "-Dtests=false", "-Dexamples=false", "-Dbenchmarks=false")
    run(meson, "install", "-C", build, "--quiet")
    installed = {path.relative_to(prefix) for path in (prefix / "include").rglob("*") if path.is_file()}
    wanted = {path.relative_to(SOURCE) for path in (SOURCE / "include" / "gsskey").rglob("*.hpp")}
    if installed != wanted:
        sys.exit(f"installed headers differ from those in the source tree: {sorted(map(str, installed ^ wanted))}")
    return prefix


def pkg_config(folder, meson, gss, compiler):
    prefix = install(folder, meson)
    path = f"{prefix}/share/pkgconfig:{os.environ.get('PKG_CONFIG_PATH', '')}"
    strict = ["-std=c++20", "-Wall", "-Wextra", "-Werror"]
    for source, module in (("main.cpp", f"gsskey-{gss}"), ("keyring.cpp", "gsskey-keyring")):
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", module], check=True, capture_output=True, text=True,
                               env=os.environ | {"PKG_CONFIG_PATH": path}).stdout
        program = folder / module
        run(*compiler, *strict, PROGRAM / source, "-o", program, *shlex.split(flags))
        run(program)


def cmake(folder, meson, gss, compiler):
    if shutil.which("cmake") is None:
        print("skipped: cmake is not installed")
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
    prefix = install(folder, meson)
    build = folder / "cmake"
    options = [f"-DCMAKE_PREFIX_PATH={prefix}", f"-DIMPLEMENTATION={gss}"]
    run("cmake", "-G", "Ninja", "-S", PROGRAM, "-B", build, *options)
    run("cmake", "--build", build)
    run(build / "consumer")
    run(build / "keyring")


def subproject(folder, meson, gss, compiler):
    project, build = folder / "project", folder / "build"
    shutil.copytree(PROGRAM, project)
    (project / "subprojects").mkdir()
    (project / "subprojects" / "gsskey").symlink_to(SOURCE)
    run(meson, "setup", build, project, f"-Dgsskey:gss={gss}")
    run(meson, "compile", "-C", build)
    run(build / "consumer")
    run(build / "keyring")


def main(mode, meson, gss, *compiler):
    os.environ["CXX"] = shlex.join(compiler)
    with tempfile.TemporaryDirectory() as folder:
        {"pkg_config": pkg_config, "cmake": cmake, "subproject": subproject}[mode](Path(folder), meson, gss, compiler)


if __name__ == "__main__":
    main(*sys.argv[1:])
