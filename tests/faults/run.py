#!/usr/bin/env python3
"""Makes each call of the headers fail, once, in each scenario, and says how many of them there are.

  run.py PROGRAM INCLUDE [--every] [--pairs] [--only SCENARIO] [--list] [--complete GSS SCENARIOS COMMAND...]
    --every    each call in each scenario, of one place the first 20; without it each place once, by its first call, in
               the first scenario there
    --pairs    and each such fault again, followed by that of each call that comes until its Error is there (the first
               20), as with GSSKEY_EXHAUSTIVE in the environment; without only by those that come no other way
    --list     the places that are not made to fail, and why
    --complete fails for one that calls.py does not give a reason for with this implementation, and for a reason that is
               none any more; COMMAND compiles; SCENARIOS: files, or all for all headers
SPDX-License-Identifier: MIT
"""
import argparse
import collections
import concurrent.futures
import functools
import os
import pathlib
import subprocess
import sys
import tempfile

import calls


SLOW = {"realm", "heimdal_realm", "watcher", "stream"}  # programs are started each time, or it is much
FIRST = ["exchanges", "watcher", "realm"]  # they take longest: so that nobody waits for them at the end
WHOLLY = "GSSKEY_EXHAUSTIVE" in os.environ
MOST = 20
ALLOCATION = "operator new"
Site = collections.namedtuple("Site", "id name count frames")


class Program:
    def __init__(self, path, include):
        self.path, self.include = path, include
        # What a removal leaves that was made to fail, too, goes with this folder.
        self.folder = tempfile.TemporaryDirectory(prefix="gsskey-faults-", ignore_cleanup_errors=True)
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "TMPDIR": self.folder.name})
        self.known = {}

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

    @staticmethod
    def sites(lines, word):
        for line in lines:
            if line.startswith(word + " "):
                head, tail = line.split(" : ")
                _, ident, name = head.split(" ", 2)
                count, *frames = map(int, tail.split())
                yield Site(int(ident), name, count, frames)

    def record(self, scenario):
        lines, ended = self.ask("record", scenario)
        return list(self.sites(lines, "site")), complaints_of(lines, ended)

    def inject(self, scenario, site, nth, quickly, *second):
        """Whether it becomes no error, what follows, and what is wrong; None: it was not reached."""
        lines, ended = self.ask("inject", scenario, site.id, nth, "quickly" if quickly else "wholly", *second)
        if ended == "not reached":
            return False, [], None
        return "silent" in lines, list(self.sites(lines, "after")), complaints_of(lines, ended)

    @functools.cache
    def text(self, file):
        return pathlib.Path(file).read_text().splitlines()

    def look_up(self, sites):
        new = sorted({frame for site in sites for frame in site.frames} - self.known.keys())
        if not new:
            return
        wanted = "".join(f"{address - 1:#x}\n" for address in new)
        answer = subprocess.run(["addr2line", "-a", "-i", "-e", self.path], input=wanted, check=True,
                                capture_output=True, text=True).stdout
        for line in answer.splitlines():
            if line.startswith("0x"):
                found = self.known[int(line, 16) + 1] = []
            else:
                file, number = line.split(" ")[0].rsplit(":", 1)
                found.append((str(pathlib.Path(file).resolve()) if file != "??" else file,
                              int(number) if number.isdigit() else 0))

    def place(self, site):
        """The file in `include` and the line that the call comes from; None, if it is nobody's there. An allocation is
        for the first who is neither the standard library nor Asio, nor who allocates for others."""
        self.look_up([site])
        nearest = None
        for frame in site.frames:
            for file, line in self.known[frame]:
                if not file.startswith(self.include):
                    if site.name != ALLOCATION or not file.startswith(("/usr/", "??")):
                        return nearest
                    continue
                if site.name == ALLOCATION and calls.HANDED_OVER.search(self.text(file)[line - 1]):
                    return None
                place = file[len(self.include):], line
                if site.name != "malloc" or place[0] not in calls.ALLOCATORS:
                    return place
                nearest = nearest or place
        return nearest


def complaints_of(lines, ended):
    found = [line.removeprefix("complaint ") for line in lines if line.startswith("complaint")]
    return list(dict.fromkeys(found + ([ended] if ended not in ("ok", "not reached") else [])))


