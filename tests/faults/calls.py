#!/usr/bin/env python3
"""Which functions of C the headers call, where, and how each of them fails.

  calls.py wrap INCLUDE SCENARIOS.a OUT.cpp OUT.args   what stands between: of all that the scenarios' objects call and
                                                       the headers name. Fails for a function of which no line below
                                                       says how it fails.
SPDX-License-Identifier: MIT
"""
import pathlib
import re
import subprocess
import sys

# The first line that matches a name says how it fails: a Way of shim.hpp, or why it does not.
NEVER = "cannot fail"
WAYS = [(re.compile(f"^(?:{names})$"), way) for names, way in [
    # Here "cannot": void, or an error of the arguments alone, which are constants here; or absence is no failure.
    (r"mem(cpp|cpy|move|set|cmp|chr|mem)|str\w+|(v?s|f)n?printf|free|abort|_?exit|time|(secure_)?getenv|unsetenv", NEVER),
    (r"gss_userok|inet_pton", NEVER),  # "no" is an answer
    (r"from_chars|is\w+|to(upper|lower)", NEVER),
    (r"get(pid|ppid|tid|uid|euid|gid|egid|resuid|resgid)|clock_gettime|syslog|dl_iterate_phdr|closefrom", NEVER),
    (r"sig(emptyset|fillset|addset|action|procmask|nal)|pthread_(sigmask|self|equal|join)|kill|raise", NEVER),
    (r"pthread_(mutex|cond)_\w+|posix_spawn\w*_destroy|posix_spawnattr_set\w+", NEVER),
    (r"ERR_\w+|OPENSSL_cleanse|CRYPTO_memcmp|OSSL_PARAM_\w+|OSSL_FUNC_\w+|OSSL_PROVIDER_(get0_\w+|unquery_\w+)", NEVER),
    (r"(EVP|X509|SSL)\w*_free|SSL_(version|get1?_\w*(certificate|finished)|is_\w+|session_reused|num_\w+|get_extms_support|ctrl)", NEVER),
    (r"gss_release_\w+|gss_delete_sec_context|gss_krb5_free_lucid_sec_context", "released"),
    (r"close|munmap|timer_delete|dlclose", "released"),
    (r"krb5_gss_register_acceptor_identity|gsskrb5_register_acceptor_identity", "major"),
    (r"mkdtemp|malloc|dlopen|dlsym|new", "null"),
    (r"gss(krb5)?_\w+", "gss"),
    (r"pthread_create|posix_spawn\w*|krb5_\w+", "error_number"),
    (r"(EVP|RAND|OSSL|SSL|X509)_\w+", "openssl"),
    (r"mmap", "map_failed"),
    (r"keyctl\w*|add_key|request_key", "minus_one"),
    (r"waitpid|sigwaitinfo|sigtimedwait|nanosleep|poll", "interrupted"),
    (r"access|bind|connect|dup2|execve|fcntl|fork|fstat|getgroups|getrandom|getsockname|ioctl|lseek|madvise",
     "minus_one"),
    (r"memfd_create|open|pipe2|prctl|pread|read|recv|sendmsg|set(env|groups|pgid|resgid|resuid|sockopt)|socket|stat",
     "minus_one"),
    (r"syscall|timer_create|timer_settime|write", "minus_one"),
]]
# The names of C that need no :: before them to be known as such.
PREFIXED = re.compile(r"(gss|gsskrb5|krb5|keyctl|EVP|OSSL|RAND|ERR|CRYPTO|OPENSSL|SSL|X509|BIO|pthread)_\w")
# What looks like one in the text, and is a function of ours.
OURS = {"gss_category", "gss_error", "krb5_category", "krb5_conf", "krb5_status", "new"}
# What stands before a name that is declared there, for an implementation that lacks it.
DECLARED = re.compile(r"(?<!\w)(?!return\b|co_return\b|co_await\b|else\b)[A-Za-z_]\w*[*&]?\s+$")
TYPES = re.compile(r"[A-Z0-9_]+$|gss_\w*(_t|_desc|OID|OID_set)$")
# What the text calls otherwise than the linker.
SPELLED = {"__builtin_malloc": "malloc", "__builtin_free": "free", "EVP_get_digestbynid": "EVP_get_digestbyname"}
# Why no scenario makes a call fail that is there: (file, functions), and the reason. All others must be made to fail.
FIRST = "comes only after another failure, of which there is one at a time"
LACKS = "this kernel cannot do it, or not with the keys that can be had here"
ENDING = "in a process that is about to be killed, which can tell nobody"
UNREACHED = [(re.compile(place + "$"), reason) for place, reason in [
    (r"gss/platform/keytab_guard.hpp \w+|krb5/credential.hpp krb5_kt_\w+", "is there for Heimdal, and fails there"),
    (r"gss/security_context.hpp gss_import_sec_context|keyring/detail/making.hpp keyctl_invalidate", FIRST),
    (r"keyring/detail/upcall_deadline.hpp timer_delete|keyring/keyring.hpp keyctl_unlink", FIRST),
    (r"keyring/handler/upcall.hpp keyctl_link|messages/detail/rfc3961.hpp EVP_CipherInit_ex2", FIRST),
    (r"keyring/detail/making.hpp nanosleep", "waits for another process that replaces the same key"),
    (r"keyring/asymmetric.hpp keyctl_(dh|pkey)_\w+|keyring/watch.hpp \w+", LACKS),
    (r"keyring/possession.hpp getgroups", "a process without further groups"),
    (r"keyring/handler/upcall.hpp keyctl_reject|testing/detail/program.hpp (execve|waitpid)", ENDING),
    (r"testing/detail/program.hpp fcntl", "a process with 0, 1 and 2 open"),
]]


