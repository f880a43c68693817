"""Which servers of a pool get clients, and what clients see where none may."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from deston.address import Address
from tests.integration.client import Client, ask
from tests.integration.commands import BOTH, L4, L7, Command, start_both
from tests.integration.configs import QUICK_CHECKS, Tree, http, pool, tcp, write_config
from tests.integration.processes import DEADLINE_S, Processes, wait_until
from tests.integration.wire import ScriptedServer, Wire, connect, reserved_port

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def dead_ones() -> Iterator[list[Address]]:
    """Two addresses that refuse every connection."""
    with reserved_port() as one, reserved_port() as other:
        yield [one, other]


@pytest.fixture(scope="module")
def slow() -> Iterator[ScriptedServer]:
    """A server whose answers the tests give."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="module")
def commands(
    module_processes: Processes,
    abc: dict[str, Address],
    dead_ones: list[Address],
    slow: ScriptedServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Command]:
    """Both commands on one file with a pool for each test."""
    first, second = dead_ones
    pools: Tree = {
        "states": pool({"a": abc["a"], "b": f"{abc['b']}, state=drain", "c": f"{abc['c']}, state=maint"}),
        "half": pool({"dead": first, "deader": second, "a": abc["a"]}),
        "hopeless": pool({"dead": first, "deader": second}),
        "down": pool({"dead": first, "deader": second}, QUICK_CHECKS),
        "away": pool({"a": f"{abc['a']}, state=maint", "b": f"{abc['b']}, state=drain"}),
        "limited": pool({"slow": f"{slow.address}, max_connections=2"}, max_idle_connections=0),
        "overflow": pool({"slow": f"{slow.address}, max_connections=1", "a": abc["a"]}),
    }
    file = write_config(
        tmp_path_factory.mktemp("availability"),
        {"web": http(""), **{name: tcp(name) for name in pools}},
        routes={name: {"host": f"{name}.test", "pool": name} for name in pools},
        pools=pools,
    )
    started = start_both(module_processes, file)
    for command in started.values():
        command.running.wait_for("down/dead .* is down")
        command.running.wait_for("down/deader .* is down")
    return started


@pytest.fixture(params=BOTH)
def command(request: pytest.FixtureRequest, commands: dict[str, Command]) -> Command:
    return commands[request.param]


def test_only_ready_servers_get_clients(command: Command) -> None:
    """A server that the file puts into drain or maint gets no client."""
    assert {command.ask("states") for _ in range(10)} == {"a"}


def test_a_server_that_refuses_is_not_noticed(command: Command) -> None:
    """While retries are left, servers that refuse cost no client anything."""
    assert [command.ask("half") for _ in range(20)] == ["a"] * 20


@pytest.mark.parametrize("name", ["hopeless", "down", "away"])
def test_l7_answers_503_where_no_server_is_available(commands: dict[str, Command], name: str) -> None:
    """Whether dials fail, checks have failed or the operator has taken the servers away, the client gets 503."""
    answer = ask(commands[L7].address, fields={"Host": f"{name}.test"})
    assert (answer.status, answer.body) == (503, b"503 Service Unavailable\n")


@pytest.mark.parametrize("name", ["hopeless", "down", "away"])
def test_l4_closes_at_once_where_no_server_is_available(commands: dict[str, Command], name: str) -> None:
    """A client that cannot be served is not left waiting."""
    with connect(commands[L4].address_of(name)) as wire:
        assert wire.read_all() == b""


def test_a_full_server_gets_no_connection(commands: dict[str, Command], slow: ScriptedServer) -> None:
    """L4 holds as many connections to a server as it may have, and closes the next; one that ends makes room."""
    address = commands[L4].address_of("limited")
    with ExitStack() as held:
        pairs = [(held.enter_context(connect(address)), held.enter_context(slow.accept())) for _ in range(2)]
        for client, server in pairs:
            client.echoes_through(server)
        with connect(address) as refused:
            assert refused.read_all() == b""
        for end in pairs[0]:
            end.close()
        wait_until(lambda: reaches(address, slow), "room for a connection")


def reaches(address: Address, server: ScriptedServer) -> bool:
    """Whether a new connection gets to the server; if not, it is closed."""
    with connect(address) as client:
        ready, _, _ = select.select([client.socket, server.socket], [], [], DEADLINE_S)
        if server.socket in ready:
            server.accept().close()
        return server.socket in ready


def test_a_full_server_gets_no_exchange(commands: dict[str, Command], slow: ScriptedServer) -> None:
    """L7 holds as many exchanges with a server as it may have, and answers the next with 503."""
    fields = {"Host": "limited.test"}
    with ExitStack() as held:
        exchanges = [begin(held, commands[L7], slow) for _ in range(2)]
        assert ask(commands[L7].address, fields=fields).status == 503
        for client, server in exchanges:
            server.send(ANSWER)
            assert client.read_until(b"ok").startswith(b"HTTP/1.1 200 ")
        client, server = begin(held, commands[L7], slow)
        server.send(ANSWER)
        assert client.read_until(b"ok").startswith(b"HTTP/1.1 200 ")


def begin(held: ExitStack, command: Command, server: ScriptedServer) -> tuple[Wire, Wire]:
    """An exchange that waits for its answer: the client's end and the server's."""
    client = held.enter_context(connect(command.address))
    client.send(b"GET / HTTP/1.1\r\nHost: limited.test\r\n\r\n")
    accepted = held.enter_context(server.accept())
    accepted.read_head()
    return client, accepted


def test_what_a_full_server_cannot_take_goes_to_others(commands: dict[str, Command], slow: ScriptedServer) -> None:
    """While a server is full, the others of its pool serve."""
    with connect(commands[L4].address_of("overflow")) as client, slow.accept() as server:
        client.echoes_through(server)
        with Client(commands[L4].address_of("overflow")) as other:
            assert other.ask().server == "a"
