"""The effective configuration, value by value: ``deston config dump``.

What lives here: which value comes from the file, which is a default, and which was changed at run time.
What must not: printing.
Invariant: what was changed at run time counts more than the file, as in the processes.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from typing import Any

from deston.address import Address
from deston.config.checks.addresses import ServerAddress
from deston.config.load import origins
from deston.store.changes import Changes, What, read_server

RUN_TIME, DEFAULT = "changed at run time", "default"
_SECRETS = ("token", "read_token")
_KEYS = {What.STATE: "state", What.WEIGHT: "weight"}

Row = tuple[str, Any, str]


def dumped(file: str, changes: Changes) -> dict[str, Any]:
    """The whole of it as JSON has it. Raises ``ConfigError``."""
    values = {path: {"value": _plain(value), "origin": origin} for path, value, origin in _rows(file, changes)}
    return {"file": file, "values": values}


def _rows(file: str, changes: Changes) -> Iterator[Row]:
    """Each value: its keys with points between them, itself, and its origin."""
    changed = {_path(one.pool, one.server, _KEYS[one.what]): one.value for one in changes if one.what in _KEYS}
    changed |= {f"pools.{one.pool}.algorithm": one.value for one in changes if one.what is What.ALGORITHM}
    removed = tuple(_path(one.pool, one.server, "") for one in changes if one.what is What.REMOVED)
    for path, value, line in origins(file):
        name = ".".join(path)
        if removed and name.startswith(removed):
            continue
        if name in changed:
            yield name, changed.pop(name), RUN_TIME
        elif path[0] == "admin" and path[-1] in _SECRETS and value:
            yield name, "(hidden)", f"{file}:{line}"
        else:
            yield name, value, f"{file}:{line}" if line else DEFAULT
    yield from _added(changes, changed)


def _added(changes: Changes, changed: dict[str, str]) -> Iterator[Row]:
    """The servers that the file does not have."""
    for one in changes:
        if one.what is What.ADDED:
            server = read_server(one.server, one.value)
            for key in ("address", "weight", "max_connections", "backup", "state"):
                name = _path(one.pool, one.server, key)
                yield name, changed.get(name, getattr(server, key)), RUN_TIME


def _plain(value: Any) -> Any:
    """A value of the configuration as JSON has it, and an address as a file has it."""
    if isinstance(value, ServerAddress):
        return f"{'https://' if value.tls else ''}{value.address}"
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, (frozenset, set)):
        return sorted(map(_plain, value), key=str)
    if hasattr(value, "_asdict"):
        return {name: _plain(one) for name, one in value._asdict().items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, Address)):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return list(map(_plain, value))
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _path(pool: str, server: str, key: str) -> str:
    return f"pools.{pool}.servers.{server}.{key}"
