"""What the tools of the load print, and what is read from it."""

from __future__ import annotations

import json

import pytest

from scripts.bench.load import DnsPerf, Iperf, Wrk
from scripts.bench.model import Exchange

SMALL = Exchange("/", b"x" * 64)
# As printed by wrk 4.1.0 with our script.
WRK = """Running 1s test @ http://127.0.0.1:35661/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   572.89us  349.26us   4.67ms   93.24%
  87094 requests in 1.00s, 18.77MB read
Requests/sec:  86753.06
Transfer/sec:     18.70MB
BENCH requests=87094 microseconds=1003930 bytes=19683244 connect=0 read=0 write=0 status=0 timeout=0 p50=532 p99=2403
"""
# As printed by dnsperf 2.10.0.
DNS = """Statistics:

  Queries sent:         144169
  Queries completed:    144169 (100.00%)
  Queries lost:         0 (0.00%)

  Response codes:       NOERROR 144169 (100.00%)
  Average packet size:  request 33, response 82
  Run time (s):         1.007414
  Queries per second:   143107.997308
"""


def iperf_report(**end: object) -> str:
    return json.dumps({"start": {}, "intervals": [], "end": end})


def test_wrk_is_read() -> None:
    """Requests, seconds and latencies come from the line of our script."""
    measured = Wrk(SMALL).parse(WRK)
    assert (measured.units, measured.seconds, measured.p50, measured.p99) == (87094, 1.00393, 532, 2403)
    assert measured.errors == ()


@pytest.mark.parametrize("kind", ["connect", "read", "write", "status", "timeout"])
def test_what_wrk_counts_as_error_is_one(kind: str) -> None:
    """Each kind of error that wrk counts makes an error of the run."""
    assert Wrk(SMALL).parse(WRK.replace(f"{kind}=0", f"{kind}=7")).errors == (f"7 {kind} errors",)


def test_too_few_bytes_are_an_error() -> None:
    """Answers that cannot have been whole are noticed by the bytes that came."""
    [error] = Wrk(Exchange("/", b"x" * 1000)).parse(WRK).errors
    assert "19683244 bytes are too few for 87094 whole answers" in error


@pytest.mark.parametrize("output", ["", "unable to connect", WRK.replace("requests=87094", "requests=0")])
def test_wrk_without_figures_has_failed(output: str) -> None:
    """No line, and a line that counts nothing, are errors and no figure."""
    measured = Wrk(SMALL).parse(output)
    assert measured.errors
    assert not measured.units


def test_wrk_is_told_what_to_send() -> None:
    """The scheme, the path, the closing and the size of the body are on the command line."""
    command = Wrk(Exchange("/size", b"", post=65536), 8, is_closing=True, scheme="https").command(443, 2, "")
    assert command[:4] == ["wrk", "-t1", "-c8", "-d2s"]
    assert command[-5:] == ["-H", "Connection: close", "https://127.0.0.1:443/size", "--", "65536"]


def test_iperf_is_read() -> None:
    """Gigabits are those that were received, not those that were sent."""
    output = iperf_report(
        sum_sent={"bytes": 9e9, "seconds": 2.0}, sum_received={"bytes": 1.25e9, "seconds": 2.0}
    )  # fmt: skip
    measured = Iperf(1, False).parse(output)
    assert (measured.units, measured.seconds, measured.errors) == (10.0, 2.0, ())


@pytest.mark.parametrize(
    "output",
    [
        "",
        "iperf3: error",
        json.dumps({"end": {}, "error": "unable to connect to server: Connection refused"}),
        iperf_report(),
        iperf_report(sum_received={"bytes": 0, "seconds": 2.0}),
        "[]",
    ],
)
def test_iperf_without_figures_has_failed(output: str) -> None:
    """An error that iperf3 reports, and a report without figures, are errors of the run."""
    measured = Iperf(1, True).parse(output)
    assert measured.errors
    assert not measured.units


def test_iperf_knows_its_direction() -> None:
    """Only the reversed run asks the server to send."""
    assert "-R" in Iperf(8, True).command(1, 2, "")
    assert "-R" not in Iperf(8, False).command(1, 2, "")


def test_dnsperf_is_read() -> None:
    """Completed queries and the time that they took."""
    measured = DnsPerf().parse(DNS)
    assert (measured.units, measured.seconds, measured.errors) == (144169, 1.007414, ())


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("lost:         0", "lost:         3", "3 queries lost"),
        ("NOERROR 144169 (100.00%)", "NOERROR 144160 (99.99%), SERVFAIL 9 (0.01%)", "SERVFAIL 9"),
        ("NOERROR 144169 (100.00%)", "REFUSED 144169 (100.00%)", "REFUSED"),
        ("completed:    144169", "completed:    0", "no answer"),
        ("Run time", "Walk time", "no figures"),
    ],
)
def test_lost_and_refused_queries_are_errors(before: str, after: str, error: str) -> None:
    """A query that was lost, or answered with another code than NOERROR, fails the run."""
    assert error in " ".join(DnsPerf().parse(DNS.replace(before, after)).errors)
