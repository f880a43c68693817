from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deston.balancer.pool import Pool
from deston.balancer.server import Health, Server
from deston.config.model import AdminState, ServerConfig
from deston.errors import NoServerAvailable
from tests.builders import make_pool, make_server_config, make_server_configs


def pool_with_backup(limit: int = 0) -> Pool:
    """Primaries ``a`` and ``b``, which take ``limit`` leases, and backup servers ``y`` and ``z``."""
    return make_pool(
        *make_server_configs(1, 1, max_connections=limit),
        make_server_config("y", 3008, backup=True),
        make_server_config("z", 3009, backup=True),
    )


def names(pool: Pool, count: int = 4, exclude: tuple[Server, ...] = ()) -> list[str]:
    return [pool.pick("10.0.0.1", exclude).name for _ in range(count)]


def go_down(server: Server) -> None:
    server.health = Health.DOWN


def get_marked(server: Server) -> None:
    server.marked = True


def get_drained(server: Server) -> None:
    server.admin = AdminState.DRAIN


def get_maintained(server: Server) -> None:
    server.admin = AdminState.MAINT


def lose_weight(server: Server) -> None:
    server.base_weight = 0


every_way_out = pytest.mark.parametrize("leave", [go_down, get_marked, get_drained, get_maintained, lose_weight])


@every_way_out
def test_a_server_that_is_not_usable_is_not_picked(leave: Callable[[Server], None]) -> None:
    """Down, marked, drained, in maintenance or without weight: after the refresh no client gets there."""
    pool = make_pool(*make_server_configs(1, 1, 1))
    leave(pool.servers[1])
    pool.refresh()
    assert names(pool) == ["a", "c", "a", "c"]


@every_way_out
def test_backups_serve_when_no_primary_is_usable(leave: Callable[[Server], None]) -> None:
    """While one primary can serve no backup does; when none can, all backups do."""
    pool = pool_with_backup()
    leave(pool.servers[0])
    pool.refresh()
    assert names(pool, 2) == ["b", "b"]
    leave(pool.servers[1])
    pool.refresh()
    assert sorted(names(pool)) == ["y", "y", "z", "z"]


def test_backups_rest_again_when_a_primary_is_back() -> None:
    """The first primary that recovers takes all the clients."""
    pool = pool_with_backup()
    for server in pool.servers[:2]:
        server.health = Health.DOWN
    pool.refresh()
    assert set(names(pool)) == {"y", "z"}
    pool.servers[0].health = Health.UP
    pool.refresh()
    assert set(names(pool)) == {"a"}


def test_backups_serve_what_the_full_primaries_cannot_take() -> None:
    """When every primary is full the backups take over, and leave off as soon as a lease is released."""
    pool = pool_with_backup(limit=1)
    first, second = pool.lease(""), pool.lease("")
    assert {first.server.name, second.server.name} == {"a", "b"}
    assert set(names(pool)) == {"y", "z"}
    first.release()
    assert set(names(pool)) == {first.server.name}


def test_backups_serve_when_all_primaries_were_tried() -> None:
    """A retry goes to the other primaries first and to the backups when none of them is left."""
    pool = pool_with_backup()
    a, b, y, _ = pool.servers
    assert names(pool, 2, (a,)) == ["b", "b"]
    assert set(names(pool, 4, (a, b))) == {"y", "z"}
    assert set(names(pool, 4, (a, b, y))) == {"z"}


def test_backups_alone_are_a_pool() -> None:
    """Where all servers are backups they serve from the start."""
    pool = make_pool(*make_server_configs(1, 1, backup=True))
    assert names(pool) == ["a", "b", "a", "b"]


def test_a_full_server_is_passed_over_until_a_lease_is_released() -> None:
    """Fullness is asked at the pick: no refresh is needed, in either direction."""
    pool = make_pool(*make_server_configs(1, 1, max_connections=2))
    leases = [pool.lease("") for _ in range(3)]
    assert [lease.server.name for lease in leases] == ["a", "b", "a"]
    assert names(pool) == ["b", "b", "b", "b"]
    leases[0].release()
    assert set(names(pool)) == {"a", "b"}


def test_a_pool_whose_servers_are_all_full_refuses() -> None:
    """When nobody may take more, the client is refused, and served again after a release."""
    pool = make_pool(*make_server_configs(1, 1, max_connections=1))
    lease, _ = pool.lease(""), pool.lease("")
    with pytest.raises(NoServerAvailable):
        pool.lease("")
    lease.release()
    assert pool.lease("").server is lease.server


@pytest.mark.parametrize(
    "servers", [(), make_server_configs(1, 1, state=AdminState.MAINT), make_server_configs(0, 0)], ids=len
)
def test_nobody_to_pick_is_an_error_that_names_the_pool(servers: tuple[ServerConfig, ...]) -> None:
    """No server, none ready or none with a weight: the error says which pool."""
    with pytest.raises(NoServerAvailable, match="pool app has no server available"):
        make_pool(*servers).pick("10.0.0.1")


@pytest.mark.parametrize("container", [tuple, list, set])
def test_excluding_everybody_is_refused(container: Callable[[tuple[Server, ...]], list[Server]]) -> None:
    """When all were tried there is nobody left; what the tried ones are kept in makes no difference."""
    pool = pool_with_backup()
    with pytest.raises(NoServerAvailable):
        pool.pick("10.0.0.1", container(pool.servers))


def test_excluding_strangers_changes_nothing() -> None:
    """A server that left the pool while it was being tried excludes nobody else."""
    pool, other = make_pool(*make_server_configs(1, 1)), make_pool(*make_server_configs(1))
    assert set(names(pool, 4, other.servers)) == {"a", "b"}


