"""What is measured, and what came out of one measurement.

What lives here: plain values that every other module of the benchmark speaks of.
What must not: processes, tools, files.
Invariant: a run with an error has no figure that anything may be compared with.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

DIRECT = "direct"
#: What a port of a balancer serves: TCP to the web servers, HTTP, HTTP under gunicorn's gevent worker, HTTPS, DNS,
#: TCP to iperf3, HTTP to 500 servers.
LAYERS = ("l4", "l7", "stock", "tls", "udp", "udp_once", "bulk", "many")
#: Those whose load is datagrams: sessions that last, and sessions that end with their first answer.
DATAGRAM_LAYERS = ("udp", "udp_once")


class BenchError(Exception):
    """Something that the benchmark needs is not as it must be."""


@dataclass(frozen=True)
class Unit:
    """What is counted. ``cost`` names the CPU time for one of them, in seconds / ``cost_scale``."""

    name: str
    cost: str
    cost_scale: float = 1e6
    is_better_high: bool = True


REQUESTS = Unit("requests/s", "µs/request")
CONNECTIONS = Unit("connections/s", "µs/connection")
QUERIES = Unit("queries/s", "µs/query")
GIGABITS = Unit("Gbit/s", "ms/Gbit", 1e3)
KIBIBYTES = Unit("KiB/connection", "µs/connection", is_better_high=False)
PICKS = Unit("µs/pick", "µs/pick", is_better_high=False)


@dataclass(frozen=True)
class Exchange:
    """A request, and the body of the right answer to it. ``post`` is the size of the body that is sent."""

    path: str
    answer: bytes
    post: int = 0


@dataclass(frozen=True)
class Measured:
    """What a tool says of one run. ``units`` in all, in so many ``seconds``; latencies in microseconds."""

    units: float
    seconds: float
    p50: float | None = None
    p99: float | None = None
    errors: tuple[str, ...] = ()


class Load(Protocol):
    """A tool that puts load on a port."""

    @property
    def tool(self) -> str: ...
    def command(self, port: int, seconds: int, folder: str) -> list[str]: ...
    def parse(self, output: str) -> Measured: ...


@dataclass(frozen=True)
class Case:
    """One line of the comparison. ``peers`` are those that take part; empty is all that serve the layer.

    ``slow`` cases get half the seconds, ``quick`` ones are in the quick run, too.
    """

    workload: int
    key: str
    title: str
    layer: str
    unit: Unit
    load: Load | None = None
    exchange: Exchange | None = None
    peers: tuple[str, ...] = ()
    is_quick: bool = False
    has_half_time: bool = False
    connections: int = 0


@dataclass
class Run:
    """One measurement. ``cores`` are the shares of a core that the load, the balancer and the servers used."""

    case: str
    peer: str
    round: int
    value: float | None = None
    cost: float | None = None
    p50: float | None = None
    p99: float | None = None
    cores: dict[str, float] = field(default_factory=dict)
    bottleneck: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.errors and self.value is not None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