class Sweep:
    def __init__(self, program, in_text, arguments, covered):
        self.program, self.in_text, self.arguments, self.covered = program, in_text, arguments, covered
        self.injected, self.pairs, self.wrong, self.not_reached = 0, 0, [], 0
        self.later = []

    def place(self, site):
        """Where the text has this call: of one that is more than a line long, line and address differ."""
        found = self.program.place(site)
        if found is None:
            return None
        file, line = found
        lines = self.in_text.get((file, site.name)) or [line]
        return file, site.name, min(lines, key=lambda each: abs(each - line))

    def blame(self, scenario, place, nth, complaints):
        self.wrong += [f"{scenario}: {place[0]}:{place[2]} {place[1]}, call {nth}: {each}" for each in complaints]

    def run(self, scenario):
        sites, complaints = self.program.record(scenario)
        if complaints:
            self.wrong.append(f"{scenario}, without any fault: {complaints}")
            return
        self.program.look_up(sites)
        quickly = scenario in SLOW and not WHOLLY
        of_place = collections.Counter()
        for site in sites:
            place = self.place(site)
            if place is None or (place in self.covered and not self.arguments.every):
                continue
            for nth in range(1, (site.count if self.arguments.every else 1) + 1):
                if of_place[place] == (3 if quickly else MOST):
                    break
                of_place[place] += 1
                is_silent, later, complaints = self.program.inject(scenario, site, nth,
                                                                   quickly and not self.arguments.every)
                if complaints is None:
                    self.not_reached += 1
                    continue
                self.injected += 1
                self.covered.add(place)
                self.blame(scenario, place, nth, complaints)
                if of_place[place] == 1:
                    first = "silent" if is_silent else "told"
                    self.later += [(scenario, site, place, first, after) for after in later]

    def run_pairs(self):
        """Each fault again, followed by another: of those, or all, that did not come by themselves."""
        self.program.look_up(after for *_, after in self.later)
        tried = collections.Counter()
        for scenario, site, place, first, after in self.later:
            second = self.place(after)
            if second is None or (second in self.covered and not (WHOLLY or (self.arguments.pairs and scenario not in SLOW))):
                continue
            if tried[scenario, place] == MOST or tried[scenario, place, second] == 2:  # by way of one place or another
                continue
            tried[scenario, place] += 1
            tried[scenario, place, second] += 1
            *_, complaints = self.program.inject(scenario, site, 1, scenario in SLOW, after.id, first)
            if complaints is None:
                self.not_reached += 1
                continue
            self.pairs += 1
            self.covered.add(second)
            self.blame(scenario, place, 1, [f"and {second[0]}:{second[2]} {second[1]}: {each}" for each in complaints])


def sweep_of(scenarios, sweep):
    for scenario in scenarios:
        before = sweep.injected
        sweep.run(scenario)
        print(f"{scenario}: {sweep.injected - before} faults", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("include")
    parser.add_argument("--every", action="store_true")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--complete", nargs=argparse.REMAINDER, default=[])
    arguments = parser.parse_args()

    in_text = collections.defaultdict(list)  # (file, function): its lines
    for file, line, name in calls.sites(arguments.include):
        if calls.way_of(name) != calls.NEVER:
            in_text[file, name].append(line)
    in_all = {(*key, line) for key, lines in in_text.items() for line in lines}

    # Two at a time with --every: then what one of them has made fail is no matter to the other.
    covered = set()
    include = str(pathlib.Path(arguments.include).resolve()) + "/"
    sweeps = [Sweep(Program(arguments.program, include), in_text, arguments, covered) for _ in range(1 + arguments.every)]
    names = [name for name in sweeps[0].program.ask("list")[0] if arguments.only in (None, name)]
    if arguments.every:
        names.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    scenarios = iter(names)  # for all of them together
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for ended in [pool.submit(sweep_of, scenarios, sweep) for sweep in sweeps]:
            ended.result()
    for sweep in sweeps:
        sweep.run_pairs()

    wrong = [each for sweep in sweeps for each in sweep.wrong]
    here, exempt = in_all | covered, {}
    if arguments.complete:
        gss, scenarios, *command = arguments.complete
        there = calls.Implementation(gss, arguments.include, scenarios, command, arguments.program)
        here = {place for place in here if place in covered or there.has(place)}
        at_it = {file for file, name, _ in covered if name == ALLOCATION}
        here |= {place for place in there.allocating() if place[0] not in at_it}
        exempt, complaints = there.exemptions(here - covered)
        wrong += complaints
    for file, name, line in sorted(here - covered):
        reason = exempt.get((file, name, line))
        if arguments.list:
            print(f"not made to fail: {file}:{line} {name}: {reason or 'why?'}")
        if arguments.complete and reason is None:
            wrong.append(f"{file}:{line} {name}: no scenario makes it fail, and calls.py does not say why")
    for each in wrong:
        print(each)
    allocations = sum(name == ALLOCATION for _, name, _ in covered)
    print(f"call sites: {len(covered)} of {len(here) - len(exempt)} made to fail, {allocations} of them allocations by "
          f"C++; {len(exempt)} cannot be, for reasons; {len(in_all - here)} are not of this build; "
          f"{sum(sweep.injected for sweep in sweeps)} faults, {sum(sweep.pairs for sweep in sweeps)} more followed by a "
          f"second; {len(wrong)} abnormal, {sum(sweep.not_reached for sweep in sweeps)} not reached again")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