def test_each_refusal_is_counted_once() -> None:
    """``refused`` counts the picks that found nobody, and only those."""
    pool = make_pool(*make_server_configs(1))
    pool.pick("10.0.0.1")
    assert pool.refused == 0
    for _ in range(3):
        with pytest.raises(NoServerAvailable):
            pool.pick("10.0.0.1", pool.servers)
    assert pool.refused == 3


def test_a_flip_needs_a_refresh_to_be_seen() -> None:
    """The candidates are kept between flips: whoever changes a server's state says so."""
    pool = make_pool(*make_server_configs(1, 1))
    pool.servers[0].health = Health.DOWN
    assert "a" in names(pool)
    pool.refresh()
    assert "a" not in names(pool)


def test_a_lease_counts_from_before_the_dial_until_its_end() -> None:
    """``active`` rises with the lease and falls with its end; ``total`` only rises."""
    pool = make_pool(make_server_config())
    server = pool.servers[0]
    with pool.lease("10.0.0.1") as lease:
        assert lease.server is server
        assert lease.pool is pool
        assert (server.active, server.total) == (1, 1)
        with pool.lease("10.0.0.1"):
            assert (server.active, server.total) == (2, 2)
    assert (server.active, server.total) == (0, 2)


def test_a_lease_ends_whatever_happens() -> None:
    """An exception in the exchange lowers ``active`` and goes on its way."""
    pool = make_pool(make_server_config())
    with pytest.raises(ZeroDivisionError), pool.lease("10.0.0.1"):
        raise ZeroDivisionError
    assert pool.servers[0].active == 0


def test_a_lease_released_twice_is_released_once() -> None:
    """Releasing early inside ``with``, or again, takes nothing from other leases."""
    pool = make_pool(make_server_config())
    other = pool.lease("10.0.0.1")
    with pool.lease("10.0.0.1") as lease:
        lease.release()
        assert pool.servers[0].active == 1
    lease.release()
    assert pool.servers[0].active == 1
    other.release()
    assert pool.servers[0].active == 0


def test_a_lease_that_is_refused_counts_nothing() -> None:
    """Where nobody is picked no counter of a server moves."""
    pool = make_pool(make_server_config())
    with pytest.raises(NoServerAvailable):
        pool.lease("10.0.0.1", pool.servers)
    assert (pool.servers[0].active, pool.servers[0].total) == (0, 0)


def test_a_lease_outlives_its_server_in_the_pool() -> None:
    """A server that is drained keeps the clients that it has, and counts them down as they leave."""
    pool = make_pool(make_server_config())
    server = pool.servers[0]
    with pool.lease("10.0.0.1"):
        server.admin = AdminState.DRAIN
        pool.refresh()
        assert server.active == 1
    assert server.active == 0


def test_failures_are_counted_and_told() -> None:
    """Each failed dial is counted for the server and told to the observer; the lease still has to be released."""
    pool, told = make_pool(make_server_config()), []
    pool.observer = lambda *dial: told.append(dial)
    server = pool.servers[0]
    with pool.lease("10.0.0.1") as lease:
        lease.failed()
        lease.failed()
        assert (server.failures, server.active) == (2, 1)
    assert told == [(pool, server, False), (pool, server, False)]


def test_successes_are_told_and_count_as_no_failure() -> None:
    """A dial that was accepted is told to the observer, so that failures in a row can end."""
    pool, told = make_pool(make_server_config()), []
    pool.observer = lambda *dial: told.append(dial)
    with pool.lease("10.0.0.1") as lease:
        lease.reached()
    assert told == [(pool, pool.servers[0], True)]
    assert pool.servers[0].failures == 0


def test_a_pool_works_without_an_observer() -> None:
    """Where nobody listens dials are told to nobody."""
    with make_pool(make_server_config()).lease("10.0.0.1") as lease:
        lease.reached()
        lease.failed()
    assert lease.server.failures == 1


def test_repr_is_the_status_line() -> None:
    """Name, how many servers of all are usable, what is active and the policy, on one line."""
    pool = make_pool(*make_server_configs(1, 1, 1), name="web", algorithm="least_connections")
    pool.lease(""), pool.lease("")
    pool.servers[2].health = Health.DOWN
    pool.refresh()
    assert repr(pool) == "<Pool web 2/3 usable, 2 active, least_connections>"


@pytest.mark.parametrize(
    ("changes", "stays"),
    [
        ({}, True),
        ({"admin": AdminState.DRAIN}, True),
        ({"weight": 0}, True),
        ({"health": Health.UNCHECKED}, True),
        ({"health": Health.DOWN}, False),
        ({"admin": AdminState.MAINT}, False),
        ({"marked": True}, False),
        ({"endpoint": None}, False),
        ({"active": 2}, False),
    ],
)
def test_whose_client_it_is_already(changes: dict[str, Any], stays: bool) -> None:
    """A client stays with its server while that drains or takes no new ones, and leaves it when it cannot serve."""
    pool = make_pool(*make_server_configs(1, 1, max_connections=2))
    its, other = pool.servers
    for name, value in changes.items():
        setattr(its, name, value)
    pool.refresh()
    for _ in range(3):
        with pool.lease("key", (), its) as lease:
            assert lease.server is (its if stays else other)
    with pool.lease("key", (its,), its) as lease:
        assert lease.server is other


def test_new_clients_do_not_come_to_a_weight_of_0() -> None:
    pool = make_pool(*make_server_configs(0, 1))
    assert {pool.pick(str(key)).name for key in range(10)} == {"b"}
    pool.servers[1].health = Health.DOWN
    pool.refresh()
    assert not pool.is_available
