"""The worker process of ``deston-l4``, run by gunicorn's arbiter.

What lives here: start, reload, drain and stop of the acceptors of one process.
What must not: accepting and relaying themselves.
Invariant: a stop closes the listeners first, then gives open connections the drain time, then cuts the rest.
Loaded by the arbiter before the fork, so nothing here may import what must come after the monkey-patching.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gevent
from gevent import monkey
from gevent.event import Event
from gunicorn.workers.base import Worker

from deston.config.load import load
from deston.config.model import Config, ListenerConfig, Protocol
from deston.errors import ConfigError, StartError
from deston.figures import Figure, grows, varies
from deston.l4.files import require_files
from deston.traffic import figures as traffic_figures

if TYPE_CHECKING:
    from deston.access.log import AccessLogs
    from deston.build import Runtime
    from deston.l4.server import Acceptor
    from deston.l4.slots import Slots
    from deston.l4.tcp import TcpProxy
    from deston.l4.udp import UdpProxy

log = logging.getLogger("deston.l4")

HEARTBEAT = 1.0
# How often a drain looks whether all connections are over, in seconds.
DRAIN_LOOK = 0.1


class L4Worker(Worker):  # type: ignore[misc]
    """Serves all TCP and UDP listeners of a configuration in one process."""

    runtime: Runtime
    proxies: list[TcpProxy]
    acceptors: list[Acceptor]
    udp_proxies: list[UdpProxy]
    _access_logs: AccessLogs
    _slots: Slots
    _woken: Event

    def init_process(self) -> None:
        """Make the process cooperative, then let gunicorn set up its signals and call ``run``."""
        monkey.patch_all()
        gevent.config.track_greenlet_tree = False
        gevent.reinit()
        self._woken = Event()
        self.acceptors = []
        self.udp_proxies = []
        super().init_process()

    def load_wsgi(self) -> None:
        """Build the live objects; gunicorn's name for it, though there is no WSGI here."""
        from deston.access.log import AccessLogs
        from deston.build import Runtime  # After the patch: the health checks import requests.
        from deston.l4.sessions import Connections
        from deston.l4.slots import Slots
        from deston.l4.tcp import TcpProxy

        self.runtime = Runtime(self.app.config, reloads=self.app.reloads)
        self.runtime.on_reload, self.runtime.on_change = self._reload_on_demand, self._forget_ways
        listeners = self.app.config.listeners_of(Protocol.TCP)
        self._slots = Slots()
        routes, registry = self.app.config.routes, self.runtime.registry
        self.proxies = [TcpProxy(registry, one, routes, self._slots_of(one)) for one in listeners]
        self._access_logs = AccessLogs("deston-l4")
        self._limit_slots()
        self.runtime.tell(self._figures)
        for proxy in self.proxies:
            self.runtime.list_sessions(Connections(proxy))

    def _slots_of(self, listener: ListenerConfig) -> Slots:
        from deston.l4.slots import Slots

        return Slots(whole=self._slots, name=listener.name, counts=self.runtime.registry.counts)

    def _figures(self) -> Iterator[Figure]:
        for tcp in self.proxies:
            name = tcp.config.name
            yield varies("listener_open", name), tcp.slots.taken
            yield grows("listener_accepted", name), tcp.accepted
        for udp in self.udp_proxies:
            yield varies("listener_sessions", udp.config.name), len(udp.sessions)
            yield grows("listener_dropped", udp.config.name), udp.dropped
        for proxy in self._serving:
            for reason, count in proxy.refusals.counts():
                yield grows("listener_refused", proxy.config.name, reason), count
        yield from traffic_figures()

    def init_signals(self) -> None:
        super().init_signals()
        signal.signal(signal.SIGHUP, self.handle_reload)
        signal.signal(signal.SIGURG, self.handle_demand)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # The arbiter has held them back until now.

    def run(self) -> None:
        """Accept until told to stop, then drain."""
        from deston.l4.server import Acceptor
        from deston.net import hub as hubs

        alone = self.cfg.workers == 1
        for listening, proxy in zip(self.sockets, self.proxies, strict=True):
            self.acceptors.append(Acceptor(listening.sock, proxy.handle, proxy.slots, alone, proxy.config.name))
            hubs.sweeper().watched.add(proxy)
        self._take_datagram_sockets()
        self._connect_access_logs()
        self.runtime.monitor.start()
        for acceptor in self.acceptors:
            acceptor.start()
        for udp in self.udp_proxies:
            udp.start()
        self.runtime.catch_up()
        while self.alive:
            self.notify()
            self._woken.wait(HEARTBEAT)
            for proxy in self.proxies:
                proxy.refresh()
        self._drain()

    def _take_datagram_sockets(self) -> None:
        """Each worker has sockets of its own for udp listeners; the kernel shares the clients out."""
        from deston.l4.sessions import UdpSessions
        from deston.l4.udp import UdpProxy
        from deston.net.datagram import DatagramListener

        listeners = self.app.config.listeners_of(Protocol.UDP)
        for listener, raw in zip(listeners, self.app.datagram_sockets, strict=True):
            self.udp_proxies.append(UdpProxy(self.runtime.registry, listener, DatagramListener(raw)))
            self.runtime.list_sessions(UdpSessions(self.udp_proxies[-1]))

    @property
    def _serving(self) -> list[TcpProxy | UdpProxy]:
        return [*self.proxies, *self.udp_proxies]

    def _connect_access_logs(self) -> None:
        for proxy in self._serving:
            proxy.access_log = self._access_logs.of(proxy.config.access_log)

    def notify(self) -> None:
        super().notify()
        if self.ppid != os.getppid():
            log.warning("the arbiter is gone, this worker drains")
            self.alive = False

    def _drain(self) -> None:
        for acceptor in self.acceptors:
            acceptor.close()
        for udp in self.udp_proxies:
            udp.stop_receiving()
        limit = time.monotonic() + self.app.config.global_.drain_timeout
        while self._open() and time.monotonic() < limit:
            self.notify()
            gevent.sleep(DRAIN_LOOK)
        if self._open():
            log.warning("the drain time is over, connections and sessions cut: %d", self._open())
        for proxy in self.proxies:
            proxy.cut()
        for udp in self.udp_proxies:
            udp.close()
        self.runtime.monitor.stop()
        self._access_logs.close()
        for account in (*self.runtime.accounts(), *self._losses()):
            log.info("%s", account)

    def _losses(self) -> list[str]:
        """A line for each listener that refused clients (how many, by reason), and for one that lost datagrams."""
        refusing = [f"{one.config.name}: refused: {one.refusals}" for one in self._serving if one.refusals.total]
        losing = [f"{one.config.name}: datagrams lost: {one.dropped}" for one in self.udp_proxies if one.dropped]
        return [*refusing, *losing]

    def _open(self) -> int:
        return self._slots.taken + sum(udp.unanswered for udp in self.udp_proxies)

    def _limit_slots(self) -> None:
        """Set what a file says of how many connections there may be, and what the descriptors bear."""
        from deston.l4.slots import affordable_connections

        affordable = affordable_connections()
        self._slots.resize(min(self.app.config.global_.max_connections or affordable, affordable))
        for proxy in self.proxies:
            proxy.slots.resize(proxy.config.max_connections)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """TERM: stop accepting, drain, leave."""
        self.alive = False
        self._woken.set()

    def handle_quit(self, sig: int, frame: Any) -> None:
        """QUIT, and INT to the arbiter: leave at once."""
        self.alive = False
        gevent.spawn(sys.exit, 0)

    def handle_usr1(self, sig: int, frame: Any) -> None:
        """USR1: open log files anew, after logrotate has moved them away."""
        gevent.spawn(super().handle_usr1, sig, frame)
        self._access_logs.reopen()

    def handle_reload(self, sig: int, frame: Any) -> None:
        """HUP from the arbiter, which has read the file already: apply what changed."""
        gevent.spawn(self._reload)

    def handle_demand(self, sig: int, frame: Any) -> None:
        """URG from the arbiter, which has asked every process to reload: this one may have heard of it already."""
        if hasattr(self, "runtime"):  # Else it boots, and finds out by itself.
            gevent.spawn(self.runtime.heed_demand)

    def _reload_on_demand(self) -> None:
        """The operator wants the file to be read again; where listeners have changed it is the arbiter's business."""
        try:
            config = load(self.app.config.file, Protocol.TCP)
        except ConfigError as error:
            log.error("the configuration cannot be used, the old one stays:\n%s", error)
            return
        if [one.bind for one in self._listeners_of(config)] != [one.config.bind for one in self._serving]:
            if self.alive:
                os.kill(os.getppid(), signal.SIGURG)  # Not HUP, which would ask every process anew.
            return
        self._reload()

    def _forget_ways(self) -> None:
        """Pools have been replaced: what was remembered of the old ones is of no use."""
        for proxy in self.proxies:
            proxy.forget_pools()

    @staticmethod
    def _listeners_of(config: Config) -> tuple[ListenerConfig, ...]:
        return (*config.listeners_of(Protocol.TCP), *config.listeners_of(Protocol.UDP))

    def _reload(self) -> None:
        """Take up the file as it is now, whole or not at all."""
        serving = self._serving
        try:
            config = load(self.app.config.file, Protocol.TCP)
            listeners = self._listeners_of(config)
            if [one.bind for one in listeners] != [proxy.config.bind for proxy in serving]:
                return  # The file has changed again; the arbiter brings new workers for other listeners.
            require_files(config)
            self.runtime.apply(config)
        except (ConfigError, StartError) as error:
            log.error("the configuration cannot be used, the old one stays:\n%s", error)
            return
        self.app.config = config
        for proxy, listener in zip(serving, listeners, strict=True):
            try:
                proxy.configure(listener, config.routes)
            except StartError as error:  # It was looked at, so a file has changed again since then.
                log.error("the listener %s stays as it is: %s", listener.name, error)
        self._limit_slots()
        self._connect_access_logs()
        log.info("%s was reloaded", config.file)
