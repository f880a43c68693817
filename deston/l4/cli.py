"""The command ``deston-l4``.

What lives here: its options, and the exit status of what goes wrong before the workers run.
What must not: gunicorn's settings and signals (``arbiter.py``), anything that the workers do.
Invariant: what is wrong with the file, the options or the machine ends in sentences and an exit status, never in
a traceback: 2 for the configuration, 1 for the rest.
"""

from __future__ import annotations

import resource
import sys

import click

from deston import __version__, logs
from deston.compiled import form
from deston.config.find import find_config
from deston.config.log_words import LOG_LEVELS
from deston.errors import ConfigError, StartError
from deston.l4.arbiter import L4Application


@click.command()
@click.option("--config", "file", metavar="FILE", help="The configuration; else $DESTON_CONFIG or the usual places.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes, instead of those in the file.")
@click.option("--pid", metavar="FILE", help="Where to write the process id of the arbiter.")
@click.option("--log-level", type=click.Choice(LOG_LEVELS), help="Instead of that in the file.")
@click.version_option(f"{__version__} ({form()})", prog_name="deston-l4")
def main(file: str | None, workers: int | None, pid: str | None, log_level: str | None) -> None:
    """Balance the TCP and UDP listeners of a configuration.

    TERM drains and stops, INT stops at once, HUP reloads the file, TTIN and TTOU change the number of workers.
    """
    logs.configure("deston-l4", log_level)
    _raise_descriptor_limit()
    try:
        application = L4Application(find_config(file), workers, pid, log_level)
        application.require_bindable()
        application.run()
    except (ConfigError, StartError) as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_status)
    except (RuntimeError, OSError) as error:  # gunicorn's own way of saying what it lacks: a pid file in use.
        click.echo(f"deston-l4: {error}", err=True)
        sys.exit(1)


def _raise_descriptor_limit() -> None:
    """Take as many file descriptors as the system allows, as HAProxy does: each connection needs two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
