"""Live objects from a configuration, and what of them lives on over a reload."""

from __future__ import annotations

from pathlib import Path

from deston.address import Address
from deston.balancer.server import Health
from deston.build import Runtime
from deston.config.load import load
from deston.config.model import Config

CONFIG = """
[listeners]
    [[tcp]]
    bind = 127.0.0.1:0
    protocol = tcp
    pool = app
[pools]
    [[app]]
        [[[servers]]]
        {name} = app.test:80, weight={weight}
        b = 127.0.0.1:1
"""


def config(folder: Path, name: str = "a", weight: int = 1) -> Config:
    file = folder / "deston.conf"
    file.write_text(CONFIG.format(name=name, weight=weight))
    return load(str(file))


def test_servers_live_on_with_all_the_addresses_of_their_names(tmp_path: Path) -> None:
    """Health and further addresses stay over a reload, which may change names and weights."""
    runtime = Runtime(config(tmp_path))
    pool = runtime.registry.pool("app")
    pool.stand_in(pool.servers[0], [Address("10.0.0.2", 80)])
    named, plain, further = pool.servers
    further.health = Health.DOWN
    runtime.apply(config(tmp_path, "renamed", 5))
    assert runtime.registry.pool("app").servers == (named, plain, further)
    assert [one.name for one in (named, plain, further)] == ["renamed", "b", "renamed@10.0.0.2"]
    assert (further.weight, further.health) == (5, Health.DOWN)


def test_further_addresses_go_with_their_server(tmp_path: Path) -> None:
    """A server that leaves the file takes the servers with it that stand for its name."""
    runtime = Runtime(config(tmp_path))
    pool = runtime.registry.pool("app")
    pool.stand_in(pool.servers[0], [Address("10.0.0.2", 80)])
    file = tmp_path / "deston.conf"
    file.write_text(file.read_text().replace("a = app.test:80, weight=1", ""))
    runtime.apply(load(str(file)))
    assert [one.name for one in runtime.registry.pool("app").servers] == ["b"]


def test_who_waits_waits_on(tmp_path: Path) -> None:
    """The queue of a pool outlives a reload, and whoever waits the longest is told that there may be room."""
    runtime = Runtime(config(tmp_path))
    queue = runtime.registry.pool("app").queue
    told: list[str] = []
    queue.join(lambda: told.append("one"))
    runtime.apply(config(tmp_path, weight=2))
    assert runtime.registry.pool("app").queue is queue
    assert told == ["one"]
