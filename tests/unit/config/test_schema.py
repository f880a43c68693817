from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from configobj import Section

from deston.config import model
from deston.config.checks import CHECKS
from deston.config.http_rules import HeaderRules, RouteConfig
from deston.config.report import Report, Tree
from deston.config.schema import MANY, Schema, read_spec, spec

SMALL = """\
[one]
a = whole(min=0, max=9, default=5)
b = text
[many]
[[__many__]]
c = text(default=x)
[[[free]]]
__many__ = whole(min=0, max=9)
"""


def check(tree: Tree) -> tuple[Tree, list[str]]:
    report = Report("x.conf")
    values = Schema(read_spec(SMALL)).check(tree, report)
    return values, [str(one).removeprefix("x.conf: ") for one in report.problems]


def keys(section: Section, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Section, str]]:
    for name in section.scalars:
        yield path, section, name
    for name in section.sections:
        yield from keys(section[name], (*path, name))


#: Which dataclass each section becomes, and which keys have a field of another name.
BECOMES: dict[tuple[str, ...], Any] = {
    ("global",): model.GlobalConfig,
    ("admin",): model.AdminConfig,
    ("listeners", MANY): model.ListenerConfig,
    ("routes", MANY): RouteConfig,
    ("pools", MANY): model.PoolConfig,
    ("pools", MANY, "servers", MANY): model.ServerConfig,
    ("pools", MANY, "health"): model.HealthConfig,
}
RENAMED = {
    "host": "hosts", "method": "methods", "header": "headers", "query": "queries", "client": "clients", "pool": "pools",
}  # fmt: skip
HEADER_RULES = ("request_header_", "response_header_")
KEYS = [pytest.param(*one, id=".".join([*one[0], one[2]])) for one in keys(spec())]


def test_values_are_checked_and_completed() -> None:
    """What is given is checked, what is left out has its default, and free names keep what they have."""
    assert check({"one": {"b": "y", "a": "7"}, "many": {"m": {}, "n": {"c": "z", "free": {"p": "1"}}}}) == (
        {
            "one": {"a": 7, "b": "y"},
            "many": {"m": {"c": "x", "free": {}}, "n": {"c": "z", "free": {"p": 1}}},
        },
        [],
    )


def test_a_value_with_a_problem_is_none() -> None:
    """Every problem is told once, and its value is None among the good ones."""
    assert check({"one": {"a": "x", "d": "1"}, "many": {"m": {"free": {"p": "x", "q": "2"}}, "n": "1"}}) == (
        {"one": {"a": None, "b": None}, "many": {"m": {"c": "x", "free": {"p": None, "q": 2}}, "n": None}},
        [
            "one.a: 'x' is not a whole number",
            "one.b: this key is required, and missing",
            "one.d: unknown key",
            "many.m.free.p: 'x' is not a whole number",
            "many.n: this is a section, not a value: write [[n]]",
        ],
    )


def test_what_was_told_before_is_not_told_again() -> None:
    """None in the tree is a value or section that had its problem already."""
    assert check({"one": {"b": None}, "many": None}) == ({"one": {"a": 5, "b": None}, "many": None}, [])


@pytest.mark.parametrize(("path", "section", "name"), KEYS)
def test_every_key_is_explained_and_has_a_field(path: tuple[str, ...], section: Section, name: str) -> None:
    """A key of the schema has a comment, a type that there is, and its field in the model."""
    assert any(line.strip().startswith("# ") for line in section.comments[name])
    assert section[name].partition("(")[0] in CHECKS
    names = {one.name for one in fields(BECOMES[path])}
    if name.startswith("tls_"):
        inner = model.TlsConfig if path == ("pools", MANY) else model.ListenerTlsConfig
        assert name.removeprefix("tls_") in {one.name.removesuffix("s") for one in fields(inner)}
    elif name.startswith(HEADER_RULES):
        assert name.rpartition("_")[2] in {one.name for one in fields(HeaderRules)}
    else:
        assert {name, RENAMED.get(name)} & names


@pytest.mark.parametrize(("path", "section", "name"), KEYS)
def test_every_default_is_a_good_value(path: tuple[str, ...], section: Section, name: str) -> None:
    """A default passes the check that a written value passes."""
    if "default=" in section[name]:
        Schema(spec()).validator.check(section[name], None, missing=True)
