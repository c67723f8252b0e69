#!/usr/bin/env python3
"""Makes the site: the guides and, by Doxygen, a page for each public header, class and function. Fails for what has no
comment, for a link that leads nowhere, and where an inline namespace is to be seen.

build.py SOURCE OUTPUT DOXYGEN VERSION
"""
# SPDX-License-Identifier: MIT
import html.parser
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import filter

OF_PLATFORMS = ("select.hpp", "tables.hpp")  # the others of gss/platform are no user's


def example_pages(source):
    """A page for each example, with its text, and one that lists them."""
    files = sorted(path for path in (source / "examples").rglob("*.[ch]pp"))
    pages, rows = [], []
    for file in files:
        name = file.relative_to(source)
        about = re.match(r"// examples/\S+: ((?:.*)(?:\n// ?\S.*)*)", file.read_text(encoding="utf-8"))
        words = about[1].replace("\n//", "").split(". ")[0] if about else ""
        label = filter.example_id(name)
        pages.append(f"/** @page {label} {name.relative_to('examples')}\n@include {name}\n*/")
        rows.append(f'- @subpage {label} : {filter.escaped(words)}')
    return "\n".join([*pages, "/** @page examples Examples", *rows, "*/"])


class Links(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.targets, self.names = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.targets.append(value)
            elif name == "id" or name == "name" and tag == "a":
                self.names.add(value)


def dead_links(site):
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in site.glob("*.html")}
    for path, page in pages.items():
        for target in page.targets:
            file, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            to = site / unquote(file.partition("?")[0]) if file else path
            if not to.exists():
                yield f"{path.name}: nothing at {target}"
            elif anchor and to in pages and unquote(anchor) not in pages[to].names:
                yield f"{path.name}: no place for {target}"


def seen_internals(site):
    """Inline namespaces, but for the text of the headers."""
    for path in site.glob("*.html"):
        if path.name.endswith("_source.html"):
            continue
        if found := re.search(r"gsskey::v\d\w+|GSSKEY_(?:BEGIN|END)_\w*ABI", path.read_text(encoding="utf-8")):
            yield f"{path.name}: shows {found[0]}"


def main(source, output, doxygen, version):
    source, output = Path(source).resolve(), Path(output).resolve()
    site = output / "html"
    shutil.rmtree(site, ignore_errors=True)
    output.mkdir(parents=True, exist_ok=True)
    (output / "examples.dox").write_text(example_pages(source), encoding="utf-8")
    platforms = sorted((source / "include/gsskey/gss/platform").glob("*.hpp"))
    excluded = [str(path) for path in platforms if path.name not in OF_PLATFORMS]
    template = (source / ".github/reference/Doxyfile").read_text(encoding="utf-8")
    for name, value in {"SOURCE": source, "OUTPUT": output, "VERSION": version, "EXCLUDED": " ".join(excluded),
                        "FILTER": f"{sys.executable} {source}/.github/reference/filter.py"}.items():
        template = template.replace(f"@{name}@", str(value))
    (output / "Doxyfile").write_text(template, encoding="utf-8")
    run = subprocess.run([doxygen, output / "Doxyfile"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wrong = [line for line in run.stderr.splitlines() if line.strip()]
    pages = len(list(site.glob("*.html")))
    for path in site.glob("class*.html"):  # Doxygen links to lists of private classes, which it does not make
        text = path.read_text(encoding="utf-8")
        if 'name="nested-classes"' not in text:
            path.write_text(text.replace('<a href="#nested-classes">Classes</a> &#124;', ""), encoding="utf-8")
    if not wrong:
        wrong = [*dead_links(site), *seen_internals(site)]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{site}/index.html: {pages} pages, {len(wrong)} wrong")
    return 1 if wrong or run.returncode != 0 or pages == 0 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
