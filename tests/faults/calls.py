#!/usr/bin/env python3
"""Which functions of C the headers call, where, and how each of them fails.

  calls.py wrap INCLUDE SCENARIOS.a OUT.cpp OUT.args   what stands between: of all that the scenarios' objects call and
                                                       the headers name. Fails for a function of which no line below
                                                       says how it fails.
SPDX-License-Identifier: MIT
"""
import collections
import pathlib
import re
import subprocess
import sys

# The first line that matches a name says how it fails: a Way of shim.hpp, or why it does not.
NEVER = "cannot fail"
WAYS = [(re.compile(f"^(?:{names})$"), way) for names, way in [
    # Here "cannot": void, or an error of the arguments alone, which are constants here; or absence is no failure.
    (r"mem(cpp|cpy|move|set|cmp|chr|mem)|str\w+|(v?s|f)n?printf|free|abort|_?exit|time|(secure_)?getenv|unsetenv", NEVER),
    (r"init_mb_mgr_(auto|avx2)|imb_get_errno", NEVER),  # not with a processor that it knows: played in messages/lanes
    (r"gss_userok|inet_pton|dlerror", NEVER),  # "no" is an answer
    (r"from_chars|is\w+|to(upper|lower)|gmtime_r|timegm", NEVER),
    (r"get(pid|ppid|tid|uid|euid|gid|egid|resuid|resgid)|clock_gettime|syslog|dl_iterate_phdr|closefrom", NEVER),
    (r"sig(emptyset|fillset|addset|action|procmask|nal)|pthread_(sigmask|self|equal|join)|kill|raise", NEVER),
    (r"pthread_(mutex|cond)_\w+|posix_spawn\w*_destroy|posix_spawnattr_set\w+", NEVER),
    (r"ERR_\w+|OPENSSL_cleanse|CRYPTO_memcmp|OSSL_PARAM_\w+", NEVER),
    (r"(EVP|X509|SSL)\w*_free|SSL_(version|get1?_\w*(certificate|finished)|is_\w+|session_reused|num_\w+|get_extms_support|ctrl)", NEVER),
    (r"gss_release_\w+|gss_delete_sec_context|gss_krb5_free_lucid_sec_context", "released"),
    (r"krb5_free_\w+|krb5_\w+_(free|close)|krb5_cc_(destroy|end_seq_get)|profile_(release|free_list)", "released"),
    (r"krb5_cc_get_(name|type)|krb5_get_error_message|krb5_responder_list_questions", NEVER),  # strings
    (r"krb5_principal_compare\w*|krb5_is_config_principal", NEVER),
    (r"close|munmap|timer_delete|dlclose|free_mb_mgr", "released"),
    (r"krb5_gss_register_acceptor_identity|gsskrb5_register_acceptor_identity", "major"),
    (r"mkdtemp|malloc|dlopen|dlsym|new|alloc_mb_mgr", "null"),
    (r"gss(krb5)?_\w+", "gss"),
    (r"pthread_create|posix_spawn\w*|krb5_\w+|profile_get_\w+", "error_number"),
    (r"(EVP|RAND|OSSL|SSL|X509)_\w+", "openssl"),
    (r"mmap", "map_failed"),
    (r"keyctl\w*|add_key|request_key", "minus_one"),
    (r"waitpid|sigwaitinfo|sigtimedwait|nanosleep|poll", "interrupted"),
    (r"access|bind|connect|dup2|execve|fcntl|fork|fstat|nftw|remove|getgroups|getrandom|getsockname|ioctl|lseek|madvise",
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
# What stands before a name that is not called there.
NAMING = (".", "->", "::", "written_by(", "GSSKEY_GSS_FUNCTION(", "one(")
TYPES = re.compile(r"[A-Z0-9_]+$|gss_\w*(_t|_desc|OID|OID_set)$")
# What the text calls otherwise than the linker.
SPELLED = {"__builtin_malloc": "malloc", "__builtin_free": "free", "EVP_get_digestbynid": "EVP_get_digestbyname"}
# Places that the named implementation has and never comes to, and why. All others must be made to fail; what is made to
# fail all the same must not be here.
UNREACHED = [(implementation, re.compile(place + "$"), reason) for implementation, place, reason in [
    ("heimdal", r"gss/credential/add.hpp gss_add_cred", "it has a fault that is worked around: not called"),
    ("heimdal", r"gss/credential.hpp gss_inquire_cred", "it chooses a default credential at once, and is not asked for it"),
    ("heimdal", r"gss/credential/transfer.hpp gss_store_cred", "it empties the cache that it should store: not called"),
    ("heimdal", r"gss/context/iov.hpp gss_unwrap_aead", "it refuses every token: not called"),
    ("heimdal", r"gss/name/attributes.hpp gss_release_oid", "the identifier is a part of the name there"),
    ("heimdal", r"krb5/kdc_exchange.hpp (krb5_\w+|new)", "it exports no krb5_init_creds_step: not called"),
    ("heimdal", r"krb5/detail/kdc_exchange.hpp krb5_\w+", "for want of the same"),
    ("heimdal", r"krb5/detail/login_options.hpp krb5_\w+", "for want of the same"),
    ("mit", r"krb5/detail/login_options.hpp krb5_responder_(otp|pkinit)_\w+",
     "a KDC that asks for them takes a second to start: krb5/login_options has one"),
    ("heimdal", r"asio/(kdc|kdc_dns|detail/(kdc_\w+|dns_channel|turns|ticket_fetch)).hpp operator new", "for want of the same"),
    ("heimdal", r"handoff/credential_cache.hpp getrandom", "it has no credential caches of type KEYRING"),
    ("every", r"gss/platform/dlopen.hpp (dlopen|dlsym)", "not where the library is linked: scenarios/dlopen has no library"),
    ("every", r"messages/detail/confounders.hpp getrandom", "of children alone: core/detail/openssl_failure has one"),
    ("every", r"http/negotiate.hpp operator new", "it has the strings that http/negotiate_header.hpp makes"),
    ("every", r"sasl/line.hpp operator new", "of one character, \"=\"; the other strings are those of core/base64.hpp"),
    ("every", r"sasl/session.hpp operator new", "members of what the program makes"),
    ("every", r"sasl/detail/(gs2|gssapi|spnego)_server.hpp operator new", "it has the strings that sasl/detail/authorize.hpp makes"),
    ("every", r"text/string.hpp operator new", "it has the string that text/line.hpp appends to"),
    ("every", r"krb5/(authorize|login_options).hpp operator new", "members of what the program makes"),
    ("every", r"testing/realm_options.hpp operator new", "members of what the program makes"),
]]
# What the standard library or Asio allocates when a header calls this, is for who comes next: a completion handler.
HANDED_OVER = re.compile(r"std::move\(last\)\(|\(\*last\)\(\)")
# What allocates by C++; a header that says so must be found at it. (Its functions cannot be told from the text: short
# strings need no memory.)
ALLOCATES = re.compile(r"std::(string|to_string|vector|function|map|thread|make_shared|make_unique|filesystem)\b"
                       r"(?!(<[\w:]*)?>*&)|asio::(post|dispatch|co_spawn|async_\w+)\(")
# Headers that not every implementation or machine can compile.
NOT_ALONE = {"fmt.hpp", "apple.hpp", "gnu.hpp", "heimdal.hpp", "mit.hpp"}
# Where the headers call malloc(), for others of them.
ALLOCATORS = {"core/detail/memory.hpp", "core/detail/shared_text.hpp", "core/error.hpp", "core/bytes.hpp"}


def way_of(name):
    """How `name` fails, NEVER, or None: nobody has said."""
    return next((way for names, way in WAYS if names.match(name)), None)


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
            if scope != "::" and (before.endswith(NAMING) or DECLARED.search(before)):
                continue
            found.append((file, text.count("\n", 0, match.start()) + 1, name))
        for match in re.finditer(r"\bnew\s*\(std::nothrow\)", text):
            found.append((file, text.count("\n", 0, match.start()) + 1, "new"))
    return found


def c_headers(include):
    """What the headers include of C, but for the GSS-API, which is another's in each implementation."""
    return {header for path in pathlib.Path(include).glob("**/*.hpp")
            for header in re.findall(r"^#include <([\w/-]+\.h)>", path.read_text(), re.M)
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


class Implementation:
    """What of the headers that `scenarios` (or all) include is compiled with `command`, and what the libraries of
    `program` have."""

    def __init__(self, gss, include, scenarios, command, program):
        self.gss, self.include = gss, pathlib.Path(include).resolve()
        if scenarios == "all":
            headers = [f"gsskey/{path.relative_to(self.include)}" for path in sorted(self.include.glob("**/*.hpp"))
                       if path.name not in NOT_ALONE]
        else:
            headers = sorted({header for path in scenarios.split(",")
                              for header in re.findall(r"^#include <(gsskey/.*)>", pathlib.Path(path).read_text(), re.M)})
        text = "".join(f"#include <{header}>\n" for header in headers)
        output = subprocess.run([*command, "-E", "-x", "c++", "-"], input=text, check=True, capture_output=True,
                                text=True).stdout
        self.lines, current = collections.defaultdict(set), None
        for line in output.splitlines():
            if marker := re.match(r'# (\d+) "([^"]*)"', line):
                number, path = int(marker[1]), pathlib.Path(marker[2])
                current = self.lines[str(path.resolve().relative_to(self.include))] if (
                    path.suffix == ".hpp" and path.resolve().is_relative_to(self.include)) else None
            else:
                if current is not None and line.strip():
                    current.add(number)
                number += 1
        libraries = re.findall(r"=> (/\S+)", subprocess.run(["ldd", program], check=True, capture_output=True,
                                                            text=True).stdout)
        symbols = subprocess.run(["nm", "-D", "--defined-only", *libraries], check=True, capture_output=True,
                                 text=True).stdout
        self.functions = {plain(line.split()[-1].split("@")[0]) for line in symbols.splitlines() if line.strip()}

    def has(self, place):
        file, name, line = place
        return line in self.lines[file] and (name in ("new", "malloc") or name in self.functions)

    def allocating(self):
        """Where each header first says that it allocates by C++."""
        for path in sorted(self.include.glob("**/*.hpp")):
            file = str(path.relative_to(self.include))
            for number, line in enumerate(blanked(path.read_text()).splitlines(), 1):
                if number in self.lines[file] and ALLOCATES.search(line):
                    yield file, "operator new", number
                    break

    def exemptions(self, places):
        """The reasons for these places, and what is wrong with the reasons."""
        exempt, wrong = {}, []
        for implementation, pattern, reason in UNREACHED:
            if implementation in (self.gss, "every"):
                found = [place for place in places if pattern.match(f"{place[0]} {place[1]}")]
                exempt.update((place, reason) for place in found)
                if not found and self.lines.get(pattern.pattern.split(" ")[0]):  # a header that is in this build
                    wrong.append(f"calls.py: nothing is left that needs the reason '{reason}': {pattern.pattern}")
        return exempt, wrong


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
    lines.append("  nullptr};\n}  // namespace faults\n")
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
