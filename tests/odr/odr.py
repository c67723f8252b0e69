#!/usr/bin/env python3
"""Translation units that disagree about the types of gsskey do not link; those that agree do.

odr.py standards STD20,STD23 COMPILER...   one unit at each standard: a link error where `Result` is another type,
                                           otherwise a program that runs
odr.py duplicates LIBRARIES COMPILER...    two units that include every header
odr.py exports FLAG COMPILER...            a shared library with every header: nothing is unique in the process, and with
                                           FLAG, which the build files give, it exports only what is to be shared
odr.py implementations COMPILER...         one unit for MIT and one for Heimdal: a link error; likewise one that is linked
                                           with MIT and one that looks for it at run time
"""
# SPDX-License-Identifier: MIT
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[2] / "include"

# A plain function of the user's: nothing but the return type can tell the linker that the two units disagree.
RESULT = "#include <gsskey/core/error.hpp>\ngsskey::Result<int> made(int);\n"
RESULT_CALLEE = RESULT + "gsskey::Result<int> made(int value) { return value; }\n"
RESULT_CALLER = RESULT + "int main() { const auto result = made(7); return result && *result == 7 ? 0 : 1; }\n"

NAME = "#include <gsskey/gss/name.hpp>\ngsskey::Name made();\n"
NAME_CALLEE = NAME + "gsskey::Name made() { return gsskey::Name{}; }\n"
NAME_CALLER = NAME + "int main() { const gsskey::Name name = made(); return 0; }\n"

# A job on a pool, and back; and a class whose name says nothing of Asio.
OFFLOAD = """#include <gsskey/asio/handshake.hpp>
using Offload = gsskey::OffloadTo<int>;
Offload made();
"""
POOL = OFFLOAD + """#include <{0}asio/bind_executor.hpp>
#include <{0}asio/io_context.hpp>
#include <{0}asio/thread_pool.hpp>
Offload made() {{ return Offload{{0}}; }}
int {1}() {{
  namespace asio = gsskey::asio;
  asio::io_context io;
  asio::thread_pool pool{{1}};
  int got = 0;
  auto job = [] {{ return 7; }};
  auto handler = [&got](std::exception_ptr, std::optional<int> outcome) {{ got = outcome.value_or(0); }};
  gsskey::offload_to(pool).start(std::move(job), asio::bind_executor(io, std::move(handler)));
  io.run();
  return got;
}}
"""
BOTH = "int standalone();\nint boosted();\nint main() { return standalone() == 7 && boosted() == 7 ? 0 : 1; }\n"


class Failure(Exception):
    pass


def run(command, source=None):
    return subprocess.run([str(word) for word in command], input=source, capture_output=True, text=True)


class Program:
    """Units compiled with their own arguments into one program."""

    def __init__(self, folder, compiler):
        self.folder, self.compiler, self.objects = Path(folder), compiler, []

    def add(self, source, *arguments):
        unit = self.folder / f"unit{len(self.objects)}.o"
        compiled = run([*self.compiler, *arguments, "-x", "c++", "-c", "-o", unit, "-"], source)
        if compiled.returncode != 0:
            raise Failure(f"does not compile with {arguments}:\n{compiled.stderr}")
        self.objects.append(unit)

    def link(self, *arguments):
        return run([*self.compiler, *self.objects, *arguments, "-o", self.folder / "program"])

    def must_run(self, *arguments):
        linked = self.link(*arguments)
        if linked.returncode != 0:
            raise Failure(f"does not link:\n{linked.stderr}")
        if (ran := run([self.folder / "program"])).returncode != 0:
            raise Failure(f"the program returns {ran.returncode}: {ran.stdout}{ran.stderr}")

    def must_not_link(self, tag, *arguments):
        linked = self.link(*arguments)
        if linked.returncode == 0:
            raise Failure("links, but the two units do not agree")
        if not re.search(rf"undefined reference to .*made.*{tag}|undefined symbol: .*made.*{tag}", linked.stderr):
            raise Failure(f"does not link, but for another reason:\n{linked.stderr}")


def in_program(compiler, check):
    with tempfile.TemporaryDirectory() as folder:
        check(Program(folder, compiler))


def expected_of(compiler, standard):
    """Which namespace the headers choose: v0_std or v0_tl."""
    macros = run([*compiler, standard, "-x", "c++", "-dM", "-E", "-"], "#include <gsskey/core/config.hpp>\n").stdout
    return re.search(r"^#define GSSKEY_ABI (\w+)", macros, re.MULTILINE)[1]


def standards(both, *compiler):
    chosen = {standard: expected_of(compiler, standard) for standard in both.split(",")}
    for callee in chosen:
        for caller in chosen:

            def check(program):
                program.add(RESULT_CALLEE, callee)
                program.add(RESULT_CALLER, caller)
                if chosen[callee] == chosen[caller]:
                    program.must_run()
                    print(f"{callee} and {caller}, both {chosen[callee]}: links and runs")
                else:
                    program.must_not_link(chosen[caller])
                    print(f"{callee} ({chosen[callee]}) and {caller} ({chosen[caller]}): does not link")

            in_program(compiler, check)


