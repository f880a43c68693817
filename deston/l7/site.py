"""What one listener does with its requests besides sending them to a pool.

What lives here: the order of its rules: who may come, how often, which route, what is changed there and back.
What must not: each rule by itself (``way``, ``rates``, ``header_rules``, ``affinity``, ``answers``), the exchange.
Invariant: every request gets one response, which the same rules have passed over, whether it is a server's or ours; a
listener without rules is plain, and nobody comes here.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.config.http_rules import RouteConfig
from deston.config.model import ListenerConfig
from deston.config.templates import Template
from deston.errors import Denied, DestonError, NoRoute, NoServerAvailable, TooManyRequests
from deston.l7 import answers, headers
from deston.l7.affinity import Affinity
from deston.l7.answers import Pages
from deston.l7.asked import Asked
from deston.l7.body import NO_BODY
from deston.l7.fields import Field, Fields, Named
from deston.l7.rates import Rate
from deston.l7.record import OWN_ANSWER, Record, Write, code_of_refusal
from deston.l7.request import LARGEST_KEY, Request, Response, read_target
from deston.l7.rewriting import Origin, host_for, redirect_location
from deston.l7.routing import NO_FACTS, Facts, Router, host_without_port
from deston.l7.tally import refusals_of, statuses_of
from deston.l7.way import Way
from deston.limits import AccessRules, OpenByClient, client_of
from deston.repeats import seldom

log: Final = logging.getLogger("deston.l7")

# A client's own id: what no log, shell or page could take for something else.
_ID: Final = re.compile(rb"[A-Za-z0-9._~+/=@:-]{1,128}")
_ID_BYTES: Final = 16
_LISTS: Final = frozenset({b"ratelimit", b"ratelimit-policy"})


#: Sends what was asked to its pool, by preference to a server: the response, and the server that gave it.
Send = Callable[[Asked, Pool, Server | None], tuple[Response, Server]]


def require_pages(listener: ListenerConfig, routes: Sequence[RouteConfig]) -> None:
    """Raise ``StartError`` for the first page of a listener or a route that cannot be read."""
    Pages(listener.error_pages)
    for route in routes:
        if not route.is_tcp:
            Way(listener, route)


class Site:
    """The rules of one listener; ``write`` takes lines for its access log, if it has one.

    Raises ``StartError`` for a file that cannot be read.
    """

    def __init__(
        self,
        listener: ListenerConfig,
        routes: Sequence[RouteConfig],
        registry: Registry,
        affinities: Mapping[str, Affinity],
        write: Write | None = None,
        is_ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._is_ready = is_ready
        self._ready_path = listener.ready_path.encode()
        self.listener = listener
        self.statuses, self.refusals = statuses_of(listener.name), refusals_of(listener.name)
        self._registry = registry
        self._affinities = affinities
        self._write = write
        template = listener.access_log_template
        self._template = Template(template) if template else None
        counts = registry.counts
        self._router = Router(route for route in routes if route.listener in ("", listener.name))
        self._ways = {route.name: Way(listener, route, counts=counts) for route in routes if not route.is_tcp}
        self._way_without_route = Way(listener)
        self._pages = Pages(listener.error_pages)
        access = AccessRules(listener.allow, listener.deny)
        self._access = None if access.is_trivial else access
        limit = listener.rate_limit
        self._rate = Rate(listener.name, limit, counts=counts) if limit else None
        most = listener.max_requests_per_client
        self._under_way = OpenByClient(f"requests of {listener.name}", most, counts) if most else None
        self._id_field = listener.request_id.encode()
        self._id_lowered = self._id_field.lower()
        self.has_routes = not self._router.is_empty
        #: Whether there is no rule at all but routes, so that only those need to come here which take one with rules.
        self.is_plain = self._way_without_route.is_plain and not (
            affinities or self._access or self._rate or self._under_way is not None or self._id_field or write
            or listener.error_pages or listener.ready_path
        )  # fmt: skip

    def go_on(self, before: Site) -> None:
        """Take over what clients have under way since before a reload."""
        if self._under_way is not None and before._under_way is not None:
            before._under_way.limit = self._under_way.limit
            self._under_way = before._under_way  # Where those leave that are under way.

    def serve(self, request: Request, send: Send) -> Response:
        """The response to a request."""
        fields = request.fields if isinstance(request.fields, Fields) else Fields(request.fields)
        asked = Asked(request, fields)
        if self._write is not None:
            request.record = Record(self.listener, self._write, self._template)
            request.record.request = request
            request.record.values = asked.values
        try:
            response = self._answer(asked, fields, send)
        except DestonError as error:
            self.tell(error)
            response = answers.refusal(error, self._pages, fields.named)
            if request.record is not None:
                request.record.code = code_of_refusal(error)
        except BaseException:
            self._leave(asked)
            raise
        return self._finished(response, asked)

    def route_of(self, request: Request) -> Way | None:
        """What the route does that takes a request, or None; raises ``BadRequest``."""
        fields = request.fields if isinstance(request.fields, Fields) else Fields(request.fields)
        asked = Asked(request, fields)
        self._identify(asked, fields)
        way = self._way_of(asked, fields)
        return None if way is self._way_without_route else way

    def refuse(self, error: DestonError, peer: str = "", scheme: str = "http", logs: bool = True) -> Response:
        """The answer to what could not be read as a request; ``logs`` is whether there is to be a line about it."""
        fields = Fields([])
        asked = Asked(Request(self.listener, b"", b"", fields, NO_BODY, peer, scheme), fields)
        if self._id_field:
            self._give_id(asked, fields)
        response = self._finished(answers.refusal(error, self._pages), asked)
        if self._write is not None and logs:
            record = Record(self.listener, self._write, self._template)
            record.values = asked.values
            record.status, record.code = response.status, code_of_refusal(error)
            record.end(len(response.whole or b""))
        return response

    def tell(self, error: DestonError) -> None:
        """Count a refused request by its reason, and tell the operator of what is the servers' doing."""
        self.refusals[type(error).__name__] += 1
        if not isinstance(error, NoServerAvailable):
            log.debug("%s: a request was refused: %s", self.listener.name, error)
            return
        seldom(log, logging.INFO, "%s: a request was refused: %s", self.listener.name, str(error))

    def _answer(self, asked: Asked, fields: Fields, send: Send) -> Response:
        values, named = asked.values, fields.named
        if self._id_field:
            self._give_id(asked, fields)
        self._identify(asked, fields)
        if self._ready_path and asked.target.partition(b"?")[0] == self._ready_path:
            return answers.readiness(self._is_ready())
        self._admit(asked, fields)
        way = asked.way = self._way_of(asked, fields)
        values.route = way.name
        asked.told += way.admit(asked.client, named)
        if way.redirect is not None or way.fixed is not None:
            return self._own_answer(way, asked, fields)
        if not way.pools:
            raise NoRoute("no route matches")
        return self._from_server(way, asked, fields, send)

    def _identify(self, asked: Asked, fields: Fields) -> None:
        """Find out what is asked for, and by whom; raises ``BadRequest``."""
        request, values, networks = asked.request, asked.values, self.listener.trusted_proxies
        asked.target, asked.host = read_target(request, fields.named)
        values.host = asked.host
        asked.trusted = headers.is_trusted(request.peer, networks)
        if asked.trusted:
            asked.client = values.client = headers.client_address(request.peer, fields.named, networks)

    def _give_id(self, asked: Asked, fields: Fields) -> None:
        """Keep the request's own id where it has a good one, else make one for it."""
        given = fields.named.get(self._id_lowered)
        if given is not None:
            asked.fields = [field for field in fields if field[0].lower() != self._id_lowered]
        is_kept = given is not None and len(given) == 1 and _ID.fullmatch(given[0]) is not None
        request_id = given[0] if given and is_kept else os.urandom(_ID_BYTES).hex().encode()
        asked.request.added = b"%b: %b\r\n" % (self._id_field, request_id)
        asked.values.request_id = request_id.decode()
        asked.told.append((self._id_field, request_id))

    def _admit(self, asked: Asked, fields: Fields) -> None:
        client = asked.client
        if self._access is not None and not self._access.permit(client):
            raise Denied(f"{client} is not let in")
        if self._under_way is not None and client:
            counted = client_of(client)
            if not self._under_way.enter(counted):
                raise TooManyRequests(f"{client} has too many requests under way", ((b"Retry-After", b"1"),))
            asked.counted = counted
        if self._rate is not None:
            asked.told += self._rate.take(client, fields.named)

    def _way_of(self, asked: Asked, fields: Fields) -> Way:
        if not self.has_routes:
            return self._way_without_route
        return self.way(asked.host, asked.target, asked.request.method, fields.named, asked.client)

    def way(self, host: bytes, target: bytes, method: bytes, named: Named, client: str) -> Way:
        """What becomes of a request for that host and target."""
        plain = host_without_port(host) if len(host) <= LARGEST_KEY else host_without_port.__wrapped__(host)
        router = self._router
        facts = Facts(method, named, client, self.listener.name) if router.has_conditions else NO_FACTS
        route = router.match(plain, target.decode("latin-1"), facts)
        return self._way_without_route if route is None else self._ways[route.name]

    def _own_answer(self, way: Way, asked: Asked, fields: Fields) -> Response:
        if asked.request.record is not None:
            asked.request.record.code = OWN_ANSWER
        if way.fixed is not None:
            return way.fixed.answer(self._pages, fields.named)
        assert way.redirect is not None
        path = Template(way.redirect.path).fill(asked.values)
        client = Origin(self._scheme(asked, fields), asked.host)
        location = redirect_location(way.redirect, path, way.prefixes.to_server(asked.target), client)
        return answers.redirect(way.redirect.status, location, self._pages, fields.named)

    def _from_server(self, way: Way, asked: Asked, fields: Fields, send: Send) -> Response:
        pool, affinity, preferred = self._pool_of(way, fields)
        asked.pool = pool
        asked.values.pool = pool.name
        for name in way.pools if self._affinities else ():
            if name in self._affinities:
                asked.fields = self._affinities[name].without(asked.fields)
        if way.request_rules:
            # Lines of their own, behind all that is taken out: no option of Connection and no rule about what strangers
            # may say touches them.
            asked.fields = way.request_rules.without(asked.fields)
            asked.request.added += way.request_rules.lines(asked.values)
        if way.prefixes:
            asked.target = way.prefixes.to_server(asked.target)
        response, server = send(asked, pool, preferred)
        asked.server = server
        asked.values.server = server.name
        if way.mirror is not None:
            way.mirror.copy(
                asked.request, asked.fields, asked.target, response.status, partial(self._copy, asked, send)
            )
        if affinity is not None and server is not preferred and response.tunnel is None:
            secured = self._scheme(asked, fields) == b"https"
            response.added = [affinity.set_cookie(server, secured)]
        return response

    def _copy(self, asked: Asked, send: Send, request: Request, pool: str) -> Response:
        """Send a copy of a request, made as the one that was asked."""
        copy = Asked(request, Fields(request.fields))
        copy.host, copy.trusted, copy.client, copy.target = asked.host, asked.trusted, asked.client, request.target
        return send(copy, self._registry.pool(pool), None)[0]

    def _pool_of(self, way: Way, fields: Fields) -> tuple[Pool, Affinity | None, Server | None]:
        """The pool of a request, how it keeps clients, and the server whose client it is."""
        if self._affinities:
            for name in way.pools:
                affinity = self._affinities.get(name)
                known = affinity.server(self._registry.pool(name), fields.named) if affinity is not None else None
                if known is not None and known.keeps:
                    return self._registry.pool(name), affinity, known
        name = way.pool()
        if len(way.pools) > 1 and not self._registry.pool(name).is_available:
            name = next((one for one in way.pools if self._registry.pool(one).is_available), name)
        return self._registry.pool(name), self._affinities.get(name), None

    def _scheme(self, asked: Asked, fields: Fields) -> bytes:
        """How the client itself speaks, by the word of a proxy that is trusted."""
        said = fields.named.get(b"x-forwarded-proto") if asked.trusted else None
        return said[0].lower() if said else asked.request.scheme.encode()

    def _finished(self, response: Response, asked: Asked) -> Response:
        """A response after the rules; the client is counted until it was sent."""
        self.statuses[response.status] += 1
        way = asked.way or self._way_without_route
        if way.map_back and asked.pool is not None and asked.server is not None:
            client = Origin(self._scheme(asked, asked.came), asked.host)
            server = Origin(b"https" if asked.server.tls else b"http", host_for(asked.pool, asked.server, asked.host))
            response.fields = way.for_client(response.fields, server, client)
        if asked.told:
            _add(response, asked.told)
        if way.response_rules:
            asked.values.status = str(response.status)
            response.added = [one for one in response.added if not way.response_rules.takes_out(one[0].lower())]
            response.fields = way.response_rules.apply(response.fields, asked.values)
        if asked.request.record is not None:
            asked.request.record.status = response.status
        if asked.counted:
            self._count_until_sent(response, asked)
        return response

    def _count_until_sent(self, response: Response, asked: Asked) -> None:
        if response.whole is not None:
            self._leave(asked)
            return
        close = response.close

        def close_and_leave() -> None:
            self._leave(asked)
            close()

        response.close = close_and_leave

    def _leave(self, asked: Asked) -> None:
        if asked.counted and self._under_way is not None:
            self._under_way.leave(asked.counted)
            asked.counted = ""

    def accounts(self) -> list[str]:
        """One line for each mirror: what this process copied."""
        return [f"route {way.name}: {way.mirror}" for way in self._ways.values() if way.mirror is not None]


def _add(response: Response, told: list[Field]) -> None:
    """Add fields to a response, in the place of those of their names; several limits may tell of themselves."""
    fields = response.fields
    names = {name.lower() for name, _ in told} - _LISTS
    if not isinstance(fields, Fields) or not names.isdisjoint(fields.named):
        response.fields = [field for field in fields if field[0].lower() not in names]
    response.added = [*response.added, *told]
