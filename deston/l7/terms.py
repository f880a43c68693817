"""What follows from the fields of a request alone: pure.

What lives here: how its body ends, what of it the proxy sees, and what the client asks of its connection.
What must not: the first line of a request, and who sends it.
Invariant: heads with the same fields and version have the same terms, found once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from deston.config.http_rules import UnderscoreHeaders
from deston.errors import BadRequest
from deston.l7 import http1
from deston.l7.fields import Field, Fields
from deston.l7.headers import connection_options, wanted_upgrade
from deston.l7.http1 import Framing, RequestHead

log: Final = logging.getLogger("deston.l7")


class Terms(NamedTuple):
    """What follows from the fields of a request in one version of HTTP, whoever sends it."""

    framing: Framing
    length: int
    passed_on: Fields
    upgrade: bytes
    expects: bool
    keeps: bool


class Underscores:
    """What becomes of fields whose names have underscores; each rule is one object, by which it is known."""

    __slots__ = ("_choice", "_kept")

    def __init__(self, choice: UnderscoreHeaders, kept: Iterable[str]) -> None:
        self._choice = choice
        self._kept = frozenset(name.lower().encode() for name in kept)

    def apply(self, fields: list[Field]) -> list[Field]:
        """The fields that go on; raises ``BadRequest`` where one is refused."""
        if self._choice is UnderscoreHeaders.KEEP:
            return fields
        gone = {name for name, _ in fields if b"_" in name and name.lower() not in self._kept}
        if gone and self._choice is UnderscoreHeaders.REFUSE:
            raise BadRequest("the name of a field has an underscore")
        for name in gone - _told:
            if len(_told) < _MOST_TOLD:
                _told.add(name)
                log.info("the field %s was dropped, as are all whose names have underscores", name.decode())
        return [field for field in fields if field[0] not in gone]


@lru_cache(maxsize=64)
def underscores(choice: UnderscoreHeaders, kept: tuple[str, ...]) -> Underscores:
    """The rule of a listener."""
    return Underscores(choice, kept)


# Names that were told of: each once (defaults.md, "Underscore headers"), and not as many as a client can think of.
_told: Final[set[bytes]] = set()
_MOST_TOLD: Final = 100
_DROPPED: Final = underscores(UnderscoreHeaders.DROP, ())


def terms_of(head: RequestHead, rule: Underscores = _DROPPED) -> Terms:
    """What follows from a head but for its first line; raises ``BadRequest`` where its framing is in doubt."""
    kept = head.fields.kept
    key = rule if head.minor_version else (rule, 0)  # The usual version needs no tuple.
    terms: Terms | None = kept.get(key)
    if terms is None:
        terms = kept[key] = _read_terms(head, rule)
    return terms


def _read_terms(head: RequestHead, rule: Underscores) -> Terms:
    framing, length = http1.request_framing(head)
    options = connection_options(head.named)
    keeps = b"close" not in options if head.minor_version else b"keep-alive" in options
    expects = head.minor_version == 1 and framing is not Framing.NONE and _expects(head)
    # With a body, or in HTTP/1.0, no other protocol follows.
    upgrade = wanted_upgrade(head.named) if framing is Framing.NONE and head.minor_version else b""
    return Terms(framing, length, _passed_on(head, rule), upgrade, expects, keeps)


def _expects(head: RequestHead) -> bool:
    return any(value.lower() == b"100-continue" for value in head.named.get(b"expect", ()))


def _passed_on(head: RequestHead, rule: Underscores) -> Fields:
    """The fields of a request that the proxy sees: the expectation is told apart, and names with underscores may go.

    A server that speaks CGI cannot tell them from those with dashes (defaults.md, "Underscore headers").
    """
    fields: list[Field] = head.fields
    if b"expect" in head.named and _expects(head):
        fields = [field for field in fields if field[0].lower() != b"expect"]
    if any(b"_" in name for name in head.named):
        fields = rule.apply(fields)
    return head.fields if fields is head.fields else Fields(fields)
