"""The arbiter of ``deston-l4``: gunicorn's, with a reload that keeps what stays.

What lives here: our configuration in gunicorn's terms, and what HUP does.
What must not: options (``cli.py``), accepting and relaying (the workers).
Invariant: a listening socket whose listener stays is never closed, and a broken file changes nothing.
"""

from __future__ import annotations

import logging
import signal
from _socket import socket as RawSocket
from collections.abc import Sequence
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config as GunicornConfig
from gunicorn.sock import close_sockets, create_sockets

from deston import __version__, logs
from deston.config.consistency import require_listeners
from deston.config.load import load
from deston.config.model import L4_PROTOCOLS, Config, ListenerConfig, Protocol
from deston.errors import ConfigError, StartError, StoreError
from deston.l4.datagram_ports import DatagramPorts
from deston.l4.files import require_files
from deston.net.listen import require_bindable, require_bindable_datagrams
from deston.store.places import demand_reload, demands

log = logging.getLogger("deston.l4")

# The arbiter kills a worker that outlives this; a worker ends its drain by itself before.
GRACE_BEYOND_DRAIN = 3
# What the arbiter sends to its workers.
_FOR_WORKERS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGURG, signal.SIGUSR1)


class L4Application(BaseApplication):  # type: ignore[misc]
    """A gunicorn application that serves TCP and UDP listeners instead of WSGI.

    ``workers`` and ``pid`` stand in for what the file or nobody says. Raises ``ConfigError``.
    """

    def __init__(self, file: str, workers: int | None, pid: str | None, log_level: str | None) -> None:
        self.file = file
        self.workers = workers
        self.pid = pid
        self.log_level = log_level
        #: Where the workers bind their own sockets.
        self.datagram_ports = DatagramPorts()
        #: Of the worker that is forked next, in the order of the listeners.
        self.datagram_sockets: list[RawSocket] = []
        #: How often every process had been asked to reload when the file was read.
        self.reloads: int | None = None
        self.config = self.read()
        self.reloads = demands(self.config)
        super().__init__()

    def read(self) -> Config:
        """Read the file, and look at the files that it names.

        Raises ``ConfigError``, also where it has neither a TCP nor a UDP listener, and ``StartError``.
        """
        config = load(self.file, Protocol.TCP)
        require_listeners(config, *L4_PROTOCOLS)
        require_files(config)
        logs.follow(config.global_.log_format.value, config.global_.log_level.value)
        return config

    @property
    def listeners(self) -> tuple[ListenerConfig, ...]:
        """The TCP listeners: those whose sockets the arbiter opens."""
        return self.config.listeners_of(Protocol.TCP)

    @property
    def datagram_listeners(self) -> tuple[ListenerConfig, ...]:
        return self.config.listeners_of(Protocol.UDP)

    def bind_datagrams(self) -> None:
        """Bind the sockets of a worker that is to be forked: before it boots, so that no datagram is refused meanwhile.

        Raises ``StartError``.
        """
        self.datagram_sockets = self.datagram_ports.bind(self.datagram_listeners)

    def require_bindable(self) -> None:
        """Raise ``StartError`` for the first listener whose address cannot be listened on."""
        require_bindable(one.bind for one in self.listeners)
        require_bindable_datagrams(one.bind for one in self.datagram_listeners)

    @property
    def worker_count(self) -> int:
        return self.workers or self.config.global_.workers

    def load_config(self) -> None:
        """Translate our configuration into gunicorn's; its arbiter calls this again when the listeners change."""
        settings: dict[str, Any] = {
            "bind": [str(one.bind) for one in self.listeners],
            "backlog": max((one.backlog for one in self.listeners), default=1),
            "workers": self.worker_count,
            "logger_class": "deston.arbiter_log.ArbiterLog",
            "worker_class": "deston.l4.worker.L4Worker",
            "pidfile": self.pid,
            "proc_name": "deston-l4",
            # gunicorn speaks of HTTP in its own start messages; ours follow in ``_announce``.
            "loglevel": "debug" if (self.log_level or self.config.global_.log_level.value) == "debug" else "warning",
            "graceful_timeout": _grace(self.config),
            # gunicorn 27 opens one control socket for every instance of a user; ours would share it by chance.
            "control_socket_disable": True,
            "child_exit": _worker_left,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> None:
        """There is no WSGI application."""

    def run(self) -> None:
        L4Arbiter(self).run()


class L4Arbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's arbiter; on HUP the running workers reload, and only changed listeners bring new ones."""

    app: L4Application
    SIGNALS = (*Arbiter.SIGNALS, signal.SIGURG)
    LISTENERS: list[Any]
    _is_announced = False

    def start(self) -> None:
        """As gunicorn's; raises ``StartError`` where the sockets that were handed over are not those of the file."""
        super().start()
        self.LISTENERS = in_order(self.app.listeners, self.LISTENERS)

    def manage_workers(self) -> None:
        """As gunicorn's; once the first workers are there, so that clients are served from then on, say so."""
        super().manage_workers()
        if not self._is_announced:
            self._is_announced = True
            _announce(self)

    def spawn_worker(self) -> Any:
        """Fork a worker; signals to it wait until it has handlers of its own.

        The ones that it inherits put a signal into a queue that nobody reads in the worker, and a stop that came
        while a worker boots would wait for that worker in vain.
        """
        try:
            self.app.bind_datagrams()
        except StartError as error:  # Such as an address that has left this machine; the next turn tries again.
            log.error("no worker can be started: %s", error)
            return 0
        signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_WORKERS)
        try:
            pid = super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_WORKERS)
            for raw in self.app.datagram_sockets:
                raw.close()  # They are the worker's, which comes by here when it is over.
        return pid

    def reexec(self) -> None:
        """USR2: start a new arbiter on the same listeners; gunicorn cannot hand over an empty list of them."""
        if not self.LISTENERS:
            log.warning("USR2 needs a tcp listener to hand over: restart instead")
            return
        super().reexec()

    def handle_hup(self) -> None:
        """Read the file again, and have every process do so that runs on it."""
        self._reload(tells_others=True)

    def handle_urg(self) -> None:
        """A worker has heard that every process is to reload, and found other listeners."""
        self._reload(tells_others=False)

    def _reload(self, tells_others: bool) -> None:
        """Read the file again, and let the workers do so or replace them."""
        try:
            config = self.app.read()
            kept = self._open_sockets()
            wanted = config.listeners_of(Protocol.TCP)
            require_bindable(one.bind for one in wanted if _socket_key(one) not in kept)
            datagrams = config.listeners_of(Protocol.UDP)
            known = list(map(_socket_key, self.app.datagram_listeners))
            require_bindable_datagrams(one.bind for one in datagrams if _socket_key(one) not in known)
        except (ConfigError, StartError) as error:
            log.error("the configuration cannot be used, the old one stays:\n%s", error)
            return
        before, self.app.config = self.app.config, config
        is_told = _tell_others(before) if tells_others else True
        self.app.reloads = demands(before)
        if [_socket_key(one) for one in wanted] == list(kept) and list(map(_socket_key, datagrams)) == known:
            self.cfg.set("graceful_timeout", _grace(config))
            self.num_workers = self.app.worker_count
            self.kill_workers(signal.SIGURG if is_told else signal.SIGHUP)
            self.manage_workers()
        else:
            self._replace_workers(kept)

    def _open_sockets(self) -> dict[str, Any]:
        pairs = zip(self.app.listeners, self.LISTENERS, strict=True)
        return {_socket_key(listener): open_socket for listener, open_socket in pairs}

    def _replace_workers(self, kept: dict[str, Any]) -> None:
        """Open and close only the listeners that changed; gunicorn's reload would close all of them."""
        log.info("the listeners changed: new workers take over")
        self.app.reload()
        self.setup(self.app)
        wanted = {_socket_key(one): str(one.bind) for one in self.app.listeners}
        self.LISTENERS = [kept[key] if key in kept else self._open(bind) for key, bind in wanted.items()]
        close_sockets([kept[key] for key in kept.keys() - wanted.keys()])
        self.app.datagram_ports.keep_only(self.app.datagram_listeners)
        for _ in range(self.num_workers):
            self.spawn_worker()
        _announce(self)
        self.manage_workers()

    def _open(self, bind: str) -> Any:
        alone = GunicornConfig()
        alone.set("bind", bind)
        alone.set("backlog", self.cfg.backlog)
        return create_sockets(alone, self.log)[0]


