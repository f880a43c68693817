"""The shapes of what the API answers, for its OpenAPI document.

What lives here: their schemas.
What must not: anything that an answer is checked by while it runs; tests do that.
Invariant: further keys may come in a later version, so none is forbidden.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number"}
_YES_NO: Schema = {"type": "boolean"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _by_name(one: Schema) -> Schema:
    return {"type": "object", "additionalProperties": one}


def _list(one: Schema) -> Schema:
    return {"type": "array", "items": one}


def _said(schema: Schema, about: str) -> Schema:
    return {**schema, "description": about}


_SERVER = _object(
    address=_TEXT,
    health={"enum": ["unchecked", "up", "down"]},
    admin={"enum": ["ready", "drain", "maint"]},
    weight=_COUNT,
    backup=_YES_NO,
    active=_said(_COUNT, "Under way now, over all processes."),
    total=_COUNT,
    failures=_COUNT,
    latency_ms=_NUMBER,
    bytes_in=_said(_COUNT, "From clients to the server."),
    bytes_out=_said(_COUNT, "From the server to clients."),
    changed=_said(_YES_NO, "Whether the operator changed it at run time."),
    marked=_said(_NUMBER, "For how many more seconds it is left out for its failures."),
    not_marked=_said(_TEXT, "Why it is not left out, although it fails often."),
    check=_object(
        last=_said({"type": ["number", "null"]}, "Seconds ago."),
        reason=_TEXT,
        count=_COUNT,
        failed=_COUNT,
        flips=_COUNT,
        seconds=_NUMBER,
    ),
)
_CHANGE = _object(pool=_TEXT, server=_TEXT, what=_TEXT, value=_TEXT)

STATUS = _object(
    file=_TEXT,
    problems=_said(_list(_TEXT), "What is wrong with the file by now, where what runs is what it was before."),
    revision=_said(_COUNT, "Of the last change; a worker with a lower one has not taken it yet."),
    workers=_list(_object(process=_COUNT, revision=_COUNT, checks=_YES_NO)),
    pools=_by_name(_object(algorithm=_TEXT, servers=_by_name(_SERVER))),
    listeners=_by_name(
        _object(
            bind=_TEXT,
            protocol=_TEXT,
            pool=_TEXT,
            open=_said({"type": ["integer", "null"]}, "Connections or sessions now; null where that is not told."),
            accepted=_said(_COUNT, "Connections so far."),
            responses=_said(_by_name(_COUNT), "By class, as `2xx`."),
            refused=_said(_by_name(_COUNT), "By reason."),
        )
    ),
    changes=_list(_CHANGE),
)
POOLS = _object(pools=_by_name(_object(algorithm=_TEXT, servers=_list(_TEXT))))
CONFIG = _object(file=_TEXT, values={"type": "object"})
EXPLAINED: Schema = {
    "type": "object",
    "properties": {
        "listener": _TEXT,
        "route": {"type": ["string", "null"]},
        "answer": _TEXT,
        "target": _TEXT,
        "pools": _by_name(_object(algorithm=_TEXT, servers=_by_name(_object(address=_TEXT, may_be_picked=_TEXT)))),
    },
    "required": ["listener", "route"],
}
CHECKED = _object(good=_YES_NO, problems=_list(_object(line=_COUNT, key=_TEXT, reason=_TEXT)))
_SESSION = {
    "id": _TEXT,
    "kind": {"enum": ["tcp", "udp", "http", "tunnel", "idle"]},
    "listener": _TEXT,
    "client": _TEXT,
    "pool": _said(_TEXT, "Empty, as is the server, where none was picked yet."),
    "server": _TEXT,
    "age": _said(_NUMBER, "In seconds."),
    "bytes_in": _said(_COUNT, "From the client."),
    "bytes_out": _said(_COUNT, "To the client."),
    "about": _said(_TEXT, "The request, the name that a TLS client asked for, or what it waits for."),
}
SESSIONS = _object(
    total=_said(_COUNT, "How many there are; no more than the limit are told."),
    sessions=_list(_object(**_SESSION)),
    unanswered=_said(_list(_object(process=_COUNT, reason=_TEXT)), "Processes that did not answer."),
)
ENDED = _object(done=_TEXT, **_SESSION)
HEALTHY = _object(status={"const": "ok"})
DONE: Schema = {
    "type": "object",
    "properties": {"done": _TEXT, "pool": _TEXT, "server": _TEXT},
    "required": ["done"],
}
PROBLEM: Schema = {
    "type": "object",
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _TEXT,
        "errors": _list(_object(key=_TEXT, reason=_TEXT)),
    },
    "required": ["type", "title", "status", "detail"],
}
