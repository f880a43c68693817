from __future__ import annotations

import pytest

from tests.unit.simulate.builders import make_result


def test_all_figures_are_told_by_name() -> None:
    """In milliseconds, rounded to what matters."""
    result = make_result("random", 0.01, 0.03, refused=1, moved=2, clients=4)
    told = result.as_json()
    assert told["latency_ms"]["mean"] == 20.0
    assert told["latency_ms"]["max"] == 30.0
    assert told["latency_ms"]["p99.9"] == pytest.approx(30.0, rel=0.0026)
    assert told["waiting_ms"]["max"] == 15.0
    assert (told["served"], told["refused"], told["clients_moved"]) == (2, 1, 2)
    assert told["queue_ms"]["count"] == 0
    assert told["servers"]["a"] == {
        "weight": 1, "served": 1, "share": 0.5, "busy": 0.5, "mean_ms": 20.0, "peak": 3, "failures": 0,
    }  # fmt: skip


def test_what_is_even_is_one() -> None:
    """A share is compared with what the server's weight is worth."""
    assert make_result("random", 0.01, 0.02, servers=4).over_even == [1.0] * 4
