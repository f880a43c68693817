"""The workloads: what each of them measures, and with which load.

What lives here: one table, numbered as in the benchmark's description.
What must not: running anything.
Invariant: a case's key names it for ever, because results of different days are compared by it.
"""

from __future__ import annotations

from scripts.bench.load import DnsPerf, Iperf, Wrk
from scripts.bench.model import (
    CONNECTIONS,
    DIRECT,
    GIGABITS,
    KIBIBYTES,
    PICKS,
    QUERIES,
    REQUESTS,
    Case,
    Exchange,
    Unit,
)
from scripts.bench.servers import GET_1M, GET_64K, GET_SMALL, MANY, POST_64K

KEPT = 64
IDLE = 2000
GROWTH = (1, 64, 512, 2000)
# Growth is a question to the fast ones; the others would double its time.
GROWTH_PEERS = (DIRECT, "deston-l4", "deston-l7", "haproxy", "nginx")


def http_case(
    workload: int, key: str, title: str, layer: str, exchange: Exchange = GET_SMALL, unit: Unit = REQUESTS,
    connections: int = KEPT, is_closing: bool = False, is_quick: bool = False, peers: tuple[str, ...] = (),
) -> Case:  # fmt: skip
    """A case that wrk measures."""
    load = Wrk(exchange, connections, is_closing, "https" if layer == "tls" else "http")
    return Case(
        workload, key, title, layer, unit, load, exchange, peers, is_quick,
        has_half_time=bool(peers), connections=connections,
    )  # fmt: skip


def bulk_case(streams: int, is_reversed: bool, is_quick: bool = False) -> Case:
    """A case that iperf3 measures."""
    way = "from the server" if is_reversed else "to the server"
    name = "one connection" if streams == 1 else f"{streams} connections"
    key = f"l4-bulk-{streams}-{'down' if is_reversed else 'up'}"
    load = Iperf(streams, is_reversed)
    return Case(
        3, key, f"L4 bulk, {name}, {way}", "bulk", GIGABITS, load, is_quick=is_quick, has_half_time=True,
        connections=streams,
    )  # fmt: skip


def growth_cases(layer: str) -> list[Case]:
    """Workload 13 for a layer; 64 connections are workload 1 or 6 again, in the company of the others."""
    return [
        http_case(
            13, f"{layer}-growth-{count}", f"{layer.upper()}, {count:,} connection{'s' if count > 1 else ''}", layer,
            connections=count, peers=GROWTH_PEERS,
        )
        for count in GROWTH
    ]  # fmt: skip


def idle_case(layer: str) -> Case:
    """Workload 11 for a layer."""
    title = f"Memory of {IDLE:,} idle {layer.upper()} connections"
    return Case(
        11, f"{layer}-idle", title, layer, KIBIBYTES, exchange=GET_SMALL, connections=IDLE
    )  # fmt: skip


CASES: tuple[Case, ...] = (
    http_case(1, "l4-keep", "L4, 64 kept connections, small messages", "l4", is_quick=True),
    http_case(
        2, "l4-new", "L4, a new connection for each request", "l4", unit=CONNECTIONS, is_closing=True, is_quick=True
    ),
    bulk_case(1, is_reversed=False),
    bulk_case(1, is_reversed=True, is_quick=True),
    bulk_case(8, is_reversed=False),
    bulk_case(8, is_reversed=True),
    http_case(4, "l4-latency", "L4, one connection, one message at a time", "l4", connections=1, is_quick=True),
    Case(5, "udp-dns", "UDP, DNS queries, sessions that last", "udp", QUERIES, DnsPerf(), connections=8),
    Case(5, "udp-dns-once", "UDP, DNS queries, one answer a session", "udp_once", QUERIES, DnsPerf(), connections=8),
    http_case(6, "l7-keep", "L7, 64 kept connections, small answers", "l7", is_quick=True),
    http_case(6, "l7-stock", "L7 under gunicorn's gevent worker; direct is its own hello", "stock"),
    http_case(
        7, "l7-new", "L7, a new connection for each request", "l7", unit=CONNECTIONS, is_closing=True, is_quick=True
    ),
    http_case(8, "l7-64k", "L7, answers of 64 KiB", "l7", GET_64K),
    http_case(8, "l7-1m", "L7, answers of 1 MiB", "l7", GET_1M),
    http_case(9, "l7-post", "L7, POST of 64 KiB", "l7", POST_64K),
    http_case(10, "tls-keep", "L7 with TLS, 64 kept connections", "tls"),
    http_case(10, "tls-new", "L7 with TLS, a handshake for each request", "tls", unit=CONNECTIONS, is_closing=True),
    idle_case("l4"),
    idle_case("l7"),
    Case(12, "pick", f"A pick among {MANY} servers", "pick", PICKS),
    http_case(12, "l7-many", f"L7 with {MANY} servers, 64 kept connections", "many"),
    *growth_cases("l4"),
    *growth_cases("l7"),
)


def select(numbers: list[int], is_quick: bool) -> list[Case]:
    """The cases of some workloads; of all where none is named. ``is_quick`` leaves only the quick ones."""
    return [
        case
        for case in CASES
        if (case.workload in numbers if numbers else True) and (case.is_quick or not is_quick or bool(numbers))
    ]
