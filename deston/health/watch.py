"""One server under watch: the greenlet that checks it, and the one that follows its name.

What lives here: the loop of checks, and the moment of a flip.
What must not: how a check is made, which servers are watched, and what a flip brings about (``flips``).
Invariant: once ``stop`` was called, a watch changes nothing of its server, whatever it was waiting for.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

import gevent

from deston.balancer.pool import Pool
from deston.balancer.server import Health, Server
from deston.config.model import AdminState, HealthConfig, TlsConfig
from deston.errors import OutOfDescriptors
from deston.health.dns import Lookup
from deston.health.flips import Flips
from deston.health.probes import Check, CheckResult
from deston.health.record import HealthRecord, vary
from deston.health.resolve import Name, trouble_of
from deston.health.words import label

# The first checks of all servers are spread over so many seconds.
SPREAD_S = 0.1

log = logging.getLogger("deston.health")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a watch depends on; a server whose settings changed is watched anew."""

    health: HealthConfig
    tls: TlsConfig
    maint: bool

    @classmethod
    def of(cls, pool: Pool, server: Server) -> Settings:
        return cls(pool.config.health, pool.config.tls, server.admin is AdminState.MAINT)


class Watch:
    """Checks one server at its interval until it is stopped; in maint it rests, unchecked.

    ``on_members`` is called when the server's name got other addresses, and the pool other servers with them, for which
    ``lookup`` asks. ``check`` is None where the type is ``none``. A server keeps the health that it has when its watch
    begins; ``hearsay`` is whether no check of this process has found it, so that the first one decides.
    """

    def __init__(
        self,
        pool: Pool,
        server: Server,
        check: Check | None,
        flips: Flips,
        rng: random.Random,
        on_members: Callable[[], None],
        lookup: Lookup,
        leads: bool = True,
        hearsay: bool = True,
    ) -> None:
        self._leads = leads
        self.settings = Settings.of(pool, server)
        self.name = None
        if server.address.is_name:
            self.name = Name(pool, server, rng, on_members, lookup, lambda: flips.is_heard())
        self._pool = pool
        self._server = server
        self._check = check
        self._flips = flips
        self._rng = rng
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._stopped = False
        self._trouble = ""
        self._record = self._new_record(hearsay)

    @property
    def is_hearsay(self) -> bool:
        """Whether no check has spoken for the server's health yet."""
        return self._record.is_hearsay

    def start(self) -> None:
        """Begin, with the first check within the next tenth of a second."""
        if self.name is not None:
            self._greenlets.append(gevent.spawn(self.name.follow))
        if not self._leads:
            return  # Another process checks, and tells.
        if self._check is None:
            self._rest()
        else:
            self._greenlets.append(gevent.spawn(self._check_for_ever, self._check))

    def stop(self) -> list[gevent.Greenlet[..., None]]:
        """Change nothing from now on; the greenlets that end soon, for whoever wants to wait for them."""
        self._stopped = True
        gevent.killall(self._greenlets, block=False)
        return self._greenlets

    def move(self, pool: Pool) -> None:
        """Watch on for the pool that took the place of the server's old one."""
        if pool is self._pool:
            return
        self._pool = pool
        if self.name is not None:
            self.name.pool = pool
        pool.refresh()  # A flip since it was built went to the old pool.

    def _check_for_ever(self, check: Check) -> None:
        gevent.sleep(self._rng.uniform(0, SPREAD_S), ref=False)
        if self.name is not None:
            self.name.wait()
        while True:
            gevent.sleep(self._turn(check), ref=False)

    def _turn(self, check: Check) -> float:
        """One turn of the loop, which nothing ends; the seconds until the next."""
        try:
            delay = self._look(check)
            self._trouble = ""
            return delay
        except OutOfDescriptors as error:
            self._report(str(error))
        except Exception as error:
            self._report(f"a fault of Deston ({type(error).__name__})", exc_info=True)
        return vary(self.settings.health.interval, self._rng)

    def _look(self, check: Check) -> float:
        interval = self.settings.health.interval
        if self._server.admin is AdminState.MAINT:
            self._rest()
            return vary(interval, self._rng)
        result = check(self._server)
        self._take(result)
        return max(0.0, self._record.next_delay(interval, self._rng) - result.seconds)

    def _take(self, result: CheckResult) -> None:
        if self._stopped:
            return
        self._server.check_reason = self._reason(result)
        is_flip = self._record.observe(result.ok)
        checks, failed, flips, _ = self._server.check_tally
        self._server.check_tally = (checks + 1, failed + (not result.ok), flips + is_flip, result.seconds)
        if is_flip:
            self._flip()

    def _reason(self, result: CheckResult) -> str:
        if self.name is not None and self._server.endpoint is None:
            return trouble_of(self._server)
        return result.reason

    def _flip(self) -> None:
        """The record has decided: tell the server, the pool and the operator, in this order."""
        known, self._server.health = self._server.health, self._record.health
        self._flips.take(self._pool, [(self._server, known)])

    def _rest(self) -> None:
        """Know nothing of the server: it is in maint, or nobody asked for checks."""
        if self._server.health is not Health.UNCHECKED:
            self._server.health = Health.UNCHECKED
            self._pool.refresh()
        self._server.check_reason = ""
        self._record = self._new_record()

    def _new_record(self, hearsay: bool = False) -> HealthRecord:
        return HealthRecord(self.settings.health.rise, self.settings.health.fall, self._server.health, hearsay)

    def _report(self, trouble: str, exc_info: bool = False) -> None:
        """Log what keeps a check from being made, once for as long as it lasts."""
        if trouble != self._trouble:
            log.error("%s is not checked: %s", label(self._pool, self._server), trouble, exc_info=exc_info)
        self._server.check_reason = f"not checked: {trouble}"
        self._trouble = trouble
