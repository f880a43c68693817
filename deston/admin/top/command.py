"""The command ``deston top``.

What lives here: its options, the loop of reading, drawing and keys, and the single frame of ``--once``.
What must not: what is read (``session``), and how it is drawn (``frame``, ``screen``).
Invariant: what is wrong before the first frame ends as in every other command, in sentences and an exit status.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING

import click

from deston import completion
from deston.admin.top.rows import SORTS
from deston.config.find import find_config
from deston.config.units import UnitError, parse_duration
from deston.errors import StartError

if TYPE_CHECKING:
    from deston.admin.top.screen import Screen
    from deston.admin.top.session import Session

_SHORTEST, _LONGEST = 0.2, 3600.0
# At most a fifth of the time is spent reading, however many servers there are.
_REST = 4
# Of a frame that goes to no terminal: what a table of `deston status` may have.
_PLAIN_SIZE = (100, 24)


def _interval(context: click.Context, parameter: click.Parameter, text: str) -> float:
    try:
        seconds = parse_duration(text)
    except UnitError as error:
        raise click.BadParameter(str(error)) from None
    if not _SHORTEST <= seconds <= _LONGEST:
        raise click.BadParameter(f"{text} is not from 200ms to 1h")
    return seconds


@click.command()
@click.option(
    "--config", "file", metavar="FILE", shell_complete=completion.files,
    help="The configuration; see `deston check --help`.",
)  # fmt: skip
@click.option("--interval", default="1s", callback=_interval, help="The time between two readings; default 1s.")
@click.option("--sort", type=click.Choice(list(SORTS)), default="file", help="What to sort by; default file.")
@click.option("--filter", "text", default="", metavar="TEXT", help="Only servers whose name, address or state has it.")
@click.option("--once", is_flag=True, help="Print one frame as plain text, after one interval, and end.")
def top(file: str | None, interval: float, sort: str, text: str, once: bool) -> None:
    """Watch pools and servers live: rates, latencies, states; drain them and make them ready by keys.

    In it ? shows the keys, and q quits. Without a terminal the exit status is 1.
    """
    # Not at the top of the module: the other commands need nothing of it.
    from deston.admin.top.choices import Choices
    from deston.admin.top.figures import signs_for
    from deston.admin.top.screen import Screen, is_terminal
    from deston.admin.top.session import Session

    session = Session(find_config(file), Choices(sort, filter=text), signs_for(sys.stdout.encoding or ""), interval)
    if once:
        _print_once(session, interval)
        return
    if not is_terminal():
        raise StartError("deston top needs a terminal for its input and output: with --once it prints one frame")
    session.read(time.monotonic())
    try:
        with Screen() as screen:
            _run(session, screen, interval)
    except KeyboardInterrupt:
        return  # It is how one leaves what runs in a terminal.


def _run(session: Session, screen: Screen, interval: float) -> None:
    due = time.monotonic() + interval
    while not session.is_over:
        screen.draw(session.frame(*screen.size))
        for key in screen.wait(due - time.monotonic()):
            session.press(key)
        began = time.monotonic()
        if began >= due:
            session.refresh(began)
            due = max(due + interval, time.monotonic() + _REST * (time.monotonic() - began))


def _print_once(session: Session, interval: float) -> None:
    """Two readings, because one has no rates."""
    session.read(time.monotonic())
    time.sleep(interval)
    session.read(time.monotonic())
    click.echo("\n".join(session.plain(shutil.get_terminal_size(_PLAIN_SIZE).columns)))
