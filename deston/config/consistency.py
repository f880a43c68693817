"""What must agree between keys.

What lives here: one function for each rule that spans sections of a file, and the rule of which command a file is for.
What must not: anything that a single key can be told about; that is ``checks``.
Invariant: a rule says nothing about a value that is None, because that has had its problem.
"""

from __future__ import annotations

from collections.abc import Callable

from deston.config.addresses import check_unix_paths, compare_binds, compare_servers
from deston.config.model import CheckType, Config, Protocol
from deston.config.report import Path, Report, Tree, did_you_mean
from deston.config.values import named_sections, server_addresses
from deston.errors import ConfigError, Problem

Rule = Callable[[Tree, Tree, Report], None]

#: Keys that only some sections of their kind heed; elsewhere they would be ignored in silence.
_HTTP_LISTENER_KEYS = ("forwarded", "keepalive_timeout", "max_body_size", "trusted_proxies")
_TCP_LISTENER_KEYS = ("client_timeout",)
_HTTP_CHECK_KEYS = ("method", "path", "host", "expect_status", "expect_body")

_HTTP_COMMAND = "gunicorn -c python:deston.l7.gunicorn_conf deston.l7:app"


def check_consistency(values: Tree, given: Tree, report: Report) -> None:
    """Apply every rule to the values of a file; ``given`` is the tree without defaults."""
    for rule in _RULES:
        rule(values, given, report)


def require_listeners(config: Config, protocol: Protocol) -> None:
    """Raise ``ConfigError`` if a file has no listener of ``protocol``; it says which command runs those it has."""
    if config.listeners_of(protocol):
        return
    if protocol is Protocol.TCP:
        kind, command = "HTTP", f"DESTON_CONFIG={config.file} {_HTTP_COMMAND}"
    else:
        kind, command = "TCP", f"deston-l4 --config {config.file}"
    raise ConfigError([Problem(config.file, 0, "", f"its listeners are {kind}: run them with `{command}`")])


def _require_something(values: Tree, given: Tree, report: Report) -> None:
    if not given:
        report.add((), "the file is empty")
        return
    for section in ("listeners", "pools"):
        if values[section] == {}:
            report.add((section,), f"there is none: write a section [[name]] below [{section}]")


def _require_servers(values: Tree, given: Tree, report: Report) -> None:
    for name, pool in named_sections(values, "pools"):
        servers = pool["servers"]
        path = ("pools", name, "servers")
        if servers == {}:
            report.add(path, "there is no server")
        elif servers and all(server and server["weight"] == 0 for server in servers.values()):
            report.add(path, "the weight of every server is 0")


def _find_pools(values: Tree, given: Tree, report: Report) -> None:
    pools = values["pools"] or {}
    for kind in ("listeners", "routes"):
        for name, section in named_sections(values, kind):
            wanted = section["pool"]
            if wanted and values["pools"] is not None and wanted not in pools:
                report.add((kind, name, "pool"), f"there is no pool {wanted!r}{did_you_mean(wanted, pools)}")


def _require_pools(values: Tree, given: Tree, report: Report) -> None:
    for name, listener in named_sections(values, "listeners"):
        path = ("listeners", name, "pool")
        if listener["pool"] == "" and listener["protocol"] is Protocol.TCP:
            report.add(path, "a tcp listener needs a pool")
        if listener["pool"] == "" and listener["protocol"] is Protocol.HTTP and values["routes"] == {}:
            report.add(path, "an http listener needs a pool where there are no routes")
    for name, route in named_sections(values, "routes"):
        if route["pool"] == "":
            report.add(("routes", name, "pool"), "a route needs a pool")


def _find_idle_routes(values: Tree, given: Tree, report: Report) -> None:
    protocols = {listener["protocol"] for _, listener in named_sections(values, "listeners")}
    if values["routes"] and protocols == {Protocol.TCP}:
        report.add(("routes",), "routes are for http listeners, and there is none")


def _compare_routes(values: Tree, given: Tree, report: Report) -> None:
    seen: dict[tuple[str, str], str] = {}
    for name, route in named_sections(values, "routes"):
        for host in _hosts(route):
            first = seen.setdefault((host, route["path"]), name)
            if first != name and route["path"]:
                where = f"{host or 'any host'}, {route['path']}"
                report.add(("routes", name), f"the route {first!r} takes the same requests ({where})")


def _compare_prefixes(values: Tree, given: Tree, report: Report) -> None:
    for name, route in named_sections(values, "routes"):
        path, prefix = route["path"], route["strip_prefix"]
        if path == "":
            report.add(("routes", name, "path"), "a path begins with '/'")
        elif path and prefix and not path.startswith(prefix):
            report.add(("routes", name, "strip_prefix"), f"{prefix!r} is not the beginning of path {path!r}")


def _hosts(route: Tree) -> tuple[str, ...]:
    """The hosts of a route, an empty text for every host; nothing if they are wrong."""
    return () if route["host"] is None else route["host"] or ("",)


def _refuse_ignored_keys(values: Tree, given: Tree, report: Report) -> None:
    for name, listener in named_sections(values, "listeners"):
        if listener["protocol"] is Protocol.TCP:
            _refuse(_HTTP_LISTENER_KEYS, given, ("listeners", name), "this key is for http listeners", report)
        if listener["protocol"] is Protocol.HTTP:
            _refuse(_TCP_LISTENER_KEYS, given, ("listeners", name), "this key is for tcp listeners", report)
    for name, pool in named_sections(values, "pools"):
        health = pool["health"]
        if health and health["type"] not in (None, CheckType.HTTP):
            why = "this key is for checks of type http"
            _refuse(_HTTP_CHECK_KEYS, given, ("pools", name, "health"), why, report)


def _refuse(keys: tuple[str, ...], given: Tree, path: Path, why: str, report: Report) -> None:
    section = given
    for name in path:
        section = section.get(name, {})
    for key in keys:
        if key in section:
            report.add((*path, key), why)


def _refuse_tls_behind_tcp(values: Tree, given: Tree, report: Report) -> None:
    pools = values["pools"] or {}
    tcp = [(one["pool"], name) for name, one in named_sections(values, "listeners") if one["protocol"] is Protocol.TCP]
    for pool_name, listener in dict(reversed(tcp)).items():
        for server, address in server_addresses(pools.get(pool_name) or {}):
            if address.tls:
                path = ("pools", pool_name, "servers", server)
                report.add(path, f"TLS to the servers of a tcp listener ({listener!r}) is not in this version yet")


def _require_token(values: Tree, given: Tree, report: Report) -> None:
    admin = values["admin"]
    if admin and admin["bind"] and not admin["bind"].is_loopback and admin["token"] == "":
        report.add(("admin", "token"), f"a token is required, because {admin['bind']} can be reached from elsewhere")


def _require_certificate(values: Tree, given: Tree, report: Report) -> None:
    for name, pool in named_sections(values, "pools"):
        if pool["tls_client_key"] and pool["tls_client_certificate"] == "":
            report.add(("pools", name, "tls_client_key"), "a key is of no use without tls_client_certificate")


_RULES: tuple[Rule, ...] = (
    _require_something,
    _require_servers,
    _find_pools,
    _require_pools,
    _find_idle_routes,
    _compare_routes,
    _compare_prefixes,
    _refuse_ignored_keys,
    compare_binds,
    compare_servers,
    check_unix_paths,
    _refuse_tls_behind_tcp,
    _require_token,
    _require_certificate,
)
