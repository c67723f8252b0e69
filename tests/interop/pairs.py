#!/usr/bin/env python3
"""Every implementation as initiator with every one as acceptor, as two processes in one realm: the handshake, then an
encrypted message and a MIC each way. Prints the table that the guide to implementations has, and compares it.
"""
# SPDX-License-Identifier: MIT

import argparse
import os
import sys
import tempfile

from programs import Program, skip_without, without_leak_check
from shishi import enter_realm_on_port_88, log_in

NAMES = {"mit": "MIT krb5", "heimdal": "Heimdal", "gnu": "GNU GSS"}
MECHANISMS = {"krb5": "krb5", "spnego": "SPNEGO"}
PROTECTION = [("encryption", "wrap", "unwrap"), ("MIC", "get_mic", "verify_mic")]


def outcomes(program):
    """What the peer reported, and how it ended if that was not by itself."""
    code = program.finish()
    said = dict(line.split("\t", 1) for line in program.output.splitlines() if "\t" in line)
    if code < 0:
        said["failed"] = f"ended by signal {-code}"
    return said


def run_pair(peers, mechanism, initiator, acceptor):
    """What both ends reported; {} of one that had no peer, because the other could not even begin."""
    server = Program([peers[acceptor], mechanism])
    ready = server.wait_for(r"listening on 127\.0\.0\.1:(\d+)\n")
    if not ready:
        return {}, outcomes(server)
    ours = outcomes(Program([peers[initiator], mechanism, ready.group(1)]))
    if "handshake" not in ours:
        server.stop()
        return ours, {}
    return ours, outcomes(server)


def cell(peers, mechanism, initiator, acceptor):
    """What they could do, and the errors."""
    ours, theirs = run_pair(peers, mechanism, initiator, acceptor)
    errors = [f"{NAMES[name]}: {outcome}" for name, said in [(initiator, ours), (acceptor, theirs)]
              for outcome in said.values() if outcome != "yes"]
    if not ours.get("handshake") == theirs.get("handshake") == "yes":
        return "nothing", errors
    done = ["handshake"]
    for source, sink, arrow in [(ours, theirs, "to the acceptor"), (theirs, ours, "to the initiator")]:
        done += [f"{name} {arrow}" for name, made, checked in PROTECTION if source.get(made) == sink.get(checked) == "yes"]
    return ("all" if len(done) == 5 else ", ".join(done)), errors


def table(peers):
    notes, rows = [], [["initiator", *(f"{name} acceptor" for name in NAMES.values())], ["---"] * 4]
    for mechanism, shown in MECHANISMS.items():
        for initiator, name in NAMES.items():
            cells = [f"{name}, {shown}"]
            for acceptor in NAMES:
                done, errors = cell(peers, mechanism, initiator, acceptor)
                notes += [error for error in errors if error not in notes]
                numbers = sorted({notes.index(error) + 1 for error in errors})
                cells.append(" ".join([done, *(f"[{number}]" for number in numbers)]))
            rows.append(cells)
    lines = ["| " + " | ".join(row) + " |" if row[0] != "---" else "|" + "|".join(row) + "|" for row in rows]
    return "\n".join([*lines, "", *(f"{number}. {note}" for number, note in enumerate(notes, 1))])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for program in ["realm", *NAMES]:
        parser.add_argument("--" + program, required=True)
    parser.add_argument("--page", help="must contain the table")
    options = parser.parse_args()
    os.environ.update(without_leak_check())  # Heimdal and Shishi leak something in every process
    kdc = enter_realm_on_port_88(options.realm)
    with tempfile.TemporaryDirectory() as folder:
        log_in(folder, kdc)
        seen = table({name: getattr(options, name) for name in NAMES})
    print(seen)
    if options.page and seen not in open(options.page).read():
        sys.exit("the guide has another table")
