"""What must agree between keys.

What lives here: the list of all rules, those about a file as a whole, and the rule of which command a file is for.
What must not: anything that a single key can be told about; that is ``checks``. Rules about one subject have a module
of their own: ``addresses``, ``keys``, ``routes`` and ``tls``.
Invariant: a rule says nothing about a value that is None, because that has had its problem.
"""

from __future__ import annotations

from deston.config.addresses import check_unix_paths, compare_binds, compare_servers
from deston.config.keys import KEY_RULES
from deston.config.model import L7_PROTOCOLS, Config, Protocol
from deston.config.report import Path, Report, Rule, Tree, did_you_mean
from deston.config.routes import ROUTE_RULES, require_pools
from deston.config.tls import TLS_RULES
from deston.config.values import named_sections
from deston.errors import ConfigError, Problem

_HTTP_COMMAND = "gunicorn -c python:deston.l7.gunicorn_conf deston.l7:app"


def check_consistency(values: Tree, given: Tree, report: Report) -> None:
    """Apply every rule to the values of a file; ``given`` is the tree without defaults."""
    for rule in _RULES:
        rule(values, given, report)


def require_listeners(config: Config, *protocols: Protocol) -> None:
    """Raise ``ConfigError`` if a file has no listener of ``protocols``; it says which command runs those it has."""
    if config.listeners_of(*protocols):
        return
    if protocols == L7_PROTOCOLS:
        kind, command = "TCP or UDP", f"deston-l4 --config {config.file}"
    else:
        kind, command = "HTTP", f"DESTON_CONFIG={config.file} {_HTTP_COMMAND}"
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
    if values["pools"] is None:
        return
    for name, listener in named_sections(values, "listeners"):
        _find_pool(values, ("listeners", name, "pool"), listener["pool"], report)
    for name, route in named_sections(values, "routes"):
        for share in route["pool"] or ():
            _find_pool(values, ("routes", name, "pool"), share.pool, report)
        if route["mirror"]:
            _find_pool(values, ("routes", name, "mirror"), route["mirror"].pool, report)


def _find_pool(values: Tree, path: Path, wanted: str, report: Report) -> None:
    if wanted and wanted not in values["pools"]:
        report.add(path, f"there is no pool {wanted!r}{did_you_mean(wanted, values['pools'])}")


def _require_token(values: Tree, given: Tree, report: Report) -> None:
    admin = values["admin"]
    if admin and admin["bind"] and not admin["bind"].is_loopback and admin["token"] == "":
        report.add(("admin", "token"), f"a token is required, because {admin['bind']} can be reached from elsewhere")
    if admin and admin["read_token"] and admin["token"] == "":
        report.add(("admin", "read_token"), "this key is of no use without token: anybody could change everything")
    elif admin and admin["read_token"] and admin["read_token"] == admin["token"]:
        report.add(("admin", "read_token"), "it is the same as token, so it would let clients change everything")


def _check_hashing(values: Tree, given: Tree, report: Report) -> None:
    """Which policies hash what, and which heed its keys at all."""
    for name, pool in named_sections(values, "pools"):
        algorithm, key, path = pool["algorithm"], pool["hash_key"], ("pools", name)
        if algorithm is None or key is None or pool["hash_balance_factor"] is None:
            continue
        needs, may = algorithm in ("header_hash", "cookie_hash"), ("", "uri", "path")
        if needs and not key:
            what = algorithm.removesuffix("_hash")
            report.add((*path, "hash_key"), f"{algorithm} needs the name of the {what} that is hashed")
        elif algorithm == "uri_hash" and key not in may:
            report.add((*path, "hash_key"), "with uri_hash this is uri or path")
        elif key and not needs and algorithm != "uri_hash":
            report.add((*path, "hash_key"), "this key is for header_hash, cookie_hash and uri_hash")
        if pool["hash_balance_factor"] and not algorithm.endswith("_hash"):
            report.add((*path, "hash_balance_factor"), "this key is for policies that hash")
        elif 0 < pool["hash_balance_factor"] < 100:
            report.add((*path, "hash_balance_factor"), "no server could have its share: at least 100, or 0")


def _check_affinity(values: Tree, given: Tree, report: Report) -> None:
    for name, pool in named_sections(values, "pools"):
        written = (given.get("pools") or {}).get(name) or {}
        for key in ("affinity_lifetime", "affinity_same_site"):
            if key in written and pool["affinity_cookie"] == "":
                report.add(("pools", name, key), "this key is of no use without affinity_cookie")


def _require_certificate(values: Tree, given: Tree, report: Report) -> None:
    for name, pool in named_sections(values, "pools"):
        if pool["tls_client_key"] and pool["tls_client_certificate"] == "":
            report.add(("pools", name, "tls_client_key"), "a key is of no use without tls_client_certificate")


_RULES: tuple[Rule, ...] = (
    _require_something,
    _require_servers,
    _find_pools,
    _check_hashing,
    _check_affinity,
    require_pools,
    *ROUTE_RULES,
    *KEY_RULES,
    *TLS_RULES,
    compare_binds,
    compare_servers,
    check_unix_paths,
    _require_token,
    _require_certificate,
)
