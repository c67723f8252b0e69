#!/usr/bin/env python3
"""Makes each call of the headers fail, once, in each scenario, and says how many of them there are.

  run.py PROGRAM INCLUDE [--every] [--only SCENARIO] [--list]
    --every   each call in each scenario, of one place the first 20; without it each place once, by its first call, in
              the first scenario there
    --list    the places that no scenario makes fail, and why
    --complete  fails for a place without either
SPDX-License-Identifier: MIT
"""
import argparse
import collections
import pathlib
import subprocess
import sys

import calls


SLOW = {"realm"}  # starts a KDC each time


class Program:
    def __init__(self, path):
        self.path = path
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *order):
        """The lines of the answer, and its last."""
        print(*order, file=self.process.stdin, flush=True)
        lines = []
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line.split(" ", 1)[0] == "end":
                return lines, line[4:]
            lines.append(line)
        sys.exit(f"tests/faults: the program ended; the last it said: {lines[-3:]}")

    def places(self, addresses):
        """(file, line) of each call that returns there."""
        wanted = "".join(f"{address - 1:#x}\n" for address in addresses)
        answer = subprocess.run(["addr2line", "-e", self.path], input=wanted, check=True, capture_output=True,
                                text=True).stdout.splitlines()
        for line in answer:
            file, number = line.split(" ")[0].rsplit(":", 1)
            yield str(pathlib.Path(file).resolve()), int(number) if number.isdigit() else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("include")
    parser.add_argument("--every", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--complete", action="store_true")
    arguments = parser.parse_args()
    include = str(pathlib.Path(arguments.include).resolve()) + "/"

    in_text = collections.defaultdict(list)  # (file, function): its lines
    for file, line, name in calls.sites(arguments.include):
        if calls.way_of(name) != calls.NEVER:
            in_text[file, name].append(line)
    there_are = {(*key, line) for key, lines in in_text.items() for line in lines}

    program = Program(arguments.program)
    covered, injected, wrong, not_reached = set(), 0, [], 0
    scenarios = [name for name in program.ask("list")[0] if arguments.only in (None, name)]
    for scenario in scenarios:
        recorded, ended = program.ask("record", scenario)
        complaints = [line for line in recorded if line.startswith("complaint")]
        if ended != "ok" or complaints:
            wrong.append(f"{scenario}, without any fault: {ended} {complaints}")
            continue
        found = [(int(address), name, int(count)) for _, address, name, count in
                 (line.split() for line in recorded if line.startswith("site "))]
        before = injected
        for (address, name, count), (file, line) in zip(found, program.places([site[0] for site in found])):
            if not file.startswith(include):
                continue
            file = file[len(include):]
            lines = in_text[file, name] or [line]
            place = (file, name, min(lines, key=lambda each: abs(each - line)))
            if place in covered and not arguments.every:
                continue
            for nth in range(1, (min(count, 20) if arguments.every else 1) + 1):
                quickly = ["quickly"] if scenario in SLOW and not arguments.every else []
                complaints, ended = program.ask("inject", scenario, address, nth, *quickly)
                if ended == "not reached":
                    not_reached += 1
                    continue
                injected += 1
                covered.add(place)
                there_are.add(place)
                if ended != "ok":
                    complaints.append(ended)
                wrong += [f"{scenario}: {file}:{place[2]} {name}, call {nth}: {complaint.removeprefix('complaint ')}"
                          for complaint in dict.fromkeys(complaints)]
        print(f"{scenario}: {injected - before} faults", flush=True)

    for file, name, line in sorted(there_are - covered):
        reason = calls.reason_for(file, name)
        if arguments.list:
            print(f"not made to fail: {file}:{line} {name}: {reason or 'why?'}")
        if arguments.complete and reason is None:
            wrong.append(f"{file}:{line} {name}: no scenario makes it fail, and calls.py does not say why")
    for each in wrong:
        print(each)
    print(f"call sites: {len(covered)} of {len(there_are)} made to fail; {injected} faults, {len(wrong)} abnormal, "
          f"{not_reached} not reached again")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
