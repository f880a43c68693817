"""Routes, and what http listeners and routes do with requests, as frozen values.

What lives here: conditions, header rules, redirects, responses of our own, mirrors and rates, as the file has them.
What must not: defaults, parsing, and what any of it does to a request (``deston.l7``).
Invariant: as ``model``'s, of which this is a part.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from deston.networks import AnyNetwork


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field or a query parameter must be. ``name`` is in lower case for fields.

    ``value`` is None where it need only be there; it is a regular expression, found anywhere, where ``is_pattern``.
    """

    name: str
    value: str | None = None
    is_pattern: bool = False


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """Fields that are set (in the place of all of the name), added and removed; values are templates."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.set or self.add or self.remove)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a client is sent to; what is empty stays as the client had it. ``path`` is a template."""

    status: int = 302
    scheme: str = ""
    host: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class FixedResponse:
    """A response of our own; without a ``file`` its body says the status. ``type`` is empty where the file tells."""

    status: int
    file: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class Mirror:
    """A share of requests (of 1.0) that a pool gets beside the real one, where their bodies are not too large."""

    pool: str
    share: float = 1.0
    max_body: int = 64 * 1024


class RateKey(enum.Enum):
    """Whose requests a rate counts together."""

    CLIENT = "client"
    HEADER = "header"
    ROUTE = "route"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests may come in ``seconds``, and how many at once; ``header`` names the field they are told by."""

    requests: int
    seconds: float
    burst: int
    by: RateKey = RateKey.CLIENT
    header: str = ""


class UnderscoreHeaders(enum.Enum):
    """What becomes of request fields whose names have underscores."""

    DROP = "drop"
    REFUSE = "refuse"
    KEEP = "keep"


class SameSite(enum.Enum):
    """With which requests of other sites a browser sends a cookie."""

    LAX = "lax"
    STRICT = "strict"
    NONE = "none"


class MapBack(enum.Enum):
    """What of a response is told in the client's terms again where the route changed host or path."""

    LOCATION = "location"
    COOKIES = "cookies"


@dataclass(frozen=True, slots=True)
class PoolShare:
    """One of the pools that a route splits its requests over."""

    pool: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """``[routes] [[name]]``: what leads to a pool, or to a response of our own.

    A route with ``sni`` or ``alpn`` is for tcp listeners, any other for http listeners. ``hosts`` is empty for every
    host; a host or SNI that begins with ``*.`` stands for all names below it. Both are in lower case. ``listener`` is
    empty for every listener. Of ``path_exact``, ``path_regex`` and ``path`` the first that is set counts. ``pools`` has
    one pool or, where requests are split, several; it is empty with ``redirect`` or ``respond``. The prefixes are empty
    where the path goes on as it came.
    """

    name: str
    hosts: tuple[str, ...] = ()
    path: str = "/"
    pools: tuple[PoolShare, ...] = ()
    strip_prefix: str = ""
    replace_prefix: str = ""
    add_prefix: str = ""
    listener: str = ""
    sni: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    path_exact: str = ""
    path_regex: str = ""
    methods: tuple[str, ...] = ()
    headers: tuple[Condition, ...] = ()
    queries: tuple[Condition, ...] = ()
    clients: tuple[AnyNetwork, ...] = ()
    redirect: Redirect | None = None
    respond: FixedResponse | None = None
    mirror: Mirror | None = None
    map_back: frozenset[MapBack] = frozenset()
    allow: tuple[AnyNetwork, ...] = ()
    deny: tuple[AnyNetwork, ...] = ()
    rate_limit: RateLimit | None = None
    request_header: HeaderRules = HeaderRules()
    response_header: HeaderRules = HeaderRules()

    @property
    def pool(self) -> str:
        """The pool, or the first of several; empty where there is none."""
        return self.pools[0].pool if self.pools else ""

    @property
    def is_tcp(self) -> bool:
        """Whether it routes connections rather than requests."""
        return bool(self.sni or self.alpn)
