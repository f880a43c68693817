"""What is offered to somebody who presses the key for completion."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from deston.admin.cli import main
from deston.config import find
from deston.config.algorithms import ALGORITHMS
from deston.config.load import load
from deston.store.changes import Change, Changes, What
from deston.store.good_copy import keep_copy
from deston.store.places import open_store, place
from tests.unit.config.texts import GOOD, changed

SECOND = """\
    [[api]]
        [[[servers]]]
        x = 127.0.0.1:3002
        a = 127.0.0.1:3003
"""
TEXT = changed(GOOD, "workers = 2", "run_dir = run") + SECOND


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only configuration that there is, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(find.VARIABLE, raising=False)
    monkeypatch.setattr(find, "PLACES", ("deston.conf",))
    file = tmp_path / "deston.conf"
    file.write_text(TEXT, encoding="utf-8")
    return file


def items(line: str) -> list[CompletionItem[str]]:
    """What is offered at the end of a line; a space there begins a new word."""
    *words, incomplete = line.split(" ")
    return ShellComplete(main, {}, "deston", "_DESTON_COMPLETE").get_completions(words, incomplete)


def offered(line: str) -> list[str]:
    return [one.value for one in items(line)]


def store(file: Path, *changes: Change) -> None:
    def update(_: Changes) -> Changes:
        return changes

    open_store(load(str(file))).update(update)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        *((f"server {verb} ", ["app", "api"]) for verb in ("add", "remove", "drain", "ready", "maint", "weight")),
        *((f"server {verb} app ", ["a", "b"]) for verb in ("remove", "drain", "ready", "maint", "weight")),
        ("server drain ap", ["app", "api"]),
        ("server drain api ", ["x", "a"]),
        ("server drain --wait 5 api ", ["x", "a"]),
        ("server drain api x", ["x"]),
        ("server drain nobody ", []),
        ("server add app ", []),
        ("server weight app a ", []),
        ("pool show ", ["app", "api"]),
        ("pool algorithm ap", ["app", "api"]),
        ("pool algorithm app ", list(ALGORITHMS)),
        ("pool algorithm app least", ["least_connections", "least_latency"]),
        ("sessions --pool ", ["app", "api"]),
        ("sessions --pool=ap", ["app", "api"]),
        ("sessions --pool api --server ", ["x", "a"]),
        ("sessions --server ", ["a", "b", "x"]),
        ("sessions --listener ", ["web", "db"]),
        ("sessions --sort a", ["age"]),
        ("sessions end --pool api --server ", ["x", "a"]),
        ("sessions end --listener d", ["db"]),
        ("explain P", ["POST", "PUT", "PATCH"]),
        ("explain GET http://x/ --listener ", ["web"]),
        ("simulate --algorithm two", ["two_choices"]),
        ("simulate --pool ", ["app", "api"]),
    ],
)
def test_names_are_offered(line: str, names: list[str], file: Path) -> None:
    """Those that fit in their place, in the order of the file."""
    assert offered(line) == names


@pytest.mark.parametrize(
    "line",
    ["check ", "status --config ", "top --config ", "admin --config ", "simulate --log ", "simulate --plot "],
)
def test_files_are_left_to_the_shell(line: str, file: Path) -> None:
    assert [(one.value, one.type) for one in items(f"{line}my")] == [("my", "file")]


@pytest.mark.parametrize("typed", ["other.conf", "$PLACE/other.conf", "~/other.conf"])
def test_the_file_that_was_named_before_counts(typed: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the shell will hand it to the command."""
    monkeypatch.setenv("PLACE", str(file.parent))
    monkeypatch.setenv("HOME", str(file.parent))
    file.rename(file.parent / "other.conf")
    assert offered("server drain ") == []
    assert offered(f"server drain --config {typed} ap") == ["app", "api"]
    assert offered(f"simulate --config {typed} --pool ap") == ["app", "api"]


