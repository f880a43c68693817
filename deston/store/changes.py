"""The operator's changes at run time, and a configuration with them: pure.

What lives here: what can be changed, whether a change makes sense, and its effect on a configuration.
What must not: where changes are kept (``sqlite``, ``memory``), live objects.
Invariant: a change to what the file no longer has is without effect, and stays until it is dropped; everything else in
the configuration is the file's.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from deston.config.load import load_tree
from deston.config.model import AdminState, Config, PoolConfig, ServerConfig
from deston.config.report import did_you_mean
from deston.errors import ChangeRefused, ConfigError

#: What the names of a pool and of a server and its address may have together, in bytes: so much the board has for them.
LONGEST_NAME = 240


class What(enum.Enum):
    """What a change is about."""

    ADDED = "added"  # The value is the server's line, as in a file.
    REMOVED = "removed"
    STATE = "state"
    WEIGHT = "weight"
    ALGORITHM = "algorithm"  # Of a pool: there is no server.


@dataclass(frozen=True, slots=True)
class Change:
    """One change; ``server`` is empty where it is about the pool."""

    pool: str
    server: str
    what: What
    value: str = ""

    @property
    def key(self) -> tuple[str, str, What]:
        """What a later change takes the place of."""
        return self.pool, self.server, self.what


Changes = tuple[Change, ...]


def read_server(name: str, line: str) -> ServerConfig:
    """A server from its line ``address, option=value``; raises ``ChangeRefused`` with all that is wrong."""
    parts: list[str] = [part.strip() for part in line.split(",")]
    tree = {
        "listeners": {"x": {"bind": "127.0.0.1:0", "protocol": "http", "pool": "x"}},
        # With a server of weight 0 alone it would be a pool without any; nobody has the address of this one.
        "pools": {"x": {"servers": {name: parts, f"not-{name}": "wsgi:nobody:nobody"}}},
    }
    try:
        return load_tree(tree).pools[0].servers[0]
    except ConfigError as error:
        raise ChangeRefused("; ".join(problem.message for problem in error.problems)) from error


def with_changes(config: Config, changes: Iterable[Change]) -> Config:
    """The configuration that a file and the operator's changes make together."""
    by_pool: dict[str, list[Change]] = {}
    for change in changes:
        by_pool.setdefault(change.pool, []).append(change)
    if not by_pool:
        return config
    pools = tuple(_changed(pool, by_pool[pool.name]) if pool.name in by_pool else pool for pool in config.pools)
    return replace(config, pools=pools)


def in_force(config: Config, changes: Sequence[Change]) -> tuple[Config, list[str]]:
    """What processes go by: the configuration with the changes, and the pools that would have no server by them.

    A file may have lost all servers of a pool but those that were removed at run time: there they are back. Raises
    ``ChangeRefused``.
    """
    effective = with_changes(config, changes)
    empty = sorted(pool.name for pool in effective.pools if not pool.servers)
    if not empty:
        return effective, []
    kept = [one for one in changes if one.pool not in empty or one.what is not What.REMOVED]
    return with_changes(config, kept), empty


def _changed(pool: PoolConfig, changes: Sequence[Change]) -> PoolConfig:
    servers = {server.name: server for server in pool.servers}
    for change in changes:
        if change.what is What.ALGORITHM:
            pool = replace(pool, algorithm=change.value)
        elif change.what is What.ADDED and change.server not in servers:
            servers[change.server] = read_server(change.server, change.value)
    for change in changes:
        server = servers.get(change.server)
        if server is None:
            continue
        if change.what is What.REMOVED:
            del servers[change.server]
        elif change.what is What.STATE:
            servers[change.server] = replace(server, state=AdminState(change.value))
        elif change.what is What.WEIGHT:
            servers[change.server] = replace(server, weight=int(change.value))
    return replace(pool, servers=tuple(servers.values()))


def put(changes: Changes, change: Change) -> Changes:
    """The changes with one more, which takes the place of an earlier one about the same."""
    return (*(one for one in changes if one.key != change.key), change)


