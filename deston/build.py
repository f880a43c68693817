"""From values to live objects: the registry of a process, and the monitor that watches it.

What lives here: building pools, keeping servers alive across a reload, starting and stopping health.
What must not: listeners and requests (``l4`` and ``l7`` put these on top).
Invariant: a configuration is applied whole or not at all; what it leaves unchanged keeps its health, counters and
connections. The only module that may import every layer below the commands; it must be imported after gevent's
monkey-patching, because health checks import requests.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import replace

from deston import logs
from deston.address import Address
from deston.balancer.policies import Policy, make_policy
from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.config.model import Config, PoolConfig, ServerConfig
from deston.errors import ChangeRefused, DestonError, StartError, StoreError
from deston.figures import Source, pool_figures
from deston.health.dns import Resolver
from deston.health.monitor import Monitor
from deston.health.thread import MonitorThread
from deston.sessions.service import Service
from deston.sessions.service import Source as SessionSource
from deston.sharing import Sharing
from deston.store.base import State
from deston.store.changes import in_force
from deston.store.good_copy import keep_copy
from deston.store.places import is_shared, open_store

log = logging.getLogger("deston.build")


def _nothing() -> None:
    """Nobody wants to be told."""


class Runtime:
    """What a process needs to balance: its registry, and the monitor of the servers in it.

    ``threaded`` is for processes whose requests run in threads: the monitor then has a thread and hub of its own. Where
    the configuration has a shared store, the operator's changes are applied as they come. ``reloads`` is how often
    every process had been asked to reload when ``config`` was read, where that was done by another process.
    """

    def __init__(self, config: Config, threaded: bool = False, reloads: int | None = None) -> None:
        self.registry = Registry()
        monitor = Monitor(self.registry, lookup=Resolver(config.global_.nameservers))
        self.marks = monitor.marks
        self._flips = monitor.flips
        self.monitor: Monitor | MonitorThread = MonitorThread(monitor) if threaded else monitor
        #: The configuration as the file has it.
        self.config = config
        #: Told that the operator wants the file to be read again, and that pools have changed; in the monitor's hub.
        self.on_reload: Callable[[], None] = _nothing
        self.on_change: Callable[[], None] = _nothing
        self.sharing = Sharing(config, self.registry, monitor, self._take) if is_shared(config) else None
        self._service: Service | None = None
        if self.sharing is not None:
            self.sharing.sources.append(lambda: pool_figures(self.registry))
            self._service = Service(config)
            monitor.companions += [self.sharing, self._service]
        self._reloads = reloads or 0
        if self.sharing is not None and reloads is None:
            self._reloads = self.sharing.state.reloads
        #: The configuration with the operator's changes, as far as they can be applied.
        self.effective = config
        self.apply(config)

    def tell(self, source: Source) -> None:
        """Have the figures of a source told to whoever asks for metrics."""
        if self.sharing is not None:
            self.sharing.sources.append(source)

    def list_sessions(self, source: SessionSource) -> None:
        """Have what is under way somewhere be listed, and ended, by an operator who asks."""
        if self._service is not None:
            self._service.sources.append(source)

    def apply(self, config: Config) -> None:
        """Replace all pools by those of ``config``; servers with an unchanged address live on.

        Raises ``StartError`` for a policy of the file's own that cannot be made, and changes nothing then.
        """
        made = _with_policies(config, self._with_changes(config))  # All that can fail comes before what changes.
        pools = tuple(pool for pool, _ in made)
        self.config, self.effective = config, replace(config, pools=pools)
        self._flips.drain_timeout = config.global_.drain_timeout
        logs.follow(config.global_.log_format.value, config.global_.log_level.value)
        known = {pool.name: pool for pool in self.registry}
        self.registry.replace([self._build_pool(pool, policy, known.get(pool.name)) for pool, policy in made])
        self._tell_removed(known.values())
        self._keep_copy()
        self.monitor.sync()

    def _keep_copy(self) -> None:
        """Keep the file that is in force: a command can then say what runs, whatever the file has become."""
        if self.sharing is not None and os.path.isfile(self.config.file):
            try:
                keep_copy(self.config)
            except StoreError as error:
                log.error("%s", error)

    def _with_changes(self, config: Config) -> Config:
        if self.sharing is None:
            return config
        try:
            effective, empty = in_force(config, self.sharing.state.changes)
        except ChangeRefused as error:
            log.error("the operator's changes cannot be applied, and are left out: %s", error)
            return config
        for name in empty:
            log.error("pool %s would have no server: those that were removed at run time are back as in the file", name)
        return effective

    def _tell_removed(self, known: Iterable[Pool]) -> None:
        """Servers of old pools that are in none of the new ones: what they have under way ends as their pool says."""
        kept = {server for pool in self.registry for server in pool.servers}
        for pool in known:
            self._flips.removed([one for one in pool.servers if one not in kept], pool.config.on_remove)

    def _take(self, state: State) -> None:
        """Apply what the operator has changed."""
        if state.reloads != self._reloads:
            self._reloads = state.reloads
            self._reload()
        try:
            self.apply(self.config)
        except StartError as error:
            log.error("the operator's changes cannot be applied: %s", error)
            return
        self.on_change()

    def catch_up(self) -> None:
        """Reload where the file is that of a process which has not heard of the last demand: to be called once."""
        if self.sharing is not None and self.sharing.state.reloads > self._reloads:
            self._reloads = self.sharing.state.reloads
            self._reload()

    def heed_demand(self) -> None:
        """Reload as every process was asked to, unless this one has heard of it already."""
        try:
            reloads = open_store(self.config).read().reloads if self.sharing is not None else self._reloads + 1
        except StoreError:  # Once too often does no harm.
            reloads = self._reloads + 1
        if reloads != self._reloads:
            self._reloads = reloads
            self._reload()

    def _reload(self) -> None:
        try:
            self.on_reload()
        except DestonError as error:  # The operator's changes are to count all the same.
            log.error("the configuration cannot be used, the old one stays: %s", error)

    def accounts(self) -> list[str]:
        """One line for each server that was used, and for each queue: what this process carried, and who waited."""
        waited = [
            f"{pool.name}: {pool.queue.waited} waited for a server, {pool.queue.times.seconds:.1f}s together, "
            f"{pool.queue.longest * 1000:.0f} ms at the longest"
            for pool in self.registry
            if pool.queue.waited
        ]
        return waited + [
            f"{pool.name}/{server.name} {server.address}: leases {server.total}, failures {server.failures}, "
            f"latency {server.latency * 1000:.1f} ms, bytes in {server.bytes_in}, bytes out {server.bytes_out}"
            for pool in self.registry
            for server in pool.servers
            if server.total
        ]

    def _build_pool(self, config: PoolConfig, policy: Policy, known: Pool | None) -> Pool:
        servers = {(one.address, one.tls): one for one in known.servers if one.origin is None} if known else {}
        members = [_build_server(one, servers) for one in config.servers]
        stand_ins = [one for one in known.servers if one.origin in members] if known else []
        for one in stand_ins:
            one.configure(one.origin.config)  # type: ignore[union-attr]
        # A policy of its own: the old pool lives on for its leases, and prepares its policy for its own servers.
        pool = Pool(config, policy, (*members, *stand_ins))
        pool.observer, pool.outlier_observer = self.marks.observe, self.marks.answers_badly
        if known is not None:
            pool.refused, pool.retried = known.refused, known.retried
            pool.first_bytes, pool.totals = known.first_bytes, known.totals
            pool.queue = known.queue  # The leases of the old pool tell it, and so do those of the new one.
            pool.queue.tell_next()
        return pool


def _with_policies(config: Config, effective: Config) -> list[tuple[PoolConfig, Policy]]:
    """The pools of ``effective`` with their policies; where one that was chosen at run time cannot be made, the file's.

    Raises ``StartError`` for one of the file's.
    """
    said = {pool.name: pool.algorithm for pool in config.pools}
    made = []
    for pool in effective.pools:
        try:
            made.append((pool, make_policy(pool)))
        except StartError as error:
            if pool.algorithm == said[pool.name]:
                raise
            own = replace(pool, algorithm=said[pool.name])
            made.append((own, make_policy(own)))
            log.error("pool %s goes on with %s, as in the file: %s", pool.name, own.algorithm, error)
    return made


def _build_server(config: ServerConfig, known: dict[tuple[Address, bool], Server]) -> Server:
    server = known.get((config.address, config.tls))
    if server is None:
        return Server(config)
    server.configure(config)
    return server
