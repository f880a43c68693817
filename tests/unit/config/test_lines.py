from __future__ import annotations

import pytest
from configobj import ConfigObj
from hypothesis import given
from hypothesis import strategies as st

from deston.config.lines import Entry, read_entries
from deston.config.report import Path, Tree

TEXT = """\
# a comment
top = 1

[one]  # another
  a = x # a third
  [[ two ]]
    "b b" = "y, # z", '"'
    c = '''first
    [not a section]
    last''' # a fourth
  [['three']]
[four]
"""

#: What the syntax is made of, so that drawn texts are nearly right.
PIECES = st.sampled_from(
    ["a", "b", " ", "=", ",", "#", "'", '"', "[", "]", "[[", "]]", "[a]\n", "[[b]]\n", "[ 'c' ]\n", "'''", '"""', "\n"]
    + ["a = ", "b = x\n", "x, y", "x , y", '"x, y"', "''", '""', "é", "\t", "\\", "%(a)s", "\u00a0"]
)


def entries(text: str) -> list[Entry]:
    return list(read_entries(text.split("\n")))


def paths(tree: Tree, around: Path = ()) -> list[Path]:
    inner = [paths(one, (*around, name)) for name, one in tree.items() if isinstance(one, dict)]
    return [(*around, name) for name in tree] + [path for some in inner for path in some]


def test_each_line_has_its_path() -> None:
    """Sections and keys have the lines that they begin and end on, and the path that ConfigObj gives them."""
    assert [(one.first, one.last, one.path) for one in entries(TEXT)] == [
        (2, 2, ("top",)),
        (4, 4, ("one",)),
        (5, 5, ("one", "a")),
        (6, 6, ("one", "two")),
        (7, 7, ("one", "two", "b b")),
        (8, 10, ("one", "two", "c")),
        (11, 11, ("one", "three")),
        (12, 12, ("four",)),
    ]


def test_a_comment_is_no_part_of_a_line() -> None:
    """What ConfigObj shall read ends where the comment begins, unless the '#' stands in quotes."""
    texts = [one.text for one in entries(TEXT)]
    assert texts[:5] == ["top = 1", "[one]", "a = x ", "[[ two ]]", '"b b" = "y, # z", \'"\'']


@given(st.lists(PIECES, max_size=40).map("".join))
def test_configobj_reads_what_has_no_mistake(text: str) -> None:
    """Lines that are called readable are so to ConfigObj, and it finds the same paths in them."""
    found = entries(text)
    if any(one.mistake for one in found) or len({one.path for one in found}) < len(found):
        return
    lines = text.split("\n")
    for one in found:
        lines[one.first - 1] = one.text
    tree: Tree = ConfigObj(lines, interpolation=False).dict()
    assert sorted(paths(tree)) == sorted(one.path for one in found)


@pytest.mark.parametrize(
    "value", ["10.0.0.0/8, " * 300 + '"', "x , " * 1000 + "'", "'a' " * 1000, "x" + " " * 8000 + '"']
)
def test_no_line_takes_long(value: str) -> None:
    """A long list with a mistake is read once from left to right, not again for each way to split it."""
    assert len(entries(f"a = {value}")) == 1
