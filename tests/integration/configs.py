"""Configuration files for tests: ordinary unless a test says otherwise.

What lives here: sections as nested dictionaries, and their text in a file.
What must not: processes and sockets.
Invariant: servers are not checked unless a test asks for it, so that they see nothing but the test's own traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deston.address import Address

Tree = dict[str, Any]

ANY_PORT = "127.0.0.1:0"
#: Health checks that find out within a tenth of a second.
QUICK_CHECKS: Tree = {"type": "tcp", "interval": "50ms", "timeout": "1s", "rise": 1, "fall": 2}
UNCHECKED: Tree = {"type": "none"}


def tcp(pool: str = "app", bind: object = ANY_PORT, **keys: Any) -> Tree:
    """A listener of ``deston-l4``."""
    return {"bind": bind, "protocol": "tcp", "pool": pool, **keys}


def http(pool: str = "app", bind: object = ANY_PORT, **keys: Any) -> Tree:
    """A listener of ``gunicorn deston.l7:app``."""
    return {"bind": bind, "protocol": "http", "pool": pool, **keys}


def pool(servers: Mapping[str, Address | str], health: Tree = UNCHECKED, **keys: Any) -> Tree:
    """A pool; a server is an address with its options."""
    return {**keys, "servers": dict(servers), "health": health}


def write_config(folder: Path, listeners: Tree | None = None, **sections: Tree) -> Path:
    """A file with a listener ``tcp`` and a listener ``web`` to the pool ``app``, or with these listeners."""
    tree = {"listeners": listeners or {"tcp": tcp(), "web": http()}, **sections}
    # ``global`` is a word of Python.
    text = "\n".join(_lines({key.rstrip("_"): section for key, section in tree.items()}))
    file = folder / "deston.conf"
    file.write_text(text + "\n", encoding="utf-8")
    return file


def _lines(tree: Tree, depth: int = 1) -> list[str]:
    keys = [f"{key} = {value}" for key, value in tree.items() if not isinstance(value, dict)]
    for name, section in tree.items():
        if isinstance(section, dict):
            keys += ["[" * depth + name + "]" * depth, *_lines(section, depth + 1)]
    return keys
