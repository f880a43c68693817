from __future__ import annotations

import math
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.address import client_key
from deston.balancer.policies import create_policy, hashing
from deston.balancer.server import Health, Server
from tests.builders import make_pool, make_server_configs, make_servers
from tests.properties import unhurried
from tests.shares import client_keys, count_picks, fits_weights

ROOT = Path(__file__).resolve().parents[4]
CLIENTS = client_keys(150)
some_weights = st.lists(st.integers(1, 9), min_size=2, max_size=8)


def owners(servers: Sequence[Server]) -> dict[str, str]:
    """Which server each client gets, by name."""
    policy = create_policy("ip_hash")
    policy.prepare(servers)
    return {client: policy.pick(servers, client).name for client in CLIENTS}


@given(weights=some_weights, data=st.data())
@unhurried
def test_a_server_that_leaves_moves_only_its_own_clients(weights: list[int], data: st.DataObject) -> None:
    """Whoever was not on the server that leaves stays where it was."""
    servers = make_servers(*weights)
    gone = data.draw(st.sampled_from(servers))
    before, after = owners(servers), owners([one for one in servers if one is not gone])
    assert {client for client in CLIENTS if before[client] != after[client]} == {
        client for client in CLIENTS if before[client] == gone.name
    }


@given(weights=some_weights, data=st.data())
@unhurried
def test_a_server_that_joins_takes_clients_only_to_itself(weights: list[int], data: st.DataObject) -> None:
    """Whoever moves when a server joins moves to that one."""
    servers = make_servers(*weights)
    new = data.draw(st.sampled_from(servers))
    before, after = owners([one for one in servers if one is not new]), owners(servers)
    assert {after[client] for client in CLIENTS if before[client] != after[client]} <= {new.name}


@given(weights=some_weights, more=st.integers(1, 9), data=st.data())
@unhurried
def test_a_server_that_gains_weight_takes_clients_only_to_itself(
    weights: list[int], more: int, data: st.DataObject
) -> None:
    """More weight for one server moves clients to it and none between the others."""
    servers = make_servers(*weights)
    before = owners(servers)
    grown = data.draw(st.sampled_from(servers))
    grown.weight += more
    after = owners(servers)
    assert {after[client] for client in CLIENTS if before[client] != after[client]} <= {grown.name}


@given(weights=some_weights, seed=st.integers())
@unhurried
def test_the_order_of_the_servers_plays_no_part(weights: list[int], seed: int) -> None:
    """Two processes whose files list the servers differently agree on every client."""
    servers = list(make_servers(*weights))
    shuffled = servers.copy()
    random.Random(seed).shuffle(shuffled)
    assert owners(servers) == owners(shuffled)


@given(weights=some_weights)
@unhurried
def test_remembered_and_computed_answers_are_the_same(weights: list[int]) -> None:
    """Candidates that nothing is remembered for get the answers that prepared ones get, first time and later."""
    servers = make_servers(*weights)
    policy = create_policy("ip_hash")
    policy.prepare(servers)
    for client in CLIENTS[:30]:
        computed = policy.pick(list(servers), client)
        assert computed is policy.pick(servers, client) is policy.pick(servers, client)


@pytest.mark.parametrize("weights", [(1, 1), (1, 1, 1, 1, 1), (5, 3, 1, 1), (100, 1), (7,) * 20])
def test_clients_are_shared_by_weight(weights: tuple[int, ...]) -> None:
    """Over many clients each server has its share, as if thrown by a loaded die."""
    pool = make_pool(*make_server_configs(*weights), algorithm="ip_hash")
    counts = count_picks(pool.pick, client_keys(20_000))
    assert fits_weights(counts, pool.servers), counts


