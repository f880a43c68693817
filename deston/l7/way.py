"""What becomes of the requests of one listener that take one route, or none.

What lives here: the rules of both, made ready once, and the pools that the requests are split over.
What must not: the order in which rules are applied (``site``), routing.
Invariant: nothing here changes while requests come but counters and buckets.
"""

from __future__ import annotations

import random
from bisect import bisect
from itertools import accumulate
from typing import Final

from deston.config.http_rules import MapBack, RouteConfig
from deston.config.model import ListenerConfig
from deston.errors import Denied
from deston.l7.answers import Fixed
from deston.l7.fields import Field, Named
from deston.l7.header_rules import FieldRules
from deston.l7.mirror import Mirroring
from deston.l7.rates import Rate
from deston.l7.rewriting import Origin, Prefixes, cookie_for_client, location_for_client
from deston.limits import AccessRules, HostCounts

_NO_ROUTE: Final = RouteConfig(name="")


class Way:
    """The rules of a listener and a route; without a route, those of the listener alone.

    Raises ``StartError`` for a file that cannot be read.
    """

    __slots__ = (
        "_access", "_rate", "_rng", "_sums", "fixed", "is_plain", "map_back", "mirror", "name", "pools", "prefixes",
        "redirect", "request_rules", "response_rules",
    )  # fmt: skip

    def __init__(
        self,
        listener: ListenerConfig,
        route: RouteConfig | None = None,
        rng: random.Random | None = None,
        counts: HostCounts | None = None,
    ) -> None:
        self._rng = rng or random.Random()
        rules = route or _NO_ROUTE
        shares = [share for share in rules.pools if share.weight]
        self.name = rules.name
        #: The pools that requests may go to; empty where there is none.
        self.pools = tuple(share.pool for share in shares) or ((listener.pool,) if not route and listener.pool else ())
        self._sums = tuple(accumulate(share.weight for share in shares))
        access = AccessRules(rules.allow, rules.deny)
        self._access = None if access.is_trivial else access
        limit = rules.rate_limit
        self._rate = Rate(rules.name, limit, counts=counts, of=f"{listener.name} by") if limit else None
        self.request_rules = FieldRules(listener.request_header, rules.request_header)
        self.response_rules = FieldRules(listener.response_header, rules.response_header)
        self.prefixes = Prefixes.of(rules)
        self.redirect = rules.redirect
        self.fixed = Fixed(rules.respond) if rules.respond else None
        self.map_back = rules.map_back
        self.mirror = Mirroring(rules.mirror, self._rng) if rules.mirror else None
        #: Whether it does nothing but lead to one pool, or none.
        self.is_plain = len(self.pools) < 2 and not (
            self._access or self._rate or self.request_rules or self.response_rules or self.map_back or self.mirror
            or self.redirect or self.fixed
        )  # fmt: skip

    def admit(self, client: str, named: Named) -> list[Field]:
        """Let a request in: the fields that tell of its rate. Raises ``Denied`` and ``TooManyRequests``."""
        if self._access is not None and not self._access.permit(client):
            raise Denied(f"the route {self.name} does not let {client} in")
        return [] if self._rate is None else self._rate.take(client, named)

    def pool(self) -> str:
        """One of the pools, by chance in proportion to the weights."""
        if len(self.pools) == 1:
            return self.pools[0]
        return self.pools[bisect(self._sums, int(self._rng.random() * self._sums[-1]))]

    def for_client(self, fields: list[Field], server: Origin, client: Origin) -> list[Field]:
        """The fields of a response with what they say of the server's host and paths in the client's terms."""
        return [(name, self._value_for_client(name.lower(), value, server, client)) for name, value in fields]

    def _value_for_client(self, name: bytes, value: bytes, server: Origin, client: Origin) -> bytes:
        if name in (b"location", b"content-location") and MapBack.LOCATION in self.map_back:
            return location_for_client(value, server, client, self.prefixes)
        if name == b"set-cookie" and MapBack.COOKIES in self.map_back:
            return cookie_for_client(value, server, client, self.prefixes)
        return value
