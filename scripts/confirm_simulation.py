"""The simulation beside the running balancer: the same load, service times and policies, in one table.

What lives here: servers whose service times are drawn, clients that come whatever the answers take, and the comparison.
What must not: anything that balances; both commands run here as anybody would run them.
Invariant: what this starts is gone when it ends; the load is far below what the machine can do, so that waiting is
waiting for servers and not for a processor.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import http.client  # noqa: E402
import json  # noqa: E402
import random  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402

import click  # noqa: E402
import gevent  # noqa: E402
from gevent.lock import BoundedSemaphore  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402

BIN = Path(sys.executable).parent
POLICIES = ("round_robin", "two_choices", "least_connections", "least_latency")
# Four servers that work on one request at a time, each for 40 ms in the mean, get 60 a second: they are busy for 60%.
SERVERS, MEAN, RATE = "abcd", 0.040, 60.0
# In the second scenario `a` takes so many times as long.
SLOWER = 3
FIRST_PORT = 21000


class Found(NamedTuple):
    """What one policy did: the share of ``a``, and latencies in milliseconds."""

    share: float
    p50: float
    p99: float


def serve(address: tuple[str, int], mean: float) -> WSGIServer:
    """A server that works on one request at a time, for as long as chance says."""
    chance, at_work = random.Random(str(address)), BoundedSemaphore(1)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with at_work:
            gevent.sleep(chance.expovariate(1.0 / mean))
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    server = WSGIServer(address, answer, log=None)
    server.start()
    return server


def ask(port: int, latencies: list[float]) -> None:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"ok"
    connection.close()
    latencies.append((time.monotonic() - began) * 1000)


def load(port: int, seconds: float, latencies: list[float]) -> None:
    """Requests that come at random moments, whatever those before them are at; what they took."""
    chance, asking = random.Random(port), []
    until = time.monotonic() + seconds
    at = time.monotonic()
    while (at := at + chance.expovariate(RATE)) < until:
        gevent.sleep(max(0.0, at - time.monotonic()))
        asking.append(gevent.spawn(ask, port, latencies))
    gevent.joinall(asking, raise_error=True)


def config_of(folder: Path) -> tuple[Path, dict[str, int]]:
    """A file with a listener and a pool for each policy, and where the listeners are."""
    ports = {policy: FIRST_PORT + place for place, policy in enumerate(POLICIES)}
    listeners = [f"[[{one}]]\nbind = 127.0.0.1:{port}\nprotocol = http\npool = {one}" for one, port in ports.items()]
    pools: list[str] = []
    for place, policy in enumerate(POLICIES):
        lines = [f"{name} = 127.0.0.{10 + place}:{FIRST_PORT + 100 + ord(name)}" for name in SERVERS]
        pools += [f"[[{policy}]]\nalgorithm = {policy}\n[[[health]]]\ntype = none\n[[[servers]]]", *lines]
    file = folder / "confirm.conf"
    file.write_text("\n".join((f"[global]\nrun_dir = {folder}", "[listeners]", *listeners, "[pools]", *pools)) + "\n")
    return file, ports


@contextmanager
def balancer(file: Path, port: int) -> Iterator[None]:
    """The command for HTTP, once it answers."""
    words = [f"{BIN}/gunicorn", "-c", "python:deston.l7.gunicorn_conf", "deston.l7:app"]
    running = subprocess.Popen(words, env={"DESTON_CONFIG": str(file), "PATH": str(BIN)}, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                ask(port, [])
                break
            except OSError:
                gevent.sleep(0.05)
        yield
    finally:
        running.terminate()
        running.wait()


def measured(seconds: float, slower: int) -> dict[str, Found]:
    """What each policy did in truth, all of them at one time."""
    with tempfile.TemporaryDirectory() as folder:
        file, ports = config_of(Path(folder))
        servers = [
            serve((f"127.0.0.{10 + place}", FIRST_PORT + 100 + ord(name)), MEAN * (slower if name == "a" else 1))
            for place in range(len(POLICIES))
            for name in SERVERS
        ]
        with balancer(file, FIRST_PORT):
            latencies: dict[str, list[float]] = {policy: [] for policy in POLICIES}
            loads = [gevent.spawn(load, port, seconds, latencies[policy]) for policy, port in ports.items()]
            gevent.joinall(loads, raise_error=True)
            told = json.loads(subprocess.check_output([f"{BIN}/deston", "status", "--json", "--config", str(file)]))
        for server in servers:
            server.stop()
    return {policy: found(latencies[policy], totals(told["pools"][policy]["servers"])) for policy in POLICIES}


def totals(servers: dict[str, Any]) -> dict[str, int]:
    return {name: one["total"] for name, one in servers.items()}


def found(latencies: list[float], served: dict[str, int]) -> Found:
    ordered = sorted(latencies)
    return Found(served["a"] / sum(served.values()), ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)])


def simulated(seconds: float, slower: int) -> dict[str, Found]:
    """What the simulation says of the same."""
    words = ["--rate", f"{RATE:g}", "--duration", f"{seconds:g}s", "--servers", str(len(SERVERS))]
    words += ["--service-time", f"exp:{MEAN * 1000:g}ms", "--json"]
    words += [word for policy in POLICIES for word in ("--algorithm", policy)]
    if slower > 1:
        words += ["--slow", f"a@0s={slower}x"]
    told = json.loads(subprocess.check_output([f"{BIN}/deston", "simulate", *words]))
    return {
        one["algorithm"]: Found(one["servers"]["a"]["share"], one["latency_ms"]["p50"], one["latency_ms"]["p99"])
        for one in told["policies"]
    }


@click.command()
@click.option("--seconds", default=120.0, show_default=True, help="How long each of the two scenarios is measured.")
def main(seconds: float) -> None:
    """Compare `deston simulate` with what runs: four servers at 60%, then with one of them slower."""
    for title, slower in (("four equal servers", 1), (f"a takes {SLOWER} times as long", SLOWER)):
        heads = "".join(f"{head:>21}" for head in ("share of a, %", "p50, ms", "p99, ms"))
        click.echo(f"{title}; measured / simulated:\n  {'':<18}{heads}")
        truth, said = measured(seconds, slower), simulated(seconds, slower)
        for policy in POLICIES:
            one, other = truth[policy], said[policy]
            pairs = ((one.share * 100, other.share * 100), (one.p50, other.p50), (one.p99, other.p99))
            click.echo(f"  {policy:<18}" + "".join(f"{is_so:9.0f} / {would:9.0f}" for is_so, would in pairs))


if __name__ == "__main__":
    main()
