from __future__ import annotations

from collections.abc import Iterator

import pytest

from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.errors import StartError, UnknownPool
from tests.builders import make_pool, make_server_config


def test_a_pool_is_found_by_its_name() -> None:
    """Each pool answers to its own name."""
    web, db = make_pool(name="web"), make_pool(name="db")
    registry = Registry([web, db])
    assert registry.pool("web") is web
    assert registry.pool("db") is db


def test_an_unknown_pool_is_an_error_that_names_it() -> None:
    """A name that no pool has raises; the message says which."""
    with pytest.raises(UnknownPool, match="there is no pool wbe"):
        Registry([make_pool(name="web")]).pool("wbe")


def test_a_registry_may_be_empty() -> None:
    """A process starts with no pools."""
    registry = Registry()
    assert len(registry) == 0
    assert list(registry) == []
    with pytest.raises(UnknownPool):
        registry.pool("web")


def test_replacing_takes_the_old_pools_out() -> None:
    """After a replacement only the new pools are found, in their order."""
    old, new, other = make_pool(name="web"), make_pool(name="web"), make_pool(name="api")
    registry = Registry([old, make_pool(name="db")])
    registry.replace([new, other])
    assert registry.pool("web") is new
    assert list(registry) == [new, other]
    assert len(registry) == 2
    with pytest.raises(UnknownPool):
        registry.pool("db")


def test_readers_see_the_old_set_until_the_new_one_is_whole() -> None:
    """While the new pools are being made, the old ones answer: one reference is swapped, at the end."""
    old, new = make_pool(name="web"), make_pool(name="web")
    registry = Registry([old])

    def pools() -> Iterator[Pool]:
        yield new
        assert registry.pool("web") is old
        assert list(registry) == [old]

    registry.replace(pools())
    assert registry.pool("web") is new


def test_a_replacement_that_fails_changes_nothing() -> None:
    """If one of the new pools cannot be made, the old ones stay."""
    old = make_pool(name="web")
    registry = Registry([old])

    def pools() -> Iterator[Pool]:
        yield make_pool(name="web")
        raise StartError("the second pool cannot be made")

    with pytest.raises(StartError):
        registry.replace(pools())
    assert list(registry) == [old]


def test_who_is_walking_the_pools_walks_on_through_a_replacement() -> None:
    """An iteration that began before a replacement ends with the old set."""
    web, db = make_pool(name="web"), make_pool(name="db")
    registry = Registry([web, db])
    walk = iter(registry)
    assert next(walk) is web
    registry.replace([])
    assert list(walk) == [db]


def test_repr_is_the_status_line_of_all_pools() -> None:
    """The registry shows each of its pools as the pool shows itself."""
    registry = Registry([make_pool(make_server_config(), name="web"), make_pool(name="db")])
    assert repr(registry) == (
        "<Registry <Pool web 1/1 usable, 0 active, round_robin>, <Pool db 0/0 usable, 0 active, round_robin>>"
    )
    assert repr(Registry()) == "<Registry >"


def test_what_a_pool_has_become() -> None:
    """Whoever holds a pool finds the one that took its place, and keeps it where there is none."""
    old, new = make_pool(name="web"), make_pool(name="web")
    registry = Registry([old])
    assert registry.current(old) is old
    registry.replace([new])
    assert registry.current(old) is new
    registry.replace([])
    assert registry.current(old) is old
