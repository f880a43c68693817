"""The command without a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deston.admin.cli import main
from tests.unit.admin.top.test_session import TEXT


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "90", "LINES": "24"}).invoke(main, ["top", *arguments])


@pytest.fixture
def file(tmp_path: Path) -> str:
    file = tmp_path / "deston.conf"
    file.write_text(TEXT.format(folder=tmp_path))
    return str(file)


def test_once_prints_a_frame(file: str) -> None:
    """As plain text, with the order and the filter that were asked for."""
    result = run("--config", file, "--once", "--interval", "200ms", "--sort", "name", "--filter", "app/b")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    lines = result.stdout.splitlines()
    assert lines[0].startswith("1 of 2 servers fit 'app/b'")
    assert [line.split()[0] for line in lines[2:]] == ["SERVER▾", "app", "b"]
    assert max(map(len, lines)) <= 90


def test_without_a_terminal_it_is_one_sentence(file: str) -> None:
    """And exit status 1."""
    result = run("--config", file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "deston top needs a terminal for its input and output: with --once it prints one frame\n"


def test_a_broken_configuration_is_told_as_usual(file: str) -> None:
    """Exit status 2 for the file, 1 where its processes share nothing."""
    assert run("--config", f"{file}.not").exit_code == 2
    text = Path(file).read_text()
    Path(file).write_text(text.replace("[global]", "[global]\nstore = memory"))
    result = run("--config", file)
    assert result.exit_code == 1
    assert "store = memory" in result.stderr


@pytest.mark.parametrize("options", [("--interval", "1"), ("--interval", "10ms"), ("--sort", "colour")])
def test_an_option_that_makes_no_sense_is_named(file: str, options: tuple[str, str]) -> None:
    """Exit status 2, as of every option."""
    result = run("--config", file, "--once", *options)
    assert result.exit_code == 2
    assert options[0] in result.stderr
