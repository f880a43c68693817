"""The handlers that change nothing.

What lives here: status, one pool, sessions, the configuration, explaining, checking, metrics.
What must not: HTTP, and how any of it is found out (``status``, ``explaining``, ``metrics``).
Invariant: no token and no password leaves through here.
"""

from __future__ import annotations

import ipaddress

from deston.admin import explaining
from deston.admin.api.call import Answer, Call
from deston.admin.dumping import dumped
from deston.admin.sessions.asked import LIMIT
from deston.config.load import load_text
from deston.config.model import Config, Protocol
from deston.errors import AdminRefusal, ChangeRefused, ConfigError, StartError
from deston.sessions.entry import SORTS, Wanted
from deston.store.changes import find_pool, in_force

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: Under which name problems of a text are told that is no file.
TEXT = "(the text)"


def health(call: Call) -> Answer:
    """Whether this process serves; nothing else is looked at."""
    return {"status": "ok"}


def status(call: Call) -> Answer:
    """What ``deston status --json`` prints."""
    return call.site.operator.status()


def pools(call: Call) -> Answer:
    """The names of all pools, each with how it picks and the names of its servers."""
    told = call.site.operator.status()["pools"].items()
    return {"pools": {name: {"algorithm": one["algorithm"], "servers": list(one["servers"])} for name, one in told}}


def pool(call: Call) -> Answer:
    """What ``deston pool show --json`` prints; raises ``AdminRefusal`` where there is no such pool."""
    name = call.path["pool"]
    require_pool(call.site.config, name)
    return call.site.operator.pool_status(name)


def require_pool(config: Config, name: str) -> None:
    """Raise ``AdminRefusal`` (404) where there is no such pool."""
    try:
        find_pool(config, name)
    except ChangeRefused as error:
        raise AdminRefusal(404, str(error)) from error


def metrics(call: Call) -> Answer:
    """What Prometheus reads."""
    from deston.admin.metrics import render  # Nobody else needs its library.

    operator = call.site.operator
    with operator.seen_board() as board:
        return render(operator.config, operator.state, board, operator.problem), METRICS_TYPE


def sessions(call: Call) -> Answer:
    """What ``deston sessions --json`` prints; raises ``AdminRefusal`` for a name that there is not."""
    said = dict(call.query)
    sort, limit = said.pop("sort", next(iter(SORTS))), said.pop("limit", LIMIT)
    try:
        return call.site.operator.sessions(Wanted(**said), sort, limit)
    except ChangeRefused as error:
        raise AdminRefusal(404, str(error)) from error


def config(call: Call) -> Answer:
    """What ``deston config dump --json`` prints, which tells nothing that is secret."""
    with call.site.shared() as (config, state, _):
        return dumped(config.file, state.changes)


def explain(call: Call) -> Answer:
    """What ``deston explain --json`` prints; raises ``AdminRefusal`` for a request that cannot be one."""
    body = call.body
    client, listener = body.get("from", "127.0.0.1"), body.get("listener", "")
    try:
        ipaddress.ip_address(client)
    except ValueError as error:
        raise AdminRefusal(400, "the body cannot be used", (("from", "it is not an address"),)) from error
    fields = [(name.encode(), value.encode()) for name, value in body.get("headers", {}).items()]
    with call.site.shared() as (config, state, board):
        known = [one.name for one in config.listeners_of(Protocol.HTTP)]
        if not known or (listener and listener not in known):
            raise AdminRefusal(404, f"there is no http listener {listener}".strip())
        effective, _ = in_force(config, state.changes)
        try:
            return explaining.explain(effective, board, body["method"], body["url"], client, fields, listener)
        except (StartError, ValueError) as error:
            raise AdminRefusal(400, "the body cannot be used", (("url", str(error)),)) from error


def check(call: Call) -> Answer:
    """What ``deston check`` says of a text."""
    try:
        load_text(call.body["text"], TEXT)
    except ConfigError as error:
        problems = [{"line": one.line, "key": one.path, "reason": one.message} for one in error.problems]
        return {"good": False, "problems": problems}
    return {"good": True, "problems": []}
