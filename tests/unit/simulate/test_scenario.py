from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from deston.balancer.policies.least_latency import LeastLatency
from deston.config.units import parse_duration
from deston.errors import CannotSimulate, ConfigError
from deston.simulate.scenario import (
    first_names,
    living_pool,
    made_up_pool,
    pool_of_file,
    server_names,
    with_algorithm,
)
from tests.unit.config.texts import GOOD


def test_a_pool_that_is_made_up_has_the_defaults_of_the_file() -> None:
    """So that a simulation without further options is of a pool without further keys."""
    config = made_up_pool((1, 2))
    assert (config.queue, config.queue_timeout, config.retries) == (128, parse_duration("5s"), 2)
    assert [(one.name, one.weight, one.max_connections) for one in config.servers] == [("a", 1, 0), ("b", 2, 0)]
    assert len({one.address for one in config.servers}) == 2


def test_keys_are_read_as_in_the_file() -> None:
    """``max_connections`` is each server's; what is out of range is a problem of the configuration."""
    config = made_up_pool((1,), max_connections="7", queue="3", queue_timeout="250ms")
    assert (config.servers[0].max_connections, config.queue, config.queue_timeout) == (7, 3, 0.25)
    with pytest.raises(ConfigError, match="queue"):
        made_up_pool((1,), queue="-1")


def test_servers_are_named_as_columns_are() -> None:
    """``a`` is there however many there are."""
    names = first_names(703)
    assert (names[0], names[25], names[26], names[701], names[702]) == ("a", "z", "aa", "zz", "aaa")
    assert len(set(islice(server_names(), 5000))) == 5000


def test_a_pool_of_a_file_is_found(tmp_path: Path) -> None:
    """By its name, or because it is the only one."""
    file = tmp_path / "x.conf"
    file.write_text(GOOD, encoding="utf-8")
    assert pool_of_file(str(file), "app") == pool_of_file(str(file), "")
    with pytest.raises(CannotSimulate, match="no pool 'apq' \\(did you mean 'app'\\?\\)") as caught:
        pool_of_file(str(file), "apq")
    assert caught.value.option == "--pool"
    file.write_text(GOOD + "    [[other]]\n        [[[servers]]]\n        a = 127.0.0.1:1\n", encoding="utf-8")
    with pytest.raises(CannotSimulate, match="several pools: say which one \\(known: app, other\\)"):
        pool_of_file(str(file), "")


def test_a_file_with_problems_is_told(tmp_path: Path) -> None:
    """As by every command."""
    with pytest.raises(ConfigError, match="there is no such file"):
        pool_of_file(str(tmp_path / "none.conf"), "")


def test_another_policy_keeps_what_it_heeds() -> None:
    """The bound of hashing is none of the others'."""
    config = made_up_pool((1,), algorithm="ip_hash", hash_balance_factor="150")
    assert with_algorithm(config, "uri_hash").hash_balance_factor == 150
    assert with_algorithm(config, "random").hash_balance_factor == 0
    assert with_algorithm(config, "random").algorithm == "random"


def test_a_living_pool_has_all_servers_up_and_the_virtual_clock(tmp_path: Path) -> None:
    """Also those whose names would have to be resolved: nobody dials them."""
    file = tmp_path / "x.conf"
    text = GOOD.replace("algorithm = round_robin", "algorithm = least_latency")
    file.write_text(text + "    [[named]]\n        [[[servers]]]\n        a = app.internal:1\n", encoding="utf-8")
    pool = living_pool(pool_of_file(str(file), "named"), 1, lambda: 0.0)
    assert pool.pick("").name == "a"
    timed = living_pool(pool_of_file(str(file), "app"), 1, lambda: 42.0).policy
    assert isinstance(timed, LeastLatency)
    assert timed._clock() == 42.0
