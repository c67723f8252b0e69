#!/usr/bin/env python3
"""Users see nothing that is not theirs: no public declaration of a public header (function, base class, member, alias)
names a type of a namespace `detail` or `..._detail`. It names public types, or says `auto`; concepts may constrain it.

internals.py INCLUDE_DIR    prints every such name, and every exception that nothing needs; exits with 1 if there is one.

This reads headers as clang-format leaves them; it is no C++ parser, and does not look behind a private alias.
"""
# SPDX-License-Identifier: MIT
import re
import sys
from pathlib import Path
from typing import NamedTuple, Optional

from nodiscard import NOISE

# What may be named all the same, and why.
EXCEPTIONS = {
    "detail::Dependent": "is its first argument, Result<T>, which only a call of the function instantiates",
    "detail::ByteAccess": "is the base of all owners of bytes: their accessors, written once",
    "detail::ElementIterator": "is what begin() and end() of a set give: nobody writes its name",
    "asio_detail::LowestLayer": "is the lowest_layer_type of the stream below, whatever that is",
    "gss_detail::Handshake": "is the base of Initiator and Acceptor, and is documented where it stands",
    "gss_detail::gss_buffer_set_t": "the C library's own type, if it has one",
    "gss_detail::gss_krb5_lucid_context_v1_t": "the C library's own type, if it has one",
}

SCOPE = re.compile(r"(?:requires.* )?(?:inline )?(namespace|class|struct|union)\b[^()=]*(?:\([^)]*\))?[^()=]*$")
LABEL = re.compile(r"(public|protected|private)\s*:")
NOT_SEEN = re.compile(r"(?:friend|static_assert|concept)\b")
VALUE = re.compile(r"(?!using\b)[^(]* = ")  # of a variable or member
INITIALISER = re.compile(r"(?<=\))[^():]* : .*|^, .*")  # of a constructor
PRIVATE_BASE = re.compile(r"\bprivate [\w:]+")
MACRO = re.compile(r"\bGSSKEY_(?:BEGIN|END)_\w+")  # opens or closes a namespace, without a brace
INTERNAL_NAMESPACE = re.compile(r"\b(?:\w+_)?detail\b")
# Types are written so, or as C does it; what else is in these namespaces are functions and values.
INTERNAL_TYPE = re.compile(r"\b((?:\w+_)?detail::(?:[A-Z]\w*|\w+_(?:t|desc|struct)))\b")
CONCEPT = re.compile(r"\bconcept (\w+)")


def without_template(words):
    """(what introduces a template, the rest)"""
    at = 0
    while re.match(r" ?template ?<", words[at:]):
        depth = 0
        for at in range(words.index("<", at), len(words)):
            depth += (words[at] == "<") - (words[at] == ">" and words[at - 1] != "-")
            if depth == 0:
                break
        at += 1
    return words[:at], words[at:].lstrip()


class Declaration(NamedTuple):
    """What users see, without value and initialisers; `scope` is the line of the class or namespace that it stands in,
    `body` that of a function, None without braces."""
    line: int
    text: str
    scope: Optional[int]
    body: Optional[str]


def declarations(text):
    """Each Declaration of all that users see."""
    text = MACRO.sub("", NOISE.sub(lambda noise: ('""' if noise[0][0] == '"' else "") + "\n" * noise[0].count("\n"), text))
    scopes = [(True, True, None)]  # whether users see the scope, and what is declared in it from here on; its line
    chunk, line, start = "", 1, 1
    seen = None  # what has a body that is being read
    skipped = parentheses = 0  # open braces of a body or an initialiser; open parentheses
    for at, char in enumerate(text):
        line += char == "\n"
        if skipped:
            skipped += (char == "{") - (char == "}")
            if skipped:
                chunk += char
                continue
            if seen:
                yield seen._replace(body=chunk)
            chunk = ""
            continue
        parentheses += (char == "(") - (char == ")")
        if char == ":" and text[at + 1] != ":" and (label := LABEL.fullmatch(chunk + char)):
            scopes[-1] = (scopes[-1][0], scopes[-1][0] and label[1] == "public", scopes[-1][2])
            chunk = ""
            continue
        if parentheses != 0 or char not in "{};":
            chunk = (chunk + char).lstrip()
            if len(chunk) <= 1:
                start = line
            continue
        words, chunk = " ".join(chunk.split()), ""
        template, rest = without_template(words)
        scope = SCOPE.match(rest) if char == "{" else None
        is_seen = scopes[-1][1] and not (scope and INTERNAL_NAMESPACE.search(rest.split(" : ")[0]))
        seen = None
        if is_seen and rest and not NOT_SEEN.match(rest):
            if scope:
                rest = PRIVATE_BASE.sub("", rest)
            else:
                rest = rest.split(" = ")[0] if VALUE.match(rest) else INITIALISER.sub("", rest)
            seen = Declaration(start, f"{template} {rest}".strip(), scopes[-1][2], "" if char == "{" else None)
            if scope or char != "{":
                yield seen
        if scope:
            scopes.append((is_seen, is_seen and scope[1] != "class", start))
        elif char == "{":
            skipped = 1
        elif char == "}":
            scopes.pop()


def violations(text, concepts):
    for declaration in declarations(text):
        for name in dict.fromkeys(INTERNAL_TYPE.findall(declaration.text)):
            if name.rpartition("::")[2] not in concepts:
                yield declaration.line, name


def main(include):
    headers = {path: path.read_text() for path in sorted(Path(include).rglob("*.hpp")) if "detail" not in path.parts}
    concepts = {name for path in Path(include).rglob("*.hpp") for name in CONCEPT.findall(path.read_text())}
    unneeded = set(EXCEPTIONS)
    count = 0
    for path, text in headers.items():
        for line, name in violations(text, concepts):
            unneeded.discard(name)
            if name not in EXCEPTIONS:
                print(f"{path}:{line}: {name} is shown to users")
                count += 1
    for name in sorted(unneeded):
        print(f"{name} is not shown to users any more: it needs no exception")
    print(f"{len(headers)} headers, {count + len(unneeded)} violations")
    return 1 if count or unneeded or not headers else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
