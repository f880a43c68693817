"""What was asked for, as a scenario and its arrivals.

What lives here: the options together: which of them go with which, and what they make.
What must not: reading one option by itself (each has its module), the command line.
Invariant: an option that would be ignored is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from deston.config.model import PoolConfig
from deston.errors import CannotSimulate
from deston.simulate.arrivals import Arrivals, Cut, Poisson, client_keys
from deston.simulate.disturbances import Disturbance, require_servers
from deston.simulate.replay import read_log
from deston.simulate.scenario import Scenario, made_up_pool, pool_of_file
from deston.simulate.service_times import ServiceTime, parse_service_time

DEFAULT_SERVERS, DEFAULT_CLIENTS, DEFAULT_SECONDS = 10, 10_000, 120.0
DEFAULT_SERVICE_TIME = "exp:20ms"
#: The policies that are compared where none is named.
COMPARED = ("round_robin", "random", "two_choices", "least_connections", "least_latency", "ip_hash")

#: What makes no sense together: an option, those that it rules out, and why.
_RULED_OUT: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("log", ("rate", "service_time", "clients", "skew"), "the log says when requests came, from whom, and their times"),
    ("config", ("servers", "weights", "max_connections", "queue", "queue_timeout"), "the configuration says it"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of ``deston simulate``; None is left out. Times are in seconds."""

    rate: float | None = None
    service_time: ServiceTime | None = None
    log: str | None = None
    clients: int | None = None
    skew: float | None = None
    requests: int | None = None
    duration: float | None = None
    algorithms: tuple[str, ...] = ()
    servers: int | None = None
    weights: tuple[int, ...] | None = None
    concurrency: tuple[int, ...] = (1,)
    max_connections: int | None = None
    queue: int | None = None
    queue_timeout: float | None = None
    hash_balance_factor: int | None = None
    affinity: bool = False
    config: str | None = None
    pool: str | None = None
    kill: tuple[Disturbance, ...] = ()
    recover: tuple[Disturbance, ...] = ()
    slow: tuple[Disturbance, ...] = ()
    detect: float = 4.0
    seed: int = 1

    def require_sense(self) -> None:
        """Raise ``CannotSimulate`` for options that do not go together."""
        for option, others, why in _RULED_OUT:
            wrong = [other for other in others if getattr(self, other) is not None]
            if getattr(self, option) is not None and wrong:
                raise CannotSimulate(f"not with {option_of(option)}: {why}", option_of(wrong[0]))
        if self.log is None and self.rate is None:
            raise CannotSimulate("say how many requests come a second, or give --log", "--rate")
        if self.pool is not None and self.config is None:
            raise CannotSimulate("it is a pool of a configuration: give --config, too", "--pool")

    def arrivals(self, scenario: Scenario) -> Arrivals:
        """The requests, of a log those of the configuration's pool alone.

        Raises ``CannotSimulate`` for a log that cannot be replayed.
        """
        if self.log is not None:
            replay = read_log(self.log, "" if self.config is None else scenario.pool.name)
            is_cut = self.requests is not None or self.duration is not None
            return Cut(replay, self.requests, self.duration) if is_cut else replay
        service_time = self.service_time or parse_service_time(DEFAULT_SERVICE_TIME)
        keys = client_keys(self.clients or DEFAULT_CLIENTS)
        endless = Poisson(self.rate or 0.0, service_time, keys, self.skew or 0.0, self.seed)
        seconds = DEFAULT_SECONDS if self.requests is None and self.duration is None else self.duration
        return Cut(endless, self.requests, seconds)

    def scenario(self) -> Scenario:
        """The pool and what happens to it; raises ``CannotSimulate``, and ``ConfigError`` for the pool."""
        pool = self._pool()
        if self.hash_balance_factor is not None:
            pool = replace(pool, hash_balance_factor=self.hash_balance_factor)
        if len(self.concurrency) not in (1, len(pool.servers)):
            why = f"{len(self.concurrency)} numbers are not for {len(pool.servers)} servers"
            raise CannotSimulate(why, "--concurrency")
        disturbances = (*self.kill, *self.recover, *self.slow)
        require_servers(disturbances, (one.name for one in pool.servers))
        affinity = self.affinity or bool(pool.affinity_cookie)
        return Scenario(pool, self.concurrency, disturbances, self.detect, affinity, self.seed)

    def compared(self, scenario: Scenario) -> tuple[str, ...]:
        """The policies, each once: those that were named, that of the configuration, or the usual ones.

        Raises ``CannotSimulate`` for a key that none of them heeds.
        """
        own = (scenario.pool.algorithm,) if self.config is not None else COMPARED
        compared = tuple(dict.fromkeys(self.algorithms or own))
        if self.hash_balance_factor is not None and not any(one.endswith("_hash") for one in compared):
            raise CannotSimulate("none of these policies hashes", "--hash-balance-factor")
        return compared

    def _pool(self) -> PoolConfig:
        if self.config is not None:
            return pool_of_file(self.config, self.pool or "")
        weights = self.weights or (1,) * (self.servers or DEFAULT_SERVERS)
        if self.servers is not None and len(weights) != self.servers:
            raise CannotSimulate(f"{len(weights)} weights are not for {self.servers} servers", "--weights")
        if not any(weights):
            raise CannotSimulate("no server has a weight above 0", "--weights")
        keys: Mapping[str, Any] = {
            "max_connections": self.max_connections,
            "queue": self.queue,
            "queue_timeout": None if self.queue_timeout is None else f"{self.queue_timeout * 1000:.6f}ms",
        }
        return made_up_pool(weights, **{key: str(value) for key, value in keys.items() if value is not None})


def require_time(scenario: Scenario, arrivals: Arrivals) -> None:
    """Raise ``CannotSimulate`` for what would happen to a server when no request comes any more."""
    for one in scenario.disturbances:
        if one.at >= arrivals.seconds:
            raise CannotSimulate(f"requests come for {arrivals.seconds:g}s only", one.kind.value)


def option_of(name: str) -> str:
    """An option as it is written on the command line."""
    return f"--{name.replace('_', '-')}"
