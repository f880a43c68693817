from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deston.errors import CannotSimulate
from deston.simulate.arrivals import Cut
from deston.simulate.choices import COMPARED, Choices, option_of, require_time
from deston.simulate.disturbances import Disturbance, Kind
from tests.unit.config.texts import GOOD

LINE = {"time": "2026-11-25T13:20:01.500Z", "client_address": "c", "pool": "app", "server": "a", "total_ms": 1.0}


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "x.conf"
    file.write_text(GOOD, encoding="utf-8")
    return str(file)


@pytest.fixture
def log(tmp_path: Path) -> str:
    file = tmp_path / "access.jsonl"
    file.write_text("\n".join(json.dumps(LINE) for _ in range(3)), encoding="utf-8")
    return str(file)


def test_little_has_to_be_said() -> None:
    """A rate is enough: ten servers, all usual policies, two minutes."""
    choices = Choices(rate=100)
    choices.require_sense()
    scenario = choices.scenario()
    arrivals = choices.arrivals(scenario)
    assert len(scenario.pool.servers) == 10
    assert choices.compared(scenario) == COMPARED
    assert arrivals.seconds == 120.0
    assert arrivals.work == pytest.approx(2)
    assert len(arrivals.keys) == 10_000


@pytest.mark.parametrize(
    ("options", "option", "why"),
    [
        ({}, "--rate", "say how many requests come a second, or give --log"),
        ({"rate": 1.0, "log": "x"}, "--rate", "not with --log"),
        ({"clients": 5, "log": "x"}, "--clients", "not with --log"),
        ({"rate": 1.0, "config": "x", "queue": 5}, "--queue", "not with --config: the configuration says it"),
        ({"rate": 1.0, "config": "x", "queue_timeout": 5.0}, "--queue-timeout", "not with --config"),
        ({"rate": 1.0, "pool": "app"}, "--pool", "give --config, too"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any], option: str, why: str) -> None:
    """Rather than that one of them is ignored."""
    with pytest.raises(CannotSimulate, match=why) as caught:
        Choices(**options).require_sense()
    assert caught.value.option == option


@pytest.mark.parametrize(
    ("options", "option", "why"),
    [
        ({"weights": (1, 2), "servers": 3}, "--weights", "2 weights are not for 3 servers"),
        ({"concurrency": (1, 2), "servers": 3}, "--concurrency", "2 numbers are not for 3 servers"),
        ({"weights": (0, 0)}, "--weights", "no server has a weight above 0"),
        ({"kill": (Disturbance(Kind.KILL, "x1", 1.0),)}, "--kill", "there is no server 'x1'"),
    ],
)
def test_what_makes_no_pool_is_refused(options: dict[str, Any], option: str, why: str) -> None:
    """With the option that is wrong."""
    with pytest.raises(CannotSimulate, match=why) as caught:
        Choices(rate=1.0, **options).scenario()
    assert caught.value.option == option


def test_the_pool_of_a_configuration_brings_its_policy(config: str) -> None:
    """Unless others are to be compared."""
    choices = Choices(rate=1.0, config=config, pool="app")
    assert choices.compared(choices.scenario()) == ("round_robin",)
    choices = Choices(rate=1.0, config=config, algorithms=("random", "first", "random"))
    assert choices.compared(choices.scenario()) == ("random", "first")


def test_limits_go_into_the_pool() -> None:
    """As the file would have them."""
    pool = Choices(rate=1.0, weights=(1, 2), max_connections=7, queue=0, queue_timeout=0.25).scenario().pool
    assert [one.max_connections for one in pool.servers] == [7, 7]
    assert (pool.queue, pool.queue_timeout) == (0, 0.25)


def test_a_bound_of_hashing_needs_a_policy_that_hashes() -> None:
    """Else it would be ignored."""
    choices = Choices(rate=1.0, algorithms=("random", "ip_hash"), hash_balance_factor=150)
    scenario = choices.scenario()
    assert scenario.pool.hash_balance_factor == 150
    assert choices.compared(scenario) == ("random", "ip_hash")
    choices = Choices(rate=1.0, algorithms=("random",), hash_balance_factor=150)
    with pytest.raises(CannotSimulate, match="hashes"):
        choices.compared(choices.scenario())


def test_a_log_is_replayed_as_far_as_is_asked(log: str) -> None:
    """All of it, or the first requests."""
    whole, choices = Choices(log=log), Choices(log=log, requests=2)
    assert len(list(whole.arrivals(whole.scenario()))) == 3
    cut = choices.arrivals(choices.scenario())
    assert isinstance(cut, Cut)
    assert len(list(cut)) == 2


def test_of_a_log_the_lines_of_the_pool_count(log: str, config: str) -> None:
    """Those of the configuration's, whether it was named or is the only one."""
    with open(log, "a", encoding="utf-8") as lines:
        lines.write("\n" + json.dumps({**LINE, "pool": "other"}))
    for choices, count in ((Choices(log=log), 4), (Choices(log=log, config=config), 3)):
        assert len(list(choices.arrivals(choices.scenario()))) == count


def test_what_would_happen_after_the_end_is_refused() -> None:
    """A kill that nobody sees would look as if it did no harm."""
    choices = Choices(rate=100.0, requests=1000, slow=(Disturbance(Kind.SLOW, "a", 10.0, 2.0),))
    with pytest.raises(CannotSimulate, match="requests come for 10s only") as caught:
        require_time(choices.scenario(), choices.arrivals(choices.scenario()))
    assert caught.value.option == "--slow"
    longer = Choices(rate=100.0, requests=1001, slow=choices.slow)
    require_time(longer.scenario(), longer.arrivals(longer.scenario()))


def test_an_option_is_named_as_it_is_written() -> None:
    """With hyphens."""
    assert option_of("service_time") == "--service-time"
