"""Which keys mean something where.

What lives here: the keys that only some listeners, pools and checks heed, as tables.
What must not: the meaning of the keys.
Invariant: see ``consistency.py``. A key that would be ignored in silence is a problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deston.config.model import CheckType, Forwarded, LogFormat, Protocol, SendProxyProtocol
from deston.config.report import Path, Report, Rule, Tree
from deston.config.routes import is_tcp
from deston.config.values import named_sections, server_addresses

_HTTP, _TCP, _UDP = Protocol.HTTP, Protocol.TCP, Protocol.UDP

#: The protocols whose listeners heed a key; all of them heed the others.
_HEEDED_BY: Mapping[str, tuple[Protocol, ...]] = {
    "max_connections": (_HTTP, _TCP),
    "max_connections_per_client": (_HTTP, _TCP),
    "connection_rate": (_HTTP, _TCP),
    "client_timeout": (_TCP,),
    "client_idle_timeout": (_TCP,),
    "max_lifetime": (_TCP,),
    "handshake_timeout": (_HTTP, _TCP),
    "linger_timeout": (_TCP,),
    "accept_proxy_protocol": (_TCP,),
    "trusted_proxies": (_HTTP, _TCP),
    "tls": (_HTTP, _TCP),
    "tls_certificate": (_HTTP, _TCP),
    "tls_key": (_HTTP, _TCP),
    "tls_client_ca": (_HTTP, _TCP),
    "tls_min_version": (_HTTP, _TCP),
    "tls_alpn": (_TCP,),
    "responses": (_UDP,),
    "session_timeout": (_UDP,),
    "max_sessions": (_UDP,),
    "forwarded": (_HTTP,),
    "via": (_HTTP,),
    "http2": (_HTTP,),
    "keepalive_timeout": (_HTTP,),
    "header_timeout": (_HTTP,),
    "body_timeout": (_HTTP,),
    "write_timeout": (_HTTP,),
    "max_request_line": (_HTTP,),
    "max_header_size": (_HTTP,),
    "max_header_fields": (_HTTP,),
    "max_requests": (_HTTP,),
    "max_body_size": (_HTTP,),
    "max_requests_per_client": (_HTTP,),
    "rate_limit": (_HTTP,),
    "underscore_headers": (_HTTP,),
    "underscore_headers_kept": (_HTTP,),
    "request_id": (_HTTP,),
    "error_pages": (_HTTP,),
    "ready_path": (_HTTP,),
    "request_header_set": (_HTTP,),
    "request_header_add": (_HTTP,),
    "request_header_remove": (_HTTP,),
    "response_header_set": (_HTTP,),
    "response_header_add": (_HTTP,),
    "response_header_remove": (_HTTP,),
}
_HTTP_FORMS = (LogFormat.COMBINED, LogFormat.TEMPLATE)
#: The types of check that heed a key.
_CHECKED_BY: Mapping[str, tuple[CheckType, ...]] = {
    "method": (CheckType.HTTP,),
    "path": (CheckType.HTTP,),
    "host": (CheckType.HTTP,),
    "expect_status": (CheckType.HTTP,),
    "expect_body": (CheckType.HTTP,),
    "send": (CheckType.TCP, CheckType.UDP),
    "expect": (CheckType.TCP, CheckType.UDP),
}


def _refuse_ignored_keys(values: Tree, given: Tree, report: Report) -> None:
    for name, listener in named_sections(values, "listeners"):
        protocol = listener["protocol"]
        for key in _given_keys(given, ("listeners", name)):
            heeding = _HEEDED_BY.get(key, tuple(Protocol))
            if protocol is not None and protocol not in heeding:
                report.add(("listeners", name, key), f"this key is for {_listed(heeding)} listeners")
    for name, pool in named_sections(values, "pools"):
        checked = (pool["health"] or {}).get("type")
        for key in _given_keys(given, ("pools", name, "health")):
            heeding_checks = _CHECKED_BY.get(key, tuple(CheckType))
            if checked is not None and checked not in heeding_checks:
                why = f"this key is for checks of type {_listed(heeding_checks)}"
                report.add(("pools", name, "health", key), why)


def _given_keys(given: Tree, path: Path) -> list[str]:
    section = given
    for name in path:
        section = section.get(name) or {}
    return list(section)


def _listed(members: Iterable[Protocol | CheckType]) -> str:
    return " and ".join(member.value for member in members)


def _check_proxy_protocol(values: Tree, given: Tree, report: Report) -> None:
    for name, listener in named_sections(values, "listeners"):
        if listener["accept_proxy_protocol"] and listener["trusted_proxies"] == ():
            why = "nobody could connect: name those who send the header in trusted_proxies"
            report.add(("listeners", name, "accept_proxy_protocol"), why)
        elif (
            listener["protocol"] is _TCP and listener["trusted_proxies"] and listener["accept_proxy_protocol"] is False
        ):
            why = "a tcp listener heeds this key with accept_proxy_protocol = yes alone"
            report.add(("listeners", name, "trusted_proxies"), why)


def _check_udp_pools(values: Tree, given: Tree, report: Report) -> None:
    """What a pool cannot do for datagrams."""
    pools = values["pools"] or {}
    for listener, section in named_sections(values, "listeners"):
        pool = pools.get(section["pool"] or "") if section["protocol"] is _UDP else None
        if not pool:
            continue
        path = ("pools", section["pool"])
        if pool["send_proxy_protocol"] is SendProxyProtocol.V1:
            report.add((*path, "send_proxy_protocol"), f"the udp listener {listener!r} can only send v2")
        for server, address in server_addresses(pool):
            if address.tls:
                report.add((*path, "servers", server), f"there is no TLS for the udp listener {listener!r}")
            elif address.address.application:
                report.add((*path, "servers", server), f"the udp listener {listener!r} reaches no applications")
            elif address.address.is_unix:
                report.add((*path, "servers", server), f"the udp listener {listener!r} reaches no unix sockets")


def _check_http_pools(values: Tree, given: Tree, report: Report) -> None:
    """What a pool cannot do for requests, whose connections to servers are shared by clients."""
    pools = values["pools"] or {}
    leading = [(f"listener {name!r}", one) for name, one in named_sections(values, "listeners")]
    leading = [one for one in leading if one[1]["protocol"] is _HTTP]
    found = [(what, one["pool"]) for what, one in leading]
    for name, one in named_sections(values, "routes"):
        found += [(f"route {name!r}", share.pool) for share in one["pool"] or () if not is_tcp(one)]
    seen = set()
    for what, wanted in found:
        pool = pools.get(wanted or "")
        if pool and wanted not in seen and pool["send_proxy_protocol"] not in (SendProxyProtocol.OFF, None):
            seen.add(wanted)
            why = f"the http {what} tells servers of its clients by request fields alone (forwarded)"
            report.add(("pools", wanted, "send_proxy_protocol"), why)


def _check_tcp_pools(values: Tree, given: Tree, report: Report) -> None:
    """What a pool cannot do for connections."""
    pools = values["pools"] or {}
    leading = [one["pool"] for _, one in named_sections(values, "listeners") if one["protocol"] is _TCP]
    leading += [share.pool for _, one in named_sections(values, "routes") if is_tcp(one) for share in one["pool"] or ()]
    for name in dict.fromkeys(leading):
        for server, address in server_addresses(pools.get(name) or {}):
            if address.address.application:
                report.add(("pools", name, "servers", server), "only http listeners reach applications")


# What a listener tells servers of its clients by itself, in each form.
_TOLD_BY_LISTENERS = {
    Forwarded.X_FORWARDED: ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"),
    Forwarded.RFC7239: ("forwarded",),
}


def _check_forwarded_rules(values: Tree, given: Tree, report: Report) -> None:
    """A rule does not set what the listener writes anyway: the server would get both."""
    listeners = [one for _, one in named_sections(values, "listeners") if one["protocol"] is _HTTP]
    forms = {form for one in listeners for form in one["forwarded"] or ()}
    told = {name for form in forms for name in _TOLD_BY_LISTENERS[form]}
    for kind in ("listeners", "routes"):
        for name, section in named_sections(values, kind):
            for key in ("request_header_set", "request_header_add"):
                for field, _ in section[key] or ():
                    if field.lower() in told:
                        why = f"listeners tell servers of {field} themselves: leave it out of forwarded"
                        report.add((kind, name, key), why)


def _check_log_forms(values: Tree, given: Tree, report: Report) -> None:
    for name, listener in named_sections(values, "listeners"):
        form = listener["access_log_format"]
        if form and form.format in _HTTP_FORMS and listener["protocol"] not in (_HTTP, None):
            report.add(("listeners", name, "access_log_format"), "this form is for http listeners: text or json")


def _check_udp_binds(values: Tree, given: Tree, report: Report) -> None:
    for name, listener in named_sections(values, "listeners"):
        if listener["protocol"] is _UDP and listener["bind"] and listener["bind"].is_unix:
            report.add(("listeners", name, "bind"), "a udp listener is not a unix socket")


def _require_payload(values: Tree, given: Tree, report: Report) -> None:
    for name, pool in named_sections(values, "pools"):
        health = pool["health"]
        if health and health["type"] is CheckType.UDP and health["send"] == b"":
            report.add(("pools", name, "health", "send"), "a udp check needs something to send")


KEY_RULES: tuple[Rule, ...] = (
    _refuse_ignored_keys,
    _check_proxy_protocol,
    _check_udp_pools,
    _check_http_pools,
    _check_tcp_pools,
    _check_forwarded_rules,
    _check_log_forms,
    _check_udp_binds,
    _require_payload,
)
