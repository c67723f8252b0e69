#!/usr/bin/env python3
"""The comments of public declarations are contracts in the form that .github/CONTRIBUTING.md describes:

- a class, an enum or a function of a namespace has one, where it is not a specialisation or the definition of a member;
- tags are known ones, each at the beginning of a line, each once, in the order of TAGS; behind them only what goes on
  indented by two;
- `Errors:` is there for each public function that returns a Result or an expected;
- `Calls:` is there for each public function that calls the C library or the kernel itself, and names such a call;
- `Threads:` is there for each public class that owns something.

`Errors:` and `Calls:` of the class count too. In a family, declarations without a blank line between them, those of the
one before count, and its comment: for what has the same name, no comment, or one sentence.

contracts.py INCLUDE_DIR    prints what is missing and exits with 1 if there is something.
"""
# SPDX-License-Identifier: MIT
import re
import sys
from pathlib import Path

from internals import declarations, without_template
from nodiscard import NOISE, report

INTERNAL = {"detail", "platform"}  # folders
TAGS = ("Calls", "Errors", "Blocks", "Threads", "Fork", "Owner", "Units", "See")

COMMENT = re.compile(r"^ *///(?!<) ?")
TAG = re.compile(r"([A-Z][a-z]+): ?")
TAG_IN_TEXT = re.compile(rf"\S.*\b({'|'.join(TAGS)}): ")
NEXT_SENTENCE = re.compile(r"[.:] [A-Z]")
NAMESPACE = re.compile(r"(?:inline )?namespace\b")
TYPE = re.compile(r"(?:class|struct|union|enum(?: class)?) (?:\[\[\w+\]\] )?(\w+)(?: final)?(?: :|$)")
CALL = re.compile(r"(?<![\w.>])((?:gss|krb5|keyctl|EVP)_\w+)\(")
OURS = ("gss_category", "krb5_category", "krb5_conf", "krb5_status")  # not of the C library
RESULT = re.compile(r"\b(?:\w*Result|expected)\b")
OWNER = re.compile(r"\b(?:SecretBytes|Unique\w+|\w+Handle|std::(?:string|vector|unique_ptr|shared_ptr|function|thread))\b")
MEMBER = re.compile(r"^  (?:mutable )?([\w:<>\[\], *&]*[\w>]) \w+_(?:\{.*\}| = .*)?;", re.MULTILINE)
CLASS = re.compile(r"^class (?:\[\[nodiscard\]\] )?(\w+)\b[^;{]*\{.*?^};", re.MULTILINE | re.DOTALL)


def comments(lines):
    """(line, text lines) of each comment."""
    block = []
    for number, line in enumerate([*lines, ""], 1):
        if found := COMMENT.match(line):
            block.append(line[found.end():].rstrip())
        elif block:
            yield number - len(block), block
            block = []


def tags(block):
    return {found[1] for line in block if (found := TAG.match(line)) and found[1] in TAGS}


def faults_of(block):
    """(line in the comment, what is wrong with its form)"""
    last, seen = -1, []
    for number, line in enumerate(block):
        if found := TAG.match(line):
            name = found[1]
            if name not in TAGS:
                yield number, f"there is no tag {name}:"
            elif name in seen:
                yield number, f"{name}: twice"
            elif TAGS.index(name) < last:
                yield number, f"{name}: stands behind {TAGS[last]}:"
            else:
                last = TAGS.index(name)
            seen.append(name)
            if found.end() == len(line):
                yield number, f"{name}: says nothing"
        elif seen and not line.startswith("  "):
            yield number, "behind a tag, and not indented by two"
        if found := TAG_IN_TEXT.match(line):
            yield number, f"{found[1]}: not at the beginning of a line"


def returned(declaration):
    """What a function returns; empty if it is none, or returns nothing that matters."""
    _, rest = without_template(declaration)
    if "(" not in rest or not (found := re.search(r"\[\[nodiscard\]\] (.*)", rest)):
        return ""
    return found[1].split("(")[0] + (found[1].rpartition("->")[2] if " -> " in found[1] else "")


