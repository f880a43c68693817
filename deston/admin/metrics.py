"""What Prometheus reads: ``/metrics``.

What lives here: each metric with its name, unit and text, from what is known of servers.
What must not: how it is known (``status``), and counting; what counts are the workers.
Invariant: each scrape has a registry of its own, so that a server that left is not told of any more; names and units
are as Prometheus asks, and counters are those of the board, which outlive processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from deston.admin.figure_metrics import Figures
from deston.admin.status import status
from deston.config.model import AdminState, Config
from deston.errors import ConfigError
from deston.store.base import State
from deston.store.board import Board

_LABELS = ("pool", "server")
Told = dict[str, Any]


class _Gauge(NamedTuple):
    name: str
    text: str
    value: Callable[[Told], float]


_GAUGES = (
    _Gauge("weight", "The share of a server in comparison with the others.", lambda one: one["weight"]),
    _Gauge("active", "What is under way with a server now.", lambda one: one["active"]),
    _Gauge("marked_seconds", "For how long a server is left out for its failures.", lambda one: one["marked"]),
    _Gauge("check_seconds", "How long the last check of a server took.", lambda one: one["check"]["seconds"]),
    _Gauge("latency_seconds", "How long a server takes, as a moving mean.", lambda one: one["latency_ms"] / 1000),
)
_COUNTERS = (
    _Gauge("requests", "Requests, connections and sessions that a server got.", lambda one: one["total"]),
    _Gauge("failures", "Those of them that failed.", lambda one: one["failures"]),
    _Gauge("received_bytes", "Bytes from clients for a server.", lambda one: one["bytes_in"]),
    _Gauge("checks", "Checks of a server.", lambda one: one["check"]["count"]),
    _Gauge("failed_checks", "Those of them that failed.", lambda one: one["check"]["failed"]),
    _Gauge("flips", "How often the health of a server changed.", lambda one: one["check"]["flips"]),
    _Gauge("sent_bytes", "Bytes from a server for clients.", lambda one: one["bytes_out"]),
)


_PROCESSES = (
    _Gauge("workers", "Workers of both commands that run.", lambda told: len(told["workers"])),
    _Gauge(
        "workers_behind",
        "Workers that have not taken the last change yet.",
        lambda told: sum(one["revision"] < told["revision"] for one in told["workers"]),
    ),
    _Gauge(
        "checking_workers",
        "Workers that check health: 1, or 0 where nobody does.",
        lambda told: sum(one["checks"] for one in told["workers"]),
    ),
    _Gauge(
        "config_problems",
        "What is wrong with the file, where what runs is what it was.",
        lambda told: len(told["problems"]),
    ),
    _Gauge("changes", "Changes at run time that are in force.", lambda told: len(told["changes"])),
)


def render(config: Config, state: State, board: Board | None, problem: ConfigError | None = None) -> bytes:
    """All metrics in the text form of Prometheus; ``board`` is None where nothing has run yet.

    ``problem`` is what is wrong with the file, where ``config`` is what it was before.
    """
    registry = CollectorRegistry(auto_describe=False)
    told = status(config, state, board, problem)
    registry.register(_Processes(told))
    registry.register(_Servers(told))
    registry.register(Figures(board.figures() if board is not None else {}))
    return generate_latest(registry)


class _Processes(Collector):
    """The metrics of all processes together, and of the file."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        for kind in _PROCESSES:
            gauge = GaugeMetricFamily(f"deston_{kind.name}", kind.text)
            gauge.add_metric((), kind.value(self._told))
            yield gauge


class _Servers(Collector):
    """The metrics of servers as they were told once."""

    def __init__(self, told: Told) -> None:
        self._servers = [
            ((pool, server), one) for pool, of in told["pools"].items() for server, one in of["servers"].items()
        ]

    def collect(self) -> Iterator[Metric]:
        yield self._up()
        yield self._state()
        for kind in _GAUGES:
            gauge = GaugeMetricFamily(f"deston_server_{kind.name}", kind.text, labels=_LABELS)
            for labels, one in self._servers:
                gauge.add_metric(labels, kind.value(one))
            yield gauge
        for kind in _COUNTERS:
            counter = CounterMetricFamily(f"deston_server_{kind.name}", kind.text, labels=_LABELS)
            for labels, one in self._servers:
                counter.add_metric(labels, kind.value(one))
            yield counter

    def _up(self) -> Metric:
        text = "Whether the checks of a server pass (1) or not (0); one that is not checked has no value."
        up = GaugeMetricFamily("deston_server_up", text, labels=_LABELS)
        for labels, one in self._servers:
            if one["health"] != "unchecked":
                up.add_metric(labels, one["health"] == "up")
        return up

    def _state(self) -> Metric:
        text = "What the operator says of a server: 1 for the state that it is in."
        state = GaugeMetricFamily("deston_server_state", text, labels=(*_LABELS, "state"))
        for labels, one in self._servers:
            for known in AdminState:
                state.add_metric((*labels, known.value), one["admin"] == known.value)
        return state
