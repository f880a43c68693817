"""A ``config.toml`` in the Rust form, run by both commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from deston.address import Address
from tests.integration.commands import BOTH, L4, L7, argv_of, start
from tests.integration.processes import Processes, run
from tests.integration.wire import reserved_port


def write_toml(folder: Path, bind: Address, servers: dict[str, Address], algorithm: str, layer: str) -> Path:
    """A file with these servers; every other one has its port within its address."""
    lines = ["[load_balancer]", f'address = "{bind.host}"', f"port = {bind.port}", f'algorithm = "{algorithm}"']
    lines += [f'layer = "{layer}"'] if layer else []
    for number, address in enumerate(servers.values()):
        lines += ["", "[[server]]"]
        lines += (
            [f'address = "http://{address}"']
            if number % 2
            else [f'address = "{address.host}"', f"port = {address.port}"]
        )
    file = folder / "config.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(("command", "layer"), [(L4, ""), (L7, ""), (L4, "L4"), (L7, "Layer_7")])
def test_round_robin(processes: Processes, tmp_path: Path, abc: dict[str, Address], command: str, layer: str) -> None:
    """A file without a layer is for whichever command reads it, else for the one that its layer says."""
    with reserved_port() as bind:
        front = start(command, processes, write_toml(tmp_path, bind, abc, "RoundRobin", layer))
        assert front.address == bind
        order = [front.ask() for _ in range(9)]
    assert set(order) == {"a", "b", "c"}
    # The first check of a server, which may come meanwhile, lets the turns begin anew.
    assert max(order.count(name) for name in "abc") <= 5


@pytest.mark.parametrize("command", BOTH)
def test_ip_hashing(processes: Processes, tmp_path: Path, abc: dict[str, Address], command: str) -> None:
    """Each client keeps its server; a hundred clients have all of them (see ``test_shares``)."""
    with reserved_port() as bind:
        front = start(command, processes, write_toml(tmp_path, bind, abc, "IpHashing", ""))
        clients = [f"127.0.0.{number}" for number in range(2, 102)]
        homes = {client: front.ask(source=client) for client in clients}
        assert set(homes.values()) == {"a", "b", "c"}
        assert {client: front.ask(source=client) for client in clients} == homes


@pytest.mark.parametrize(("command", "layer"), [(L4, "L7"), (L7, "L4")])
def test_the_layer_is_for_the_other_command(tmp_path: Path, command: str, layer: str) -> None:
    """The command that a file's layer rules out says which one runs it."""
    bind, servers = Address("127.0.0.1", 8000), {"a": Address("127.0.0.1", 3000)}
    words, environment = argv_of(command, write_toml(tmp_path, bind, servers, "RoundRobin", layer))
    done = run(words, environment)
    assert done.status == 2
    assert ("deston.l7:app" if command == L4 else "deston-l4 --config") in done.err


@pytest.mark.parametrize("command", BOTH)
def test_an_unknown_algorithm(tmp_path: Path, command: str) -> None:
    """It is an error with its line, and not the default in silence."""
    bind, servers = Address("127.0.0.1", 8000), {"a": Address("127.0.0.1", 3000)}
    file = write_toml(tmp_path, bind, servers, "RoundRobbin", "")
    words, environment = argv_of(command, file)
    done = run(words, environment)
    assert done.status == 2
    assert done.err.startswith(f"{file}:4: load_balancer.algorithm: ")
