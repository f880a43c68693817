"""What style.md's numbers ask of the source, as far as a program can see it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "deston").rglob("*.py"))
TEXTS = [*MODULES, *(ROOT / "deston").rglob("*.ini"), *(path for path in (ROOT / "conf").iterdir() if path.is_file())]

LONGEST_MODULE = 350
LONGEST_FUNCTION = 60
# Not in the vocabulary: it means a group to HAProxy, one member to others, and input and output to some.
# Who reads the clock of the wall, which jumps: only to tell a person when something was, or to be unlike all before.
WALL_CLOCK = re.compile(r"\btime\.time\(|\btime_ns\(|\bdatetime\.now\(")
TELLS_THE_TIME = {"admin/status.py", "sharing.py", "l4/record.py", "l7/record.py", "store/sqlite.py"}
FORBIDDEN = re.compile(r"\bbackends?\b", re.IGNORECASE)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_can_be_read_in_one_go(path: Path) -> None:
    """A module says in a docstring what lives in it, and neither it nor one of its functions is too long."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert ast.get_docstring(tree)
    assert len(source.splitlines()) <= LONGEST_MODULE
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_words_that_mean_several_things_are_not_used(path: Path) -> None:
    """Neither code nor configuration uses a word that the vocabulary rules out."""
    assert FORBIDDEN.findall(path.read_text(encoding="utf-8")) == []


def test_nothing_is_decided_by_a_clock_that_jumps() -> None:
    found = {str(path.relative_to(ROOT / "deston")) for path in MODULES if WALL_CLOCK.search(path.read_text("utf-8"))}
    assert {name for name in found if not name.startswith("simulate/")} <= TELLS_THE_TIME
