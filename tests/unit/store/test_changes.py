"""The operator's changes: which make sense, and what they come to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.config.model import AdminState, Config
from deston.errors import ChangeRefused
from deston.store import changes
from deston.store.changes import Change, Changes, What, with_changes
from tests.builders import make_pool_config, make_server_config
from tests.unit.l7.builders import make_config

CONFIG = make_config(
    make_pool_config(make_server_config("a", 1), make_server_config("b", 2, weight=3)),
    make_pool_config(make_server_config("x", 9), name="other"),
)


def servers(now: Changes, config: Config = CONFIG, pool: str = "app") -> dict[str, tuple[str, int, str]]:
    found = with_changes(config, now).pool(pool).servers
    return {one.name: (str(one.address), one.weight, one.state.value) for one in found}


def test_nothing_changed_is_the_file() -> None:
    assert with_changes(CONFIG, ()) is CONFIG


def test_a_server_comes_is_changed_and_goes() -> None:
    now = changes.add(CONFIG, (), "app", "c", "127.0.0.1:3, weight=2, max_connections=7")
    now = changes.set_value(CONFIG, now, "app", "c", What.STATE, "drain")
    now = changes.set_value(CONFIG, now, "app", "b", What.WEIGHT, "5")
    assert servers(now) == {
        "a": ("127.0.0.1:1", 1, "ready"),
        "b": ("127.0.0.1:2", 5, "ready"),
        "c": ("127.0.0.1:3", 2, "drain"),
    }
    now = changes.remove(CONFIG, now, "app", "a")
    now = changes.remove(CONFIG, now, "app", "c")
    assert list(servers(now)) == ["b"]
    assert [one.server for one in now] == ["b", "a"]
    assert servers(changes.reset(CONFIG, now, "app", "a")).keys() == {"a", "b"}
    assert changes.reset(CONFIG, now, "app", "") == ()


def test_what_the_file_says_is_no_change() -> None:
    now = changes.set_value(CONFIG, (), "app", "b", What.WEIGHT, "5")
    assert changes.set_value(CONFIG, now, "app", "b", What.WEIGHT, "3") == ()
    assert changes.set_value(CONFIG, (), "app", "a", What.STATE, "ready") == ()
    now = changes.set_value(CONFIG, (), "app", "", What.ALGORITHM, "random")
    assert with_changes(CONFIG, now).pool("app").algorithm == "random"
    assert changes.set_value(CONFIG, now, "app", "", What.ALGORITHM, "round_robin") == ()


def test_what_the_file_no_longer_has_is_without_effect() -> None:
    """A changed file with old changes is a good configuration, and they count again when it is turned back."""
    now: Changes = (Change("gone", "a", What.STATE, "maint"), Change("app", "gone", What.WEIGHT, "7"))
    assert with_changes(CONFIG, now) == CONFIG


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda: changes.add(CONFIG, (), "ap", "c", "x:1"), "there is no pool 'ap' (did you mean 'app'?)"),
        (lambda: changes.add(CONFIG, (), "app", "a", "x:1"), "pool app has a server a already"),
        (lambda: changes.add(CONFIG, (), "app", "c", "127.0.0.1:1"), "pool app has a server at 127.0.0.1:1 already: a"),
        (lambda: changes.add(CONFIG, (), "app", "c", "x"), "'x' has no port (write host:port)"),
        (lambda: changes.add(CONFIG, (), "app", "c", "x:1, weigth=2"), "unknown key (did you mean 'weight'?)"),
        (lambda: changes.remove(CONFIG, (), "app", "cc"), "pool app has no server 'cc'"),
        (lambda: changes.remove(CONFIG, (), "other", "x"), "x is the last server of pool other: use drain or maint"),
        (lambda: changes.set_value(CONFIG, (), "app", "z", What.STATE, "drain"), "pool app has no server 'z'"),
        (lambda: changes.reset(CONFIG, (), "app", "a"), "nothing was changed of app/a"),
        (lambda: changes.reset(CONFIG, (), "nope", ""), "there is no pool 'nope'"),
        (
            lambda: changes.add(CONFIG, changes.remove(CONFIG, (), "app", "a"), "app", "a", "x:1"),
            "the file has a server a, which was removed: deston server reset app a",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(change: Any, why: str) -> None:
    with pytest.raises(ChangeRefused) as caught:
        change()
    assert str(caught.value).startswith(why)


def test_the_last_server_is_not_reset_away() -> None:
    """One that was added while those of the file were removed."""
    now = changes.remove(CONFIG, changes.add(CONFIG, (), "app", "c", "127.0.0.1:3"), "app", "a")
    now = changes.remove(CONFIG, now, "app", "b")
    with pytest.raises(ChangeRefused, match="c is the last server of pool app"):
        changes.reset(CONFIG, now, "app", "c")
    assert servers(changes.reset(CONFIG, now, "app", "")).keys() == {"a", "b"}


names = st.sampled_from(["a", "b", "c", "d"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), names, st.integers(1, 6)),
        st.tuples(st.just("remove"), names, st.just(0)),
        st.tuples(st.just("weight"), names, st.integers(0, 9)),
        st.tuples(st.just("state"), names, st.integers(0, 2)),
        st.tuples(st.just("reset"), names, st.just(0)),
    ),
    max_size=20,
)


@given(steps)
def test_any_row_of_changes_makes_a_good_configuration(row: list[tuple[str, str, int]]) -> None:
    """Each is refused with a sentence or lands; a pool is never empty, and no change stands twice."""
    now: Changes = ()
    for kind, name, number in row:
        try:
            if kind == "add":
                now = changes.add(CONFIG, now, "app", name, f"127.0.0.1:{number}")
            elif kind == "remove":
                now = changes.remove(CONFIG, now, "app", name)
            elif kind == "weight":
                now = changes.set_value(CONFIG, now, "app", name, What.WEIGHT, str(number))
            elif kind == "state":
                now = changes.set_value(CONFIG, now, "app", name, What.STATE, list(AdminState)[number].value)
            else:
                now = changes.reset(CONFIG, now, "app", name)
        except ChangeRefused:
            pass
        assert servers(now)
        assert len({change.key for change in now}) == len(now)
