from __future__ import annotations

import pytest

from deston.config.report import Report, Tree
from deston.config.syntax import read_clean, read_tree
from deston.errors import ConfigError


def read(text: str) -> tuple[Tree, list[str]]:
    report = Report("x.conf")
    return read_tree(text, report), [str(one).removeprefix("x.conf:") for one in sorted(report.problems)]


def test_values_are_texts_and_lists() -> None:
    """One value is a text, several are a list, and sections are trees; nothing is interpolated."""
    tree, problems = read("a = 1\nb = 1, '2'\nc = 1,\nd = ,\ne = \"\"\nf =\ng = %(a)s $a\n[s]\nh = '''x\ny'''\n")
    assert problems == []
    assert tree == {
        "a": "1",
        "b": ["1", "2"],
        "c": ["1"],
        "d": [],
        "e": "",
        "f": "",
        "g": "%(a)s $a",
        "s": {"h": "x\ny"},
    }


def test_comments_never_become_values() -> None:
    """A comment with quotes and commas does not change the value before it."""
    tree, problems = read('a = ""   # "none", \'one\', or two\nb = x, y # z, "\n')
    assert (tree, problems) == ({"a": "", "b": ["x", "y"]}, [])


def test_a_broken_value_is_none() -> None:
    """A key whose value cannot be read stays in the tree as None, and the rest is read."""
    assert read("[s]\na = 'x\nb = 1\n") == (
        {"s": {"a": None, "b": "1"}},
        ["2: s.a: a quote is opened and not closed"],
    )


def test_the_first_of_two_counts() -> None:
    """Of two sections of one name the second is left out, with all that stands in it."""
    text = "[s]\na = 1\n[[t]]\nb = 1\n[s]\na = 2\n[[t]]\nb = 2\n[u]\nc = 1\n"
    assert read(text) == (
        {"s": {"a": "1", "t": {"b": "1"}}, "u": {"c": "1"}},
        ["5: s: this name stands twice: first on line 1"],
    )


def test_lines_that_shake_the_rest_are_told_alone() -> None:
    """Where it is unknown what the following lines belong to, all broken lines are told, and nothing else."""
    with pytest.raises(ConfigError) as caught:
        read("[s\na = 'x\na = 1\nnonsense\n")
    assert str(caught.value).replace("x.conf:", "").split("\n") == [
        "1: the brackets of this section header do not match",
        "2: a: a quote is opened and not closed",
        "4: this is neither a [section] nor a 'key = value' line",
    ]


def test_what_only_configobj_refuses_is_told_all_the_same() -> None:
    """Should a mistake escape us, ConfigObj's own refusal is a problem with its line, too."""
    report = Report("x.conf")
    with pytest.raises(ConfigError) as caught:
        read_clean(["a = 1", "b", "[c"], report)
    assert [one.line for one in caught.value.problems] == [2, 3]
