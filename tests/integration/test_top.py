"""`deston top` in a pseudo-terminal, beside a `deston-l4` that runs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deston.address import Address
from deston.admin.operator import Operator
from tests.integration.commands import L4, Command, start
from tests.integration.configs import QUICK_CHECKS, pool, tcp, write_config
from tests.integration.processes import BIN, TRACEBACK, Processes, wait_until
from tests.integration.pseudo_terminal import PseudoTerminal

ENTERS, LEAVES = "\x1b[?1049h", "\x1b[?1049l"
SHOWS_CURSOR = "\x1b[?25h"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, abc: dict[str, Address]) -> Path:
    servers = {"alpha": abc["a"], "beta": abc["b"]}
    pools = {"app": pool(servers, QUICK_CHECKS)}
    folder = tmp_path_factory.mktemp("top")
    return write_config(folder, {"raw": tcp()}, pools=pools, global_={"run_dir": str(folder / "run")})


@pytest.fixture(scope="module")
def l4(module_processes: Processes, file: Path) -> Command:
    return start(L4, module_processes, file)


@pytest.fixture
def terminal(file: Path, l4: Command) -> Iterator[PseudoTerminal]:
    """With the first readings on it."""
    with PseudoTerminal([f"{BIN}/deston", "top", "--config", str(file), "--interval", "200ms"]) as terminal:
        terminal.wait_for("alpha +✓ up")
        yield terminal


def is_as_before(terminal: PseudoTerminal) -> bool:
    """Whether the terminal was given back: its modes, the screen of before, the cursor."""
    end = terminal.written[terminal.written.rindex(LEAVES) - 20 :]
    return terminal.modes == terminal.modes_before and SHOWS_CURSOR in end and TRACEBACK not in terminal.written


def changes(file: Path) -> list[tuple[str, str]]:
    return [(one.server, one.value) for one in Operator(str(file)).state.changes]


def test_a_server_is_drained_and_made_ready_by_keys(terminal: PseudoTerminal, file: Path, l4: Command) -> None:
    """It is asked, it is done in the running process, it is shown; q leaves the terminal as it was, with status 0."""
    terminal.wait_for(r"1 worker .* every 0\.2s")
    l4.ask()
    terminal.wait_for(r"app +2 of 2")
    terminal.press("jd")
    terminal.wait_for(r"drain app/beta\? No new clients, \d+ under way goe?s? on \(y/n\)")
    assert changes(file) == []
    terminal.press("y")
    terminal.wait_for(r"app/beta drains")
    terminal.wait_for(r"\*beta +↓ drain")
    assert changes(file) == [("beta", "drain")]
    wait_until(lambda: {l4.ask() for _ in range(4)} == {"a"}, "only alpha is picked")
    since = terminal.length
    terminal.press("ey")
    terminal.wait_for(r"beta +✓ up", since)
    assert changes(file) == []
    terminal.press("q")
    assert terminal.wait() == 0
    assert is_as_before(terminal)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 0)])
def test_a_signal_leaves_the_terminal_as_it_was(terminal: PseudoTerminal, number: int, status: int) -> None:
    """Whatever ends it."""
    assert terminal.modes != terminal.modes_before
    terminal.send(number)
    assert terminal.wait() == status
    assert is_as_before(terminal)


def test_a_window_may_change_its_size(terminal: PseudoTerminal) -> None:
    """More columns show more, at once."""
    since = terminal.length
    terminal.resize(140, 40)
    terminal.send(signal.SIGWINCH)  # The kernel sends it to the group in front, which a test has none of.
    terminal.wait_for("ADDRESS +STATE +WEIGHT", since)


def test_a_stopped_one_gives_the_terminal_back_and_takes_it_again(terminal: PseudoTerminal) -> None:
    """As for a shell's job control."""
    terminal.send(signal.SIGTSTP)
    wait_until(lambda: LEAVES in terminal.written, "it leaves the screen")
    wait_until(lambda: terminal.modes == terminal.modes_before, "the modes of before")
    since = terminal.length

    def is_back() -> bool:
        terminal.send(signal.SIGCONT)  # It may not have stopped yet, and one too many does no harm.
        return ENTERS in terminal.written[since:]

    wait_until(is_back, "it takes the screen again")
    terminal.press("q")
    assert terminal.wait() == 0
    assert is_as_before(terminal)


def test_without_colours_nothing_is_coloured(file: Path, l4: Command) -> None:
    """With NO_COLOR; states are words all the same."""
    argv = [f"{BIN}/deston", "top", "--config", str(file), "--interval", "200ms"]
    for environment, coloured in (({"NO_COLOR": "1"}, False), ({}, True)):
        with PseudoTerminal(argv, environment) as terminal:
            terminal.wait_for("alpha +✓ up")
            assert ("\x1b[32m" in terminal.written or "\x1b[7;32m" in terminal.written) is coloured
            terminal.press("q")
            assert terminal.wait() == 0


def test_a_mistake_of_ours_leaves_the_terminal_as_it_was() -> None:
    """An exception is told on the screen of before, as any other."""
    code = "from deston.admin.top.screen import Screen\nwith Screen() as screen: screen.draw([]); raise LookupError(1)"
    with PseudoTerminal([sys.executable, "-c", code]) as terminal:
        assert terminal.wait() == 1
        terminal.wait_for("LookupError: 1")
        assert terminal.modes == terminal.modes_before
        assert terminal.written.index(LEAVES) < terminal.written.index(TRACEBACK)
