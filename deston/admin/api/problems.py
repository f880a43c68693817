"""Problem documents (RFC 9457).

What lives here: the document of an error, and the status that each error of Deston has in the API.
What must not: when an error is raised.
Invariant: whatever went wrong, the client gets a document of the same form, with one sentence in ``detail``.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from deston.errors import AdminRefusal, ChangeRefused, ConfigError, DestonError, StartError, StoreError

PROBLEM_TYPE = "application/problem+json"


def refusal_of(error: DestonError) -> AdminRefusal:
    """An error of Deston as a refusal of the API."""
    if isinstance(error, AdminRefusal):
        return error
    if isinstance(error, ConfigError):
        return AdminRefusal(503, str(error), tuple((one.path, one.message) for one in error.problems))
    if isinstance(error, (ChangeRefused, StartError)):
        return AdminRefusal(409, str(error))
    return AdminRefusal(503 if isinstance(error, StoreError) else 500, str(error))


def document_of(refusal: AdminRefusal) -> bytes:
    """The problem document of a refusal."""
    told: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": str(refusal),
    }
    if refusal.errors:
        told["errors"] = [{"key": key, "reason": reason} for key, reason in refusal.errors]
    return json.dumps(told).encode()
