"""What keys do."""

from __future__ import annotations

import pytest

from deston.admin.top.choices import Choices, Mode, make_action
from deston.admin.top.rows import SORTS
from tests.unit.admin.top.readings import Told, rows_of, server, told

READING = told(
    shop={"a": server(active=4), "b": server(), "c": server(admin="drain")},
    db={"p": server(active=1), "q": server(health="down")},
)


def choices_of(reading: Told = READING, page: int = 10) -> Choices:
    choices = Choices()
    choices.show(rows_of(reading))
    choices.resize(page)
    return choices


def selected(choices: Choices) -> str:
    return "/".join(choices.selected or ("none",))


def test_the_cursor_goes_from_server_to_server() -> None:
    """Pools are passed over, and at the ends it stays."""
    choices = choices_of()
    seen = [selected(choices)]
    for key in ("down", "j", "j", "j", "j", "k", "up", "end", "home", "k", "page down", "page up", "G", "g"):
        choices.press(key)
        seen.append(selected(choices))
    assert seen == [
        "shop/a", "shop/b", "shop/c", "db/p", "db/q", "db/q", "db/p", "shop/c", "db/q", "shop/a", "shop/a", "db/q",
        "shop/a", "db/q", "shop/a",
    ]  # fmt: skip


def test_the_selection_stays_in_sight_and_with_its_server() -> None:
    """However few lines there are, and wherever sorting puts it; where it is gone its neighbour is selected."""
    choices = choices_of(page=2)
    for key in "jjjj":
        choices.press(key)
        assert choices.selected in [row.name for row in choices.visible]
    choices.press("g")
    assert [row.name for row in choices.visible] == [("shop", ""), ("shop", "a")]
    choices.press("G")
    choices.show(rows_of(READING, "name"))
    assert selected(choices) == "db/q"
    assert choices.selected in [row.name for row in choices.visible]
    choices.show(rows_of(told(shop={"a": server()})))
    assert selected(choices) == "shop/a"
    choices.show([])
    assert choices.selected_row is None
    choices.press("down")
    choices.press("d")
    assert (choices.notice, choices.is_error) == ("no server is selected", True)


def test_order_and_end() -> None:
    """s goes through all columns and comes back, r turns round, q is the end, ? is help until the next key."""
    choices = choices_of()
    seen = []
    for _ in SORTS:
        choices.press("s")
        seen.append(choices.sort)
    assert sorted(seen) == sorted(SORTS)
    assert choices.sort == "file"
    choices.press("r")
    assert choices.reverse
    choices.press("?")
    assert choices.mode is Mode.HELP
    choices.press("q")
    assert (choices.mode, choices.is_over) == (Mode.LIST, False)
    choices.press("q")
    assert choices.is_over


def test_a_filter_is_typed() -> None:
    """Enter keeps it, escape does not, and keys are letters meanwhile."""
    choices = choices_of()
    for key in ("/", "q", "d", "x", "backspace", "up", "enter"):
        choices.press(key)
    assert (choices.filter, choices.mode, choices.is_over) == ("qd", Mode.LIST, False)
    for key in ("/", "clear", "z", "escape"):
        choices.press(key)
    assert choices.filter == "qd"
    choices.press("escape")
    assert choices.filter == ""


@pytest.mark.parametrize(("key", "state"), [("d", "drain"), ("m", "maint")])
def test_nothing_is_done_without_a_yes(key: str, state: str) -> None:
    """Only y does it; the next key does not."""
    choices = choices_of()
    assert choices.press(key) is None
    assert choices.mode is Mode.CONFIRM
    assert choices.press("n") is None
    assert choices.notice == "nothing was changed"
    choices.press(key)
    action = choices.press("y")
    assert action is not None
    assert (action.pool, action.server, action.state) == ("shop", "a", state)
    assert choices.press("y") is None


def test_what_is_so_already_is_not_asked() -> None:
    """It is told instead."""
    choices = choices_of()
    choices.press("e")
    assert (choices.mode, choices.notice) == (Mode.LIST, "shop/a is in the state ready already")


def test_the_question_says_what_will_happen() -> None:
    """How many are under way, and whether nobody is left who can be picked, the hidden ones considered."""
    shop, a, _, c, db, p, q = rows_of(READING)
    assert make_action(a, shop, "drain").question == "drain shop/a? No new clients, 4 under way go on"
    assert make_action(a, shop, "drain").warning == ""
    maint = make_action(p, db, "maint")
    assert maint.question == "maint db/p? No new clients, no checks, 1 under way goes on"
    assert maint.warning == "it is the last server of pool db that can be picked"
    assert make_action(q, db, "drain").warning == ""
    assert make_action(c, shop, "ready").question == "ready shop/c? Clients may come again"
    assert make_action(q, db, "ready").question == "ready db/q? Clients may come again when its checks pass"


def test_the_addresses_of_a_name_are_one_server() -> None:
    """What is done to one is done to all of them, and the question says so."""
    pool, _, second = rows_of(told(app={"web": server(active=2), "web@10.0.0.2": server(active=3)}))
    action = make_action(second, pool, "drain")
    assert action.server == "web"
    assert action.question == "drain app/web (2 addresses)? No new clients, 5 under way go on"
    assert action.warning
