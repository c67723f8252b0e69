#!/usr/bin/python3
"""Makes the pictures of examples/guide/performance.md out of what benchmarks/run has printed, by Debian's python3-matplotlib.

    benchmarks/run mit > figures.txt && benchmarks/pictures.py examples/guide/pictures < figures.txt

Ratios only: they are the same, more or less, when the machine has other work. Nothing is painted behind them, and the
colours are neither light nor dark: they can be read on white and on black.

SPDX-License-Identifier: MIT
"""
import pathlib
import re
import sys

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402

GREY, BLUE, ORANGE, GREEN, RED = "#7d8590", "#3b82d6", "#d9730d", "#2f9e5b", "#d6455d"
ENCTYPE = "aes256-cts-hmac-sha1-96"
matplotlib.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "gsskey", "font.family": "sans-serif", "font.size": 10,
    "text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY, "xtick.color": GREY, "ytick.color": GREY,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "savefig.transparent": True,
})


def parse(lines):
    """Of each section, which an empty line ends: names of lines, and their figures."""
    sections = {"MessageProtector:": {}, "MessageLanes": {}, "one stream, both ends": {}}
    section = None
    for line in lines:
        if not line.strip():
            section = None
        for title, figures in sections.items():
            if section is None and line.startswith(title):
                section = figures
        name = re.split(r"\s{2,}", line)[0]
        columns = re.match(r"(\s+[\d.]+)+", line[len(name):])
        if section is not None and name and columns:
            section[name] = [float(column) for column in columns[0].split()]
    return sections.values()


def bars(path, title, groups, series, reference):
    """One group of bars for each of `groups`; of each of `series` a name, a colour and a value for each group."""
    figure, axes = pyplot.subplots(figsize=(7.2, 3.4))
    width = 0.8 / len(series)
    for number, (name, colour, values) in enumerate(series):
        places = [at + (number - (len(series) - 1) / 2) * width for at in range(len(groups))]
        drawn = axes.bar(places, values, width * 0.92, label=name, color=colour)
        axes.bar_label(drawn, [f"{value:.1f}" if value >= 1 else f"{value:.2f}" for value in values], fontsize=8, padding=1)
    axes.axhline(1, color=GREY, linewidth=1, linestyle="--")
    axes.set_xticks(range(len(groups)), groups)
    axes.set_ylabel(reference)
    axes.set_title(title, fontsize=10)
    axes.legend(ncols=len(series), loc="upper center", bbox_to_anchor=(0.5, -0.1), fontsize=9)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def main(folder, lines):
    protector, lanes, streams = parse(lines)
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    sizes = ["64 B", "256 B", "1 KiB", "4 KiB", "16 KiB", "64 KiB", "1 MiB"]
    bars(folder / "messages.svg", f"MessageProtector, one message after the other: {ENCTYPE}", sizes,
         [(label, colour, [protector[f"{operation} {size} {ENCTYPE}"][2] for size in sizes])
          for label, colour, operation in [("wrap", BLUE, "wrap"), ("unwrap", ORANGE, "unwrap"), ("MIC", GREEN, "get_mic")]],
         "times MIT krb5's gss_*")
    some = ["64 B", "1 KiB", "16 KiB"]
    if lanes:
        bars(folder / "lanes.svg", f"MessageLanes, 64 messages at once: {ENCTYPE}", some,
             [(operation, colour, [lanes[f"{operation} {size} {ENCTYPE}"][2] for size in some])
              for operation, colour in [("wrap", BLUE), ("unwrap", ORANGE)]], "times MessageProtector")
    writes = ["1 KiB", "16 KiB", "64 KiB", "1 MiB"]
    bars(folder / "streams.svg", "Streams over TCP, both ends: bytes per second of CPU time, by size of write", writes,
         [(name, colour, [streams[f"TCP, {size}: {name}"][2] for size in writes])
          for name, colour in [("in the clear", GREEN), ("MessageLanes", RED), ("MessageProtector", BLUE),
                               ("SecurityContext", ORANGE)]],
         "times TLS 1.3, AES-256-GCM")


main(sys.argv[1], sys.stdin.read().splitlines())
