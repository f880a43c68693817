"""The dashboard for Grafana and the alerts name what /metrics has, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deston.admin.metrics import render
from deston.config.load import load
from deston.store.base import State
from deston.store.board import Board
from tests.unit.config.texts import GOOD

ROOT = Path(__file__).resolve().parents[2]
ALERTS, DASHBOARD = ROOT / "conf" / "alerts.yml", ROOT / "conf" / "grafana-dashboard.json"
CASES = ROOT / "tests" / "data" / "monitoring" / "alerts.test.yml"
PAGE = ROOT / "docs" / "monitoring.md"
PAGES = [ROOT / "docs" / name for name in ("troubleshooting.md", "tuning.md")]
_NAME = re.compile(r"\bdeston_[a-z_]+[a-z]\b")
_MATCHERS = re.compile(r"(deston_[a-z_]+)\{([^}]*)\}")
_OF_HISTOGRAM = re.compile(r"_(?:bucket|sum|count)$")
# What Prometheus itself adds.
ADDED = {"instance", "job", "le"}
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool")


@pytest.fixture(scope="module")
def exposition(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("metrics")
    (folder / "x.conf").write_text(GOOD, encoding="utf-8")
    board = Board(str(folder / "board"))
    place = board.take_place()
    for figure in ("+listener_refused|web|denied", "+listener_responses|web|2xx", "+own_answers|503",
                   "+pool_total|app|0.5", "+pool_queue|app|0.5", "+pool_first_byte|app|0.5"):  # fmt: skip
        board.put_figure(place, board.figure(figure), 1.0)
    text = render(load(str(folder / "x.conf")), State(), board).decode()
    board.close()
    return text


@pytest.fixture
def known(exposition: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+)", exposition, re.MULTILINE))


@pytest.mark.parametrize("file", [ALERTS, DASHBOARD, *PAGES], ids=lambda file: file.name)
def test_every_name_is_one_of_a_metric(file: Path, known: set[str]) -> None:
    named = set(_NAME.findall(file.read_text("utf-8")))
    assert named
    assert {name for name in named if name not in known and _OF_HISTOGRAM.sub("", name) not in known} == set()


@pytest.mark.parametrize("file", [ALERTS, DASHBOARD], ids=lambda file: file.name)
def test_every_label_is_one_that_the_metric_has(file: Path, exposition: str) -> None:
    labels = {name: set(re.findall(r'(\w+)="', text)) for name, text in _MATCHERS.findall(exposition)}
    for name, matchers in _MATCHERS.findall(file.read_text("utf-8").replace('\\"', '"')):
        asked = set(re.findall(r"(\w+)=", matchers)) - ADDED
        assert asked <= labels.get(name, asked), name


def panels() -> Iterator[dict[str, Any]]:
    yield from json.loads(DASHBOARD.read_text("utf-8"))["panels"]


def test_panels_do_not_overlap() -> None:
    """Each has a place of its own in the grid of 24 columns, and asks for something."""
    taken: dict[tuple[int, int], str] = {}
    for panel in panels():
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        assert panel["type"] == "row" or all(target["expr"] for target in panel["targets"])
        for place in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert taken.setdefault(place, panel["title"]) == panel["title"]


def test_every_alert_is_explained() -> None:
    """The page says what to do for each, and for no other."""
    alerts = set(re.findall(r"alert: (\w+)", ALERTS.read_text("utf-8")))
    assert set(re.findall(r"`(Deston\w+)`", PAGE.read_text("utf-8"))) == alerts


def run(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *words], input=said, capture_output=True, text=True, check=False)


@needs_promtool
def test_promtool_finds_nothing_in_the_metrics(exposition: str) -> None:
    done = run("check", "metrics", said=exposition)
    assert (done.returncode, done.stderr) == (0, "")


@needs_promtool
def test_alerts_are_raised_when_they_should_be(tmp_path: Path) -> None:
    shutil.copy(ALERTS, tmp_path)
    shutil.copy(CASES, tmp_path)
    done = run("test", "rules", str(tmp_path / CASES.name))
    assert done.returncode == 0, done.stdout + done.stderr
