from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from deston.admin.metrics import render
from deston.config.load import load
from deston.store.base import State
from deston.store.board import Board
from deston.store.counted import Counts, Found
from tests.unit.config.texts import GOOD


def samples(told: bytes) -> dict[tuple[str, str], float]:
    """The values by metric and server; of the states only the one that holds."""
    found = {}
    for family in text_string_to_metric_families(told.decode()):
        for one in family.samples:
            if "server" in one.labels and ("state" not in one.labels or one.value):
                state = one.labels.get("state", "")
                found[one.name.removeprefix("deston_server_") + state, one.labels["server"]] = one.value
    return found


def test_each_server_has_its_metrics(tmp_path: Path) -> None:
    """Names have units, counters end in _total, and what is not checked is neither up nor down."""
    file = tmp_path / "x.conf"
    file.write_text(GOOD, encoding="utf-8")
    board = Board(str(tmp_path / "board"))
    row = board.row("\0".join(("app", "a", "127.0.0.1:3000")))
    board.put_counts(0, row, Counts(0, 7, 2, 100, 200, 0.25))
    board.put_health(row, Found(2, 1.0, "refused", 9, 3, 1, 0.5))
    found = samples(render(load(str(file)), State(), board))
    board.close()
    of_a = {name: value for (name, server), value in found.items() if server == "a"}
    assert of_a == {
        "up": 0,
        "stateready": 1,
        "weight": 1,
        "active": 0,
        "latency_seconds": 0.25,
        "requests_total": 7,
        "failures_total": 2,
        "received_bytes_total": 100,
        "sent_bytes_total": 200,
        "marked_seconds": 0,
        "check_seconds": 0.5,
        "checks_total": 9,
        "failed_checks_total": 3,
        "flips_total": 1,
    }
    assert ("up", "b") not in found


def test_without_a_board_everything_is_at_nothing(tmp_path: Path) -> None:
    """Where nothing has run yet, the servers of the file are told of."""
    file = tmp_path / "x.conf"
    file.write_text(GOOD, encoding="utf-8")
    found = samples(render(load(str(file)), State(), None))
    assert found["requests_total", "a"] == found["active", "b"] == 0
    assert found["weight", "b"] == 2
