"""The Rust form: the ``config.toml`` of the load balancer that Deston succeeds.

What lives here: its keys with their types and defaults, and its translation into the tree of Deston's own form.
What must not: what the translated tree means; the schema and the rules of Deston's own form apply to it, and its
defaults hold for everything that this form has no key for.
Invariant: a problem is told with the path and the line that stand in the TOML file.
"""

from __future__ import annotations

import re
import sys

from configobj.validate import ValidateError

from deston.address import is_literal
from deston.config.algorithms import plain
from deston.config.checks.base import of_one, short
from deston.config.model import Protocol
from deston.config.report import Path, Report, Tree
from deston.config.schema import Schema, read_spec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Where the one listener and the one pool stand in the translated tree.
NAME = "main"

SPEC = """
# The one listener, and how its pool picks.
[load_balancer]
# Where to listen: a host, with or without its port.
address = text(default=127.0.0.1)
# The port to listen on; 0 is any free one.
port = whole(min=0, max=65535, default=8080)
# How a server is picked, in any spelling: `RoundRobin`, `WeightedRoundRobin`, `IpHashing`, `LeastConnections`.
# Without it, it is `round_robin`.
algorithm = text(default=None)
# `L4` (also `layer4`, `layer_4`) or `L7`, in any case. Without it, the file is for whatever command reads it.
layer = layer(default="")

# One table `[[server]]` for each server.
[server]
[[__many__]]
# The server's host, with or without `http://` in front and `:port` behind.
address = text
# The server's port, if address has none.
port = whole(min=1, max=65535, default=None)
# As in Deston's own form.
weight = whole(min=0, max=65535, default=None)
# As in Deston's own form.
max_connections = whole(min=0, max=10000000, default=None)
"""

_LAYERS = {"l4": Protocol.TCP, "layer4": Protocol.TCP, "l7": Protocol.HTTP, "layer7": Protocol.HTTP}
_TABLE = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*=")
_OWN_PORT = re.compile(r":([0-9]+)$")
_WRITTEN: dict[Path, Path] = {
    ("listeners", NAME, "bind"): ("load_balancer", "address"),
    ("listeners", NAME, "protocol"): ("load_balancer", "layer"),
    ("pools", NAME, "algorithm"): ("load_balancer", "algorithm"),
}
_NO_TABLE = "each server is a table of its own: write [[server]]"
_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def is_rust_form(file: str) -> bool:
    """Whether a file is in the Rust form: its ending says so."""
    return file.lower().endswith(".toml")


def read_rust_form(text: str, command: Protocol | None, report: Report) -> Tree:
    """The tree of Deston's own form for a text in the Rust form.

    ``command`` is what a file without ``layer`` is read for; where it is None, too, the tree says ``http``, which
    forbids less. Raises ``ConfigError`` if the text is no TOML.
    """
    report.lines = _find_lines(text)
    toml = _number_servers(_parse(text, report), report)
    if not toml:
        return {}
    values = _SCHEMA.check(toml, report)
    tree = _translate(values, toml, command or Protocol.HTTP, report)
    report.written = _written
    return tree


def leaves_layer_open(text: str) -> bool:
    """Whether a text in the Rust form, which was read without problems, is for whatever command reads it."""
    return not tomllib.loads(text).get("load_balancer", {}).get("layer")


def _parse(text: str, report: Report) -> Tree:
    try:
        toml: Tree = tomllib.loads(text)
        return toml
    except RecursionError:
        report.add((), "this TOML cannot be read: its brackets are nested too deep")
    except tomllib.TOMLDecodeError as error:
        position = _POSITION.search(str(error))
        line = int(position[1] or text.count("\n") + 1) if position else 0
        report.add((), f"this is not TOML: {_POSITION.sub('', str(error))}", line)
    except ValueError:  # Python's limit of 4300 digits.
        report.add((), "this TOML cannot be read: it has a number of too many digits")
    raise report.error()


def _number_servers(toml: Tree, report: Report) -> Tree:
    """The ``[[server]]`` tables as sections with the names 1, 2, …, so that they have paths."""
    servers = toml.get("server")
    if servers is None:
        return toml
    if not isinstance(servers, list):
        report.add(("server",), _NO_TABLE)
        return {**toml, "server": None}
    numbered = {str(number): one for number, one in enumerate(servers, 1)}
    for number, one in numbered.items():
        if not isinstance(one, dict):
            report.add(("server", number), _NO_TABLE)
            numbered[number] = None
    return {**toml, "server": numbered}


def _translate(values: Tree, toml: Tree, protocol: Protocol, report: Report) -> Tree:
    """The tree of Deston's own form; what the file leaves out is left to the defaults of that form."""
    given, servers = toml.get("load_balancer", {}), values["server"]
    balancer = values["load_balancer"]
    if balancer is None:
        return {"listeners": {NAME: None}, "pools": {NAME: None}}
    layer = balancer["layer"]
    listener = {
        "bind": _join(balancer, given, ("load_balancer",), report),
        "protocol": layer if layer is None else layer or protocol.value,
        "pool": NAME,
    }
    pool = _given(balancer, given, "algorithm")
    pool["servers"] = servers and {
        f"server{number}": server and _server(server, toml["server"][number], ("server", number), report)
        for number, server in servers.items()
    }
    return {"listeners": {NAME: listener}, "pools": {NAME: pool}}


def _server(values: Tree, given: Tree, path: Path, report: Report) -> Tree:
    return {"address": _join(values, given, path, report), **_given(values, given, "weight", "max_connections")}


def _given(values: Tree, given: Tree, *keys: str) -> Tree:
    return {key: values[key] for key in keys if key in given}


def _join(values: Tree, given: Tree, path: Path, report: Report) -> str | None:
    """The address of a table with its port, which stands in either key; None if one of them is wrong."""
    address, port = values["address"], values["port"]
    if address is None or (port is None and "port" in given):
        return None
    scheme, there, host = address.rpartition("://")
    host = host.removesuffix("/") if there else host
    own_port = _OWN_PORT.search(host)
    if is_literal(host) and ":" in host:
        host, own_port = f"[{host}]", None
    if own_port and "port" in given and own_port[1] != str(port):
        report.add((*path, "port"), f"the port is {port} here, and {own_port[1]} in address")
        return None
    return f"{scheme}{there}{host}" if own_port or port is None else f"{scheme}{there}{host}:{port}"


def _written(path: Path) -> Path:
    """The path in the TOML file of a path in the translated tree."""
    if path[:3] == ("pools", NAME, "servers"):
        return ("server", *(path[3:4] and (path[3].removeprefix("server"),)), *path[4:])
    return _WRITTEN.get(path, path)


def _find_lines(text: str) -> dict[Path, int]:
    """Where tables and keys stand; tomllib keeps no lines. Keys within ``{…}`` count as their table's line."""
    lines: dict[Path, int] = {}
    table: Path = ()
    servers = 0
    for number, line in enumerate(text.split("\n"), 1):
        if header := _TABLE.match(line):
            table = tuple(header[2].split("."))
            if header[1] == "[[":
                servers += 1
                lines.setdefault(table, number)
                table = (*table, str(servers))
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *key[1].split(".")), number)
    return lines


@of_one
def check_layer(text: str) -> str:
    """The protocol of a layer or, where nothing is said, an empty text."""
    layer = plain(text)
    if layer and layer not in _LAYERS:
        raise ValidateError(f"unknown layer {short(text)} (L4 and L7 are known)")
    return _LAYERS[layer].value if layer else ""


_SCHEMA = Schema(read_spec(SPEC))
