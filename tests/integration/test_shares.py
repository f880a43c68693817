"""The shares of every policy, as clients of both commands see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from deston.address import Address
from tests.integration.client import Client
from tests.integration.commands import BOTH, L4, L7, Command, start_both
from tests.integration.configs import Tree, http, pool, tcp, write_config
from tests.integration.processes import Processes
from tests.integration.wire import Wire, connect

POLICIES = ("round_robin", "weighted_round_robin", "ip_hash", "least_connections", "two_choices", "random")
WEIGHTS = {"a": 5, "b": 1, "c": 1}
BUSY = 3
HELLO = b"GET / HTTP/1.1\r\nHost: any.test\r\n\r\n"


def weighted(servers: dict[str, Address]) -> dict[str, str]:
    """The servers with their weights of 5:1:1."""
    return {name: f"{address}, weight={WEIGHTS[name]}" for name, address in servers.items()}


@pytest.fixture(scope="module")
def commands(
    module_processes: Processes, abc: dict[str, Address], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Command]:
    """Both commands on one file: a pool, a tcp listener and an http host for each policy."""
    pools: Tree = {policy: pool(abc, algorithm=policy) for policy in POLICIES}
    pools["weighted_round_robin"]["servers"] = weighted(abc)
    pools["weighted_random"] = pool(weighted(abc), algorithm="random")
    file = write_config(
        tmp_path_factory.mktemp("shares"),
        {"web": http(""), **{name: tcp(name) for name in pools}},
        routes={name: {"host": f"{name}.test", "pool": name} for name in pools},
        pools=pools,
    )
    return start_both(module_processes, file)


@pytest.fixture(params=BOTH)
def command(request: pytest.FixtureRequest, commands: dict[str, Command]) -> Command:
    return commands[request.param]


def clients(count: int) -> Iterator[str]:
    """Addresses of this machine, a different one for each client."""
    yield from (f"127.0.{index >> 8}.{index & 255}" for index in range(2, count + 2))


def test_round_robin_takes_turns(command: Command) -> None:
    """Each server is picked in its turn, request after request."""
    order = [command.ask("round_robin") for _ in range(60)]
    assert set(order[:3]) == {"a", "b", "c"}
    assert order == order[:3] * 20


def test_weighted_round_robin_is_exact(command: Command) -> None:
    """Over 700 requests of one worker weights of 5:1:1 give exactly 500, 100 and 100."""
    assert Counter(command.ask("weighted_round_robin") for _ in range(700)) == {"a": 500, "b": 100, "c": 100}


def test_weighted_round_robin_is_smooth(command: Command) -> None:
    """The heavy server's turns are spread over the period instead of coming in one go."""
    order = "".join(command.ask("weighted_round_robin") for _ in range(14))
    assert "a" * 6 not in order
    assert order[:7] == order[7:]


def test_a_kept_connection_gets_a_server_for_each_request(commands: dict[str, Command]) -> None:
    """L7 balances requests: one connection of a client reaches every server."""
    with Client(commands[L7].address) as client:
        answers = Counter(client.ask(fields={"Host": "round_robin.test"}).server for _ in range(30))
    assert answers == {"a": 10, "b": 10, "c": 10}


def test_a_connection_keeps_its_server(commands: dict[str, Command]) -> None:
    """L4 balances connections: all requests of one reach the same server."""
    with Client(commands[L4].address_of("round_robin")) as client:
        assert len({client.ask().server for _ in range(5)}) == 1


def test_ip_hash_is_stable_and_spread(commands: dict[str, Command]) -> None:
    """A client has one server, whatever its port and through either command; many clients have all of them.

    That one of three servers gets none of a hundred clients happens by chance in one run of 10^17.
    """
    homes = {client: commands[L4].ask("ip_hash", client) for client in clients(100)}
    assert set(homes.values()) == {"a", "b", "c"}
    for command in commands.values():
        assert {client: command.ask("ip_hash", client) for client in homes} == homes


def test_the_port_is_no_part_of_the_hash(command: Command) -> None:
    """Twenty connections of one client, each from another port, reach one server."""
    assert len({command.ask("ip_hash", "127.0.0.9") for _ in range(20)}) == 1


def test_random_draws_by_weight(command: Command) -> None:
    """Chance follows the weights: equal ones of 300 requests get 100 each, 5 of 7 get 214.

    The standard deviations are 8.2 and 7.8; eight of them are exceeded in one run of 10^14.
    """
    equal = Counter(command.ask("random") for _ in range(300))
    assert all(34 <= equal[name] <= 166 for name in "abc"), equal
    heavy = Counter(command.ask("weighted_random") for _ in range(300))
    assert 151 <= heavy["a"] <= 277, heavy


def test_two_choices_spreads_where_all_are_idle(command: Command) -> None:
    """Among idle servers the first of the two decides, which is chance; see above for the bounds."""
    counts = Counter(command.ask("two_choices") for _ in range(300))
    assert all(34 <= counts[name] <= 166 for name in "abc"), counts


@pytest.mark.parametrize("policy", ["least_connections", "two_choices"])
def test_a_busy_server_is_left_alone(commands: dict[str, Command], policy: str) -> None:
    """While one server has three connections more than the others, no new connection goes to it."""
    address = commands[L4].address_of(policy)
    with ExitStack() as held:
        busy = hold(held, address, BUSY)
        for _ in range(3):  # The connections that were given up are forgotten meanwhile.
            commands[L4].ask(policy)
        counts = Counter(commands[L4].ask(policy) for _ in range(60))
    assert counts[busy] == 0
    assert len(counts) == 2


def test_least_connections_levels_out(commands: dict[str, Command]) -> None:
    """Connections that stay open are spread evenly."""
    address = commands[L4].address_of("least_connections")
    for _ in range(3):  # What other tests closed is forgotten meanwhile.
        commands[L4].ask("least_connections")
    with ExitStack() as held:
        names = Counter(server_of(held.enter_context(connect(address))) for _ in range(12))
    assert names == {"a": 4, "b": 4, "c": 4}


def hold(held: ExitStack, address: Address, count: int) -> str:
    """Open connections until one server has ``count``, give up the others; the name of that server."""
    by_server: dict[str, list[Wire]] = {}
    while True:
        wire = held.enter_context(connect(address))
        name = server_of(wire)
        by_server.setdefault(name, []).append(wire)
        if len(by_server[name]) == count:
            break
    for other in by_server.keys() - {name}:
        for wire in by_server[other]:
            wire.close()
    return name


def server_of(wire: Wire) -> str:
    """The name of the server at the other end of a connection, which stays open."""
    wire.send(HELLO)
    wire.read_head()
    return wire.read_until(b"\n").decode().strip()