def name_of(declaration):
    _, rest = without_template(declaration)
    found = re.search(r"(operator\W+?|\w+)\(", rest.rpartition("]] ")[2])
    return found[1] if found else None


def needs_comment(declared):
    """What a namespace has: a type that is defined, or a function, but for operators."""
    if NAMESPACE.match(declared.text) or declared.text.startswith("static_assert"):
        return None
    _, rest = without_template(declared.text)
    if found := TYPE.match(re.sub(r"^requires.*?(?=class|struct|union)", "", rest)):
        return found[1] if declared.body is not None else None
    found = re.search(r"(?<!::)\b(?!operator\b)(\w+)$", rest.partition("]] ")[2].split("(")[0])
    return found[1] if found and "(" in rest else None


def is_of_member(declaration):
    """Whether it gives a body to what a class declares, and the contract stands there."""
    _, rest = without_template(declaration)
    return re.search(r"[\w>]::\w+$", rest.split("(")[0]) is not None


def is_sentence(block):
    return not tags(block) and not NEXT_SENTENCE.search(" ".join(block))


def owners(texts):
    """The classes that own something: a member of theirs does."""
    classes = {found[1]: found[0] for text in texts for found in CLASS.finditer(NOISE.sub("", text))}
    found = {name for name, body in classes.items() if f"{name}({name}&&" in body or f" ~{name}()" in body}
    members = {name: [member for member in MEMBER.findall(body) if not member.endswith(("*", "&"))]
               for name, body in classes.items()}
    before = None
    while before != found:
        before = set(found)
        words = re.compile(OWNER.pattern + "".join(rf"|\b{name}\b" for name in found))
        found |= {name for name in classes if any(words.search(member) for member in members[name])}
    return found


def violations(text, owning=()):
    """(line, what is wrong)"""
    lines = text.splitlines()
    blocks = {line + len(block): (line, block) for line, block in comments(lines)}  # by the line that follows
    for line, block in blocks.values():
        for at, fault in faults_of(block):
            yield line + at, fault
    of_scope, namespaces = {}, {None}
    family, scope = [], None  # (name, tags, text of them) of what stands together
    for declared in declarations(text):
        if is_of_member(declared.text):
            continue
        top, block = blocks.get(declared.line, (declared.line, []))
        of_scope[declared.line] = tags(block), block
        if declared.scope != scope or not lines[top - 2].strip():
            family, scope = [], declared.scope
        if NAMESPACE.match(declared.text):
            namespaces.add(declared.line)
        elif declared.scope in namespaces and not block and not family and (name := needs_comment(declared)):
            yield declared.line, f"{name} has no comment"
        name, own = name_of(declared.text), tags(block)
        kept = {tag: block for tag in own}
        for tag in ("Errors", "Calls"):
            if tag in own:
                continue
            before = [(other, said[tag]) for other, said in family if tag in said]
            if before and (before[-1][0] == name or is_sentence(block)):
                kept[tag] = before[-1][1]
            elif tag in of_scope.get(scope, (set(),))[0]:
                kept[tag] = of_scope[scope][1]
        family.append((name, kept))
        if "Errors" not in kept and RESULT.search(returned(declared.text)):
            yield declared.line, f"{name}() has no Errors:"
        calls = [call for call in CALL.findall(declared.body or "") if call not in OURS]
        if calls and "(" in declared.text:
            if "Calls" not in kept:
                yield declared.line, f"{name}() has no Calls:, and calls {calls[0]}"
            elif not any(call in " ".join(kept["Calls"]) for call in calls):
                yield declared.line, f"{name}() names none of its calls: {', '.join(calls)}"
        if (found := re.search(r"\bclass (?:\[\[nodiscard\]\] )?(\w+)(?: :|$)", declared.text)) and \
                found[1] in owning and declared.body is not None and "Threads" not in own:
            yield declared.line, f"{found[1]} owns something and has no Threads:"


def main(include):
    headers = {path: path.read_text() for path in sorted(Path(include).rglob("*.hpp")) if not set(path.parts) & INTERNAL}
    owning = owners(headers.values())
    return report(headers, lambda text: violations(text, owning))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
