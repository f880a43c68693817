"""gunicorn's settings for the HTTP listeners: ``gunicorn -c python:deston.l7.gunicorn_conf deston.l7:app``.

What lives here: our configuration in gunicorn's terms, and the hooks that start and stop the application.
What must not: anything about requests but the one hook that keeps their fields as they came.
Invariant: a configuration that cannot be used stops the start with sentences (exit status 2, or 1 for what is
wrong with the machine), and a reload with one keeps what runs. The arbiter reads the file, its workers never do.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.config import Config as GunicornConfig
from gunicorn.sock import close_sockets, create_sockets

from deston import logs
from deston.config.consistency import require_listeners
from deston.config.find import find_config
from deston.config.load import load
from deston.config.model import Config, Protocol
from deston.errors import ConfigError, StartError, StoreError
from deston.l7.descriptors import descriptors, most_served
from deston.net.listen import require_bindable
from deston.store.places import demand_reload, demands

log = logging.getLogger("deston.l7")

# The arbiter kills a worker that outlives this. A worker ends its drain by itself before: gunicorn's looks once a
# second, first for the stop, then for what is still open, and takes a second to cut that off.
_GRACE_BEYOND_DRAIN = 5
# How long the applications of a configuration may take to be loaded, in seconds.
_PATIENCE = 30
# When a worker asks for others, in seconds: those that are being replaced have been told to stop by then.
_ASKS_AFTER = 1.0
_STOPS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def _read(file: str | None) -> Config:
    config = load(find_config(file), Protocol.HTTP)
    require_listeners(config, Protocol.HTTP)
    return config


def _read_or_exit() -> Config:
    try:
        return _read(None)
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)


def _most_connections() -> int:
    """Clients that a worker serves at one time; more of them wait in the backlog.

    1000 unless the file limits them (defaults.md), as far as descriptors last; each listener may have as many.
    """
    wanted = max(listener.max_connections for listener in _listeners) or 1000
    return most_served(wanted, len(_listeners), descriptors())


def _stop_delay(config: Config) -> float:
    """How long a worker that was told to stop goes on, in seconds."""
    has_ready_path = any(listener.ready_path for listener in config.listeners_of(Protocol.HTTP))
    return config.global_.stop_delay if has_ready_path else 0.0


# Whether it was a worker that asked for the reload which comes next.
_was_asked = False

logs.configure("deston-l7")
_config = _read_or_exit()
logs.follow(_config.global_.log_format.value, _config.global_.log_level.value)
# How often every process had been asked to reload when the file was read.
_reloads = demands(_config)
_listeners = _config.listeners_of(Protocol.HTTP)

bind = [str(listener.bind) for listener in _listeners]
backlog = max(listener.backlog for listener in _listeners)
workers = _config.global_.workers
worker_class = "deston.l7.worker.ProxyWorker"
logger_class = "deston.arbiter_log.ArbiterLog"
# gunicorn knows one limit for all listeners: the largest that one of them asks for.
worker_connections = _most_connections()
# gunicorn's gevent worker uses this one time for a new connection's first request, too.
keepalive = max(1, int(max(listener.keepalive_timeout for listener in _listeners)))
graceful_timeout = int(_config.global_.drain_timeout + _stop_delay(_config)) + _GRACE_BEYOND_DRAIN
# defaults.md, "Request head limit".
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190
# Nobody's word about the scheme or the path is taken here, not even through a unix socket, where gunicorn trusts all;
# ``trusted_proxies`` says whose word about the client is, in the application.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
# gunicorn 27 opens one control socket for every instance of a user; ours would share it by chance.
control_socket_disable = True
proc_name = "deston-l7"


def _require_files(config: Config) -> None:
    """Raise ``StartError`` for the first file, policy or application that cannot be used."""
    from deston.l7.files import require_files

    require_files(config)
    _require_applications(config)


def _require_applications(config: Config) -> None:
    """Raise ``StartError`` for the first application of the configuration that cannot be loaded.

    Another process tries: here they would be loaded before gevent's patch, and once for all workers to come.
    """
    names = {server.address.application for pool in config.pools for server in pool.servers} - {""}
    if not names:
        return
    code = "import sys; from deston.l7.hosted import find_application; [find_application(one) for one in sys.argv[1:]]"
    command = [sys.executable, "-c", code, *sorted(names)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise StartError(f"an application could not be loaded within {_PATIENCE}s: {', '.join(names)}") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it ends its process"]
        raise StartError(said[-1].removeprefix("deston.errors.StartError: "))


def _require_own_worker(server: Any, config: Config) -> None:
    """Raise ``StartError`` where a listener with TLS would be served by a worker that knows nothing of it."""
    from deston.l7.handshake import is_secured
    from deston.l7.worker import ProxyWorker

    secured = [listener.name for listener in config.listeners_of(Protocol.HTTP) if is_secured(listener)]
    if secured and not issubclass(server.cfg.worker_class, ProxyWorker):
        raise StartError(f"the listener {secured[0]} has TLS, which Deston's own worker alone speaks: leave out -k")


def on_starting(server: Any) -> None:
    """Before the listeners are bound: say in one sentence what would keep them, or the workers, from starting."""
    try:
        require_bindable(listener.bind for listener in _listeners)
        _require_files(_config)
        _require_own_worker(server, _config)
    except StartError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)


def on_reload(server: Any) -> None:
    """HUP to the arbiter: read the file for the workers to come; one that is broken is told of, and changes nothing."""
    global _config, _reloads, _was_asked
    is_told, _was_asked = _was_asked, False
    try:
        config = _read(_config.file)
        _require_files(config)
        _require_own_worker(server, config)
        _change_listeners(server, config)
    except (ConfigError, StartError) as error:
        log.error("the configuration cannot be used, the old one stays:\n%s", error)
        return
    _change_workers(server, config)
    logs.follow(config.global_.log_format.value, config.global_.log_level.value)
    if not is_told:
        _tell_others(_config)
    _config, _reloads = config, demands(_config)


def _tell_others(config: Config) -> None:
    """Have the processes of both commands reload."""
    try:
        demand_reload(config)
    except StoreError as error:
        log.error("the processes of other commands are not told to reload: %s", error)


def _change_listeners(server: Any, config: Config) -> None:
    """Open the sockets of new listeners and close those of removed ones; the others are not touched.

    Where gunicorn was told other addresses, on its command line or by systemd, they are its business. Raises
    ``StartError`` where one cannot be opened; then all stay as they are.
    """
    global bind, _listeners
    wanted = config.listeners_of(Protocol.HTTP)
    addresses = [str(one.bind) for one in wanted]
    if addresses == bind or list(server.cfg.bind) != bind or len(server.LISTENERS) != len(bind):
        return
    kept = dict(zip(bind, server.LISTENERS, strict=True))
    require_bindable(one.bind for one in wanted if str(one.bind) not in kept)
    server.LISTENERS = [kept[address] if address in kept else _open(server, address) for address in addresses]
    close_sockets([kept[address] for address in kept.keys() - set(addresses)])
    bind, _listeners = addresses, wanted
    server.cfg.set("bind", addresses)
    log.info("the listeners changed: %s", ", ".join(addresses))


def _open(server: Any, address: str) -> Any:
    alone = GunicornConfig()
    alone.set("bind", address)
    alone.set("backlog", server.cfg.backlog)
    return create_sockets(alone, server.log)[0]


def _change_workers(server: Any, config: Config) -> None:
    """Have as many workers as the file says now, unless gunicorn was told another number."""
    global workers
    wanted = config.global_.workers
    if server.cfg.workers == workers != wanted:
        workers = server.num_workers = wanted
        server.cfg.set("workers", wanted)


def when_ready(server: Any) -> None:
    """In the arbiter: a worker asks for a reload by URG, after every process was told; HUP is everybody else's."""

    def be_asked(number: int, frame: Any) -> None:
        global _was_asked
        _was_asked = True
        server.signal(signal.SIGHUP, frame)

    signal.signal(signal.SIGURG, be_asked)


