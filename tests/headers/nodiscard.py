#!/usr/bin/env python3
"""Every function of a public header that returns something is [[nodiscard]]: a forgotten Result is a forgotten error.

nodiscard.py INCLUDE_DIR    prints every function that is not and exits with 1 if there is one.

Not needed: on constructors, conversions, assignment, increment and output operators, definitions outside of their class,
and where the class that is returned by value is [[nodiscard]] itself. This reads headers as clang-format leaves them,
without macros around functions; it is no C++ parser.
"""
# SPDX-License-Identifier: MIT
import re
import sys
from pathlib import Path

NOISE = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])+' | ^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*""",
    re.DOTALL | re.MULTILINE | re.VERBOSE)
SCOPE = re.compile(r'(?:inline )?(?:namespace|class|struct|union)\b|extern ""$')
NODISCARD_CLASS = re.compile(r"(?:class|struct) \[\[nodiscard\]\] (\w+)")

SPECIFIERS = re.compile(
    r"\b(?:static|inline|constexpr|consteval|friend|virtual|extern|explicit|__attribute__|alignas)\b ?\$* ?")
REQUIRES = re.compile(r"^requires ?[\w:!$]+(?: (?:&&|\|\|) [\w:!$]+)* ?")
FUNCTION = re.compile(r"(?P<returns>[^=$]*[\s*&>])(?P<name>\w+) ?\$")


def chunks(text):
    """(line, text, end) of what is declared at namespace or class scope: up to its `;`, or the `{` of its body; and each
    `}` of such a scope."""
    text = NOISE.sub(lambda noise: ('""' if noise[0][0] == '"' else "") + "\n" * noise[0].count("\n"), text)
    chunk, line, start = "", 1, 1
    skipped = parentheses = 0  # open braces of a body or an initialiser; open parentheses
    for char in text:
        line += char == "\n"
        if skipped:
            skipped += (char == "{") - (char == "}")
            continue
        parentheses += (char == "(") - (char == ")")
        if parentheses == 0 and char in "{};":
            yield start, chunk, char
            if char == "{" and not SCOPE.match(normal(chunk)):
                skipped = 1
            chunk = ""
        else:
            chunk = (chunk + char).lstrip()
            if len(chunk) <= 1:
                start = line


def normal(chunk):
    """A declaration without what does not matter here; `$` stands for a pair of parentheses with all that is inside."""
    chunk = re.sub(r"\bGSSKEY_\w+_ABI\b", "", chunk)
    chunk = " ".join(chunk.split())
    chunk = re.sub(r"operator ?(?:\(\)|\[\]|[^\w\s(]+)", lambda op: operator_name(op[0]), chunk)
    chunk = chunk.replace("->", "returning ")
    for pattern, replacement in ((r"\([^()]*\)", "$"), (r" ?<[^<>]*>", "")):
        while (shorter := re.sub(pattern, replacement, chunk)) != chunk:
            chunk = shorter
    chunk = chunk.replace("decltype$", "decltype")
    chunk = re.sub(r"^(?:(?:public|protected|private) ?: ?)*(?:template ?)*", "", chunk)
    chunk = REQUIRES.sub("", chunk)
    chunk = re.sub(r"\[\[[^]]*\]\] ?", "", chunk)
    return chunk if SCOPE.match(chunk) else SPECIFIERS.sub("", chunk)


def operator_name(operator):
    symbol = operator.removeprefix("operator").strip()
    assigns = symbol in ("++", "--") or (symbol.endswith("=") and symbol not in ("==", "!=", "<=", ">="))
    return "operator_assigning" if assigns else "operator_"


def violations(text, nodiscard_classes):
    for line, chunk, _ in chunks(text):
        declaration = normal(chunk)
        function = FUNCTION.match(declaration)
        if not function or "[[nodiscard" in chunk or SCOPE.match(declaration) or declaration.startswith("typedef"):
            continue
        returns = function["returns"].strip()
        if returns == "auto" and (trailing := re.search(r"returning ([\w: ]+[&*]*)", declaration)):
            returns = trailing[1].strip()
        if returns in ("void", "operator") or returns.endswith(" operator") or function["name"] == "operator_assigning":
            continue
        if returns == "std::ostream&" and function["name"] == "operator_":
            continue
        if re.search(r"\w*$", returns)[0] in nodiscard_classes:
            continue
        if returns == "auto" and function["name"].startswith("async_"):  # the completion token decides: void for a handler
            continue
        yield line, f"{returns} {function['name']}(...) is not [[nodiscard]]"


def report(headers, violations):
    """Prints what `violations` finds in each of the headers, {path: text}, and returns the status to exit with."""
    count = 0
    for path, text in headers.items():
        for line, message in violations(text):
            print(f"{path}:{line}: {message}")
            count += 1
    print(f"{len(headers)} headers, {count} violations")
    return 1 if count or not headers else 0


def main(include):
    headers = {path: path.read_text() for path in sorted(Path(include).rglob("*.hpp"))}
    nodiscard_classes = {name for text in headers.values() for name in NODISCARD_CLASS.findall(text)}
    return report(headers, lambda text: violations(text, nodiscard_classes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
