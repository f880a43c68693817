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
    ListenerTlsConfig,
    PoolConfig,
    RouteConfig,
    ServerConfig,
    TlsConfig,
)
from deston.config.report import Tree

_TLS = "tls_"
# A key in the file is in the singular, as in the peers' files; a field that holds several is in the plural.
_LISTENER_TLS = {"certificate": "certificates", "key": "keys"}


def to_config(file: str, values: Tree) -> Config:
    """The configuration in ``file``, of which ``values`` are without problems."""
    return Config(
        file=file,
        global_=GlobalConfig(**values["global"]),
        admin=AdminConfig(**values["admin"]),
        listeners=tuple(_listener(name, one) for name, one in values["listeners"].items()),
        pools=tuple(_pool(name, one) for name, one in values["pools"].items()),
        routes=tuple(_route(name, one) for name, one in values["routes"].items()),
    )


def _listener(name: str, values: Tree) -> ListenerConfig:
    tls, rest = _without_tls(values)
    renamed = {_LISTENER_TLS.get(key, key): value for key, value in tls.items()}
    rest["tls"] = ListenerTlsConfig(mode=rest["tls"], **renamed)
    return ListenerConfig(name=name, **rest)


def _route(name: str, values: Tree) -> RouteConfig:
    rest = {key: value for key, value in values.items() if key != "host"}
    return RouteConfig(name=name, hosts=values["host"], **rest)


def _pool(name: str, values: Tree) -> PoolConfig:
    tls, rest = _without_tls(values)
    rest["tls"] = TlsConfig(**tls)
    rest["health"] = HealthConfig(**values["health"])
    rest["servers"] = tuple(_server(server, one) for server, one in values["servers"].items())
    return PoolConfig(name=name, **rest)


def _without_tls(values: Tree) -> tuple[Tree, Tree]:
    """The keys of a section that begin with ``tls_``, without that beginning, and all the others."""
    tls = {key.removeprefix(_TLS): value for key, value in values.items() if key.startswith(_TLS)}
    return tls, {key: value for key, value in values.items() if not key.startswith(_TLS)}


def _server(name: str, values: Tree) -> ServerConfig:
    address, tls = values["address"]
    options = {key: value for key, value in values.items() if key != "address"}
    return ServerConfig(name=name, address=address, tls=tls, **options)
