"""A text in ConfigObj's syntax as a tree.

What lives here: the call of ConfigObj, and what is said when a line is unreadable or stands twice.
What must not: what keys mean.
Invariant: all broken lines are reported; what can still be read around them is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from configobj import ConfigObj, ConfigObjError

from deston.config.lines import UNREADABLE, Entry, read_entries
from deston.config.report import Path, Report, Tree


def read_tree(text: str, report: Report) -> Tree:
    """Read a text; a key whose value cannot be read is None in the tree.

    Raises ``ConfigError`` if it is so broken that the rest cannot be judged.
    """
    lines = text.split("\n")
    entries = list(read_entries(lines))
    report.lines = {entry.path: entry.first for entry in reversed(entries)}
    _report_mistakes(entries, report)
    kept = [*_without_repeated(entries, report)]
    tree = read_clean(_clean(lines, kept), report)
    for entry in kept:
        if entry.mistake:
            _section(tree, entry.path[:-1])[entry.path[-1]] = None
    return tree


def _report_mistakes(entries: Iterable[Entry], report: Report) -> None:
    shaken = False
    for entry in entries:
        if entry.mistake:
            report.add(entry.path, entry.mistake, entry.first)
            shaken = shaken or entry.shaken
    if shaken:
        raise report.error()


def _without_repeated(entries: Iterable[Entry], report: Report) -> Iterator[Entry]:
    """The entries without second ones of the same path, and without what stands in a repeated section."""
    seen: dict[Path, Entry] = {}
    repeated_depth = 0
    for entry in entries:
        if entry.is_section and len(entry.path) <= repeated_depth:
            repeated_depth = 0
        if repeated_depth:
            continue
        first = seen.setdefault(entry.path, entry)
        if first is entry:
            yield entry
            continue
        report.add(entry.path, f"this name stands twice: first on line {first.first}", entry.first)
        repeated_depth = len(entry.path) if entry.is_section else 0


def _clean(lines: list[str], entries: Iterable[Entry]) -> list[str]:
    """The text that ConfigObj shall read: comments, repeated and broken entries are empty lines."""
    clean = [""] * len(lines)
    for entry in entries:
        if not entry.mistake:
            clean[entry.first - 1 : entry.last] = [entry.text, *lines[entry.first : entry.last]]
    return clean


def read_clean(lines: list[str], report: Report) -> Tree:
    """What ConfigObj makes of lines without mistakes.

    Raises ``ConfigError`` where it sees one that we did not.
    """
    try:
        read: Tree = ConfigObj(lines, interpolation=False).dict()
    except ConfigObjError as error:
        for one in error.errors:
            report.add((), UNREADABLE, one.line_number)
        raise report.error() from error
    return read


def _section(tree: Tree, path: Path) -> Tree:
    for name in path:
        tree = tree[name]
    return tree
