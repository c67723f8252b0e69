"""Runs what benchmarks/run has built, and prints `name  ours  reference  ratio  bar`. Runs inside bench_realm.

SPDX-License-Identifier: MIT
"""
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager

BUILD, GSS = sys.argv[1:]
OVER = []
# What guards against known_faults of Heimdal take: keytabs are looked at before it reads them, of tokens that are unwrapped
# it gets a copy. Allocations; a handshake's instructions beside C's; lines of gss.hpp.
HEIMDAL = GSS == "heimdal"
GUARDS = {"handshake": 1, "handshake, default credential": 3, "unwrap": 1} if HEIMDAL else {}


def title(text):
    print(f"\n{text}\n{'':40}{'ours':>13}{'reference':>13}{'ratio':>10}{'bar':>9}")


def figure(name, ours, reference, digits=0, bar=None, exact=True, absolute=False, least=False):
    """`bar` is for ratios, or, if absolute, for `ours`; what is over it is bad, or, if least, what is under it."""
    ratio = ours / reference if reference else 1.0 + ours
    columns = f"{name:40}{ours:13.{digits}f}{reference:13.{digits}f}{ratio:10.4f}"
    measured = ours if absolute else ratio
    over = bar is not None and (measured < bar if least else measured > bar)
    print((columns + (f"{bar:9g}" if bar is not None else "") + ("  OVER" if over else "")).rstrip(), flush=True)
    if over and exact:
        OVER.append(name)


def program(name):
    return os.path.join(BUILD, "benchmarks", "bench_" + name)


