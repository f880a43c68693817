from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deston import __version__
from deston.admin.cli import main
from deston.compiled import form
from deston.config import find
from tests.unit.config.texts import GOOD, GOOD_RUST, changed


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, in which no configuration is found by chance."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(find.VARIABLE, raising=False)
    monkeypatch.setattr(find, "PLACES", ("deston.conf",))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("x.conf", GOOD, "x.conf: 2 listeners, 1 route, 1 pool, 2 servers: good\n"),
        ("x.toml", GOOD_RUST, "x.toml: 1 listener, 0 routes, 1 pool, 2 servers: good\n"),
    ],
)
def test_a_good_file_has_one_line(name: str, text: str, line: str, folder: Path) -> None:
    """`deston check` says what a good file has, and exits with 0."""
    (folder / name).write_text(text, encoding="utf-8")
    result = run("check", name)
    assert (result.exit_code, result.stdout, result.stderr) == (0, line, "")


def test_a_bad_file_has_a_line_for_each_problem(folder: Path) -> None:
    """`deston check` prints every problem on standard error, and exits with 2."""
    text = changed(changed(GOOD, "workers = 2", "worker = 2"), "round_robin", "roundrobbin")
    (folder / "x.conf").write_text(text, encoding="utf-8")
    result = run("check", "x.conf")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "x.conf:2: global.worker: unknown key (did you mean 'workers'?)",
        "x.conf:21: pools.app.algorithm: unknown policy 'roundrobbin' (did you mean 'round_robin'?)",
    ]


def test_a_missing_file_is_told_in_a_sentence(folder: Path) -> None:
    """A file that is not there is a problem like any other."""
    result = run("check", "x.conf")
    assert (result.exit_code, result.stderr) == (2, "x.conf: there is no such file\n")


def test_without_a_name_the_usual_places_are_checked(folder: Path) -> None:
    """`deston check` without FILE checks what the commands would use, or says that there is nothing."""
    assert run("check").exit_code == 2
    (folder / "deston.conf").write_text(GOOD, encoding="utf-8")
    assert run("check").stdout.startswith("deston.conf: 2 listeners")


def test_the_version_is_told() -> None:
    """`deston --version` says which one this is."""
    assert run("--version").stdout == f"deston, version {__version__} ({form()})\n"


def test_help_names_the_commands() -> None:
    """`deston --help` lists what there is."""
    assert "check" in run("--help").stdout