def duplicates(libraries, *compiler):
    headers = sorted(path.relative_to(INCLUDE) for path in (INCLUDE / "gsskey").rglob("*.hpp")
                     if path.parent.name != "platform" or path.stem not in ("apple", "gnu", "heimdal", "mit"))
    everything = "".join(f"#include <{header}>\n" for header in headers)

    def check(program):
        program.add(everything)
        program.add(everything + "int main() {}\n")
        program.must_run(*shlex.split(libraries))
        print(f"two units with all {len(headers)} headers link")

    in_program(compiler, check)


# One in a program and the libraries it is linked with (GSSKEY_SHARED).
SHARED = {"destroy_hook", "handshake_hook", "credential_hook", "process_mark_page", "last_process_mark", "default_keytab",
          "major_category", "krb5_category", "refusal_category"}
PLUGIN = Path(__file__).resolve().parents[1] / "scenarios" / "reload_plugin.cpp"


def exports(flag, *compiler):
    headers = sorted(path.relative_to(INCLUDE) for path in (INCLUDE / "gsskey").rglob("*.hpp"))
    platforms = {f"gsskey/gss/platform/{name}.hpp" for name in ("apple", "gnu", "heimdal", "mit")}
    source = "".join(f"#include <{header}>\n" for header in headers if str(header) not in platforms)
    source += PLUGIN.read_text()
    is_gcc = "__clang__" not in run([*compiler, "-x", "c++", "-dM", "-E", "-"], "").stdout
    every_function = ["-fkeep-inline-functions"] if is_gcc else []
    with tempfile.TemporaryDirectory() as folder:

        def exported(*arguments):
            library = Path(folder) / "library.so"
            options = ["-fPIC", "-shared", "-Wl,--unresolved-symbols=ignore-all", "-x", "c++", "-o", library, "-"]
            made = run([*compiler, *every_function, *arguments, *options], source)
            if made.returncode != 0:
                raise Failure(f"does not compile:\n{made.stderr}")
            lines = run(["nm", "-DC", "--defined-only", library]).stdout.splitlines()
            if not any(line.endswith(" peer_of_a_session") for line in lines):
                raise Failure("the library's own function is not exported")
            return [(kind, name) for _, kind, name in (line.split(maxsplit=2) for line in lines)
                    if re.search(r"\bgsskey::|6gsskey", name)]

        if unique := [name for kind, name in exported() if kind == "u"]:
            raise Failure("keeps a plug-in from being unloaded:\n" + "\n".join(unique))
        # The standard library shows what it makes of types that are not hidden; what value() throws is caught anywhere.
        of_std = re.compile(r"((vtable|typeinfo|typeinfo name) for )?(std::|tl::bad_expected_access<)")
        names = [name for _, name in exported(flag) if not of_std.match(name)]
        if others := [name for name in names if name.split("::")[-1] not in SHARED]:
            raise Failure("exported:\n" + "\n".join(others))
        if not any(name.endswith("::process_mark_page") for name in names):
            raise Failure("what is to be shared is not exported")
        print(f"a shared library with all headers: nothing unique, {len(names)} symbols exported with {flag}")


def implementations(*compiler):
    def flags(kind, module):
        return shlex.split(run(["pkg-config", kind, module]).stdout)

    units = {  # tag in the mangled name: compile arguments, libraries
        "mit": (["-DGSSKEY_GSS_MIT", *flags("--cflags", "mit-krb5-gssapi")], flags("--libs", "mit-krb5-gssapi")),
        "heimdal": (["-DGSSKEY_GSS_HEIMDAL", *flags("--cflags", "heimdal-gssapi")], flags("--libs", "heimdal-gssapi")),
        "mit_loaded": (["-DGSSKEY_GSS_MIT", "-DGSSKEY_GSS_DLOPEN=\"libgssapi_krb5.so.2\"",
                        *flags("--cflags", "mit-krb5-gssapi")], []),
    }
    def check(program):
        objects = {}
        for tag, (arguments, _) in units.items():
            program.add(NAME_CALLEE, *arguments)
            program.add(NAME_CALLER, *arguments)
            objects[tag] = program.objects[-2:]
        for callee, (_, callee_libraries) in units.items():
            for caller, (_, caller_libraries) in units.items():
                program.objects = [objects[callee][0], objects[caller][1]]
                if callee == caller:
                    program.must_run(*callee_libraries)
                    print(f"{callee} and {caller}: links and runs")
                else:
                    program.must_not_link(caller, *callee_libraries, *caller_libraries)
                    print(f"{callee} and {caller}: does not link")

    in_program(compiler, check)


def asio(libraries, *compiler):
    standalone, boost = ["-DGSSKEY_ASIO_STANDALONE", "-DASIO_HAS_CO_AWAIT=1"], ["-DGSSKEY_ASIO_BOOST"]

    def both(program):
        program.add(POOL.format("", "standalone"), *standalone)
        program.add(POOL.format("boost/", "boosted"), *boost)
        program.add(BOTH)
        program.must_run(*shlex.split(libraries))
        print("standalone Asio and Boost.Asio in one program: links and runs")
        program.objects = program.objects[:1]
        program.add(OFFLOAD + "int main() { const auto offload = made(); return 0; }\n", *boost)
        program.must_not_link("boost_asio", *shlex.split(libraries))
        print("standalone Asio in one unit and Boost.Asio in the other, of one type: does not link")

    in_program(compiler, both)


def main(mode, *arguments):
    try:
        modes = {"standards": standards, "duplicates": duplicates, "exports": exports, "implementations": implementations,
                 "asio": asio}
        modes[mode](*arguments)
    except Failure as failure:
        print(f"FAIL: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
