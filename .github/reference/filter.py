#!/usr/bin/env python3
"""What Doxygen reads of a header or a page.

A header: the tags of comments are paragraphs. What has no comment has that of its family's first, in a class if it has the same
name; what each class has is called what it is (TRIVIAL); otherwise the contract is in the comment of the class, and that is
said. A page: code and links as Doxygen takes them.

filter.py FILE
"""
# SPDX-License-Identifier: MIT
import re
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
sys.path.append(str(SOURCE / "tests/headers"))
from contracts import NAMESPACE, TAG, TAGS, comments, name_of
from internals import declarations


FOREIGN = re.compile(r"^(?:///.*\n)*template <.*>\n(?:struct|inline constexpr bool) (?:std|fmt)::(?:.*;|.*\{(?:.*\n)+?\};)$", re.MULTILINE)
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": " "}
TWO_NAMES = re.compile(r"^( *(?:static constexpr bool|std::string_view)) (\w+[^,;({]*), (\w+[^,;({]*);(.*)$", re.MULTILINE)
MACRO = re.compile(r"^((?:///.*\n)+)?#define (?:.*\\\n)*.*$", re.MULTILINE)


TRIVIAL = [(re.compile(pattern), words) for pattern, words in {
    r"= delete;": "Not available.",
    r"^\s*(constexpr )?~": "Ends what it owns.",
    r"^\s*(constexpr )?(\w+)\(\2&&|operator=\(\w+(<.*>)?&&": "Moves; what was moved from is empty.",
    r"^\s*(constexpr )?(\w+)\(\) noexcept = default;": "Makes an empty one.",
    r"operator=\((const )?\w+&?|^\s*(constexpr )?(\w+)\(const \3&": "Copies.",
    r"operator(==|<=>)": "Compares.",
    r"explicit operator bool\(\)": "Returns whether it is not empty.",
    r"\bget\(\) const": "Returns the handle, which is still owned here.",
    r"\bdata\(\)": "Returns where the bytes begin.",
    r"\bsize\(\) const": "Returns how many there are.",
    r"\bempty\(\) const": "Returns whether there is nothing in it.",
    r"\b(begin|end)\(\)": "Of a range.",
    r"\btext\(\) const": "Returns the bytes as characters.",
    r"using Mechanism = ": "The mechanism.",
    r"using (Base|Command)::": "As of the base.",
    r"\boperator[*](\(\))|operator->": "Returns what is in it.",
    r"\b(wrap|unwrap|get_mic|verify_mic|room|inquire|peer|sasl_ssf|lifetime)\w*\(": "As MessageContext has it.",
    r"\b(can_read|can_update|max_payload|description|Payload)\b": "As KeyType has it.",
    r"\b(negotiates|acceptor_demand|accepts|oid|name)\b( =|\(|\{)": "As Mechanism has it.",
    r"^\s*(constexpr |consteval |explicit )*[A-Z]\w*\(|^\s*: \w+_\{": "Makes one of these.",
}.items()]


def html(code):
    """A text that is code, and nothing in it a command, a link or a mark. Doxygen looks for no commands in strings."""
    parts = re.split(r'("[^"]*")', re.sub("[&<>\n]", lambda letter: ENTITIES[letter[0]], code))
    parts[::2] = [re.sub(r"---?|(?<![a-zA-Z0-9])::|[@\\#%]", r"\\\g<0>", part) for part in parts[::2]]
    return f"<code>{''.join(parts)}</code>"


def escaped(text):
    """Words of a comment, with its code between backticks."""
    parts = re.split(r"`([^`]+)`", text)
    return "".join(html(part) if at % 2 else re.sub(r"::|[@\\<>#%&]", r"\\\g<0>", part) for at, part in enumerate(parts))


def as_doxygen(line):
    """One line of a comment, with its beginning."""
    beginning = re.match(r"^ *///(?!<) ?", line)
    if not beginning:
        before, mark, after = line.partition("///< ")
        return before + mark + escaped(after)
    text = line[beginning.end():]
    if text.startswith("    "):
        return line
    found = TAG.match(text)
    if not found or found[1] not in TAGS:
        return beginning[0] + escaped(text)
    return f"{beginning[0].rstrip()} @par {found[1]}\n{beginning[0]}{escaped(text[found.end():])}"


