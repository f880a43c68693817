from __future__ import annotations

from typing import Any

import pytest

from deston.config.report import Report
from deston.config.servers import expand_servers


def expand(line: Any) -> tuple[Any, list[str]]:
    tree = {"pools": {"app": {"servers": {"a": line}}}}
    report = Report("x.conf")
    expand_servers(tree, report)
    return tree["pools"]["app"]["servers"]["a"], [one.message for one in report.problems]


@pytest.mark.parametrize(
    ("line", "section"),
    [
        ("x:1", {"address": "x:1"}),
        (["x:1", "weight=3", "backup = yes"], {"address": "x:1", "weight": "3", "backup": "yes"}),
        (["x:1", "unknown=a=b"], {"address": "x:1", "unknown": "a=b"}),
        ([], {"address": ""}),
        (None, None),
    ],
)
def test_a_line_becomes_a_section(line: Any, section: Any) -> None:
    """The first part of a line is the address, and each other one an option."""
    assert expand(line) == (section, [])


@pytest.mark.parametrize(
    "pools", [None, "text", {"app": None}, {"app": "text"}, {"app": {"servers": "text"}}, {"app": {}}]
)
def test_what_is_no_section_is_left_to_the_schema(pools: Any) -> None:
    """A value where a section belongs stays as it is; the schema tells about it."""
    tree, report = {"pools": pools}, Report("x.conf")
    expand_servers(tree, report)
    assert (tree, report.problems) == ({"pools": pools}, [])
