"""What ``deston status --json`` tells of listeners."""

from __future__ import annotations

from pathlib import Path

from deston.admin.status import status
from deston.config.load import load
from deston.figures import grows, varies
from deston.store.base import State
from deston.store.board import Board
from tests.unit.config.texts import GOOD


def test_what_listeners_count(tmp_path: Path) -> None:
    """What workers told of a listener; what there is of others, or of nothing that is shown, is left out."""
    file = tmp_path / "x.conf"
    file.write_text(GOOD, encoding="utf-8")
    config = load(str(file))
    name, other = (one.name for one in config.listeners)
    board = Board(str(tmp_path / "board"))
    place = board.take_place()
    for figure, value in (
        (varies("listener_open", name), 3),
        (grows("listener_accepted", name), 10),
        (grows("listener_refused", name, "denied"), 2),
        (grows("listener_responses", name, "2xx"), 8),
        (grows("listener_accepted", "gone"), 1),
        (grows("cache_reused"), 1),
    ):
        board.put_figure(place, board.figure(figure), value)
    told = status(config, State(), board)["listeners"]
    board.close()
    counted = {key: told[name][key] for key in ("open", "accepted", "responses", "refused")}
    assert counted == {"open": 3, "accepted": 10, "responses": {"2xx": 8}, "refused": {"denied": 2}}
    assert (told[other]["open"], told[other]["responses"]) == (None, {})
    assert set(told) == {name, other}
