#!/usr/bin/env python3
"""Every public class that holds a secret, and every public function that takes one or gives one, has a path in
tests/scenarios/secrets.cpp, which names it, as Class::function, function or Class; or it is said to have none. There
it is seen what is left of a secret, and what is decided by it.

secret_paths.py INCLUDE_DIR TEST    prints what is missing and exits with 1 if there is something.

A secret is what SecretBytes hold, what a header wipes by itself, and bytes that are called a password, a payload or a
key.
"""
# SPDX-License-Identifier: MIT
import re
import sys
from pathlib import Path

from nodiscard import FUNCTION, SCOPE, chunks, normal

ACCESS = re.compile(r"\s*(public|protected|private)\s*:\s*")
CLASS = re.compile(r"(class|struct)\b (?:\$ )?([\w:]+)")
WIPES = re.compile(r"\b(?:explicit_bzero|OPENSSL_cleanse)\(")
SECRET = re.compile(r"\bSecretBytes\b|\b(?:ByteView|char ?\*|Payload ?&) ?"
                    r"(?:\(&)?(?:password|payload|pieces|key|base|secret|encryption|integrity)\b")
# Rooms without secrets: passwords of testing are those of a realm that lives as long as a test, text prints none.
WITHOUT = ("testing", "text")
NOT_SECRET = {
    "KeyInfo": "what everybody may see of a key",
    "KeyInfo::parse": "the same",
    "KeyList": "numbers of keys",
    "ParkedContext::release": "is sealed",
    "ProcKeys": "what everybody may see of keys",
    "PublicKey::encrypt": "is encrypted",
    "PublicKey::sign": "a signature",
    "kdc_proxy_message": "what a KDC is asked, for everybody on the way to see",
    "request_key_line": "a line of a file that everybody reads",
}


def declarations(text):
    """(class or None, text) of each public declaration, and (class, None) of each public class."""
    scopes = []  # [class or None, whether what is declared now is public]
    for _, chunk, end in chunks(text):
        while label := ACCESS.match(chunk):
            if scopes:
                scopes[-1][1] = label[1] == "public"
            chunk = chunk[label.end():]
        is_public = all(scope[1] for scope in scopes)
        owner = next((scope[0] for scope in reversed(scopes) if scope[0]), None)
        declared = normal(chunk)
        if end == "}":
            if scopes:
                scopes.pop()
        elif end == "{" and SCOPE.match(declared):
            found = CLASS.match(declared)
            is_detail = re.search(r"detail\b", declared) is not None
            if found and is_public and not is_detail:
                yield found[2], None
            scopes.append([found[2] if found else None, not is_detail and (not found or found[1] == "struct")])
        if is_public and declared and not SCOPE.match(declared):
            yield owner, chunk


def bodies(text):
    """The text of each class that is declared at the beginning of a line, by its name."""
    return {found[1]: found[0] for found in
            re.finditer(r"^(?:class|struct) (?:\[\[nodiscard\]\] )?(\w+).*?^};", text, re.MULTILINE | re.DOTALL)}


def named(text):
    """What has to have a path."""
    classes = bodies(text)
    wiping = [name for name, body in classes.items() if WIPES.search(body)]  # also what releases for another
    holds = re.compile(r"\bSecretBytes \w+;" + "".join(rf"|\b{name}\b" for name in wiping))
    found = set()
    for owner, declared in declarations(text):
        if declared is None:
            if holds.search(classes.get(owner, "")):
                found.add(owner)
            continue
        function = FUNCTION.match(normal(declared))
        if function and not function["name"].startswith("operator_") and SECRET.search(" ".join(declared.split())):
            found.add(f"{owner}::{function['name']}" if owner else function["name"])
    return found


def main(include, test):
    root = Path(include)
    cases = {name for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', Path(test).read_text(encoding="utf-8"))
             for name in re.split(r",\s*", text)}
    required = {}
    for header in sorted(root.rglob("*.hpp")):
        if "detail" not in header.parts and header.relative_to(root).parts[0] not in WITHOUT:
            for name in named(header.read_text(encoding="utf-8")):
                required.setdefault(name, header)
    missing = sorted((str(header), name) for name, header in required.items() if name not in cases | NOT_SECRET.keys())
    for header, name in missing:
        print(f"{header}: {name} has no path in {test}")
    stale = sorted(name for name in NOT_SECRET if name not in required or name in cases)
    for name in stale:
        print(f"{name} is said to have no secret, and is not there or has a path")
    print(f"{len(required)} names, {len(missing)} missing, {len(stale)} stale")
    return 1 if missing or stale or not required else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
