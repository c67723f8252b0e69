#!/usr/bin/env python3
"""From nothing to the first program, which runs: a table of ways and compilers, in seconds. Each begins in an empty folder,
with a clone of this repository, or with the Debian package, which is installed and purged. In the table of
CONTRIBUTING.md are these ways.

ways.py DEBIAN_PACKAGE COMPILER...        as root, in a Debian that may be changed; with MIT krb5 and tl::expected
"""
# SPDX-License-Identifier: MIT
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
CMAKE = """cmake_minimum_required(VERSION 3.25)
project(first CXX)
{}
add_executable(first first.cpp)
target_link_libraries(first PRIVATE gsskey::mit)
"""
MESON = """project('first', 'cpp', default_options: ['cpp_std=c++20'])
executable('first', 'first.cpp', dependencies: dependency('gsskey-mit', fallback: 'gsskey'))
"""


def run(folder, command, **environment):
    print(f"+ {command}", flush=True)
    subprocess.run(["sh", "-euc", command], cwd=folder, check=True, stdout=sys.stderr, env=os.environ | environment)


def clone(folder, place="gsskey"):
    run(folder, f"git clone --quiet {SOURCE} {place}")


def with_cmake(folder, lines, options=""):
    (folder / "CMakeLists.txt").write_text(CMAKE.format(lines))
    run(folder, f"cmake -S . -B build {options} && cmake --build build && ln -s build/first first")


def file_tree(folder, compiler, package):
    clone(folder)
    run(folder, f"{compiler} -std=c++20 -I gsskey/include -DGSSKEY_GSS_MIT first.cpp -o first -lgssapi_krb5")


def pkg_config(folder, compiler, package):
    clone(folder)
    run(folder, "cd gsskey && meson setup build --prefix=$PWD/../prefix && meson install -C build")
    run(folder, f"{compiler} -std=c++20 first.cpp -o first $(pkg-config --cflags --libs gsskey-mit)",
        PKG_CONFIG_PATH=f"{folder}/prefix/share/pkgconfig")


def find_package(folder, compiler, package):
    clone(folder)
    run(folder, "cmake -S gsskey/include --preset headers --install-prefix $PWD/prefix && cmake --install gsskey/build/cmake")
    with_cmake(folder, "find_package(gsskey REQUIRED COMPONENTS mit)", "-DCMAKE_PREFIX_PATH=$PWD/prefix")


def fetch_content(folder, compiler, package):
    head = subprocess.check_output(["git", "-C", SOURCE, "rev-parse", "HEAD"], text=True).strip()
    with_cmake(folder, f"""include(FetchContent)
FetchContent_Declare(gsskey GIT_REPOSITORY {SOURCE} GIT_TAG {head} SOURCE_SUBDIR include)
FetchContent_MakeAvailable(gsskey)""")


def add_subdirectory(folder, compiler, package):
    clone(folder)
    with_cmake(folder, "add_subdirectory(gsskey/include)")


def subproject(folder, compiler, package):
    (folder / "subprojects").mkdir()
    clone(folder, "subprojects/gsskey")
    (folder / "meson.build").write_text(MESON)
    run(folder, "meson setup build && meson compile -C build && ln -s build/first first")


def debian_package(folder, compiler, package):
    run(folder, f"apt-get install -q -y --no-install-recommends {package}")
    run(folder, f"{compiler} -std=c++20 first.cpp -o first $(pkg-config --cflags --libs gsskey-mit)")


def module(folder, compiler, package):
    clone(folder)
    program = (folder / "first.cpp").read_text().replace("#include <gsskey/gss.hpp>\n", "")
    (folder / "first.cpp").write_text(program.replace("using namespace gsskey;", "import gsskey;\nusing namespace gsskey;", 1))
    flags = f"{compiler} -std=c++20 -I gsskey/include -DGSSKEY_GSS_MIT"
    run(folder, f"{flags} --precompile gsskey/include/gsskey/module/gsskey.cppm -o gsskey.pcm")
    run(folder, f"{flags} -fmodule-file=gsskey=gsskey.pcm first.cpp gsskey.pcm -o first -lgssapi_krb5")


WAYS = {
    "a clone, and `-I`": file_tree,
    "pkg-config, installed by Meson": pkg_config,
    "`find_package`, installed by CMake": find_package,
    "`FetchContent`": fetch_content,
    "`add_subdirectory`": add_subdirectory,
    "subproject of Meson": subproject,
    "Debian package": debian_package,
    "`import gsskey;`": module,
}


def seconds(way, compiler, package):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "first.cpp").write_bytes((SOURCE / "examples/first.cpp").read_bytes())
        os.environ["CXX"] = compiler
        start = time.monotonic()
        way(folder, compiler, package)
        done = subprocess.run([folder / "first", "127.0.0.1", "1", "host"], stderr=subprocess.PIPE, text=True)
        taken = time.monotonic() - start
        # Nobody listens on port 1: the program says so, in the words of the library.
        if done.returncode != 1 or not done.stderr.startswith("connect: "):
            sys.exit(f"the first program: {done.returncode}, {done.stderr}")
        return taken


def main(package, *compilers):
    said = (SOURCE / ".github/CONTRIBUTING.md").read_text()
    missing = [name for name in WAYS if f"| {name} |" not in said]
    rows = []
    for name, way in WAYS.items():
        cells = []
        for compiler in compilers:
            usable = way is not module or "clang" in compiler  # the options are clang's
            cells.append(f"{seconds(way, compiler, package):.1f}" if usable else "–")
            if way is debian_package:
                run(SOURCE, "apt-get purge -q -y libgsskey-dev")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    print(f"| from nothing to the first program, s | {' | '.join(compilers)} |\n|{'---|' * (len(compilers) + 1)}")
    print(*rows, sep="\n")
    if missing:
        sys.exit(f"not in the table of CONTRIBUTING.md: {missing}")


if __name__ == "__main__":
    main(*sys.argv[1:])