def add(config: Config, changes: Changes, pool: str, server: str, line: str) -> Changes:
    """Add a server; raises ``ChangeRefused``."""
    now = find_pool(with_changes(config, changes), pool)
    if any(one.name == server for one in now.servers):
        raise ChangeRefused(f"pool {pool} has a server {server} already")
    new = read_server(server, line)
    if len(f"{pool} {server} {new.address}".encode()) > LONGEST_NAME:
        raise ChangeRefused(f"the names of pool and server and the address are over {LONGEST_NAME} bytes together")
    known = next((one for one in now.servers if (one.address, one.tls) == (new.address, new.tls)), None)
    if known is not None:
        raise ChangeRefused(f"pool {pool} has a server at {new.address} already: {known.name}")
    kept = tuple(one for one in changes if (one.pool, one.server) != (pool, server))
    if any(one.name == server for one in find_pool(config, pool).servers):
        raise ChangeRefused(f"the file has a server {server}, which was removed: deston server reset {pool} {server}")
    return put(kept, Change(pool, server, What.ADDED, line))


def remove(config: Config, changes: Changes, pool: str, server: str) -> Changes:
    """Take a server out; raises ``ChangeRefused``."""
    now = with_changes(config, changes)
    find_server(now, pool, server)
    if len(find_pool(now, pool).servers) == 1:
        raise ChangeRefused(f"{server} is the last server of pool {pool}: use drain or maint")
    kept = tuple(one for one in changes if (one.pool, one.server) != (pool, server))
    if any(one.name == server for one in find_pool(config, pool).servers):
        return put(kept, Change(pool, server, What.REMOVED))
    return kept


def set_value(config: Config, changes: Changes, pool: str, server: str, what: What, value: str) -> Changes:
    """Change a server's state or weight, or a pool's algorithm; raises ``ChangeRefused``.

    What the file says anyway is no change.
    """
    now = with_changes(config, changes)
    if what is What.ALGORITHM:
        find_pool(now, pool)
        said = find_pool(config, pool).algorithm
    else:
        find_server(now, pool, server)
        own = next((one for one in find_pool(config, pool).servers if one.name == server), None)
        said = "" if own is None else own.state.value if what is What.STATE else str(own.weight)
    change = Change(pool, server, what, value)
    kept = tuple(one for one in changes if one.key != change.key)
    return kept if value == said else (*kept, change)


def reset(config: Config, changes: Changes, pool: str, server: str) -> Changes:
    """Drop the changes to a server, or to a whole pool where ``server`` is empty; raises ``ChangeRefused``."""
    kept = tuple(one for one in changes if one.pool != pool or (server and one.server != server))
    if len(kept) == len(changes):
        find_pool(config, pool)
        raise ChangeRefused(f"nothing was changed of {f'{pool}/{server}' if server else f'pool {pool}'}")
    if any(one.name == pool for one in config.pools) and not find_pool(with_changes(config, kept), pool).servers:
        raise ChangeRefused(f"{server} is the last server of pool {pool}: use drain or maint, or reset the pool")
    return kept


def require_possible(config: Config, changes: Changes, change: Change) -> None:
    """Raise ``ChangeRefused`` for a change that the file itself is not to have.

    What was added or removed at run time may be so in the file, too.
    """
    is_known = any(one.key == change.key for one in changes)
    if change.what is What.ADDED:
        if change not in changes:
            add(config, changes, change.pool, change.server, change.value)
    elif change.what is What.REMOVED:
        if not is_known:
            remove(config, changes, change.pool, change.server)
    elif not any(one.name == change.server for one in find_pool(config, change.pool).servers):
        find_server(with_changes(config, changes), change.pool, change.server)
        name = f"{change.pool} {change.server}"
        raise ChangeRefused(f"{change.server} was added at run time: deston server add {name} ADDRESS --save")


def settle(changes: Changes, change: Change) -> Changes:
    """What is left of the changes when the file says one of them itself."""
    if change.what is What.REMOVED:
        return tuple(one for one in changes if (one.pool, one.server) != (change.pool, change.server))
    return tuple(one for one in changes if one.key != change.key)


def find_pool(config: Config, name: str) -> PoolConfig:
    """A pool; raises ``ChangeRefused`` with the nearest name."""
    known = {pool.name: pool for pool in config.pools}
    if name not in known:
        raise ChangeRefused(f"there is no pool {name!r}{did_you_mean(name, known) or _known(known)}")
    return known[name]


def find_server(config: Config, pool: str, name: str) -> ServerConfig:
    """A server; raises ``ChangeRefused`` with the nearest name."""
    known = {server.name: server for server in find_pool(config, pool).servers}
    if name not in known:
        raise ChangeRefused(f"pool {pool} has no server {name!r}{did_you_mean(name, known) or _known(known)}")
    return known[name]


def _known(names: Iterable[str]) -> str:
    return f" (there are: {', '.join(names)})"
