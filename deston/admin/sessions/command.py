"""The command ``deston sessions``, and ``deston sessions end``.

What lives here: their arguments, their output, and their exit statuses.
What must not: the work (``asked``), the lines of the table (``table``).
Invariant: what is ended is named by an id, or by what all of it has in common: never everything by an oversight.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from deston import completion
from deston.admin.commands import config_option, json_option, operator_for
from deston.admin.sessions.asked import LARGEST_LIMIT, LIMIT
from deston.admin.sessions.table import table
from deston.admin.top.figures import signs_for
from deston.sessions.entry import SORTS, Wanted

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _narrowing(command: _Command) -> _Command:
    """The options that say which sessions are meant."""
    for option, what, names in (
        ("client", "client: its address, with the port or without", None),
        ("listener", "listener", completion.listeners),
        ("server", "server", completion.servers),
        ("pool", "pool", completion.pools),
    ):
        told = f"Only those of this {what}."
        command = click.option(f"--{option}", default="", help=told, shell_complete=names)(command)
    return command


@click.group(invoke_without_command=True)
@_narrowing
@click.option("--all", "idle", is_flag=True, help="Also http clients that are connected and ask for nothing.")
@click.option("--sort", type=click.Choice(list(SORTS)), default="age", show_default=True, help="The order.")
@click.option(
    "--limit", type=click.IntRange(1, LARGEST_LIMIT), default=LIMIT, show_default=True, help="At most so many."
)
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C.")
@config_option
@json_option
@click.pass_context
def sessions(
    context: click.Context,
    pool: str,
    server: str,
    listener: str,
    client: str,
    idle: bool,
    sort: str,
    limit: int,
    watch: bool,
    file: str | None,
    as_json: bool,
) -> None:
    """Show connections, UDP sessions, exchanges and tunnels that are open, or end some."""
    if context.invoked_subcommand is not None:
        return
    operator, wanted = operator_for(file), Wanted(pool, server, listener, client, idle)
    while True:
        told = operator.sessions(wanted, sort, limit)
        if watch:
            click.clear()
        _print(told, as_json)
        if not watch:
            return
        time.sleep(1.0)


def _print(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line, colour in table(told, width, signs_for(sys.stdout.encoding)):
        click.secho(line, fg=colour or None)


@sessions.command()
@click.argument("id", required=False, default="")
@_narrowing
@config_option
@json_option
def end(id: str, pool: str, server: str, listener: str, client: str, file: str | None, as_json: bool) -> None:
    """End the session ID, or all that the options name.

    Its client and its server are cut off. The exit status is 1 where there is no such session any more.
    """
    wanted = Wanted(pool, server, listener, client)
    if bool(id) == wanted.is_narrow:
        raise click.UsageError("name either an ID, or a pool, server, listener or client")
    operator = operator_for(file)
    told = operator.end_session(id) if id else operator.end_sessions(wanted)
    click.echo(json.dumps(told) if as_json else told["done"])
    for one in told.get("unanswered", ()):
        click.secho(f"process {one['process']} was not told: {one['reason']}", fg="yellow", err=True)
