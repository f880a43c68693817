from __future__ import annotations

import pytest

from deston.config.report import Report, did_you_mean
from deston.errors import ConfigError


def test_a_problem_stands_where_its_path_does() -> None:
    """The line of a path is its own, or that of the nearest section around it, or none."""
    report = Report("x.conf")
    report.lines = {("pools", "app"): 3, ("pools", "app", "retries"): 4}
    for path in [("pools", "app", "retries"), ("pools", "app", "servers", "a"), ("admin", "token")]:
        report.add(path, "wrong")
    with pytest.raises(ConfigError) as caught:
        report.raise_if_any()
    assert str(caught.value).split("\n") == [
        "x.conf: admin.token: wrong",
        "x.conf:3: pools.app.servers.a: wrong",
        "x.conf:4: pools.app.retries: wrong",
    ]


def test_a_translated_path_is_told_as_it_is_written() -> None:
    """Where a file was translated, problems bear the path and line of the original."""
    report = Report("config.toml")
    report.lines = {("load_balancer", "address"): 2}
    report.written = lambda path: ("load_balancer", "address")
    report.add(("listeners", "main", "bind"), "wrong")
    assert report.line(("listeners", "main", "bind")) == 2
    assert [str(one) for one in report.problems] == ["config.toml:2: load_balancer.address: wrong"]


def test_no_problems_raise_nothing() -> None:
    """A report without problems lets the file pass."""
    Report("x.conf").raise_if_any()


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("algoritm", " (did you mean 'algorithm'?)"),
        ("ALGORITHM", " (did you mean 'algorithm'?)"),
        ("Main", " (did you mean 'MAIN'?)"),
        ("xyzzy", ""),
        ("a" * 100_000, ""),
    ],
)
def test_the_nearest_name_is_suggested(name: str, suggestion: str) -> None:
    """A name that is near, whatever its case, is suggested as it is spelled; a far one is not."""
    assert did_you_mean(name, ["algorithm", "MAIN", "retries"]) == suggestion