def test_what_is_told_beside_a_name(file: Path) -> None:
    """Shells that show it tell a server by its address and a pool by its policy."""
    assert [one.help for one in items("server drain app ")] == ["127.0.0.1:3000", "127.0.0.1:3001"]
    assert items("server drain app")[0].help == "round_robin"


def test_what_was_changed_at_run_time_counts(file: Path) -> None:
    """A server that was added is offered, one that was removed is not, and what is simulated is the file's."""
    store(file, Change("app", "c", What.ADDED, "127.0.0.1:3009"), Change("app", "a", What.REMOVED))
    assert offered("server drain app ") == ["b", "c"]
    assert offered("sessions --server ") == ["b", "c", "x", "a"]


def test_what_was_changed_can_be_reset(file: Path) -> None:
    """That alone, and also a server that was removed."""
    assert offered("server reset ") == []
    store(file, Change("app", "a", What.REMOVED), Change("api", "", What.ALGORITHM, "random"))
    assert offered("server reset ") == ["app", "api"]
    assert offered("server reset app ") == ["a"]
    assert offered("server reset api ") == []


def test_looking_makes_no_file(file: Path) -> None:
    assert offered("server drain app ") == ["a", "b"]
    assert os.listdir(file.parent) == ["deston.conf"]


@pytest.mark.parametrize("text", [None, "[pools\n", "[pools]\n[[app]]\nalgorithm = none\n", "\0", "\udcff"])
@pytest.mark.parametrize("line", ["server drain ", "server drain app ", "sessions --listener ", "server reset "])
def test_nothing_is_offered_where_the_file_is_of_no_use(
    text: str | None, line: str, file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nor is anything said."""
    if text is None:
        file.unlink()
    else:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert offered(line) == []
    assert capfd.readouterr() == ("", "")


def test_a_broken_file_leaves_what_runs(file: Path) -> None:
    """The commands go by that, too."""
    (file.parent / "run").mkdir()
    keep_copy(load(str(file)))
    file.write_text(changed(TEXT, "round_robin", "none"), encoding="utf-8")
    assert offered("server drain app ") == ["a", "b"]


def test_a_store_that_cannot_be_read_leaves_the_file(file: Path) -> None:
    store(file)
    Path(place(load(str(file)), "db")).write_text("no database", encoding="utf-8")
    assert offered("server drain app ") == ["a", "b"]


def test_processes_that_share_nothing_have_the_file(file: Path) -> None:
    file.write_text(changed(TEXT, "run_dir = run", "store = memory"), encoding="utf-8")
    assert offered("server drain app ") == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["deston", "server", "drain", "--config", "=", "other.conf", ""], "plain,app"),
        (["deston", "sessions", "--config", "=", "other.conf", "--pool", "="], "plain,app"),
        (["deston", "sessions", "--config", "=", "other.conf", "--pool", "=", "ap"], "plain,app"),
        (["deston", "sessions", "--config", "other.conf", "--pool", "ap"], "plain,app"),
    ],
)
def test_bash_takes_options_apart(words: list[str], names: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option and its value are the same with and without the ``=`` between them."""
    (file.parent / "other.conf").write_text(GOOD, encoding="utf-8")
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    bash = get_completion_class("bash")
    assert bash is not None
    assert bash(main, {}, "deston", "_DESTON_COMPLETE").complete() == names


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_leave_options_together(shell: str, file: Path) -> None:
    """What is offered takes the place of all of ``--pool=ap``."""
    found = get_completion_class(shell)
    assert found is not None
    asked = found(main, {}, "deston", "_DESTON_COMPLETE")
    assert [one.value for one in asked.get_completions(["sessions"], "--pool=ap")] == ["--pool=app", "--pool=api"]
    assert [one.value for one in asked.get_completions(["sessions", "--pool"], "ap")] == ["app", "api"]
    assert [one.value for one in asked.get_completions(["sessions"], "--po")] == ["--pool"]
