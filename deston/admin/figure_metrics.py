"""The figures that workers tell of listeners and pools, as Prometheus' metrics.

What lives here: what each kind of figure is called, its text and its labels, and the histogram.
What must not: what is counted, and where (``deston.figures`` and those who tell them).
Invariant: a kind that is not in the table is left out; the buckets of a histogram are cumulative, as Prometheus asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from deston.balancer.histogram import BOUNDS


class _Kind(NamedTuple):
    name: str
    text: str
    labels: tuple[str, ...] = ()
    grows: bool = True


_OF_LISTENER, _OF_POOL = ("listener",), ("pool",)
_KINDS: Mapping[str, _Kind] = {
    "listener_accepted": _Kind("listener_connections", "Connections that a listener accepted.", _OF_LISTENER),
    "listener_open": _Kind("listener_open_connections", "Connections that are open.", _OF_LISTENER, grows=False),
    "listener_received": _Kind("listener_received_bytes", "Bytes from clients to servers.", _OF_LISTENER),
    "listener_sent": _Kind("listener_sent_bytes", "Bytes from servers to clients.", _OF_LISTENER),
    "listener_sessions": _Kind("listener_open_sessions", "UDP sessions that are open.", _OF_LISTENER, grows=False),
    "listener_dropped": _Kind("listener_dropped_datagrams", "Datagrams that were dropped.", _OF_LISTENER),
    "listener_refused": _Kind("listener_refusals", "Clients that were refused, by reason.", ("listener", "reason")),
    "listener_responses": _Kind("listener_responses", "Responses to requests, by class.", ("listener", "class")),
    "own_answers": _Kind("own_answers", "Responses that Deston made itself, by status.", ("status",)),
    "pool_refused": _Kind("pool_refusals", "How often no server could be picked.", _OF_POOL),
    "pool_retried": _Kind("pool_retries", "How often another server was tried.", _OF_POOL),
    "pool_waiting": _Kind("pool_waiting_clients", "Clients that wait for a server.", _OF_POOL, grows=False),
    "cache_reused": _Kind("cache_hits", "Requests over a connection that was kept."),
    "cache_stale": _Kind("cache_stale", "Kept connections that were found to be closed."),
    "cache_idle": _Kind("cache_idle_connections", "Connections to servers that are kept.", grows=False),
}
_HISTOGRAMS = {
    "pool_first_byte": "How long servers of a pool took to their first byte; at L4, until they accepted.",
    "pool_total": "How long exchanges took to their last byte, and connections and sessions until their end.",
    "pool_queue": "How long clients waited for a server, whether they got one or not.",
}


class Figures(Collector):
    """Figures as the board has them: names of kinds and labels with their values."""

    def __init__(self, figures: Mapping[str, float]) -> None:
        self._found: dict[str, list[tuple[list[str], float]]] = {}
        for name, value in figures.items():
            kind, *labels = name.split("|")
            self._found.setdefault(kind, []).append((labels, value))

    def collect(self) -> Iterator[Metric]:
        for name, kind in _KINDS.items():
            family = CounterMetricFamily if kind.grows else GaugeMetricFamily
            metric = family(f"deston_{kind.name}", kind.text, labels=kind.labels)
            for labels, value in self._found.get(name, ()):
                if len(labels) == len(kind.labels):
                    metric.add_metric(labels, value)
            yield metric
        yield from (self._histogram(kind, text) for kind, text in _HISTOGRAMS.items())

    def _histogram(self, kind: str, text: str) -> Metric:
        histogram = HistogramMetricFamily(f"deston_{kind}_seconds", text, labels=_OF_POOL)
        found: dict[str, dict[str, float]] = {}
        for labels, value in self._found.get(kind, ()):
            pool, bound = labels
            found.setdefault(pool, {})[bound] = value
        for pool, counts in found.items():
            seconds = next((value for labels, value in self._found.get(f"{kind}_sum", ()) if labels == [pool]), 0.0)
            histogram.add_metric([pool], list(_cumulative(counts)), seconds)
        return histogram


def _cumulative(counts: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    total = 0.0
    for bound in BOUNDS:
        total += counts.get(f"{bound:g}", 0.0)
        yield f"{bound:g}", total
    yield "+Inf", total + counts.get("inf", 0.0)
