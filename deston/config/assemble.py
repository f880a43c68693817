"""Checked values as the frozen model.

What lives here: the few places where a section of the file and a dataclass differ.
What must not: defaults, and rules; everything here holds already.
Invariant: each key of the schema ends in one field of the model.
"""

from __future__ import annotations

from deston.config.model import (
    AdminConfig,
    Config,
    GlobalConfig,
    HealthConfig,
    ListenerConfig,
    PoolConfig,
    RouteConfig,
    ServerConfig,
    TlsConfig,
)
from deston.config.report import Tree

_TLS = "tls_"


def to_config(file: str, values: Tree) -> Config:
    """The configuration in ``file``, of which ``values`` are without problems."""
    return Config(
        file=file,
        global_=GlobalConfig(**values["global"]),
        admin=AdminConfig(**values["admin"]),
        listeners=tuple(ListenerConfig(name=name, **one) for name, one in values["listeners"].items()),
        pools=tuple(_pool(name, one) for name, one in values["pools"].items()),
        routes=tuple(_route(name, one) for name, one in values["routes"].items()),
    )


def _route(name: str, values: Tree) -> RouteConfig:
    rest = {key: value for key, value in values.items() if key != "host"}
    return RouteConfig(name=name, hosts=values["host"], **rest)


def _pool(name: str, values: Tree) -> PoolConfig:
    tls = {key.removeprefix(_TLS): value for key, value in values.items() if key.startswith(_TLS)}
    rest = {key: value for key, value in values.items() if not key.startswith(_TLS)}
    rest["tls"] = TlsConfig(**tls)
    rest["health"] = HealthConfig(**values["health"])
    rest["servers"] = tuple(_server(server, one) for server, one in values["servers"].items())
    return PoolConfig(name=name, **rest)


def _server(name: str, values: Tree) -> ServerConfig:
    address, tls = values["address"]
    options = {key: value for key, value in values.items() if key != "address"}
    return ServerConfig(name=name, address=address, tls=tls, **options)
