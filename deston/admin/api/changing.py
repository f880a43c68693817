"""The handlers that change what runs.

What lives here: adding, removing, weighing and resetting servers, a pool's policy, ending sessions, reloading.
What must not: HTTP, and what a change means (``operator``, ``store.changes``).
Invariant: each is the command of the same name; what the command refuses is refused here, with a status: 404 for what
there is not, 409 for what makes no sense now.
"""

from __future__ import annotations

from typing import Any

from deston.admin.api.call import Answer, Call
from deston.admin.api.looking import require_pool
from deston.errors import AdminRefusal, ChangeRefused, ConfigError, NoSuchSession
from deston.store.changes import find_server, read_server


def add_server(call: Call) -> Answer:
    """Add a server; raises ``AdminRefusal`` (400) for an address that is none."""
    pool, body = call.path["pool"], call.body
    require_pool(call.site.config, pool)
    line = _line(body)
    try:
        read_server(body["name"], line)
    except ChangeRefused as error:
        raise AdminRefusal(400, "the server cannot be added", (("address", str(error)),)) from error
    return _done(call.site.operator.add(pool, body["name"], line, call.saves), pool, body["name"])


def _line(body: Any) -> str:
    """A server as its line in a file."""
    options = {"weight": body.get("weight"), "max_connections": body.get("max_connections")}
    if body.get("backup"):
        options["backup"] = "yes"
    return ", ".join([body["address"], *(f"{key}={value}" for key, value in options.items() if value is not None)])


def change_server(call: Call) -> Answer:
    """Set a server's state, its weight, or both."""
    pool, server = _known_server(call)
    operator, done = call.site.operator, []
    if "state" in call.body:
        done.append(operator.set_state(pool, server, call.body["state"], call.saves))
    if "weight" in call.body:
        done.append(operator.set_weight(pool, server, call.body["weight"], call.saves))
    return _done("; ".join(done), pool, server)


def remove_server(call: Call) -> Answer:
    """Take a server out."""
    pool, server = _known_server(call)
    return _done(call.site.operator.remove(pool, server, call.saves), pool, server)


def reset(call: Call) -> Answer:
    """Drop what was changed of a server, or of a pool."""
    pool, server = call.path["pool"], call.path.get("server", "")
    require_pool(call.site.config, pool)
    changes = call.site.operator.state.changes
    if server and not any((one.pool, one.server) == (pool, server) for one in changes):
        _known_server(call)  # One that was removed is only known by that change.
    return _done(call.site.operator.reset(pool, server), pool, server)


def change_pool(call: Call) -> Answer:
    """Have a pool pick in another way."""
    pool, algorithm = call.path["pool"], call.body["algorithm"]
    require_pool(call.site.config, pool)
    return _done(call.site.operator.set_algorithm(pool, algorithm), pool)


def reload(call: Call) -> Answer:
    """Have every process read the file again; raises ``AdminRefusal`` (409) with what is wrong with it."""
    try:
        return _done(call.site.reload())
    except ConfigError as error:
        wrong = tuple((one.path, f"{one.message} (line {one.line})") for one in error.problems)
        raise AdminRefusal(409, f"{call.site.file} is broken, and nothing was changed", wrong) from error


def end_session(call: Call) -> Answer:
    """End a session; raises ``AdminRefusal`` (404) where there is none of that id any more."""
    try:
        return call.site.operator.end_session(call.path["session"])
    except NoSuchSession as error:
        raise AdminRefusal(404, str(error)) from error


def _known_server(call: Call) -> tuple[str, str]:
    pool, server = call.path["pool"], call.path["server"]
    require_pool(call.site.config, pool)
    try:
        find_server(call.site.operator.effective, pool, server)
    except ChangeRefused as error:
        raise AdminRefusal(404, str(error)) from error
    return pool, server


def _done(sentence: str, pool: str = "", server: str = "") -> dict[str, Any]:
    told = {"done": sentence, "pool": pool, "server": server}
    return {key: value for key, value in told.items() if value}
