"""Where everything stands in a file of ConfigObj's syntax.

What lives here: the lines of a text as entries, each with its path, and what makes a line unreadable.
What must not: the reading of values, which is ConfigObj's. ConfigObj keeps no line numbers, and its pattern for
values takes exponential time over a long list with a missing quote: that is why each line is looked at here first.
Invariant: a text without mistakes is one that ConfigObj reads, with the same paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deston.config.report import Path

#: ConfigObj's time for a line grows with the square of its length; at this one it is a fraction of a second.
LONGEST_LINE = 8192

_HEADER = re.compile(r"""((?:\[\s*)+)("[^"\]]+"|'[^'\]]+'|[^'"\s\[\]][^\[\]]*?)((?:\s*\])+)\s*(?:\#.*)?$""")
_KEY = re.compile(r"""("[^"]+"|'[^']+'|[^'"=\s][^=]*?)\s*=\s*(.*)$""")
_ITEM = re.compile(r"""\s*("[^"]*"|'[^']*'|[^'",#\s][^,#]*)\s*""")
_TRIPLE = ('"""', "'''")
_AFTER_TRIPLE = re.compile(r"\s*(?:#.*)?$")

UNREADABLE = "this is neither a [section] nor a 'key = value' line"
BRACKETS = "the brackets of this section header do not match"
DEPTH = "this section has too many brackets: there is no section above it that it could be part of"
NO_QUOTE = "a quote is opened and not closed"
AFTER_QUOTE = "there is text after the closing quote (put a comma between the values of a list)"
NO_VALUE = "there is nothing before this comma"
GLUED_COMMENT = "a '#' begins a comment here: put the value in quotes, or a space before the '#'"
TOO_LONG = f"this line is longer than {LONGEST_LINE} characters"


@dataclass(frozen=True, slots=True)
class Entry:
    """A section header or a key with its value.

    ``first`` and ``last`` are lines, counted from 1. ``text`` is what ConfigObj shall read: the line without its
    comment. ``mistake`` says why it cannot be read, or is empty; ``shaken`` is whether it then remains unknown what
    the lines below belong to.
    """

    first: int
    last: int
    path: Path
    text: str = ""
    is_section: bool = False
    mistake: str = ""
    shaken: bool = False


def read_entries(lines: Sequence[str]) -> Iterator[Entry]:
    """Each line that is neither empty nor a comment, in the order of the text."""
    sections: Path = ()
    number = 0
    while number < len(lines):
        number += 1
        line = lines[number - 1].strip()
        if not line or line.startswith("#"):
            continue
        entry = _read_entry(line, number, sections, lines)
        if entry.is_section and not entry.shaken:
            sections = entry.path
        number = entry.last
        yield entry


def _read_entry(line: str, number: int, sections: Path, lines: Sequence[str]) -> Entry:
    if len(line) > LONGEST_LINE:
        return Entry(number, number, (), mistake=TOO_LONG, shaken=True)
    if line.startswith("["):
        return _read_header(line, number, sections)
    found = _KEY.match(line)
    if not found:
        return Entry(number, number, (), mistake=UNREADABLE, shaken=True)
    path = (*sections, _unquoted(found[1]))
    if found[2].startswith(_TRIPLE):
        return _read_triple(found[2], number, path, lines)
    length, mistake = _measure_value(found[2])
    return Entry(number, number, path, line[: found.start(2) + length], mistake=mistake)


def _read_header(line: str, number: int, sections: Path) -> Entry:
    found = _HEADER.match(line)
    depth = line.count("[", 0, found.end(1)) if found else 0
    if not found or found[3].count("]") != depth:
        return Entry(number, number, (), is_section=True, mistake=BRACKETS, shaken=True)
    if depth > len(sections) + 1:
        return Entry(number, number, (), is_section=True, mistake=DEPTH, shaken=True)
    path = (*sections[: depth - 1], _unquoted(found[2]))
    return Entry(number, number, path, line[: found.end(3)], is_section=True)


def _read_triple(value: str, number: int, path: Path, lines: Sequence[str]) -> Entry:
    """A value in triple quotes, which may span lines. It keeps its text: ConfigObj reads such values well."""
    quote = value[:3]
    last, rest = number, value[3:]
    while quote not in rest and last < len(lines):
        last += 1
        rest = lines[last - 1]
    if quote not in rest:
        return Entry(number, len(lines), path, mistake=NO_QUOTE, shaken=True)
    after = rest.partition(quote)[2]
    mistake = "" if _AFTER_TRIPLE.match(after) else AFTER_QUOTE
    return Entry(number, last, path, lines[number - 1], mistake=mistake)


def _measure_value(text: str) -> tuple[int, str]:
    """How long a value is without its comment, and what is wrong with it."""
    if re.match(r",\s*(?:#.*)?$", text):  # An empty list.
        return 1, ""
    end = 0
    while item := _ITEM.match(text, end):
        end = item.end()
        if end == len(text):
            return end, ""
        if text[end] == "#":
            return end, _check_comment(item)
        if text[end] != ",":
            return end, AFTER_QUOTE
        end += 1
    rest = text[end:].lstrip()
    return end, "" if rest[:1] in ("", "#") else NO_VALUE if rest[0] == "," else NO_QUOTE


def _check_comment(item: re.Match[str]) -> str:
    """ConfigObj cuts a value at the first ``#``, even within a word; half a token must not pass for a whole one."""
    glued = item[1][0] not in "\"'" and not item[0][-1].isspace()
    return GLUED_COMMENT if glued else ""


def _unquoted(name: str) -> str:
    return name[1:-1] if name[0] in "\"'" else name
