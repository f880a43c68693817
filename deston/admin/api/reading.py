"""A request's body, and its query, as values.

What lives here: reading JSON and queries, and everything in which it can fail, as a refusal with a status.
What must not: routes.
Invariant: a value that comes out fits its schema, and each text in it is one that can be written as UTF-8.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from deston.admin.api.shapes import LARGEST_BODY, Schema, mistakes
from deston.errors import AdminRefusal

_LONGEST_NUMBER = 18
_BOOLEANS = {"true": True, "false": False}


def read_body(request: Request, schema: Schema) -> dict[str, Any]:
    """The body of a request; raises ``AdminRefusal`` (400, 413 or 415)."""
    if request.mimetype != "application/json":
        raise AdminRefusal(415, "the body must be JSON: Content-Type: application/json")
    value = _parse(_read(request))
    if not isinstance(value, dict):
        raise AdminRefusal(400, "the body must be a JSON object", (("", "it must be an object"),))
    wrong = tuple(mistakes(schema, value))
    if wrong:
        raise AdminRefusal(400, "the body cannot be used", wrong)
    return value


def read_query(request: Request, schema: Schema) -> dict[str, Any]:
    """The query of a request's target, whose values are as their schemas want them; raises ``AdminRefusal`` (400)."""
    known = schema["properties"]
    value = {name: _plain(text, known.get(name, {})) for name, text in request.args.items()}
    wrong = tuple(mistakes(schema, value))
    if wrong:
        raise AdminRefusal(400, "the request cannot be used", wrong)
    return value


def _plain(text: str, schema: Schema) -> Any:
    """A text of a query as the value that its schema asks for, where it is one."""
    if schema.get("type") == "integer" and text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER:
        return int(text)
    return _BOOLEANS.get(text, text) if schema.get("type") == "boolean" else text


def _read(request: Request) -> bytes:
    try:
        raw = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise _too_large() from error
    except (ClientDisconnected, OSError) as error:
        raise AdminRefusal(400, "the body ended early, or its chunks are malformed") from error
    if len(raw) > LARGEST_BODY:
        raise _too_large()
    return raw


def _too_large() -> AdminRefusal:
    return AdminRefusal(413, f"the body is larger than {LARGEST_BODY} bytes")


def _parse(raw: bytes) -> Any:
    try:
        value = json.loads(raw.decode(), parse_constant=_refuse_constant, parse_float=_whole_if_whole)
        # Half a surrogate pair is JSON, but no text.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise AdminRefusal(400, "the body is not JSON in UTF-8", (("", _sentence(error)),)) from error
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _whole_if_whole(digits: str) -> float | int:
    """In JSON, 2.0 is a whole number."""
    number = float(digits)
    return int(number) if number.is_integer() else number


def _sentence(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "there is a character that is no text" if isinstance(error, UnicodeError) else str(error)