def output(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def table(*command, **options):
    return [line.split("\t") for line in output(*command, **options).splitlines()]


def times():
    title("time per operation, µs (medians of interleaved rounds)")
    for name, ours, reference in table(program("time")):
        figure(name, float(ours), float(reference), digits=2)


def instructions_of(way, *command):
    """Name of case -> instructions per operation. callgrind writes one numbered file per call of measured()."""
    with tempfile.TemporaryDirectory() as folder:
        parts = os.path.join(folder, way)
        # What malloc costs depends on what happened to the heap before, by more than what is looked for here. With a
        # large cache per thread it is nearly constant.
        cache = "glibc.malloc.tcache_count=65535:glibc.malloc.tcache_max=1032"
        cases = table("valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + parts,
                      "--toggle-collect=measured", "--dump-after=measured", *command, way,
                      env={**os.environ, "GLIBC_TUNABLES": cache})
        counts = {}
        for number, (name, turns) in enumerate(cases, 1):
            with open(f"{parts}.{number}", encoding="utf-8") as part:
                total = int(re.search(r"^totals: (\d+)", part.read(), re.M)[1])
            counts.setdefault(name, []).append(total / int(turns))
        return {name: statistics.median(values) for name, values in counts.items()}


def instructions():
    title("instructions per operation (callgrind; glibc.malloc.tcache_count=65535)")
    ours, reference = (instructions_of(way, program("instructions")) for way in ("gsskey", "plainc"))
    for name in ours:
        figure(name, ours[name], reference[name], bar={"handshake": 1.005 if HEIMDAL else 1.002, "wrap 64 B": 1.01}.get(name))


def allocations():
    title("heap allocations per operation")
    for name, ours, reference in table(program("allocations")):
        guards = GUARDS.get(name, GUARDS.get(name.split()[0], 0))
        figure(name, float(ours), float(reference), digits=1, bar=(float(reference) + guards) / float(reference))


def sizes():
    title("sizeof, bytes")
    for name, ours, reference in table(program("sizes")):
        figure(name, float(ours), float(reference), bar=None if name == "SecretBytes" else 1)


def system_calls(way, operation):
    """Per operation: what twenty of them make more than ten."""
    def calls(turns):
        lines = output("strace", "-f", "-qq", program("keyring"), "calls", way, operation, str(turns),
                       stderr=subprocess.STDOUT).splitlines()
        return len(lines)
    return (calls(20) - calls(10)) / 10


@contextmanager
def handlers():
    """For as long as it lasts /sbin/request-key knows the two handlers."""
    path = f"/etc/request-key.d/gsskey-bench-{os.getpid()}.conf"
    with open(path, "w", encoding="utf-8") as file:
        for way in ("gsskey", "plainc"):
            handler = os.path.abspath(program(f"handler_{way}"))
            file.write(f"create user gsskey-bench:{way} * {handler} %o %k %u %g %T %P %S\n")
    try:
        yield
    finally:
        os.remove(path)


def keyring():
    title("the kernel's key service: time per operation, µs (medians of interleaved rounds)")
    for name, ours, reference in table(program("keyring"), "time"):
        figure(name, float(ours), float(reference), digits=2)
    if os.access("/sbin/request-key", os.X_OK) and os.geteuid() == 0:
        with handlers():
            for name, ours, reference in table(program("keyring"), "upcall"):
                figure(name, float(ours), float(reference), digits=0)
    title("the kernel's key service: instructions in user space per operation (callgrind)")
    ours, reference = (instructions_of(way, program("keyring"), "instructions") for way in ("gsskey", "plainc"))
    for name in ours:
        figure(name, ours[name], reference[name], bar=1.05)
    title("the kernel's key service: system calls per operation (strace)")
    for name in ours:
        figure(name, *(system_calls(way, name) for way in ("gsskey", "plainc")), digits=1, bar=1)
    title("the kernel's key service: heap allocations per operation")
    for name, ours, reference in table(program("keyring"), "allocations"):
        figure(name, float(ours), float(reference), digits=1, bar=1)


def lanes():
    """The bars are of VAES or AES-NI and SHA instructions, and MIT krb5: how many times as fast as MessageProtector and gss_*.
    "bare, too": lanes alone stay under them."""
    print(f"\nMessageLanes, 64 messages on one core: CPU time per message, µs (medians of interleaved rounds), and how many "
          f"times as fast\n{'':44}{'ours':>9}{'singly':>9}{'times':>7}{'gss_*':>9}{'times':>7}{'OpenSSL':>9}{'times':>7}"
          f"{'lanes':>9}{'share':>7}")
    bars = {("wrap", "64 B"): (2.3, 0), ("wrap", "16 KiB"): (2.2, 9), ("unwrap", "16 KiB"): (1.3, 11)}
    rows = list(table(program("lanes")))
    for name, *columns in rows:
        if name.startswith("two cores"):
            continue
        ours, singly, library, openssl, bare = map(float, columns)
        operation, size, kind = name.split(" ", 1)[0], " ".join(name.split()[1:3]), name.split()[3]
        least, of_library = bars.get((operation, size), (0, 0)) if kind == "aes256-cts-hmac-sha1-96" else (0, 0)
        verdict = ""
        if ours * least > singly or ours * of_library > library:
            verdict = "  bare, too" if bare * least > singly or bare * of_library > library else "  UNDER"
        print(f"{name:44}{ours:9.3f}{singly:9.3f}{singly / ours:7.2f}{library:9.3f}{library / ours:7.1f}{openssl:9.3f}"
              f"{openssl / ours:7.2f}{bare:9.3f}{bare / ours:7.2f}{verdict}", flush=True)
    print("\nMessageLanes, 256 messages: real time per message on two cores and on one, µs (the least of 41 rounds)")
    for name, two, one in (row for row in rows if row[0].startswith("two cores")):
        print(f"{name:44}{float(two):9.3f}{float(one):9.3f}{float(one) / float(two):7.2f}", flush=True)


def protector():
    """The bars are those of MIT krb5: how many times as fast, and the least share of the bare cipher and checksum. They
    are for AES instructions and those for SHA-1 and SHA-256: "bare, too" says that OpenSSL alone stays under them."""
    print(f"\nMessageProtector: CPU time per message, µs (medians of interleaved rounds)\n"
          f"{'':44}{'ours':>11}{'gss_*':>11}{'times':>8}{'bare':>11}{'share':>8}")
    for name, *columns in table(program("protector")):
        if name.startswith("batch"):
            two, one = map(float, columns)
            print(f"{name:44}{two:11.2f}{one:11.2f}{one / two:8.2f}" + ("  UNDER" if two * 1.8 > one else ""), flush=True)
            continue
        ours, library, bare = map(float, columns)
        operation, size = name.split()[0], name.split()[1:3]
        large = size[1] == "MiB" or (size[1] == "KiB" and int(size[0]) >= 16)
        bars = {"wrap": 5, "unwrap": 8} if large else {"wrap": 3, "unwrap": 2} if size == ["64", "B"] else {}
        bar = bars.get(operation, 0)
        verdict = "  bare, too" if bare * bar > library else "  UNDER" if ours * bar > library else ""
        if large and bare < 0.92 * ours:
            verdict = "  UNDER"
        print(f"{name:44}{ours:11.2f}{library:11.2f}{library / ours:8.2f}{bare:11.2f}{bare / ours:8.2f}"
              + (verdict if GSS == "mit" else ""), flush=True)


def streams():
    """CPU time, for the machine may have other work: what the clock says is no figure."""
    lines = table(program("streams"))
    title("one stream, both ends: MB per CPU second (reference: TLS 1.3, AES-256-GCM; medians of interleaved rounds)")
    for kind, name, *columns in lines:
        if kind == "rate":
            figure(name, *map(float, columns))
    title("MessageLanes beside its floor (reference: stream in the clear, and wrap and unwrap of the same packets in memory)")
    for kind, name, *columns in lines:
        if kind == "floor":
            figure(name, *map(float, columns))
    title("each end on a core of its own: MB per CPU second of the busier end (reference: TLS 1.3, AES-256-GCM)")
    for kind, name, *columns in lines:
        if kind == "cores":
            figure(name, *map(float, columns))
    print(f"\n{'1,000 streams, 4 KiB written again and again':40}{'MB/CPU s':>13}{'least:most':>13}{'heap, busy':>13}"
          f"{'heap, idle':>13}")
    for kind, name, *columns in lines:
        if kind == "crowd":
            rate, fairness, busy, idle = map(float, columns)
            print(f"{name:40}{rate:13.0f}{fairness:13.2f}{busy:13.0f}{idle:13.0f}", flush=True)


def postgres():
    title("queries and rows of PostgreSQL: MB per CPU second of the client (reference: libpq with TLS 1.3, AES-256-GCM)")
    for name, ours, reference in table(program("postgres")):
        figure(name, float(ours), float(reference))


def handoff():
    title("a context to another process: park and claim (reference: plain C that exports and imports, in the clear)")
    rows = {name: (float(ours), float(reference)) for mode in ["time", "rate"]
            for name, ours, reference in table(program("handoff"), mode)}
    for name, (ours, reference) in rows.items():
        timed = name == "park, claim"
        figure(name, ours, reference, digits=1, bar=1.5 if timed else None, exact=False)
        if timed:
            figure("difference", ours - reference, reference, digits=1, bar=60, exact=False, absolute=True)
    figure("park, claim, to that C", rows["park, claim"][0], rows["the same promise in plain C"][0], digits=1)


def http():
    title("HTTP requests per second, with a session's cookie (reference: Negotiate for each; then no login at all)")
    for name, cookie, negotiate, none in table(program("http")):
        figure(name, float(cookie), float(negotiate))
        figure(f"{name}: no login", float(cookie), float(none))


def tickets():
    """10,000 initiators on one thread. A loop is late by one step at least: the longest one is printed beside. With 1,000
    tickets in a cache most of it is libkrb5's search, from one end to the other."""
    title("a KDC that sleeps for 2 s, 10,000 initiators on one loop (reference: steps on a pool; longest single step)")
    for name, ours, reference in table(program("tickets"), "lateness"):
        bar = 5 if name.startswith("worst") else None
        figure(name, float(ours), float(reference), digits=2, bar=bar, exact=False, absolute=True)
    title("tickets per second, and a token with each (reference: blocking steps on a pool; processes of kvno)")
    for name, ours, reference in table(program("tickets"), "rate"):
        figure(name, float(ours), float(reference))
    title("the same, one after the other: CPU µs per ticket and token (reference: the blocking step)")
    for name, ours, reference in table(program("tickets"), "cpu"):
        figure(name, float(ours), float(reference), digits=1, bar=1.05, exact=False)
    title("heap bytes per initiator that waits for a ticket (reference: for one that others wait for)")
    for name, ours, reference in table(program("tickets"), "memory"):
        figure(name, float(ours), float(reference))


def coroutines():
    if os.path.exists(program("offload")):
        title("a KDC that answers after 2 s: worst lateness of a loop that ticks every ms, ms (reference: no offload)")
        for name, ours, reference in table(program("offload")):
            figure(name, float(ours), float(reference), digits=2, bar=20, exact=False, absolute=True)
    lines = table(program("connections"))
    rates = [(name, float(ours), float(reference)) for kind, name, ours, reference in lines if kind == "rate"]
    title("handshakes per second, two threads (reference: blocking, plain C)")
    for name, ours, reference in rates:
        figure(name, ours, reference, bar=0.95, exact=False, least=True)
    figure(f"{rates[-1][0]} : {rates[0][0]}", rates[-1][1], rates[0][1], bar=0.85, exact=False, least=True)
    title("the same: CPU µs of the server per handshake, in the kernel too (reference: plain C)")
    for kind, name, ours, reference in lines:
        if kind == "cpu":
            figure(name, float(ours), float(reference), digits=1)
    title("the same: peak memory of the server, MiB (reference: plain C, which has two connections at a time)")
    for kind, name, ours, reference in lines:
        if kind == "peak":
            figure(name, float(ours), float(reference), digits=1)
    title("heap bytes per connection that waits for its first token (reference: a bare Asio session)")
    for kind, name, ours, reference in lines:
        if kind == "frame":
            figure(name, float(ours), float(reference), bar=float(reference) + 2048, absolute=True)
    title("heap bytes per SecureStream that waits for a packet, beyond socket and context (reference: a bare Asio session)")
    for kind, name, ours, reference in lines:
        if kind == "stream":
            figure(name, float(ours), float(reference))


def umbrella():
    modules = {"mit": "mit-krb5-gssapi", "heimdal": "heimdal-gssapi"}
    flags = ["-Iinclude", f"-DGSSKEY_GSS_{GSS.upper()}"] + output("pkg-config", "--cflags", modules[GSS]).split()

    def write(path, *headers):
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"#include <{header}>\n" for header in headers)
        return path

    def seconds(command):
        def spent():
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)
            return usage.ru_utime + usage.ru_stime
        before = spent()
        subprocess.run(command, check=True)
        return spent() - before

    with tempfile.TemporaryDirectory() as folder:
        ours = write(folder + "/ours.cpp", "gsskey/gss.hpp")
        gss_headers = ["gssapi/gssapi.h"] + (["gssapi/gssapi_ext.h"] if GSS == "mit" else [])

        title("#include <gsskey/gss.hpp>: non-blank lines of gsskey (reference: the limit)")
        headers = re.findall(r"include/gsskey/\S+", output("g++", "-std=c++20", *flags, "-M", ours))
        lines = sum(bool(line.strip()) for header in headers for line in open(header, encoding="utf-8"))
        figure(f"lines in {len(headers)} headers", lines, 5000, bar=5100 if HEIMDAL else 5000, absolute=True)

        title("#include <gsskey/gss.hpp>: CPU ms of -fsyntax-only (reference: expected, span, string_view, GSS)")
        for compiler in ["g++", "clang++-19"]:
            for standard in ["-std=c++20", "-std=c++23"]:
                if not shutil.which(compiler):
                    continue
                command = [compiler, standard, *flags, "-fsyntax-only"]
                has_expected = "__cpp_lib_expected" in output(compiler, standard, "-E", "-dM", "-include", "version",
                                                              "-xc++", "/dev/null")
                reference = write(folder + "/reference.cpp", "expected" if has_expected else "tl/expected.hpp", "span",
                                  "string_view", *gss_headers)
                rounds = [(seconds(command + [ours]), seconds(command + [reference])) for _ in range(13)]
                middle = sorted(rounds, key=lambda pair: pair[0] / pair[1])[len(rounds) // 2]
                figure(f"{compiler} {standard}", *(1000 * time for time in middle), digits=0, bar=1.6, exact=False)


print(f"{GSS}, {output(os.environ.get('CXX', 'g++'), '--version').splitlines()[0]}, -O2, krb5, KRB5RCACHENAME=none:")
times()
instructions()
allocations()
sizes()
if os.path.exists(program("keyring")):
    keyring()
if os.path.exists(program("protector")):
    protector()
if os.path.exists(program("lanes")):
    lanes()
if os.path.exists(program("streams")):
    streams()
if os.path.exists(program("postgres")):
    postgres()
if os.path.exists(program("handoff")):
    handoff()
if os.path.exists(program("http")):
    http()
if os.path.exists(program("connections")):
    coroutines()
if os.path.exists(program("tickets")):
    tickets()
umbrella()
if OVER:
    print("\nover the bar:", ", ".join(OVER))
    sys.exit(1)
