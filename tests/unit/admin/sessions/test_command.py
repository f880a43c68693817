"""``deston sessions`` and ``deston sessions end``: what they print, and with which status they end."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deston.admin.cli import main
from deston.config.load import load
from deston.sessions import asking, wire
from deston.sessions.entry import Wanted
from deston.sessions.sockets import Place, own_place
from deston.sessions.wire import Last, Question
from deston.store.places import open_board
from tests.unit.config.texts import GOOD
from tests.unit.sessions.entries import make_entry
from tests.unit.sessions.process import Answering, answering, says

PROCESS = os.getpid()
ENTRY = make_entry("a", PROCESS)
NOTHING = wire.last_line(Last())


@pytest.fixture
def file(tmp_path: Path) -> str:
    file = tmp_path / "deston.conf"
    file.write_text(GOOD, encoding="utf-8")
    return str(file)


def run(file: str, *words: str) -> Result:
    return CliRunner().invoke(main, ["sessions", *words, "--config", file])


def asked(file: str, answer: Answering | bytes, *words: str) -> Result:
    """What the command does when the only process answers so."""
    how = says(answer) if isinstance(answer, bytes) else answer
    with answering(own_place(load(file)), how):
        return run(file, *words)


def good(*entries: object, left: int = 0, refused: str = "") -> bytes:
    return wire.answer_lines(entries) + wire.last_line(Last(left, refused))  # type: ignore[arg-type]


def test_what_is_under_way_is_printed(file: str) -> None:
    """As a table, or as JSON."""
    result = asked(file, good(ENTRY))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1].startswith(f"{PROCESS}-a http web")
    told = json.loads(asked(file, good(ENTRY), "--json").stdout)
    assert told == {"total": 1, "sessions": [ENTRY._asdict()], "unanswered": []}


def test_where_nothing_runs(file: str) -> None:
    """There is nothing under way."""
    assert run(file).stdout.splitlines()[-1] == "under way: 0"


def test_the_options_are_what_is_asked_for(file: str) -> None:
    """Each of them, and the limit counts here."""
    heard: list[Question | None] = []

    def answer(connection: object) -> None:
        connection.sendall(good(ENTRY, ENTRY, ENTRY))  # type: ignore[attr-defined]

    def listen(place: Place, question: Question, found: object) -> object:
        heard.append(question)
        return original(place, question, found)  # type: ignore[arg-type]

    original = asking._ask
    options = ["--pool", "app", "--server", "a", "--listener", "web", "--client", "192.0.2.1", "--all"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "_ask", listen)
        result = asked(file, answer, *options, "--limit", "2", "--sort", "bytes")
    assert result.stdout.splitlines()[-1] == "under way: 3, 2 of them shown; --limit shows more"
    assert heard == [Question(False, Wanted("app", "a", "web", "192.0.2.1", True))]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--pool", "ap"], "there is no pool 'ap' (did you mean 'app'?)"),
        (["--pool", "app", "--server", "c"], "pool app has no server 'c' (there are: a, b)"),
        (["--server", "aa"], "there is no server 'aa' (did you mean 'a'?)"),
        (["--listener", "wep"], "there is no listener 'wep' (did you mean 'web'?)"),
    ],
)
def test_a_name_that_there_is_not(file: str, words: list[str], sentence: str) -> None:
    """Is told with the nearest one, for both."""
    for command in ([], ["end"]):
        result = asked(file, NOTHING, *command, *words)
        assert (result.exit_code, result.stderr) == (1, f"{sentence}\n")


def test_what_is_left_of_a_server_that_was_removed(file: str) -> None:
    """Is found by its name all the same."""
    result = asked(file, good(make_entry(server="gone")), "--pool", "app", "--server", "gone")
    assert result.stdout.splitlines()[-1] == "under way: 1"


def test_one_is_ended(file: str) -> None:
    """With a sentence, or JSON."""
    result = asked(file, good(ENTRY), "end", ENTRY.id)
    assert (result.exit_code, result.stdout) == (0, f"{ENTRY} was ended\n")
    told = json.loads(asked(file, good(ENTRY), "end", ENTRY.id, "--json").stdout)
    assert (told["done"], told["server"]) == (f"{ENTRY} was ended", "a")


@pytest.mark.parametrize(
    ("id", "answer", "sentence"),
    [
        (ENTRY.id, NOTHING, f"there is no session {ENTRY.id} any more: it has ended"),
        ("1-a", NOTHING, "there is no session 1-a any more: there is no process 1"),
        ("a", NOTHING, "'a' is no id of a session: `deston sessions` tells them, such as 4711-k3f9a"),
        (ENTRY.id, good(refused="it is in a thread"), "it is in a thread"),
        (ENTRY.id, good(left=1), "it was told to end, and is not over yet"),
        (ENTRY.id, b"", f"process {PROCESS}: it did not complete its answer, so nothing was ended there"),
    ],
    ids=["over", "no process", "no id", "refused", "left", "no answer"],
)
def test_one_that_is_not_ended(file: str, id: str, answer: bytes, sentence: str) -> None:
    """Exit status 1, and why."""
    with contextlib.ExitStack() as stack:
        if id == ENTRY.id:
            stack.enter_context(answering(own_place(load(file)), says(answer)))
        result = run(file, "end", id)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"{sentence}\n")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (good(ENTRY), "1 session was ended"),
        (good(ENTRY, ENTRY, left=3), "2 sessions were ended, 3 more were told to end"),
        (good(ENTRY, refused="they are in threads"), "1 session was ended; others were not: they are in threads"),
    ],
)
def test_many_are_ended(file: str, answer: bytes, sentence: str) -> None:
    """By what they have in common."""
    result = asked(file, answer, "end", "--pool", "app")
    assert (result.exit_code, result.stdout) == (0, f"{sentence}\n")


def test_there_is_none_to_be_ended(file: str) -> None:
    """Exit status 1."""
    result = asked(file, NOTHING, "end", "--pool", "app", "--client", "192.0.2.9")
    assert (result.exit_code, result.stderr) == (1, "nothing is under way with pool=app client=192.0.2.9\n")


@pytest.mark.parametrize("words", [[], ["1-a", "--pool", "app"]])
def test_never_all_by_an_oversight(file: str, words: list[str]) -> None:
    """It is either one, or what the options name."""
    result = run(file, "end", *words)
    assert result.exit_code == 2
    assert "name either an ID, or a pool, server, listener or client" in result.stderr


def silent(connection: object) -> None:
    connection.recv(1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", [[], ["end", "--pool", "app"]])
def test_who_does_not_answer_is_named(file: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that has no socket, though it runs."""
    monkeypatch.setattr(asking, "SILENCE", 0.1)
    result = asked(file, silent, *words)
    assert f"process {PROCESS}" in result.output
    assert "it did not answer within" in result.output
    board = open_board(load(file))
    board.take_place()
    result = run(file, *words)
    board.close()
    assert f"process {PROCESS}" in result.output
    assert "it has no socket for commands; its log says why" in result.output


def test_it_is_shown_anew(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until somebody ends it."""

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deston.admin.sessions.command.time.sleep", interrupt)
    result = run(file, "--watch")
    assert (result.exit_code, result.stdout.count("under way: 0")) == (1, 1)
