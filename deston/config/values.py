"""The way to values in a checked tree.

What lives here: going through sections and servers, and making the paths of a tree absolute.
What must not: rules.
Invariant: what could not be read (None) is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from deston.address import Address
from deston.config.checks.addresses import ServerAddress
from deston.config.checks.plain import FileName
from deston.config.http_rules import FixedResponse
from deston.config.model import LogTarget
from deston.config.report import Tree


def named_sections(values: Tree, kind: str) -> list[tuple[str, Tree]]:
    """The sections of a kind (``listeners``, ``routes``, ``pools``) with their names."""
    return [(name, section) for name, section in (values[kind] or {}).items() if section is not None]


def server_addresses(pool: Tree) -> Iterator[tuple[str, ServerAddress]]:
    """The addresses of a pool's servers with their names."""
    for name, server in (pool.get("servers") or {}).items():
        if server and server["address"]:
            yield name, server["address"]


def make_absolute(value: Any, folder: str) -> Any:
    """A tree, or a value of it, with its file names and unix sockets relative to ``folder``."""
    if isinstance(value, dict):
        return {name: make_absolute(one, folder) for name, one in value.items()}
    if isinstance(value, ServerAddress):
        return ServerAddress(make_absolute(value.address, folder), value.tls)
    if isinstance(value, (LogTarget, FixedResponse)):
        return replace(value, file=_join(folder, value.file))
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(make_absolute(one, folder) for one in value)
    if isinstance(value, Address) and value.is_unix:
        return replace(value, path=_join(folder, value.path))
    return _join(folder, value) if isinstance(value, FileName) else value


def _join(folder: str, path: str) -> str:
    """An absolute path; an empty one is unset, and stays so."""
    return os.path.normpath(os.path.join(folder, path)) if path else ""