def test_the_clients_of_a_server_that_is_down_are_shared_by_the_others() -> None:
    """Its clients go to all that stay, by weight, and come back to it when it does."""
    pool = make_pool(*make_server_configs(2, 1, 1, 1), algorithm="ip_hash")
    before = {key: pool.pick(key) for key in client_keys(10_000)}
    down = pool.servers[0]
    down.health = Health.DOWN
    pool.refresh()
    orphans = [key for key, server in before.items() if server is down]
    counts = count_picks(pool.pick, orphans)
    assert fits_weights(counts, pool.servers[1:]), counts
    down.health = Health.UP
    pool.refresh()
    assert all(pool.pick(key) is server for key, server in before.items())


def test_a_retry_goes_where_the_client_would_go_without_the_server() -> None:
    """Exclusion and removal lead a client to the same server, so that it does not wander."""
    pool = make_pool(*make_server_configs(1, 1, 1, 1), algorithm="ip_hash")
    first = {key: pool.pick(key) for key in CLIENTS}
    second = {key: pool.pick(key, (first[key],)) for key in CLIENTS}
    for gone in pool.servers:
        rest = owners([one for one in pool.servers if one is not gone])
        assert all(second[key].name == rest[key] for key in CLIENTS if first[key] is gone)


def test_the_port_and_the_spelling_of_a_client_play_no_part() -> None:
    """One client's connections come from many ports, and through IPv4 or IPv6 sockets, to one server."""
    pool = make_pool(*make_server_configs(*[1] * 50), algorithm="ip_hash")
    peers = [("10.1.2.3", 50001), ("10.1.2.3", 50002), ("::ffff:10.1.2.3", 50003, 0, 0)]
    assert len({pool.pick(client_key(str(peer[0]))) for peer in peers}) == 1


def test_memory_is_bounded_and_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """When too many clients are remembered the table is begun anew, and everybody keeps its server."""
    monkeypatch.setattr(hashing, "MOST_REMEMBERED", 8)
    servers = make_servers(1, 1, 1)
    policy = hashing.IpHash()
    policy.prepare(servers)
    first = [policy.pick(servers, client) for client in CLIENTS]
    assert [policy.pick(servers, client) for client in CLIENTS] == first
    _, remembered = policy._prepared
    assert len(remembered) <= 8


AGREEMENT = """
from tests.unit.balancer.policies.test_hashing import owners
from tests.builders import make_servers
print(sorted(owners(make_servers(3, 1, 2, 5)).items()))
"""


def test_every_process_gives_the_same_answers() -> None:
    """Python's own hash differs from process to process; where a client goes does not."""
    said = {
        subprocess.run(
            [sys.executable, "-c", AGREEMENT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert said == {f"{sorted(owners(make_servers(3, 1, 2, 5)).items())}\n"}


def test_a_bound_sends_the_surplus_of_a_hot_key_on() -> None:
    """With a factor of 150 no server has more than half as much again as its share (Mirrokni et al., 2016)."""
    policy = create_policy("header_hash", balance_factor=150)
    servers = make_servers(1, 1, 1, 1)
    policy.prepare(servers)
    for count in range(1, 201):
        policy.pick(servers, "hot").active += 1
        assert max(one.active for one in servers) <= math.ceil(1.5 * count / 4)


def test_a_bound_leaves_keys_alone_while_there_is_room() -> None:
    """An idle server keeps its keys, bound or not."""
    bounded, plain = create_policy("uri_hash", balance_factor=125), create_policy("ip_hash")
    servers = make_servers(3, 1, 2)
    for policy in (bounded, plain):
        policy.prepare(servers)
    assert [bounded.pick(servers, key) for key in client_keys(100)] == [
        plain.pick(servers, key) for key in client_keys(100)
    ]


def test_the_surplus_of_a_key_goes_to_the_same_next_one() -> None:
    """Where a key goes when its server is over the bound is decided by the key, too."""
    policy = create_policy("ip_hash", balance_factor=100)
    servers = make_servers(1, 1, 1)
    policy.prepare(servers)
    first = policy.pick(servers, "hot")
    first.active = 50
    assert len({policy.pick(servers, "hot").name for _ in range(10)}) == 1
    assert policy.pick(servers, "hot") is not first
