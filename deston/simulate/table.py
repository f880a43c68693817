"""The results as text: policies side by side, and their servers.

What lives here: the columns, how figures are written, the lines.
What must not: printing them.
Invariant: the same results are the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deston.simulate.results import Result, ServerResult

#: Of more servers than these only the ends of each column are shown.
MOST_SERVERS_SHOWN = 20


def policy_lines(results: Sequence[Result]) -> list[str]:
    """A line of headings, and one for each policy; what never happened has no column."""
    columns = [(name, [tell(one) for one in results]) for name, tell in _COLUMNS]
    shown = [(name, *cells) for name, cells in columns if name not in _WHERE_THERE_ARE_ANY or set(cells) != {"0"}]
    return _aligned(list(zip(*shown, strict=True)))


def server_lines(result: Result) -> list[str]:
    """A line for each server or, where these are many, for the least, the middle and the most of each column."""
    headings = ["server", *(name for name, _, _ in _SERVER_COLUMNS)]
    servers = list(result.servers)
    if len(servers) <= MOST_SERVERS_SHOWN:
        rows = [[one.name, *(write(value(one)) for _, value, write in _SERVER_COLUMNS)] for one in servers]
    else:
        columns = [(sorted(map(value, servers)), write) for _, value, write in _SERVER_COLUMNS]
        places = (("least", 0), ("median", len(servers) // 2), ("most", -1))
        rows = [[name, *(write(values[place]) for values, write in columns)] for name, place in places]
    return _aligned([headings, *rows])


def duration(seconds: float) -> str:
    """Three digits with the unit that fits: ``20.1 ms``."""
    if seconds <= 0:
        return "0"
    unit, factor = next(((unit, factor) for unit, factor in _UNITS if seconds * factor < 999.5), _UNITS[-1])
    value = seconds * factor
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"


def percent(share: float) -> str:
    """A share of 1 in percent."""
    return f"{share * 100:.1f}%"


_UNITS = (("µs", 1e6), ("ms", 1e3), ("s", 1.0))


def _moved(result: Result) -> str:
    return f"{result.moved:,} ({percent(result.moved / max(1, result.clients))})"


_COLUMNS: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("policy", lambda one: one.algorithm),
    ("mean", lambda one: duration(one.latency.mean)),
    ("p50", lambda one: duration(one.latency.percentile(50))),
    ("p90", lambda one: duration(one.latency.percentile(90))),
    ("p99", lambda one: duration(one.latency.percentile(99))),
    ("max", lambda one: duration(one.latency.longest)),
    ("wait mean", lambda one: duration(one.waiting.mean)),
    ("wait p99", lambda one: duration(one.waiting.percentile(99))),
    ("in queue", lambda one: f"{one.queued.count:,}"),
    ("refused", lambda one: f"{one.refused:,}"),
    ("failed", lambda one: f"{one.failed:,}"),
    ("retried", lambda one: f"{one.retried:,}"),
    ("clients moved", _moved),
    # Of the server that had the most for its weight, 1 being its even share.
    ("largest share", lambda one: f"{max(one.over_even, default=0.0):.2f}x"),
)
# Columns that are left out where they have nothing to say.
_WHERE_THERE_ARE_ANY = frozenset({"in queue", "refused", "failed", "retried"})
_SERVER_COLUMNS: tuple[tuple[str, Callable[[ServerResult], float], Callable[[float], str]], ...] = (
    ("weight", lambda one: one.weight, "{:g}".format),
    ("served", lambda one: one.served, "{:,}".format),
    ("share", lambda one: one.share, percent),
    ("busy", lambda one: one.busy, percent),
    ("mean", lambda one: one.mean, duration),
    ("most at once", lambda one: one.peak, "{:,}".format),
    ("failures", lambda one: one.failures, "{:,}".format),
)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Names to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *figures in rows:
        cells = [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *cells]))
    return lines
