"""The fields of a head, as values.

What lives here: fields in their order and by name, and what was once derived from them.
What must not: reading and writing them (``http1``), what they mean.
Invariant: the fields of a head never change. It is a list, which a compiler cannot lay out as it does other classes: so
this module is not compiled.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

Field = tuple[bytes, bytes]
#: The values of each field by its name in lower case, in their order.
Named = dict[bytes, list[bytes]]


class Fields(list[Field]):
    """The fields of a head in their order, known by name, too.

    Heads that have the same fields share one of these, so that it is never changed. ``kept`` is what was derived from
    it, by a key of whoever did: what repeats on every connection is read and decided once.
    """

    __slots__ = ("kept", "named")

    def __init__(self, fields: Iterable[Field]) -> None:
        super().__init__(fields)
        self.named = by_name(self)
        self.kept: dict[Hashable, Any] = {}


def by_name(fields: Iterable[Field]) -> Named:
    """The values of each field by its name in lower case, in their order: found once, asked for often."""
    named: Named = {}
    for name, value in fields:
        lowered = name.lower()
        if lowered in named:
            named[lowered].append(value)
        else:
            named[lowered] = [value]
    return named
