"""The commands that the documentation shows, as a shell would get them.

What lives here: finding them in the README and in docs/, whole, each with its place.
What must not: running them.
Invariant: what stands in a block of ``sh``, or indented and begins like a command, is a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
# What stands behind two spaces and more is for the reader.
_REMARK = re.compile(r"\s{2,}#.*$")
# A command in a sentence, which may leave out what is plain.
_IN_PROSE = re.compile(r"`(deston [a-z][^`\n…]*)`")
# Indented blocks show output, diagrams and formats, too.
_BEGINS = re.compile(r"(?:[A-Z_]+=\S+ )?(?:deston(?:-l4)?|gunicorn|make|curl|git|scripts/\S+|\.) (?!─)\S")


class Command(NamedTuple):
    """A command line without its remark: what it is named by in a test, and its text."""

    place: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words of its first simple command, without assignments."""
        words = self.text.split()
        while _ASSIGNMENT.fullmatch(words[0]) and len(words) > 1:
            words.pop(0)
        return words

    @property
    def program(self) -> str:
        """What is run, without a folder."""
        return self.words[0].rpartition("/")[2] or self.words[0]


def commands() -> list[Command]:
    """All of them, in the order of the pages."""
    return [one for path in TEXTS for one in _commands_of(path)]


def languages() -> set[str]:
    """What the fenced blocks say that they are written in."""
    return {found[2] for path in TEXTS for found in _FENCE.finditer(path.read_text(encoding="utf-8"))}


def in_sentences() -> list[Command]:
    """Those of ``deston`` that stand within the prose, with words such as POOL where a name is to be put."""
    found = []
    for path in TEXTS:
        prose = _without_blocks(path.read_text(encoding="utf-8"))
        for one in _IN_PROSE.finditer(prose):
            line = prose.count("\n", 0, one.start()) + 1
            found.append(Command(f"{path.relative_to(ROOT)}:{line}", one[1]))
    return found


def _without_blocks(text: str) -> str:
    return _FENCE.sub(lambda fence: re.sub(r"[^\n]", "-", fence[0]), text)


def _commands_of(path: Path) -> Iterator[Command]:
    text = path.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        if found[2] == "sh":
            yield from _lines(path, text, found.start(3), found[3])
    for block in _INDENTED.finditer(_without_blocks(text)):
        yield from (one for one in _lines(path, text, block.start(), block[0]) if _BEGINS.match(one.text))


def _lines(path: Path, text: str, start: int, block: str) -> Iterator[Command]:
    first = text.count("\n", 0, start) + 1
    pending = ""
    for number, line in enumerate(block.splitlines()):
        line = _REMARK.sub("", pending + line.strip())
        if line.endswith("\\"):
            pending = line[:-1]
            continue
        pending = ""
        if line and not line.startswith("#"):
            yield Command(f"{path.relative_to(ROOT)}:{first + number}", line)
