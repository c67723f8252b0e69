#!/usr/bin/env python3
"""The programs in program/, one of each component of gsskey, build and run, by the way that is named:

pkg_config     with what README's line for Meson installs, from a fresh copy of the sources: headers, and nothing is built
cmake          with the CMake package, which Meson and CMake install alike
fetch_content  with the sources in a CMake project
subproject     with the sources in a project of Meson
file_tree      with the folder of headers alone, and what is said where something is missing

consumer.py WAY MESON COMPILER [ARGUMENT...]
"""
# SPDX-License-Identifier: MIT
import filecmp
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import metadata

SOURCE = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).resolve().parent / "program"
README = (SOURCE / "README.md").read_text()
STRICT = ["-std=c++20", "-Wall", "-Wextra", "-Werror"]
# The programs of the components that have none of their own, and what is not to be built with MIT krb5.
SOURCES = {"mit": "gss", "heimdal": "gss", "gnu": "gss", "mit-krb5": "krb5", "heimdal-krb5": "krb5", "boost-asio": "asio"}
WITHOUT_MIT = ("mit", "heimdal", "gnu", "mit-krb5", "heimdal-krb5", "keyring")
COMPONENTS = [line.split()[0] for line in (SOURCE / "include/components.txt").read_text().splitlines() if line[0] != "#"]


def run(*command, **options):
    command = [str(word) for word in command]
    print("+", shlex.join(command), flush=True)
    if (status := subprocess.run(command, stderr=subprocess.STDOUT, **options).returncode) != 0:
        sys.exit(f"exit status {status}")


