"""A server that recovered gets its share bit by bit."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from deston.balancer.policies import create_policy
from deston.balancer.pool import Pool
from deston.health.slow_start import SlowStart
from tests.builders import make_pool_config
from tests.unit.health import builders


class Scene:
    """A pool of so many servers whose first one recovers, with a clock."""

    def __init__(self, count: int = 4, algorithm: str = "weighted_round_robin", slow_start: float = 10.0) -> None:
        self.now = 0.0
        self.servers = builders.servers(count)
        config = make_pool_config(slow_start=slow_start, algorithm=algorithm)
        self.pool = Pool(config, create_policy(algorithm, rng=random.Random(1)), tuple(self.servers))
        self.slow_start = SlowStart(builders.registry(self.pool), lambda: self.now)
        self.first = self.servers[0]
        self.slow_start.begin(self.pool, self.first)
        self.pool.refresh()

    def at(self, now: float) -> None:
        self.now = now
        self.slow_start.advance()

    def picks(self, count: int = 4000) -> float:
        """How much of its even share the first server gets."""
        counted = Counter(self.pool.pick(f"client {index}") for index in range(count))
        return counted[self.first] * len(self.servers) / count


def test_a_share_grows_from_a_tenth_to_the_whole() -> None:
    """Within the ten seconds it has each tenth in turn, and then all."""
    scene = Scene()
    shares = []
    for second in range(12):
        scene.at(float(second))
        shares.append(round(scene.first.share, 1))
    assert shares == sorted(shares)
    assert shares[0] == 0.1
    assert shares[5] == 0.5
    assert shares[10:] == [1.0, 1.0]
    assert [server.weight for server in scene.servers] == [1, 1, 1, 1]


@pytest.mark.parametrize("algorithm", ["weighted_round_robin", "random", "round_robin", "ip_hash"])
def test_clients_come_in_proportion(algorithm: str) -> None:
    """A policy that weighs and one that does not send few at first, and half of the even share half way."""
    scene = Scene(algorithm=algorithm)
    assert scene.picks() == pytest.approx(4 * 0.1 / 3.1, abs=0.1)
    scene.at(5.0)
    assert scene.picks() == pytest.approx(4 * 0.5 / 3.5, abs=0.2)
    scene.at(10.0)
    assert scene.picks() == pytest.approx(1.0, abs=0.2)


def test_clients_of_a_hash_come_back_once() -> None:
    """Under a policy that hashes, no client goes to and fro while its server starts slowly."""
    scene = Scene(algorithm="ip_hash")
    keys = [f"client {index}" for index in range(500)]
    came: set[str] = set()
    for second in range(11):
        scene.at(float(second))
        mine = {key for key in keys if scene.pool.pick(key) is scene.first}
        assert came <= mine
        came = mine


def test_a_server_that_is_alone_gets_all() -> None:
    """Slowness never refuses anybody: neither a lone server nor the last that is not full is passed over."""
    alone = Scene(count=1, algorithm="round_robin")
    assert alone.first.share == 1.0
    scene = Scene(count=2, algorithm="round_robin")
    other = scene.servers[1]
    other.max_connections = 1
    with scene.pool.lease("") as one:
        assert one.server in scene.servers
        assert {scene.pool.pick("", [other]) for _ in range(20)} == {scene.first}


def test_off() -> None:
    """With 0 a server has its whole share at once."""
    assert Scene(slow_start=0.0).first.share == 1.0


def test_weights_stay_in_proportion() -> None:
    """A heavy server that starts slowly has tenths of its own weight, and one without any stays without."""
    heavy, light, none = builders.server("a", weight=5), builders.server("b", weight=2), builders.server("c", weight=0)
    pool = builders.pool(heavy, light, none)
    slow_start = SlowStart(builders.registry(pool), lambda: 0.0)
    slow_start.begin(pool, heavy)
    pool.refresh()
    assert (heavy.weight, light.weight, none.weight) == (5, 20, 0)
    slow_start.stop(heavy)
    pool.refresh()
    assert (heavy.weight, light.weight, none.weight) == (5, 2, 0)


def test_a_server_that_left_is_forgotten() -> None:
    """One that a reload took away is not looked at again."""
    scene = Scene()
    gone = SlowStart(builders.registry(), lambda: 0.0)
    gone.begin(scene.pool, scene.servers[1])
    gone.advance()
    assert scene.servers[1].share == 1.0
