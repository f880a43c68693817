"""Rules about routes, and about the pools that listeners have instead of them.

What lives here: what a route must have, what it must not have together, and which two routes contradict each other.
What must not: how a request or connection finds its route; that is the commands' matter.
Invariant: see ``consistency.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from deston.config.model import Protocol, TlsMode
from deston.config.report import Report, Rule, Tree, did_you_mean
from deston.config.values import named_sections

# What a route for connections heeds; all else is for requests.
_TCP_KEYS = ("listener", "sni", "alpn", "pool")
_PATHS = ("path", "path_exact", "path_regex")
# What a route of requests may do instead of sending them to a pool.
_OWN_ANSWERS = ("redirect", "respond")


def require_pools(values: Tree, given: Tree, report: Report) -> None:
    """Each listener and route leads to a pool."""
    routes = [route for _, route in named_sections(values, "routes")]
    for name, listener in named_sections(values, "listeners"):
        path = ("listeners", name, "pool")
        protocol = listener["protocol"]
        if listener["pool"] != "" or values["routes"] is None:
            continue
        if protocol is Protocol.UDP:
            report.add(path, "a udp listener needs a pool")
        elif protocol is Protocol.TCP and not any(is_tcp(one) and _takes_from(one, name) for one in routes):
            report.add(path, "a tcp listener needs a pool where there are no routes for it")
        elif protocol is Protocol.HTTP and values["routes"] == {}:
            report.add(path, "an http listener needs a pool where there are no routes")
    for name, route in named_sections(values, "routes"):
        written = [key for key in ("pool", *_OWN_ANSWERS) if key in _given(given, name)]
        if route["pool"] == () and written in ([], ["pool"]):
            report.add(("routes", name, "pool"), "a route needs a pool, a redirect or a response (respond)")
        elif len(written) > 1:
            report.add(("routes", name), f"a route has one of {' and '.join(written)}, not both")


def _given(given: Tree, name: str) -> Tree:
    """The keys of a route as they are written."""
    return (given.get("routes") or {}).get(name) or {}


def is_tcp(route: Tree) -> bool:
    """Whether a route is for connections; one that cannot be told is for neither."""
    return bool(route["sni"] or route["alpn"])


def _takes_from(route: Tree, listener: str) -> bool:
    return route["listener"] in ("", listener)


def _find_idle_routes(values: Tree, given: Tree, report: Report) -> None:
    listeners = [listener for _, listener in named_sections(values, "listeners")]
    protocols = {listener["protocol"] for listener in listeners}
    if None in protocols or not listeners:
        return
    with_tls = any(one["protocol"] is Protocol.TCP and one["tls"] is not TlsMode.OFF for one in listeners)
    for name, route in named_sections(values, "routes"):
        if is_tcp(route) and not with_tls:
            report.add(("routes", name), "a route by sni or alpn is for tcp listeners with TLS, and there is none")
        elif not is_tcp(route) and Protocol.HTTP not in protocols:
            why = "and there is none (a route for tcp listeners has sni or alpn)"
            report.add(("routes", name), f"a route by host and path is for http listeners, {why}")


def _separate_kinds(values: Tree, given: Tree, report: Report) -> None:
    for name, route in named_sections(values, "routes"):
        if not is_tcp(route):
            continue
        for key in _given(given, name):
            if key in route and key not in _TCP_KEYS:
                report.add(("routes", name, key), "this key is for the routes of http listeners")
        if route["pool"] and len(route["pool"]) > 1:
            report.add(("routes", name, "pool"), "only the routes of http listeners split what they take")


def _find_listeners(values: Tree, given: Tree, report: Report) -> None:
    listeners = dict(named_sections(values, "listeners"))
    for name, route in named_sections(values, "routes"):
        wanted = route["listener"]
        path = ("routes", name, "listener")
        if not wanted or values["listeners"] is None:
            continue
        protocol = listeners[wanted]["protocol"] if wanted in listeners else None
        if wanted not in values["listeners"]:
            report.add(path, f"there is no listener {wanted!r}{did_you_mean(wanted, values['listeners'])}")
        elif not is_tcp(route) and protocol not in (Protocol.HTTP, None):
            report.add(path, f"the listener {wanted!r} is a {protocol.value} listener: its routes have sni or alpn")
        elif is_tcp(route) and wanted in listeners and listeners[wanted]["tls"] is TlsMode.OFF:
            report.add(path, f"the listener {wanted!r} has tls = off, so that no SNI is seen there")


def _compare_routes(values: Tree, given: Tree, report: Report) -> None:
    _report_same(values, report, lambda route: not is_tcp(route), _requests)
    _report_same(values, report, is_tcp, _connections)


def _report_same(
    values: Tree, report: Report, kind: Callable[[Tree], bool], matches: Callable[[Tree], Iterator[tuple[str, ...]]]
) -> None:
    seen: dict[tuple[str, ...], str] = {}
    for name, route in named_sections(values, "routes"):
        for match in matches(route) if kind(route) else ():
            first = seen.setdefault(match, name)
            if first != name:
                where = ", ".join(filter(None, match))
                report.add(("routes", name), f"the route {first!r} takes the same {_what(route)} ({where})")
                break


def _what(route: Tree) -> str:
    return "connections" if is_tcp(route) else "requests"


def _requests(route: Tree) -> Iterator[tuple[str, ...]]:
    """What a route by host and path takes; nothing if one of its conditions is wrong."""
    conditions = [route[key] for key in ("method", "header", "query", "client", "listener")]
    paths = [route[key] for key in _PATHS]
    if None in (route["host"], *conditions, *paths):
        return
    further = "; ".join(str(sorted(map(str, one))) for one in conditions[:-1] if one)
    path = paths[1] or paths[2] or paths[0]
    for host in route["host"] or ("any host",):
        yield host, path, conditions[-1], further


def _connections(route: Tree) -> Iterator[tuple[str, ...]]:
    if None not in (route["sni"], route["alpn"], route["listener"]):
        for name in route["sni"] or ("*",):
            yield from ((route["listener"], name, protocol) for protocol in route["alpn"] or ("",))


def _compare_prefixes(values: Tree, given: Tree, report: Report) -> None:
    for name, route in named_sections(values, "routes"):
        path, prefix = route["path"], route["strip_prefix"]
        if path == "":
            report.add(("routes", name, "path"), "a path begins with '/'")
        elif path and prefix and not route["path_regex"] and not _begins_with(route["path_exact"] or path, prefix):
            report.add(("routes", name, "strip_prefix"), f"{prefix!r} is not the beginning of path {path!r}")
        written = [key for key in _PATHS if key in _given(given, name)]
        if len(written) > 1:
            report.add(("routes", name, written[1]), f"a route has one of {' and '.join(written)}, not both")
        if route["replace_prefix"] and prefix:
            report.add(("routes", name, "replace_prefix"), "strip_prefix takes away what this would replace")
        elif route["replace_prefix"] and "path" not in written:
            report.add(("routes", name, "replace_prefix"), "this replaces path, which the route does not have")


def _begins_with(path: str, prefix: str) -> bool:
    """Whether a path begins with a prefix, by whole segments."""
    plain = prefix.rstrip("/")
    return path == plain or path.startswith(f"{plain}/")


def _check_answers(values: Tree, given: Tree, report: Report) -> None:
    """What a route that answers by itself cannot do, and shares that are none."""
    for name, route in named_sections(values, "routes"):
        path = ("routes", name)
        if any(route[key] for key in _OWN_ANSWERS):
            unheeded = ("mirror", "map_back", "request_header_set", "request_header_add", "request_header_remove")
            for key in unheeded:
                if key in _given(given, name):
                    report.add((*path, key), "this key is for routes with a pool")
        shares = route["pool"] or ()
        if shares and not any(share.weight for share in shares):
            report.add((*path, "pool"), "the weight of every pool is 0")
        if len({share.pool for share in shares}) < len(shares):
            report.add((*path, "pool"), "a pool stands here twice")


ROUTE_RULES: tuple[Rule, ...] = (
    _find_idle_routes,
    _separate_kinds,
    _find_listeners,
    _compare_routes,
    _compare_prefixes,
    _check_answers,
)