def refused(*command, **options):
    """What a command says that must fail."""
    command = [str(word) for word in command]
    print("+", shlex.join(command), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode == 0:
        sys.exit("this must fail")
    return done.stdout


def expect(text, wanted):
    if wanted not in text:
        sys.exit(f"not said: {wanted}\n{text}")


def run_all(folder, components=COMPONENTS):
    for component in components:
        run(folder / component)


def files_in(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def pkg_config(folder, meson, compiler):
    line = re.search(r"`(meson setup build && meson install [^`]*)`", README)[1]
    copy = shutil.copytree(SOURCE, folder / "copy", ignore=shutil.ignore_patterns("build", ".git"), symlinks=True)
    start = time.monotonic()
    run("sh", "-c", line.replace("meson", shlex.quote(meson)), cwd=copy, env=os.environ | {"DESTDIR": str(folder)})
    print(f"{line}: {time.monotonic() - start:.1f} s")
    targets = json.loads(subprocess.check_output([meson, "introspect", "--targets", copy / "build"]))
    if built := [target["name"] for target in targets if target["build_by_default"]]:
        sys.exit(f"to install headers builds {built}")
    prefix = folder / "usr/local"
    if difference := files_in(prefix / "include") ^ {Path("gsskey") / path for path in files_in(SOURCE / "include/gsskey")}:
        sys.exit(f"installed headers differ from those in the source tree: {sorted(map(str, difference))}")

    version = re.search("Version: (.*)", (prefix / "share/pkgconfig/gsskey-mit.pc").read_text())[1]
    for recipe, said in (("debian/changelog", f"gsskey ({version}) "), ("vcpkg/gsskey/vcpkg.json", f'"version": "{version}"'),
                         ("conan/conanfile.py", f'version = "{version}"')):
        expect((SOURCE / ".github/packaging" / recipe).read_text(), said)

    metadata.check_cps(prefix, SOURCE, version)
    run(meson, "compile", "-C", copy / "build", "sbom")
    metadata.check_sbom(copy / "build/gsskey.spdx.json", prefix, SOURCE, version)

    path = f"{prefix}/share/pkgconfig:{os.environ.get('PKG_CONFIG_PATH', '')}"
    for component in COMPONENTS:
        modules = [f"gsskey-{component}"]
        if component not in WITHOUT_MIT:
            modules.append("gsskey-mit")
        if component == "cares":
            modules += ["gsskey-asio", "gsskey-mit-krb5"]
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", *modules], check=True, capture_output=True, text=True,
                               env=os.environ | {"PKG_CONFIG_PATH": path}).stdout
        source = SOURCES.get(component, component)
        run(*compiler, *STRICT, PROGRAM / f"{source}.cpp", "-o", folder / component, *shlex.split(flags))
    run_all(folder)


def build_with_cmake(folder, components, *options):
    run("cmake", "-S", PROGRAM, "-B", folder, *options, f"-DCOMPONENTS={';'.join(components)}")
    run("cmake", "--build", folder)
    run_all(folder, components)


def need_cmake():
    if shutil.which("cmake") is None:
        print("skipped: cmake is not installed")
        sys.exit(1 if os.environ.get("CI") == "true" else 77)


def cmake(folder, meson, compiler):
    need_cmake()
    by_meson, prefix = folder / "meson", folder / "cmake"
    run(meson, "setup", folder / "a", SOURCE, f"--prefix={by_meson}")
    run(meson, "install", "-C", folder / "a", "--quiet")
    run("cmake", "-S", SOURCE / "include", "--preset", "headers", "-B", folder / "b", f"-DCMAKE_INSTALL_PREFIX={prefix}")
    run("cmake", "--install", folder / "b", stdout=subprocess.DEVNULL)
    files = files_in(by_meson)
    _, different, missing = filecmp.cmpfiles(by_meson, prefix, files, shallow=False)
    if difference := (files ^ files_in(prefix)) | {*different, *missing}:
        sys.exit(f"Meson and CMake install something else: {sorted(map(str, difference))}")

    build_with_cmake(folder / "build", COMPONENTS, f"-DCMAKE_PREFIX_PATH={prefix}")
    for components, said in (("mit;handoff;tls", "apt-get install libkrb5-dev libkeyutils-dev libssl-dev"),
                             ("asio", "apt-get install libasio-dev"),
                             ("telepathy", "gsskey has no component 'telepathy'; there are mit, heimdal, gnu, ")):
        text = refused("cmake", "-S", PROGRAM, "-B", folder / "missing", f"-DCMAKE_PREFIX_PATH={prefix}",
                       f"-DCOMPONENTS={components}", "-DCMAKE_IGNORE_PATH=/usr/include",
                       env=os.environ | {"PKG_CONFIG_LIBDIR": "/nonexistent"})
        expect(" ".join(text.split()), said)


def fetch_content(folder, meson, compiler):
    need_cmake()
    # The targets are made as in the package: one of an implementation, one alone, and one that has others.
    build_with_cmake(folder, ["mit", "keyring", "http"], f"-DGSSKEY_SOURCES={SOURCE}")


def subproject(folder, meson, compiler):
    project, build = folder / "project", folder / "build"
    shutil.copytree(PROGRAM, project)
    (project / "subprojects").mkdir()
    (project / "subprojects" / "gsskey").symlink_to(SOURCE)
    run(meson, "setup", build, project, "-Dbuildtype=plain", f"-Dcomponents={','.join(COMPONENTS)}")
    run(meson, "compile", "-C", build)
    run_all(build)
    expect(refused(meson, "setup", folder / "missing", project, "-Dcomponents=fmt", "-Dgsskey:fmt=disabled"),
           "There is no gsskey-fmt, without libfmt-dev")


def include_without(folder, compiler, *names):
    """The options that hide those in /usr/include from the compiler."""
    (folder / "include").mkdir()
    for path in Path("/usr/include").iterdir():
        if path.name not in names:
            (folder / "include" / path.name).symlink_to(path)
    said = subprocess.run([*compiler, "-E", "-x", "c++", "-v", "-"], stdin=subprocess.DEVNULL, check=True, text=True,
                          capture_output=True).stderr
    searched = re.search(r"#include <\.\.\.> search starts here:\n(.*)End of search list", said, re.DOTALL)[1].split()
    places = [str(folder / "include") if place == "/usr/include" else place for place in searched]
    return ["-nostdinc", "-nostdinc++", *(f"-isystem{place}" for place in places)]


def file_tree(folder, meson, compiler):
    (names, arguments), = re.findall(r"^    for p in (.*); do g\+\+ (.*); done$", README, re.MULTILINE)
    for name in names.split():
        run(*compiler, *arguments.replace("$p", name).split(), "-o", folder / name, cwd=SOURCE)
        if subprocess.run([folder / name]).returncode != 2:
            sys.exit(f"{name} of README did not ask for its arguments")
    expect(names, "first first_server")

    # Which implementation is chosen where no macro says it.
    headers = [f"-I{SOURCE}/include"]
    for name, hidden, more in (("MIT krb5", ["gss.h"], []), ("Heimdal", ["gss.h", "gssapi"], ["-isystem/usr/include/heimdal"]),
                               ("GNU GSS", ["gssapi"], [])):
        with tempfile.TemporaryDirectory() as only:
            visible = include_without(Path(only), compiler, *hidden)
            macros = subprocess.run([*compiler, "-std=c++20", "-E", "-dM", "-x", "c++", *more, *visible, *headers,
                                     SOURCE / "include/gsskey/gss/platform/select.hpp"], capture_output=True, text=True)
            print(f"chosen: {re.findall('#define GSSKEY_GSS_NAME .*', macros.stdout)}", flush=True)
            expect(macros.stdout + macros.stderr, f'#define GSSKEY_GSS_NAME "{name}"')
    here = [*compiler, "-fsyntax-only", *headers, PROGRAM / "gss.cpp"]
    expect(refused(*here, "-std=c++20"), "define exactly one of GSSKEY_GSS_MIT, _HEIMDAL, _GNU")

    # One error, and no other.
    old = include_without(folder, compiler, "tl")
    for said, arguments in (("gsskey needs C++20", ["-std=c++17"]), ("libexpected-dev", ["-std=c++20", *old])):
        errors = re.findall(r"^\S+: (?:fatal )?error: .*$", refused(*here, "-DGSSKEY_GSS_MIT", *arguments), re.MULTILINE)
        if len(errors) != 1 or said not in errors[0]:
            sys.exit(f"not one error with '{said}': {errors}")


def main(way, meson, *compiler):
    os.environ |= {"CXX": shlex.join(compiler), "CMAKE_GENERATOR": "Ninja"}
    with tempfile.TemporaryDirectory() as folder:
        {"pkg_config": pkg_config, "cmake": cmake, "fetch_content": fetch_content, "subproject": subproject,
         "file_tree": file_tree}[way](Path(folder), meson, compiler)


if __name__ == "__main__":
    main(*sys.argv[1:])
