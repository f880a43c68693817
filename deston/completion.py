"""What a shell offers where the name of something is typed: pools, servers, listeners, policies, files.

What lives here: the callbacks for click's ``shell_complete``, and what shells make of ``--option=value``.
What must not: names of commands and options, which click knows itself; whether a name that was typed is good.
Invariant: nothing is written, nothing is told and nothing is raised: where names cannot be known, none are offered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

from deston.config.algorithms import ALGORITHMS
from deston.config.find import find_config
from deston.config.load import load
from deston.config.model import Config, Protocol
from deston.errors import ConfigError, DestonError
from deston.store.changes import Changes, in_force
from deston.store.good_copy import last_good
from deston.store.places import seen_state

Completer = Callable[[click.Context, click.Parameter, str], list["CompletionItem[str]"]]
# Each name, and what is told beside it by the shells that do so.
_Named = Iterable[tuple[str, str]]

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def _offering(named: Callable[[click.Context], _Named]) -> Completer:
    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        try:
            found = dict(named(context))
        except (DestonError, OSError):  # Somebody is in the middle of a line: the command itself tells what is wrong.
            return []
        return [CompletionItem(name, help=told) for name, told in found.items() if name.startswith(incomplete)]

    return complete


def _file_config(context: click.Context) -> Config:
    """The file that was named before, else the usual one; where it is broken, what runs. Raises ``ConfigError``."""
    typed = context.params.get("file") or context.params.get("config")
    # A shell hands over what was typed as it stands.
    file = find_config(typed and os.path.expanduser(os.path.expandvars(typed)))
    try:
        return load(file)
    except ConfigError:
        known = last_good(file)
        if known is None:
            raise
        return known


def _changes(config: Config) -> Changes:
    state = seen_state(config)
    return () if state is None else state.changes


def _running_config(context: click.Context) -> Config:
    config = _file_config(context)
    return in_force(config, _changes(config))[0]


def _pools_of(config: Config) -> _Named:
    return ((pool.name, pool.algorithm) for pool in config.pools)


def _servers(context: click.Context) -> Iterator[tuple[str, str]]:
    """Those of the pool that was typed before, or of all where none was."""
    pool = context.params.get("pool")
    for one in _running_config(context).pools:
        if not pool or one.name == pool:
            yield from ((server.name, str(server.address)) for server in one.servers)


def _listeners(context: click.Context) -> _Named:
    return ((one.name, str(one.bind)) for one in _file_config(context).listeners)


def _http_listeners(context: click.Context) -> _Named:
    found = _file_config(context).listeners
    return ((one.name, str(one.bind)) for one in found if one.protocol in (Protocol.HTTP, None))


def _changed_pools(context: click.Context) -> _Named:
    return ((one.pool, "") for one in _changes(_file_config(context)))


def _changed_servers(context: click.Context) -> _Named:
    pool = context.params.get("pool")
    return ((one.server, one.what.value) for one in _changes(_file_config(context)) if one.pool == pool and one.server)


pools = _offering(lambda context: _pools_of(_running_config(context)))
#: Those of the file alone: what is simulated knows of no changes.
pools_of_file = _offering(lambda context: _pools_of(_file_config(context)))
servers = _offering(_servers)
listeners = _offering(_listeners)
http_listeners = _offering(_http_listeners)
#: What can be reset; that is also a server that was removed.
changed_pools = _offering(_changed_pools)
changed_servers = _offering(_changed_servers)
policies = _offering(lambda context: ((name, "") for name in ALGORITHMS))
methods = _offering(lambda context: ((name, "") for name in _METHODS))


def files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The shell's own search for files."""
    return [CompletionItem(incomplete, type="file")]


class _Bash(BashComplete):
    """To bash, ``--config=my.conf`` is three words; click takes the second of them for the value."""

    def get_completion_args(self) -> tuple[list[str], str]:
        words, incomplete = super().get_completion_args()
        before = ["", *words]
        kept = [word for word, last in zip(words, before, strict=False) if not (word == "=" and last.startswith("--"))]
        return kept, incomplete


class _WholeWords(ShellComplete):
    """To zsh and fish it is one word, in whose place click would put the value alone."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        items = super().get_completions(args, incomplete)
        option, equals, _ = incomplete.partition("=")
        if equals and option.startswith("--"):
            for item in items:
                item.value = f"{option}={item.value}"
        return items


class _Zsh(_WholeWords, ZshComplete):
    pass


class _Fish(_WholeWords, FishComplete):
    pass


for _shell in (_Bash, _Zsh, _Fish):
    add_completion_class(_shell)