def header(text):
    text = TWO_NAMES.sub(r"\1 \2;\4\n\1 \3;\4", FOREIGN.sub("", text))
    text = MACRO.sub(lambda macro: macro[0] if macro[1] and "_ABI" not in macro[0] else "", text)  # others are no user's
    lines = [re.sub("^ protected:", " private:", line) for line in text.splitlines()]
    blocks = {line + len(block): block for line, block in comments(lines)}  # by the line that follows
    added, family, scope, namespaces = {}, {}, None, {None}
    for declared in declarations(text):
        block = blocks.get(declared.line, [])
        top = declared.line - len(block)
        if NAMESPACE.match(declared.text) and not block:
            namespaces.add(declared.line)
        if declared.scope != scope or not lines[top - 2].strip():
            family, scope = {}, declared.scope
        name = name_of(declared.text)
        family.setdefault(name, block or family.get(None, []))
        if declared.scope in namespaces:  # what stands together there is one subject
            family.setdefault(None, block)
        end = next((at for at, line in enumerate(lines[declared.line - 1:], declared.line) if re.search("[;{}]", line)), declared.line)
        if block or any("///<" in line for line in lines[declared.line - 1:end]):
            continue
        line = lines[declared.line - 1]
        words = next((words for pattern, words in TRIVIAL if pattern.search(line)), "See the detailed description.")
        said = family[name] or ([] if declared.scope in namespaces else [words])
        indent = re.match(" *", line)[0]
        added[declared.line] = [f"{indent}/// {line}".rstrip() for line in said]
    title = re.match(r"// (gsskey/\S+): (.*(?:\n// (?!SPDX).*)*)", text)
    about = title[2].replace("\n//", "") if title else ""
    result = [f"/// @file\n/// {escaped(about[:1].upper() + about[1:])}\n"] if about else []
    for number, line in enumerate(lines, 1):
        result += [as_doxygen(own) for own in [*added.get(number, []), line]]
    return "\n".join(result)


def link(page, text, target):
    """A link of a page: to a page or heading, to a header, to an example; to other files the text alone."""
    path, _, anchor = target.partition("#")
    if re.match(r"[a-z]+:", target) or not path:
        return f"[{text}]({target})"
    file = (page.parent / path).resolve()
    name = file.relative_to(SOURCE)
    if file.suffix == ".md":
        return f'@ref {anchor and page_id(name) + "_" + anchor or page_id(name)} "{text}"'
    if name.parts[0] == "include" and file.suffix == ".hpp":
        return f'@ref {name.relative_to("include")} "{text}"'
    if name.parts[0] == "examples" and file.suffix in (".cpp", ".hpp"):
        return f'@ref {example_id(name)} "{text}"'
    return text


def page_id(name):
    return ("page_" if name.parent.name == "guide" else "project_") + re.sub(r"\W", "_", name.stem.lower())


def example_id(name):
    return "example_" + re.sub(r"\W", "_", str(name.relative_to("examples")))


def prose(file, text, is_first):
    """What stands between blocks of code."""
    codes = []

    def keep(code):
        codes.append(code[1])
        return f"\0{len(codes) - 1}\0"

    text = re.sub(r"`([^`]+)`", keep, text)
    text = text.replace("@", "\\@")
    # With a mark of exclamation it is a picture, which Doxygen finds.
    text = re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", lambda found: link(file, found[1].replace("\n", " "), found[2]), text)
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if heading := re.match(r"(#+) (.*)", line):
            words = re.sub("\0(\\d+)\0", lambda code: codes[int(code[1])], heading[2])
            anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            own = page_id(file) + ("" if is_first and at == 0 else "_" + anchor)
            lines[at] = f"{heading[1]} {words.replace('@', chr(92) + '@')} {{#{own}}}"
    return re.sub("\0(\\d+)\0", lambda code: html(codes[int(code[1])]), "\n".join(lines))


def page(file, text):
    parts = re.split(r"^(```(?s:.*?)^```|(?:    .*\n)+)", text, flags=re.MULTILINE)
    return "\n".join(part.replace("```cpp", "```{.cpp}") if at % 2 else prose(file, part, at == 0)
                     for at, part in enumerate(parts))


if __name__ == "__main__":
    given = Path(sys.argv[1]).resolve()
    said = given.read_text(encoding="utf-8")
    print(header(said) if given.suffix == ".hpp" else page(given, said))
