"""Configurations as text, and what is wrong with them.

What lives here: a good file to change one thing in, and the problems of a text as they are printed.
What must not: assertions.
Invariant: the good file has no problem, and its line numbers stay as they are: tests count on them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from deston.config.load import load
from deston.config.model import Config, Protocol
from deston.errors import ConfigError

GOOD = """\
[global]
workers = 2
[admin]
bind = 127.0.0.1:9900
[listeners]
    [[web]]
    bind = 127.0.0.1:8080
    protocol = http
    pool = app
    [[db]]
    bind = 127.0.0.1:5433
    protocol = tcp
    pool = app
[routes]
    [[api]]
    host = api.example.com
    path = /v1/
    pool = app
[pools]
    [[app]]
    algorithm = round_robin
    retries = 1
        [[[servers]]]
        a = 127.0.0.1:3000
        b = 127.0.0.1:3001, weight=2
        [[[health]]]
        type = http
        path = /healthz
"""

GOOD_RUST = """\
[load_balancer]
address = "127.0.0.1"
port = 8080
algorithm = "RoundRobin"
layer = "L7"

[[server]]
address = "http://127.0.0.1"
port = 3000

[[server]]
address = "127.0.0.1:3001"
weight = 2
max_connections = 10
"""


def changed(text: str, old: str, new: str) -> str:
    """``text`` with the one place that says ``old`` saying ``new``."""
    assert text.count(old) == 1, f"{text.count(old)} places say {old!r}"
    return text.replace(old, new)


def load_text(folder: Path, text: str, name: str = "x.conf", command: Protocol | None = None) -> Config:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return load(str(file), command)


def problems_of(folder: Path, text: str, name: str = "x.conf", command: Protocol | None = None) -> list[str]:
    """The problems of a text as they are printed, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        load_text(folder, text, name, command)
    prefix = f"{folder / name}:"
    return [line.removeprefix(prefix).strip() for line in str(caught.value).split("\n")]
