"""What is compiled can be compiled as it is: the compiler's traps stay out of those modules."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import deston
from deston.compiled import form, is_compiled

ROOT = Path(__file__).resolve().parents[2]
SETUP = (ROOT / "setup.py").read_text(encoding="utf-8")
(LIST,) = re.findall(r"^COMPILED = \((.*?)^\)", SETUP, re.MULTILINE | re.DOTALL)
NAMES = re.findall(r'"([^"]+)"', LIST)
PATHS = [f"deston/{name}.py" for name in NAMES]
# A call that has no effect may be made twice.
HARMLESS = {"len", "end", "start"}


def tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def test_the_list_has_each_module_once() -> None:
    """In order, so that one is found."""
    assert len(NAMES) > 30
    groups = [name.partition("/")[0] if "/" in name else "" for name in NAMES]
    assert list(zip(groups, NAMES, strict=True)) == sorted(set(zip(groups, NAMES, strict=True)))


@pytest.mark.parametrize("path", PATHS)
def test_no_slice_has_an_effect(path: str) -> None:
    """mypyc computes the ends of some slices twice: ``buffer[: read(buffer)]`` would lose what was read first."""
    ends = [end for node in ast.walk(tree(path)) if isinstance(node, ast.Slice) for end in (node.lower, node.upper)]
    calls = [call for end in ends if end is not None for call in ast.walk(end) if isinstance(call, ast.Call)]
    assert [ast.unparse(call) for call in calls if ast.unparse(call.func).split(".")[-1] not in HARMLESS] == []


@pytest.mark.parametrize("path", PATHS)
def test_no_final_tuple_begins_with_a_float(path: str) -> None:
    """mypyc takes such a one for not set; as a ``Sequence`` it is an object like others."""
    found = [
        ast.unparse(node)
        for node in tree(path).body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "Final"
        if isinstance(node.value, ast.Tuple) and node.value.elts
        if isinstance(node.value.elts[0], ast.Constant) and isinstance(node.value.elts[0].value, float)
    ]
    assert found == []


@pytest.mark.parametrize("path", PATHS)
def test_types_are_what_they_say(path: str) -> None:
    """A compiled module raises ``TypeError`` where a value is not what its type says: none is silenced."""
    assert "type: ignore" not in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PATHS)
def test_no_class_has_a_metaclass(path: str) -> None:
    """mypyc gives their instances weak references, and frees an instance without telling those: Python then crashes."""
    classes = [node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)]
    found = [node.name for node in classes if node.keywords or "ABC" in map(ast.unparse, node.bases)]
    assert found == []


def test_who_inherits_from_what_is_compiled_is_compiled() -> None:
    """Python cannot: its class statement raises ``TypeError`` then."""
    compiled = {f"deston.{name.replace('/', '.')}" for name in NAMES}
    for module in pkgutil.walk_packages(deston.__path__, "deston."):
        if not module.name.endswith("gunicorn_conf"):  # It is a configuration, which acts when it is read.
            importlib.import_module(module.name)
    heirs = {
        (base.__qualname__, heir.__module__)
        for name in compiled
        for base in vars(importlib.import_module(name)).values()
        if isinstance(base, type) and base.__module__ == name and not issubclass(base, (Exception, tuple))
        for heir in base.__subclasses__()
        if heir.__module__.startswith("deston.") and heir.__module__ not in compiled
    }
    assert heirs == set()


def test_the_form_is_told() -> None:
    """By where Python finds a module."""
    assert form() == ("compiled" if is_compiled() else "Python")
    found = importlib.import_module("deston.net.stream").__file__
    assert found is not None
    assert is_compiled() == found.endswith(".so")
