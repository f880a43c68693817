"""``first``: in the order of the file."""

from __future__ import annotations

import pytest

from deston.balancer.server import Health
from deston.errors import AllServersFull
from tests.builders import make_pool, make_server_configs


def test_the_next_one_is_used_when_the_first_is_full() -> None:
    """Servers fill up one after the other, and the first has room again when one of its leases ends."""
    pool = make_pool(*make_server_configs(1, 1, 1, max_connections=2), algorithm="first")
    leases = [pool.lease(str(number)) for number in range(6)]
    assert [one.server.name for one in leases] == ["a", "a", "b", "b", "c", "c"]
    with pytest.raises(AllServersFull):
        pool.lease("x")
    leases[1].release()
    assert pool.lease("x").server.name == "a"


def test_a_first_one_that_is_down_is_passed_over() -> None:
    pool = make_pool(*make_server_configs(1, 1), algorithm="first")
    pool.servers[0].health = Health.DOWN
    pool.refresh()
    assert pool.pick("x").name == "b"