def way_of(name):
    """How `name` fails, NEVER, or None: nobody has said."""
    return next((way for names, way in WAYS if names.match(name)), None)


def reason_for(file, name):
    """Why no scenario makes `name` fail there, or None: one must."""
    return next((reason for place, reason in UNREACHED if place.match(f"{file} {name}")), None)


def blanked(text):
    """Without comments and the insides of literals; every line keeps its number."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def sites(include):
    """Every (file, line, function) at which a header calls a function of C."""
    found = []
    for path in sorted(pathlib.Path(include).glob("**/*.hpp")):
        text = blanked(path.read_text())
        file = str(path.relative_to(include))
        for match in re.finditer(r"(?<!\w)(::|std::|gss_detail::)?([A-Za-z_]\w*)\s*([(,)])", text):
            scope, name, after = match.groups()
            name = SPELLED.get(name, name)
            before = text[: match.start()]
            if name in OURS or TYPES.match(name) or (scope == "::" and re.search(r"[\w>)]$", before)):
                continue
            if not (scope == "::" and after == "(") and name not in SPELLED.values() and not PREFIXED.match(name):
                if scope != "std::" or after != "(" or way_of(name) is None:
                    continue
            if scope != "::" and (before.endswith((".", "->", "::")) or DECLARED.search(before)):
                continue
            found.append((file, text.count("\n", 0, match.start()) + 1, name))
        for match in re.finditer(r"\bnew\s*\(std::nothrow\)", text):
            found.append((file, text.count("\n", 0, match.start()) + 1, "new"))
    return found


def c_headers(include):
    """What the headers include of C, but for the GSS-API, which is another's in each implementation."""
    return {header for path in pathlib.Path(include).glob("**/*.hpp")
            for header in re.findall(r"^#include <([\w/]+\.h)>", path.read_text(), re.M)
            if not header.lower().startswith("gss")} | {"stdlib.h"}


def plain(symbol):
    """Of open64, open; of the operators new, one: as the text has it."""
    if symbol.startswith("_Zn"):
        return "new"
    return symbol[:-2] if symbol.endswith("64") else symbol


def called(archive):
    """The functions of C, and the operators new that return a null pointer, which the objects want of others."""
    listing = subprocess.run(["nm", "-u", archive], check=True, capture_output=True, text=True).stdout
    names = {line.split()[-1].split("@")[0] for line in listing.splitlines() if line.split()[:1] == ["U"]}
    return {name for name in names if not name.startswith(("_Z", "__")) or re.match(r"_Zn\w*nothrow_t", name)}


def wrap(include, archive, source, arguments):
    text = {name for _, _, name in sites(include)}
    untold = sorted(name for name in text if way_of(name) is None)
    names = {name for name in called(archive) if plain(name) in text}
    untold += sorted(name for name in names if way_of(plain(name)) is None)
    if untold:
        sys.exit(f"tests/faults/calls.py: WAYS does not say how these fail: {', '.join(untold)}")
    chosen = sorted(name for name in names if way_of(plain(name)) != NEVER)
    lines = ['#include "faults/shim.hpp"', "#include <gssapi/gssapi_krb5.h>", "#include <new>"]
    for header in sorted(c_headers(include)):
        lines += [f"#if __has_include(<{header}>)", f"#include <{header}>", "#endif"]
    for name in chosen:
        if name.startswith("_Zn"):
            align = ", std::align_val_t" if "align" in name else ""
            lines.append(f'extern "C" void* {name}(std::size_t{align}, const std::nothrow_t&) noexcept;')
    for number, name in enumerate(chosen):
        lines.append(f"GSSKEY_FAULTS_WRAP({number}, {way_of(plain(name))}, {name})")
    lines.append("namespace faults {\nextern const char* const names[];\nconst char* const names[] = {")
    lines += [f'  "{plain(name)}",' for name in chosen]
    lines.append("};\n}  // namespace faults\n")
    pathlib.Path(source).write_text("\n".join(lines))
    pathlib.Path(arguments).write_text("\n".join(f"-Wl,--wrap={name}" for name in chosen) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "wrap":
        wrap(*sys.argv[2:])
    elif sys.argv[1] == "sites":
        for site in sites(sys.argv[2]):
            print(*site, way_of(site[2]))
    else:
        sys.exit(__doc__)
