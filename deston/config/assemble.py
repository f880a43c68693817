"""Checked values as the frozen model.

What lives here: the few places where a section of the file and a dataclass differ.
What must not: defaults, and rules; everything here holds already.
Invariant: each key of the schema ends in one field of the model.
"""

from __future__ import annotations

from deston.config.http_rules import HeaderRules, RouteConfig
from deston.config.model import (
    AdminConfig,
    Config,
    GlobalConfig,
    HealthConfig,
    ListenerConfig,
    ListenerTlsConfig,
    PoolConfig,
    ServerConfig,
    TlsConfig,
)
from deston.config.report import Tree

_TLS = "tls_"
_HEADER_RULES = ("request_header", "response_header")
# A key in the file is in the singular, as in the peers' files; a field that holds several is in the plural.
_LISTENER_TLS = {"certificate": "certificates", "key": "keys"}
_ROUTE = {
    "host": "hosts", "method": "methods", "header": "headers", "query": "queries", "client": "clients", "pool": "pools",
}  # fmt: skip


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
    tls, rest = _split(values, _TLS)
    renamed = {_LISTENER_TLS.get(key, key): value for key, value in tls.items()}
    rest = _with_header_rules(rest)
    rest["tls"] = ListenerTlsConfig(mode=rest["tls"], **renamed)
    form = rest["access_log_format"]
    rest |= {"access_log_format": form.format, "access_log_template": form.template}
    return ListenerConfig(name=name, **rest)


def _route(name: str, values: Tree) -> RouteConfig:
    return RouteConfig(name=name, **{_ROUTE.get(key, key): value for key, value in _with_header_rules(values).items()})


def _with_header_rules(values: Tree) -> Tree:
    for name in _HEADER_RULES:
        rules, values = _split(values, f"{name}_")
        values[name] = HeaderRules(**rules)
    return values


def _pool(name: str, values: Tree) -> PoolConfig:
    tls, rest = _split(values, _TLS)
    rest["tls"] = TlsConfig(**tls)
    rest["health"] = HealthConfig(**values["health"])
    rest["servers"] = tuple(_server(server, one) for server, one in values["servers"].items())
    return PoolConfig(name=name, **rest)


def _split(values: Tree, beginning: str) -> tuple[Tree, Tree]:
    """The keys of a section with a beginning, without that beginning, and all the others."""
    found = {key.removeprefix(beginning): value for key, value in values.items() if key.startswith(beginning)}
    return found, {key: value for key, value in values.items() if not key.startswith(beginning)}


def _server(name: str, values: Tree) -> ServerConfig:
    address, tls = values["address"]
    options = {key: value for key, value in values.items() if key != "address"}
    return ServerConfig(name=name, address=address, tls=tls, **options)