def in_order(listeners: Sequence[ListenerConfig], sockets: Sequence[Any]) -> list[Any]:
    """The sockets in the order of their listeners: systemd, or the arbiter before this one, may have had another.

    A listener with a name or without a port gets what is left. Raises ``StartError`` where that does not come out even.
    """
    by_address = {_bound_address(one): one for one in sockets}
    rest = [one for one in sockets if _bound_address(one) not in {str(listener.bind) for listener in listeners}]
    found = []
    for listener in listeners:
        one = by_address.get(str(listener.bind))
        if one is None and rest and (listener.bind.is_name or not listener.bind.port):
            one = rest.pop(0)
        if one is None:
            raise StartError(f"no socket for {listener.bind} is among those that were handed over: restart instead")
        found.append(one)
    if rest:
        raise StartError(f"a socket that no listener has was handed over: {_bound_address(rest[0])}: restart instead")
    return found


def _tell_others(config: Config) -> bool:
    """Have the processes of both commands reload; whether they were told."""
    try:
        return demand_reload(config)
    except StoreError as error:
        log.error("the processes of other commands are not told to reload: %s", error)
        return False


def _grace(config: Config) -> int:
    """How long the arbiter waits for its workers to leave, in whole seconds."""
    return int(config.global_.drain_timeout) + GRACE_BEYOND_DRAIN


def _socket_key(listener: ListenerConfig) -> str:
    """What makes a socket the same after a reload: its address, or the name where the system chose the port."""
    return str(listener.bind) if listener.bind.port or listener.bind.path else listener.name


def _announce(arbiter: L4Arbiter) -> None:
    for listener, open_socket in zip(arbiter.app.listeners, arbiter.LISTENERS, strict=True):
        _announce_listener(listener, _bound_address(open_socket))
    for listener in arbiter.app.datagram_listeners:
        _announce_listener(listener, str(arbiter.app.datagram_ports.known_address(listener)), " (udp)")
    log.info("deston-l4 %s runs, workers: %d", __version__, arbiter.num_workers)


def _announce_listener(listener: ListenerConfig, where: str, kind: str = "") -> None:
    target = f"pool {listener.pool}" if listener.pool else "its routes"
    log.info("listener %s: %s to %s%s", listener.name, where, target, kind)


def _bound_address(open_socket: Any) -> str:
    name = open_socket.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def _worker_left(arbiter: L4Arbiter, worker: Any) -> None:
    log.info("worker %s has left", worker.pid)
