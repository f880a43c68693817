"""The commands that see and change what runs: ``server``, ``pool``, ``status``, ``explain``, ``reload``, ``config``.

What lives here: their arguments, their output, and their exit statuses.
What must not: the work (``operator``, ``status``, ``explaining``, ``saving``).
Invariant: each command is one sentence or one table, or JSON with ``--json``; what is refused is told by an error.
"""

from __future__ import annotations

import ipaddress
import json
import math
import sys
import time
from typing import Any

import click

from deston import completion
from deston.admin import explaining
from deston.admin.dumping import dumped
from deston.admin.operator import Operator
from deston.admin.status import table
from deston.config.find import find_config
from deston.errors import StoreError

#: Exit status of ``drain --wait`` whose time is over.
NOT_EMPTY = 3
STATES = ("ready", "drain", "maint")

pool_argument = click.argument("pool", shell_complete=completion.pools)
server_argument = click.argument("name", shell_complete=completion.servers)
config_option = click.option(
    "--config", "file", metavar="FILE", shell_complete=completion.files,
    help="The configuration; see `deston check --help`.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
save_option = click.option("--save", "saves", is_flag=True, help="Write it into the configuration file, too.")


def operator_for(file: str | None) -> Operator:
    """What a command works with; that the file is broken is told on standard error."""
    operator = Operator(find_config(file))
    if operator.problem is not None:
        click.secho(f"{operator.problem}\nthe file is broken: this goes by what runs", fg="yellow", err=True)
    return operator


def _done(sentence: str, as_json: bool, **facts: Any) -> None:
    click.echo(json.dumps({"done": sentence, **facts}) if as_json else sentence)


@click.group()
def server() -> None:
    """Add, remove, drain and weigh servers while Deston runs."""


@server.command()
@pool_argument
@click.argument("name")
@click.argument("address")
@click.option("--weight", type=click.IntRange(0, 65535), help="Its share in comparison with the others.")
@click.option("--max-connections", type=click.IntRange(0, 10_000_000), help="How many it may have at one time.")
@click.option("--backup", is_flag=True, help="Leave it alone until no other is available.")
@config_option
@json_option
@save_option
def add(
    pool: str,
    name: str,
    address: str,
    weight: int | None,
    max_connections: int | None,
    backup: bool,
    file: str | None,
    as_json: bool,
    saves: bool,
) -> None:
    """Add the server NAME at ADDRESS to POOL."""
    options = {"weight": weight, "max_connections": max_connections, "backup": "yes" if backup else None}
    parts = [address, *(f"{key}={value}" for key, value in options.items() if value is not None)]
    _done(operator_for(file).add(pool, name, ", ".join(parts), saves), as_json, pool=pool, server=name)


@server.command()
@pool_argument
@server_argument
@config_option
@json_option
@save_option
def remove(pool: str, name: str, file: str | None, as_json: bool, saves: bool) -> None:
    """Take the server NAME out of POOL; what it has under way ends by itself."""
    _done(operator_for(file).remove(pool, name, saves), as_json, pool=pool, server=name)


@server.command()
@pool_argument
@server_argument
@click.option("--wait", "seconds", type=click.FloatRange(0, 31_536_000), help="Wait so many seconds until it is empty.")
@config_option
@json_option
@save_option
def drain(pool: str, name: str, seconds: float | None, file: str | None, as_json: bool, saves: bool) -> None:
    """Give the server NAME no new clients; those that it has stay.

    With --wait the exit status is 0 when nothing is under way with it any more, and 3 when the time is up.
    """
    if seconds is not None and math.isnan(seconds):
        raise click.BadParameter("it is no number of seconds", param_hint="--wait")
    operator = operator_for(file)
    done = operator.set_state(pool, name, "drain", saves)
    if seconds is None:
        _done(done, as_json, pool=pool, server=name)
        return
    if operator.wait_until_empty(pool, name, seconds):
        _done(f"{done}, and is empty", as_json, pool=pool, server=name, active=0)
        return
    active = operator.active(pool, name)
    _done(f"{done}, and still has {active} under way", as_json, pool=pool, server=name, active=active)
    sys.exit(NOT_EMPTY)


def _state_command(command: str, state: str, help: str) -> None:
    """A command that does no more than to say what a server is to do."""

    @server.command(command, help=help)
    @pool_argument
    @server_argument
    @config_option
    @json_option
    @save_option
    def run(pool: str, name: str, file: str | None, as_json: bool, saves: bool) -> None:
        _done(operator_for(file).set_state(pool, name, state, saves), as_json, pool=pool, server=name, state=state)


_state_command("ready", "ready", "Let the server NAME have clients again.")
_state_command("maint", "maint", "Take the server NAME out of service: no clients, no checks.")


@server.command()
@pool_argument
@server_argument
@click.argument("value", type=click.IntRange(0, 65535))
@config_option
@json_option
@save_option
def weight(pool: str, name: str, value: int, file: str | None, as_json: bool, saves: bool) -> None:
    """Give the server NAME the weight VALUE; 0 is no new clients."""
    _done(operator_for(file).set_weight(pool, name, value, saves), as_json, pool=pool, server=name)


@server.command()
@click.argument("pool", shell_complete=completion.changed_pools)
@click.argument("name", required=False, default="", shell_complete=completion.changed_servers)
@config_option
@json_option
def reset(pool: str, name: str, file: str | None, as_json: bool) -> None:
    """Drop what was changed of NAME at run time, or of all of POOL: the file counts again."""
    _done(operator_for(file).reset(pool, name), as_json, pool=pool, server=name)


@click.group()
def pool() -> None:
    """Look at pools, and change how they pick."""


@pool.command()
@click.argument("name", shell_complete=completion.pools)
@config_option
@json_option
def show(name: str, file: str | None, as_json: bool) -> None:
    """Show the pool NAME with its servers."""
    _print(operator_for(file).pool_status(name), as_json)


@pool.command()
@click.argument("name", shell_complete=completion.pools)
@click.argument("algorithm", shell_complete=completion.policies)
@config_option
@json_option
def algorithm(name: str, algorithm: str, file: str | None, as_json: bool) -> None:
    """Have the pool NAME pick by ALGORITHM."""
    done = operator_for(file).set_algorithm(name, algorithm)
    _done(done, as_json, pool=name, algorithm=done.rpartition(" ")[2])


def _print(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    for line, colour in table(told):
        click.secho(line, fg=colour or None)


@click.command()
@config_option
@json_option
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C.")
def status(file: str | None, as_json: bool, watch: bool) -> None:
    """Show what runs: pools, servers, what they carry, and what was changed."""
    operator = operator_for(file)
    while watch:
        click.clear()
        _print(operator.status(), as_json)
        time.sleep(1.0)
    _print(operator.status(), as_json)


@click.command()
@click.argument("method", shell_complete=completion.methods)
@click.argument("url")
@click.option("--from", "client", default="127.0.0.1", help="The client's address.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A field of the request.")
@click.option(
    "--listener", default="", shell_complete=completion.http_listeners,
    help="The listener that it comes to; the first http listener if left out.",
)  # fmt: skip
@config_option
@json_option
def explain(
    method: str, url: str, client: str, headers: tuple[str, ...], listener: str, file: str | None, as_json: bool
) -> None:
    """Say what would become of a request: its route, its path, and which servers may be picked."""
    try:
        ipaddress.ip_address(client)
    except ValueError:
        raise click.BadParameter(f"{client!r} is not an address", param_hint="--from") from None
    operator = operator_for(file)
    split = [one.partition(":") for one in headers]
    fields = [(name.strip().encode(), value.strip().encode()) for name, _, value in split]
    with operator.seen_board() as board:
        told = explaining.explain(operator.effective, board, method, url, client, fields, listener)
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(f"listener: {told['listener']}\nroute: {told['route'] or 'none takes it'}")
    if "answer" in told:
        click.echo(f"answer: {told['answer']}")
        return
    click.echo(f"target for the server: {told['target']}")
    for name, one in told["pools"].items():
        click.echo(f"pool {name} ({one['algorithm']}):")
        for server_name, judged in one["servers"].items():
            click.echo(f"  {server_name} {judged['address']}: {judged['may_be_picked']}")


@click.command()
@config_option
@json_option
def reload(file: str | None, as_json: bool) -> None:
    """Have every process read the configuration again; with a broken one nothing changes, and the exit status is 2."""
    _done(operator_for(file).reload(), as_json)


@click.group("config")
def config_group() -> None:
    """Look at the configuration."""


@config_group.command()
@config_option
@json_option
def dump(file: str | None, as_json: bool) -> None:
    """Print the effective configuration: each value, and where it comes from.

    That is a line of the file, the default, or a change at run time.
    """
    found = find_config(file)
    try:
        changes = operator_for(file).state.changes
    except StoreError:  # Nothing is shared, so nothing can have been changed.
        changes = ()
    told = dumped(found, changes)
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    for path, one in told["values"].items():
        click.echo(f"{path} = {_shown(one['value'])}  # {one['origin']}")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
