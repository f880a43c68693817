"""The command ``deston``.

What lives here: its subcommands, their arguments, and the exit status of each error.
What must not: the work; each subcommand calls the module that does it.
Invariant: an error that a user can make ends in its sentences on standard error, never in a traceback.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from deston import __version__, completion
from deston.admin.commands import config_group, explain, pool, reload, server, status
from deston.admin.routes import require_pages, route_lines
from deston.admin.serve import admin
from deston.admin.sessions.command import sessions
from deston.admin.top.command import top
from deston.balancer.policies import make_policy
from deston.compiled import form
from deston.config.find import find_config
from deston.config.load import load
from deston.config.model import Config
from deston.errors import ChangeRefused, ConfigError, StartError, StoreError
from deston.simulate.cli import simulate


class _Group(click.Group):
    """A group whose commands may raise Deston's errors."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ConfigError, StartError) as error:
            click.echo(str(error), err=True)
            sys.exit(error.exit_status)
        except (ChangeRefused, StoreError) as error:
            click.echo(str(error), err=True)
            sys.exit(1)


@click.group(cls=_Group)
@click.version_option(f"{__version__} ({form()})", prog_name="deston")
def main() -> None:
    """Deston, a load balancer for TCP, UDP and HTTP."""


@main.command()
@click.argument("file", required=False, shell_complete=completion.files)
@click.option("--routes", is_flag=True, help="Show the routes of http listeners in the order in which they are tried.")
def check(file: str | None, routes: bool) -> None:
    """Check the configuration FILE and print all of its problems.

    Without FILE, it is $DESTON_CONFIG, conf/deston.conf, deston.conf or /etc/deston/deston.conf. The exit status is 0
    if it is good, 2 if it is not, and 1 where a policy or a page that it names cannot be used.
    """
    config = load(find_config(file))
    for one in config.pools:
        make_policy(one)
    require_pages(config)
    if routes:
        click.echo("\n".join(route_lines(config)))
    else:
        click.echo(_summary(config))


main.add_command(admin)
main.add_command(server)
main.add_command(pool)
main.add_command(status)
main.add_command(sessions)
main.add_command(top)
main.add_command(explain)
main.add_command(reload)
main.add_command(config_group)
main.add_command(simulate)


def _summary(config: Config) -> str:
    servers = sum(len(pool.servers) for pool in config.pools)
    counts = [
        (len(config.listeners), "listener"),
        (len(config.routes), "route"),
        (len(config.pools), "pool"),
        (servers, "server"),
    ]
    return f"{config.file}: {', '.join(f'{n} {what}' if n == 1 else f'{n} {what}s' for n, what in counts)}: good"
