from __future__ import annotations

from pathlib import Path

import pytest

from deston.config.algorithms import ALGORITHMS
from deston.config.model import Protocol
from tests.unit.config.texts import GOOD_RUST, changed, load_text, problems_of

ADDRESS = 'address = "127.0.0.1"'
FIRST = 'address = "http://127.0.0.1"\nport = 3000\n'
SECOND = 'address = "127.0.0.1:3001"\n'

PROBLEMS = [
    ("port = 8080", "prot = 8080", ["3: load_balancer.prot: unknown key (did you mean 'port'?)"]),
    ("[load_balancer]", "[loadbalancer]", [
        "1: loadbalancer: unknown section (did you mean 'load_balancer'?)",
    ]),
    ("weight = 2", "wieght = 2", ["13: server.2.wieght: unknown key (did you mean 'weight'?)"]),
    ("port = 8080", 'port = "many"', ["3: load_balancer.port: 'many' is not a whole number"]),
    ("port = 8080", "port = 70000", ["3: load_balancer.port: it must be from 0 to 65535, not 70000"]),
    ("port = 8080", "port = true", ["3: load_balancer.port: 'true' is not a whole number"]),
    ("port = 8080", "port = 80.5", ["3: load_balancer.port: '80.5' is not a whole number"]),
    ("port = 8080", "port = [80]", [
        "3: load_balancer.port: one value is expected, not a list of 1 (put it in quotes if it has a comma)"
    ]),
    ("port = 8080", "port = 0x" + "f" * 5000, ["3: load_balancer.port: it is longer than 4096 characters"]),
    ("port = 3000", "port = 0", ["9: server.1.port: it must be from 1 to 65535, not 0"]),
    ("weight = 2", "weight = -1", ["13: server.2.weight: it must be from 0 to 65535, not -1"]),
    ("weight = 2", "weight = 0", []),
    ("weight = 2", "port = 3002", ["13: server.2.port: the port is 3002 here, and 3001 in address"]),
    ("weight = 2", "port = 3001", []),
    ("port = 3000", "weight = 1", []),
    ('"127.0.0.1:3001"', '"127.0.0.1"', ["12: server.2.address: '127.0.0.1' has no port (write host:port)"]),
    ('"127.0.0.1:3001"', '"127.0.0.1:0"', ["12: server.2.address: port 0 is not between 1 and 65535"]),
    ('"127.0.0.1:3001"', '"127.0.0.1:3000"', [
        "11: server.2: 127.0.0.1:3000 is given twice: server.1 has it on line 7"
    ]),
    ('"127.0.0.1:3001"', '"http://127.0.0.1:3001/api"', [
        "12: server.2.address: 'http://127.0.0.1:3001/api' has a path: a server is an address, and paths go on as "
        "clients send them"
    ]),
    (SECOND, "", ["11: server.2.address: this key is required, and missing"]),
    (ADDRESS, 'address = "127.0.0.256"', ["2: load_balancer.address: '127.0.0.256' is not an IPv4 address"]),
    (ADDRESS, 'address = "127.0.0.1:9"', ["3: load_balancer.port: the port is 8080 here, and 9 in address"]),
    ('"RoundRobin"', '"RoundRobbin"', [
        "4: load_balancer.algorithm: unknown policy 'RoundRobbin' (did you mean 'round_robin'?)"
    ]),
    ('"RoundRobin"', "5", [
        "4: load_balancer.algorithm: unknown policy '5' (known: "
        f"{', '.join(ALGORITHMS)})"
    ]),
    ('"L7"', '"L5"', ["5: load_balancer.layer: unknown layer 'L5' (L4 and L7 are known)"]),
    ('"L7"', '["L4", "L7"]', [
        "5: load_balancer.layer: one value is expected, not a list of 2 (put it in quotes if it has a comma)"
    ]),
    (GOOD_RUST[GOOD_RUST.index("[[server]]") :], "", ["server: there is no server"]),
    (GOOD_RUST[GOOD_RUST.index("[[server]]") :], "[server]\naddress = 'x:1'\n", [
        "7: server: each server is a table of its own: write [[server]]"
    ]),
    (GOOD_RUST[GOOD_RUST.index("[[server]]") :], "[[servers]]\naddress = 'x:1'\n", [
        "server: there is no server",
        "7: servers: unknown key (did you mean 'server'?)",
    ]),
    (GOOD_RUST, "server = ['x:1']\n", [
        "1: server.1: each server is a table of its own: write [[server]]"
    ]),
    (GOOD_RUST, "load_balancer = 1\n", [
        "1: load_balancer: this is a section, not a value: write [load_balancer]"
    ]),
    (GOOD_RUST, "", ["the file is empty"]),
    ("port = 8080", "port = " + "[" * 5000, ["this TOML cannot be read: its brackets are nested too deep"]),
    ("port = 8080", "port = " + "9" * 5000, ["this TOML cannot be read: it has a number of too many digits"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), PROBLEMS)
def test_a_mistake_is_told_as_it_stands_in_the_file(old: str, new: str, expected: list[str], tmp_path: Path) -> None:
    """Problems bear the keys and lines of the TOML file, also those that are found after its translation."""
    text = changed(GOOD_RUST, old, new)
    if expected:
        assert problems_of(tmp_path, text, "x.toml") == expected
    else:
        load_text(tmp_path, text, "x.toml")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("port = 8080", "port 8080", 3),
        ("port = 8080", "port = 8080\nport = 8081", 4),
        ("port = 8080", "port =", 3),
        ("[load_balancer]", "[load_balancer", 1),
        ('"L7"', '"L7', 5),
        ("max_connections = 10\n", "x = '''", 14),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(old: str, new: str, line: int, tmp_path: Path) -> None:
    """A mistake in the syntax has one problem with its line; the words are those of the TOML parser."""
    (problem,) = problems_of(tmp_path, changed(GOOD_RUST, old, new), "x.toml")
    assert problem.startswith(f"{line}: this is not TOML: ")
    assert "(at " not in problem


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Problems of keys, of servers and of the whole file come together, in the order of the file."""
    text = GOOD_RUST.replace("RoundRobin", "Robin").replace("weight", "wait").replace("port = 3000", "port = 'x'")
    assert problems_of(tmp_path, text, "x.toml") == [
        "4: load_balancer.algorithm: unknown policy 'Robin' (did you mean 'round_robin'?)",
        "9: server.1.port: 'x' is not a whole number",
        "13: server.2.wait: unknown key (did you mean 'weight'?)",
    ]


@pytest.mark.parametrize(
    ("layer", "protocol"),
    [("L4", Protocol.TCP), ("l4", Protocol.TCP), ("layer4", Protocol.TCP), ("Layer_4", Protocol.TCP)]
    + [("L7", Protocol.HTTP), ("l7", Protocol.HTTP), ("LAYER7", Protocol.HTTP), ("layer_7", Protocol.HTTP)],
)
@pytest.mark.parametrize("command", [*Protocol, None])
def test_the_layer_decides_whatever_reads_it(
    layer: str, protocol: Protocol, command: Protocol | None, tmp_path: Path
) -> None:
    """A file that names its layer has that protocol, in every spelling and for every command."""
    config = load_text(tmp_path, changed(GOOD_RUST, '"L7"', f'"{layer}"'), "x.toml", command)
    assert [one.protocol for one in config.listeners] == [protocol]


@pytest.mark.parametrize("command", [Protocol.HTTP, Protocol.TCP, None])
@pytest.mark.parametrize("layer", ["", 'layer = ""\n'])
def test_without_a_layer_the_command_decides(layer: str, command: Protocol | None, tmp_path: Path) -> None:
    """A file without a layer is for the command that reads it; for none in particular it stays open."""
    config = load_text(tmp_path, changed(GOOD_RUST, 'layer = "L7"\n', layer), "x.TOML", command)
    assert [one.protocol for one in config.listeners] == [command]
    assert len(config.listeners_of(Protocol.TCP)) == (command is not Protocol.HTTP)


@pytest.mark.parametrize("command", [Protocol.HTTP, Protocol.TCP, None])
def test_a_server_may_have_tls(command: Protocol | None, tmp_path: Path) -> None:
    """Its scheme says so, whatever command reads the file."""
    text = GOOD_RUST.replace("http://", "https://").replace('layer = "L7"\n', "")
    assert load_text(tmp_path, text, "x.toml", command).pools[0].servers[0].tls


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    """Without [load_balancer] it is 127.0.0.1:8080 and round robin."""
    config = load_text(tmp_path, '[[server]]\naddress = "x:1"\n', "x.toml")
    assert str(config.listeners[0].bind) == "127.0.0.1:8080"
    assert config.pools[0].algorithm == "round_robin"


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ('address = "app"\nport = 1', "app:1"),
        ('address = "app:1"', "app:1"),
        ('address = "http://app:1"', "app:1"),
        ('address = "http://app:1/"', "app:1"),
        ('address = "http://app/"\nport = 1', "app:1"),
        ('address = "http://app"', "app:80"),
        ('address = "::1"\nport = 1', "[::1]:1"),
        ('address = "[::1]"\nport = 1', "[::1]:1"),
        ('address = "[::1]:1"', "[::1]:1"),
        ('"address" = "app"\n"port" = 1', "app:1"),
    ],
)
def test_a_server_has_its_port_in_either_key(lines: str, address: str, tmp_path: Path) -> None:
    """The address may have a scheme and the port, or leave the port to its own key."""
    config = load_text(tmp_path, f"[[server]]\n{lines}\n", "x.toml")
    assert str(config.pools[0].servers[0].address) == address


def test_tables_may_be_written_in_line(tmp_path: Path) -> None:
    """Every way of TOML to write a table is read; a problem then has the line of what is around it."""
    text = 'load_balancer.port = 0\nserver = [\n  {address = "x:1"},\n  {address = "y:1", weight = "?"},\n]\n'
    assert problems_of(tmp_path, text, "x.toml") == ["2: server.2.weight: '?' is not a whole number"]
    assert load_text(tmp_path, text.replace('"?"', "4"), "x.toml").pools[0].servers[1].weight == 4
