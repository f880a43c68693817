"""What follows from the fields of a request alone: pure.

What lives here: how its body ends, what of it the proxy sees, and what the client asks of its connection.
What must not: the first line of a request, and who sends it.
Invariant: heads with the same fields and version have the same terms, found once.
"""

from __future__ import annotations

from typing import NamedTuple

from deston.l7 import http1
from deston.l7.headers import connection_options, wanted_upgrade
from deston.l7.http1 import Fields, Framing, RequestHead


class Terms(NamedTuple):
    """What follows from the fields of a request in one version of HTTP, whoever sends it."""

    framing: Framing
    length: int
    passed_on: Fields
    upgrade: bytes
    expects: bool
    keeps: bool


def terms_of(head: RequestHead) -> Terms:
    """What follows from a head but for its first line; raises ``BadRequest`` where its framing is in doubt."""
    kept = head.fields.kept
    terms: Terms | None = kept.get((terms_of, head.minor_version))
    if terms is None:
        terms = kept[terms_of, head.minor_version] = _read_terms(head)
    return terms


def _read_terms(head: RequestHead) -> Terms:
    framing, length = http1.request_framing(head)
    options = connection_options(head.named)
    keeps = b"close" not in options if head.minor_version else b"keep-alive" in options
    expects = head.minor_version == 1 and framing is not Framing.NONE and _expects(head)
    # With a body, or in HTTP/1.0, no other protocol follows.
    upgrade = wanted_upgrade(head.named) if framing is Framing.NONE and head.minor_version else b""
    return Terms(framing, length, _passed_on(head), upgrade, expects, keeps)


def _expects(head: RequestHead) -> bool:
    return any(value.lower() == b"100-continue" for value in head.named.get(b"expect", ()))


def _passed_on(head: RequestHead) -> Fields:
    """The fields of a request that the proxy sees: the expectation is told apart, and names with underscores go.

    A server that speaks CGI cannot tell them from those with dashes (defaults.md, "Underscore headers").
    """
    fields: list[http1.Field] = head.fields
    if b"expect" in head.named and _expects(head):
        fields = [field for field in fields if field[0].lower() != b"expect"]
    if any(b"_" in name for name in head.named):
        fields = [field for field in fields if b"_" not in field[0]]
    return head.fields if fields is head.fields else Fields(fields)
