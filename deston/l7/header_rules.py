"""Fields that are set, added and removed: pure.

What lives here: the rules of a listener or a route, and the values that templates may have.
What must not: which rules hold for a request (``way``).
Invariant: rules come in one order: what is removed, then what is set, then what is added; a list that is shared is
never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from deston.config.http_rules import HeaderRules
from deston.config.templates import Template
from deston.l7.fields import Field, Fields
from deston.l7.http1 import field_lines
from deston.l7.query import cookie
from deston.l7.request import Request

Value = Callable[[str], str]


class FieldRules:
    """The rules of one direction, of a listener and then of a route."""

    __slots__ = ("_added", "_all_gone", "_gone", "_is_static", "_lines")

    def __init__(self, *rules: HeaderRules) -> None:
        self._gone: list[frozenset[bytes]] = []
        self._added: list[list[tuple[bytes, Template]]] = []
        for one in filter(None, rules):
            names = [*one.remove, *(name for name, _ in one.set)]
            self._gone.append(frozenset(name.lower().encode() for name in names))
            self._added.append([(name.encode(), Template(value)) for name, value in (*one.set, *one.add)])
        self._all_gone = frozenset().union(*self._gone)
        self._is_static = not any(template.names for step in self._added for _, template in step)
        self._lines = field_lines(self._apply((), str)) if self._is_static else b""

    def __bool__(self) -> bool:
        return bool(self._gone)

    def takes_out(self, name: bytes) -> bool:
        """Whether a field of that name, in lower case, is taken out or replaced."""
        return name in self._all_gone

    def without(self, fields: list[Field]) -> list[Field]:
        """The fields without those that are taken out or replaced; of a head that repeats that is found once."""
        if not isinstance(fields, Fields):
            return self._kept(fields)
        found: Fields | None = fields.kept.get((self, False))
        if found is None:
            found = fields.kept[self, False] = Fields(self._kept(fields))
        return found

    def _kept(self, fields: Iterable[Field]) -> list[Field]:
        return [field for field in fields if field[0].lower() not in self._all_gone]

    def lines(self, value: Value) -> bytes:
        """The lines of the fields that are set and added."""
        return self._lines if self._is_static else field_lines(self._apply((), value))

    def apply(self, fields: list[Field], value: Value) -> list[Field]:
        """The fields after the rules.

        Where no rule has a template and the fields come from a head that repeats, that is found once.
        """
        if not self._is_static or not isinstance(fields, Fields):
            return self._apply(fields, value)
        found: Fields | None = fields.kept.get(self)
        if found is None:
            found = fields.kept[self] = Fields(self._apply(fields, value))
        return found

    def _apply(self, fields: Iterable[Field], value: Value) -> list[Field]:
        for gone, added in zip(self._gone, self._added, strict=True):
            fields = [field for field in fields if field[0].lower() not in gone]
            fields += [(name, template.fill(value).encode("latin-1", "replace")) for name, template in added]
        return list(fields)


class Values:
    """What templates may ask of one request: ``value("client_address")``."""

    __slots__ = ("_request", "client", "host", "pool", "request_id", "route", "server", "status")

    def __init__(self, request: Request, host: bytes, client: str) -> None:
        self._request = request
        self.host = host
        self.client = client
        self.request_id = self.route = self.pool = self.server = self.status = ""

    def __call__(self, name: str) -> str:
        own = _VALUES.get(name)
        if own is not None:
            return own(self)
        kind, _, wanted = name.partition(":")
        asked = wanted.encode("latin-1", "replace")
        if kind == "cookie":
            return cookie(self._named(b"cookie"), asked).decode("latin-1")
        return b", ".join(self._named(asked.lower())).decode("latin-1")

    def _named(self, name: bytes) -> Sequence[bytes]:
        """The values of a field of the request as the client sent it."""
        fields = self._request.fields
        if isinstance(fields, Fields):
            return fields.named.get(name, ())
        return [value for key, value in fields if key.lower() == name]

    @property
    def request(self) -> Request:
        return self._request


def _path(target: bytes) -> str:
    return target.partition(b"?")[0].decode("latin-1")


_VALUES: dict[str, Callable[[Values], str]] = {
    "client_address": lambda one: one.client,
    "host": lambda one: one.host.decode("latin-1"),
    "listener": lambda one: one.request.listener.name,
    "method": lambda one: one.request.method.decode("latin-1"),
    "path": lambda one: _path(one.request.target),
    "peer_address": lambda one: one.request.peer,
    "pool": lambda one: one.pool,
    "query": lambda one: one.request.target.partition(b"?")[2].decode("latin-1"),
    "request_id": lambda one: one.request_id,
    "route": lambda one: one.route,
    "scheme": lambda one: one.request.scheme,
    "server": lambda one: one.server,
    "status": lambda one: one.status,
    "target": lambda one: one.request.target.decode("latin-1"),
    "tls_version": lambda one: one.request.tls_version,
}
