"""Live objects from a configuration, and what of them lives on over a reload."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from deston.address import Address
from deston.balancer.server import Health
from deston.build import Runtime
from deston.config.load import load
from deston.config.model import AdminState, Config
from deston.errors import StartError
from deston.store.base import State
from deston.store.changes import Change, What
from deston.store.places import demand_reload, demands, open_store
from tests.unit.l7.builders import Sentences

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


@pytest.fixture
def said() -> Iterator[Sentences]:
    """What is logged."""
    sentences, logger = Sentences(), logging.getLogger("deston.build")
    logger.addHandler(sentences)
    yield sentences
    logger.removeHandler(sentences)


def changed(config: Config, *changes: Change) -> Runtime:
    """What a process has that starts after these changes of the operator."""
    open_store(config).update(lambda now: changes)
    return Runtime(config)


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


def test_a_policy_of_the_operators_that_cannot_be_made_stops_nothing(tmp_path: Path, said: Sentences) -> None:
    """The pool goes on as the file says, and the operator's other changes count."""
    policy, drain = Change("app", "", What.ALGORITHM, "nomod:fact"), Change("app", "b", What.STATE, "drain")
    runtime = changed(config(tmp_path), policy, drain)
    pool = runtime.registry.pool("app")
    assert (pool.config.algorithm, pool.servers[1].admin) == ("round_robin", AdminState.DRAIN)
    assert runtime.effective.pools == (pool.config,)
    assert said.text.startswith("ERROR: pool app goes on with round_robin, as in the file: ")
    assert "nomod:fact" in said.text


def test_a_file_whose_policy_cannot_be_made_changes_nothing(tmp_path: Path) -> None:
    """Neither what the next change is applied to, nor a single server."""
    before = config(tmp_path)
    runtime = Runtime(before)
    pool = runtime.registry.pool("app")
    file = tmp_path / "deston.conf"
    file.write_text(CONFIG.format(name="a", weight=7) + "    [[other]]\n    algorithm = nomod:fact\n")
    with file.open("a") as text:
        text.write("        [[[servers]]]\n        c = 127.0.0.1:2\n")
    with pytest.raises(StartError, match="nomod:fact"):
        runtime.apply(load(str(file)))
    assert (runtime.config, runtime.effective) == (before, before)
    assert list(runtime.registry) == [pool]
    assert pool.servers[0].weight == 1


def test_a_reload_that_fails_keeps_no_change_from_being_made(tmp_path: Path, said: Sentences) -> None:
    """Whatever becomes of the file, what the operator has changed counts."""
    runtime = changed(config(tmp_path))

    def fail() -> None:
        raise StartError("no such policy")

    runtime.on_reload = fail
    assert runtime.sharing is not None
    runtime.sharing.state = State(1, 1, (Change("app", "b", What.STATE, "drain"),))
    runtime._take(runtime.sharing.state)
    assert runtime.registry.pool("app").servers[1].admin is AdminState.DRAIN
    assert "no such policy" in said.text


def test_a_pool_never_loses_its_last_server(tmp_path: Path, said: Sentences) -> None:
    """One that was removed at run time is back where the file has dropped the others; what else was changed counts."""
    removed, drain = Change("app", "b", What.REMOVED), Change("app", "b", What.STATE, "drain")
    runtime = changed(config(tmp_path), removed, drain)
    assert [one.name for one in runtime.registry.pool("app").servers] == ["a"]
    assert said.text == ""
    file = tmp_path / "deston.conf"
    file.write_text(file.read_text().replace("a = app.test:80, weight=1", ""))
    runtime.apply(load(str(file)))
    (server,) = runtime.registry.pool("app").servers
    assert (server.name, server.admin) == ("b", AdminState.DRAIN)
    assert said.text.startswith("ERROR: pool app would have no server: ")


def test_a_demand_to_reload_is_heeded_once(tmp_path: Path) -> None:
    """Whether this process hears of it by a signal or from the board."""
    runtime = changed(config(tmp_path))
    heeded = []
    runtime.on_reload = lambda: heeded.append(1)
    runtime.heed_demand()
    assert heeded == []
    assert demand_reload(runtime.config)
    runtime.heed_demand()
    runtime.heed_demand()
    assert runtime.sharing is not None
    runtime._take(open_store(runtime.config).read())
    assert heeded == [1]


def test_a_process_that_was_given_an_old_file_catches_up(tmp_path: Path) -> None:
    """Where every process was asked to reload since its configuration was read, and only there."""
    read = config(tmp_path)
    for known, expected in ((demands(read), [1]), (None, [])):
        demand_reload(read)
        runtime = Runtime(read, reloads=known)
        heeded: list[int] = []
        runtime.on_reload = lambda heeded=heeded: heeded.append(1)  # type: ignore[misc]
        runtime.catch_up()
        runtime.catch_up()
        assert heeded == expected