def post_fork(server: Any, worker: Any) -> None:
    """In the worker, first of all: its drain is shorter than what the arbiter gives it."""
    signal.signal(signal.SIGURG, signal.SIG_DFL)
    worker.cfg.set("graceful_timeout", int(_config.global_.drain_timeout))
    worker.early_signals = server.SIG_QUEUE


def post_worker_init(worker: Any) -> None:
    """In the worker, after gevent's patch: build the application, so that checks begin before requests do."""
    from deston.l7.wsgi import application

    try:
        application.start(_config, _reloads)
    except StartError as error:
        log.error("%s", error)
        sys.exit(Arbiter.WORKER_BOOT_ERROR)
    # All this lives as long as the worker: nothing of it has to be looked at whenever garbage is looked for.
    gc.collect()
    gc.freeze()
    application.on_other_listeners = partial(_ask_soon, worker, os.getppid())
    if application.runtime is not None:
        application.runtime.catch_up()
    _reopen_logs_on_usr1(application.reopen_logs)
    _heed_early_signals(worker)


def _ask_soon(worker: Any, arbiter: int) -> None:
    import gevent  # Not in the arbiter.

    gevent.spawn_later(_ASKS_AFTER, _ask_for_reload, worker, arbiter)


def _ask_for_reload(worker: Any, arbiter: int) -> None:
    """Have the arbiter bring new workers for other listeners; one of its workers asks for all."""
    from deston.l7.wsgi import application
    from deston.store.liveness import parent

    if not (worker.alive and application.is_ready):
        return  # It is being replaced already.
    sharing = application.runtime.sharing if application.runtime is not None else None
    siblings = [one for one in sharing.processes() if parent(one) == arbiter] if sharing is not None else []
    if os.getpid() == min(siblings, default=os.getpid()):
        os.kill(arbiter, signal.SIGURG)


def _reopen_logs_on_usr1(reopen: Callable[[], None]) -> None:
    """Have USR1 reopen access logs under any worker of gunicorn's."""
    handler = signal.getsignal(signal.SIGUSR1)

    def reopen_all(number: int, frame: Any) -> None:
        if callable(handler):
            handler(number, frame)
        reopen()

    signal.signal(signal.SIGUSR1, reopen_all)


def _heed_early_signals(worker: Any) -> None:
    """Until a worker has handlers of its own the arbiter's put its signals into a queue that nobody reads in it.

    A stop that came meanwhile would be lost, and the arbiter would wait for the worker until the drain time is over.
    """
    while not worker.early_signals.empty():
        number = worker.early_signals.get_nowait()
        if number in _STOPS:
            os.kill(os.getpid(), number)


def worker_exit(server: Any, worker: Any) -> None:
    """In the worker, last of all."""
    from deston.l7.wsgi import application

    application.stop()
    if os.getpid() == server.pid:  # gunicorn calls it in the arbiter, too, for a worker that has vanished.
        return
    for number in _STOPS:  # Another word to stop would end in a traceback of Python's own ending.
        signal.signal(number, signal.SIG_IGN)


def pre_request(worker: Any, request: Any) -> None:
    """Keep of a request for our application what the environ has no place for."""
    from deston.l7.gunicorn_client import keep_raw
    from deston.l7.wsgi import is_ours

    keep_raw(request, is_ours(worker.wsgi))
