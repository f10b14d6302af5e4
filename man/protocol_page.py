#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
ktstrd-protocol(7) from its text and from what it must not differ from: protocol_page.py OUTPUT PAGE EXAMPLES FILE.varlink...

In PAGE a line `@EXAMPLE name@` stands for the file EXAMPLES/name, and `@REFERENCE@` for all interfaces with the comments that they have in
their files. A comment belongs to what follows it.
"""
import pathlib
import re
import sys

TOKEN = re.compile(r"[ \t\r\n]+|#(?P<comment>[^\n]*)|(?P<word>[A-Za-z][A-Za-z0-9_.-]*)|(?P<sign>->|\[\]|\[string\]|[?():,])")


# --- the interface definition language ---

class Idl:
    """One interface: name, comment, and members in order, each (keyword, name, comment, types)."""

    def __init__(self, text):
        self.tokens, self.at = [], 0
        comment, end = [], 0
        for match in TOKEN.finditer(text):
            if match.start() != end:
                break
            end = match.end()
            if match["comment"] is not None:
                comment.append(match["comment"].strip())
            elif match["word"] or match["sign"]:
                self.tokens.append((match["word"] or match["sign"], " ".join(comment)))
                comment = []
        if end != len(text):
            raise SyntaxError(f"what is this? {text[end:end + 40]!r}")
        self.comment = self.expect("interface")
        self.name = self.next()[0]
        self.members = []
        while self.at < len(self.tokens):
            keyword, comment = self.next()
            name = self.next()[0]
            types = [self.type()]
            if keyword == "method":
                self.expect("->")
                types.append(self.type())
            elif keyword not in ("type", "error"):
                raise SyntaxError(f"{self.name}: {keyword} {name}")
            self.members.append((keyword, name, comment, types))

    def peek(self):
        return self.tokens[self.at][0]

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, what):
        word, comment = self.next()
        if word != what:
            raise SyntaxError(f"expected {what}, not {word}")
        return comment

    def type(self):
        """A list of fields for a struct, each (name, type, comment), else the type's text."""
        prefix = ""
        while self.peek() in ("?", "[]", "[string]"):
            prefix += self.next()[0]
        if self.peek() != "(":
            return prefix + self.next()[0]
        self.next()
        fields = []
        while self.peek() != ")":
            name, comment = self.next()
            kind = None
            if self.peek() == ":":
                self.next()
                kind = self.type()
            fields.append((name, kind, comment))
            if self.peek() != ")":
                self.expect(",")
        self.next()
        if prefix or any(kind is None for _, kind, _ in fields):
            return prefix + inline(fields)
        return fields


def inline(fields):
    """A struct or enum in the middle of a line."""
    return "(" + ", ".join(name if kind is None else f"{name}: {kind if isinstance(kind, str) else inline(kind)}" for name, kind, _ in fields) + ")"


# --- roff ---

CHARACTERS = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", "…": "...", "–": "\\(en"}


def escape(text):
    return "".join(CHARACTERS.get(c) or (c if c < "\x7f" else f"\\[u{ord(c):04X}]") for c in text.replace(" · ", "; "))


def literal(line):
    """A line that is shown as it is."""
    line = escape(line)
    return "\\&" + line if line[:1] in (".", "'") else line


def prose(text):
    """A comment's text; what stands between backticks is bold."""
    parts = escape(text).split("\\(ga")
    text = "".join(part if i % 2 == 0 else f"\\fB{part}\\fR" for i, part in enumerate(parts))
    return "\\&" + text if text[:1] in (".", "'", "\\(aq") else text


def write_fields(out, fields):
    out += [".RS", ".PD 0"]
    for name, kind, comment in fields:
        kind = escape(kind if isinstance(kind, str) else inline(kind))
        out += [".TP 14", f".I {escape(name)}", kind + (":" if comment else "")]
        if comment:
            out.append(prose(comment))
    out += [".PD", ".RE"]


def write_member(out, keyword, name, comment, types):
    out += [".TP", f".B {keyword} {name}"]
    if comment:
        out.append(prose(comment))
    if keyword == "method":
        for head, nothing, fields in (("Parameters:", "No parameters.", types[0]), ("Reply:", "The reply is empty.", types[1])):
            out += [".IP", head if fields else nothing]
            if fields:
                write_fields(out, fields)
    elif keyword == "error" or isinstance(types[0], str):
        out.append(literal(types[0] if isinstance(types[0], str) else inline(types[0])))
    else:
        if not comment:
            out.append("An object.")
        write_fields(out, types[0])


def reference(paths):
    out = []
    for path in paths:
        idl = Idl(path.read_text(encoding="utf-8"))
        out += [f".SS {idl.name}", prose(idl.comment)]
        for member in idl.members:
            write_member(out, *member)
    return out


def page(text, examples, varlink_files):
    out, shown = [], set()
    for line in text.splitlines():
        example = re.fullmatch(r"@EXAMPLE (\S+)@", line)
        if example:
            lines = (examples / example[1]).read_text(encoding="utf-8").splitlines()
            out += [".EX"] + [literal(l) for l in lines if not l.startswith("# SPDX")] + [".EE"]
            shown.add(example[1])
        elif line == "@REFERENCE@":
            out += reference(varlink_files)
        else:
            out.append(line)
    unseen = {p.name for p in examples.iterdir()} - shown
    if unseen:
        raise ValueError(f"examples that the page does not show: {', '.join(sorted(unseen))}")
    return "\n".join(out) + "\n"


def main(argv):
    output, source, examples, *varlink_files = map(pathlib.Path, argv)
    output.write_text(page(source.read_text(encoding="utf-8"), examples, varlink_files), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
