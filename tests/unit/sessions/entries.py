"""Entries for tests, ordinary unless a test says otherwise."""

from __future__ import annotations

from typing import Any

from deston.sessions.entry import HTTP, Entry


def make_entry(number: str = "1", process: int = 7, **changes: Any) -> Entry:
    """A request of ``192.0.2.1`` with ``app/a``; ``changes`` are members of ``Entry``."""
    ordinary: dict[str, Any] = {
        "id": f"{process}-{number}",
        "kind": HTTP,
        "listener": "web",
        "client": "192.0.2.1:50000",
        "pool": "app",
        "server": "a",
        "age": 1.5,
        "bytes_in": 10,
        "bytes_out": 20,
        "about": "GET /",
    }
    return Entry(**{**ordinary, **changes})
