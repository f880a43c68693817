"""The shapes of JSON bodies: what comes in is held to them, and the OpenAPI document shows them.

What lives here: the schemas of bodies, and whether a value fits one, for the part of JSON Schema that they use.
What must not: what a body is for.
Invariant: a body that fits its schema needs no look at its types again; a schema means here what it means to others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from deston.admin.sessions.asked import LARGEST_LIMIT
from deston.config.algorithms import ALGORITHMS
from deston.config.model import AdminState
from deston.sessions.entry import SORTS

Schema = dict[str, Any]

#: 1 MiB: what a body may have, and so what a text in it can have.
LARGEST_BODY = 1024 * 1024

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
}
_ARTICLES = {"object": "an object", "string": "a text", "boolean": "true or false", "integer": "a whole number"}


def shape(required: str = "", **properties: Schema) -> Schema:
    """An object with these properties and no others."""
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required.split()} if required else schema


def text(pattern: str = "", most: int = 2000, least: int = 1, about: str = "") -> Schema:
    """A text of so many characters."""
    schema: Schema = {"type": "string", "minLength": least, "maxLength": most}
    if pattern:
        schema["pattern"] = pattern
    return {**schema, "description": about} if about else schema


def whole(most: int, least: int = 0) -> Schema:
    """A whole number."""
    return {"type": "integer", "minimum": least, "maximum": most}


NAME = text(r"^[A-Za-z0-9_.-]+$", most=80)
# Neither a comma, behind which options stand, nor an application: a client here must not have code loaded.
_ADDRESS = text(
    r"^(?!wsgi:)[!-+.-~-]+$", most=200, about="As in the file: host:port, https://host, unix:/path, srv:…; no wsgi:"
)
_WEIGHT = whole(65535)
# One line of printable ASCII, which is what a field or a target can be.
_LINE = r"^[ -~]*$"
# A format tells others what to send; whoever uses the value looks at it.
_ANY_ADDRESS = [{"format": "ipv4"}, {"format": "ipv6"}]

_PORT = r"[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_HOST = r"[A-Za-z0-9._~-]+|\[([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}\]"
_URL = rf"^https?://({_HOST})(:({_PORT}))?([/?][!-~]*)?$"

NOTHING = shape()
ADD_SERVER = shape(
    "name address",
    name=NAME,
    address=_ADDRESS,
    weight=_WEIGHT,
    max_connections=whole(10_000_000),
    backup={"type": "boolean"},
)
CHANGE_SERVER: Schema = {
    **shape(state={"type": "string", "enum": [one.value for one in AdminState]}, weight=_WEIGHT),
    "minProperties": 1,
}
CHANGE_POOL = shape("algorithm", algorithm={"type": "string", "enum": list(ALGORITHMS)})
EXPLAIN = shape(
    "method url",
    method=text(r"^[A-Za-z]+$", most=20),
    url=text(_URL, about="An address of IPv6 in brackets, with all of its eight parts."),
    **{"from": {**text(most=45, about="The client's address; 127.0.0.1 if left out."), "anyOf": _ANY_ADDRESS}},
    headers={"type": "object", "additionalProperties": text(_LINE, least=0), "maxProperties": 100},
    listener=NAME,
)
#: What a query may say of the sessions that are wanted.
SESSIONS = shape(
    pool=NAME,
    server=text(r"^[!-~]+$", most=200),
    listener=NAME,
    client=text(r"^[!-~]+$", most=60, about="An address, with its port or without."),
    idle={"type": "boolean", "description": "Whether http clients that ask for nothing are told of, too."},
    sort={"type": "string", "enum": list(SORTS)},
    limit=whole(LARGEST_LIMIT, 1),
)
CHECK = shape("text", text=text(most=LARGEST_BODY, least=0, about="A configuration, as a file in Deston's own form."))


def mistakes(schema: Schema, value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """What of ``value`` does not fit: each with its key, which is empty for the body as a whole."""
    wanted = str(schema["type"])
    if not isinstance(value, _TYPES[wanted]) or (wanted == "integer" and isinstance(value, bool)):
        yield key, f"it must be {_ARTICLES[wanted]}"
    elif isinstance(value, dict):
        yield from _of_object(schema, value, key)
    elif isinstance(value, str):
        yield from _of_text(schema, value, key)
    elif wanted == "integer" and not schema["minimum"] <= value <= schema["maximum"]:
        yield key, f"it must be from {schema['minimum']} to {schema['maximum']}"


def _of_object(schema: Schema, value: dict[str, Any], key: str) -> Iterator[tuple[str, str]]:
    known: dict[str, Schema] = schema.get("properties", {})
    others = schema["additionalProperties"]
    for name in schema.get("required", ()):
        if name not in value:
            yield name, "it is missing"
    if len(value) < schema.get("minProperties", 0):
        yield key, f"it needs one of {', '.join(known)}"
    if len(value) > schema.get("maxProperties", len(value)):
        yield key, f"it has more than {schema['maxProperties']} entries"
    for name, one in value.items():
        path = f"{key}.{name}" if key else name
        if name in known:
            yield from mistakes(known[name], one, path)
        elif isinstance(others, dict):
            yield from mistakes(others, one, path)
        else:
            yield path, f"there is no such key (there are: {', '.join(known) or 'none'})"


def _of_text(schema: Schema, value: str, key: str) -> Iterator[tuple[str, str]]:
    if value not in schema.get("enum", (value,)):
        yield key, f"it must be one of {', '.join(schema['enum'])}"
    elif not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", LARGEST_BODY):
        yield key, f"it must have from {schema['minLength']} to {schema['maxLength']} characters"
    # In other programs `$` is the end; in Python a line feed may follow.
    elif "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        yield key, f"it must match {schema['pattern']}"
