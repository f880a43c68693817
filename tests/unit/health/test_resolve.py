"""Names and the addresses that servers get for them."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from deston.address import Address
from deston.balancer.server import Health
from deston.errors import ConnectError
from deston.health.dns import Answer, Member
from deston.health.resolve import RETRY_S, Name, choose
from tests.unit.health import builders

ASKED = Address("db.example", 5432)


def at(*hosts: str) -> list[Address]:
    return [Address(host, 5432) for host in hosts]


class Nameserver:
    """Answers with one row of hosts after the other; an empty row is a failure."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self._answers: Iterator[tuple[str, ...]] = iter(answers)

    def __call__(self, address: Address) -> Answer:
        hosts = next(self._answers)
        if not hosts:
            raise ConnectError("name or service not known")
        return Answer([Member(one) for one in at(*hosts)], 7.0)


def follow(*answers: tuple[str, ...]) -> Name:
    """The name of a server in a pool, not looked up yet."""
    server = builders.server("b", ASKED)
    return Name(builders.pool(server), server, random.Random(1), lambda: None, Nameserver(*answers))


@pytest.mark.parametrize(
    ("host", "answer", "current", "chosen"),
    [
        ("db.example", ["10.0.0.1", "10.0.0.2"], None, "10.0.0.1"),
        ("db.example", ["fe00::1", "10.0.0.2"], None, "fe00::1"),
        ("db.example", ["10.0.0.1", "10.0.0.2"], "10.0.0.2", "10.0.0.2"),
        ("db.example", ["10.0.0.1", "10.0.0.2"], "10.0.0.3", "10.0.0.1"),
        ("localhost", ["::1", "127.0.0.1"], None, "127.0.0.1"),
        ("localhost", ["::1"], None, "::1"),
    ],
)
def test_which_address_of_an_answer(host: str, answer: list[str], current: str | None, chosen: str) -> None:
    """The first one, unless the current one is still in the answer; localhost prefers IPv4."""
    known = Address(current, 5432) if current else None
    assert choose(host, at(*answer), known) == Address(chosen, 5432)


def test_a_server_gets_its_endpoint() -> None:
    """The first good answer sets the endpoint, with the port of the server."""
    name = follow(("10.0.0.1", "10.0.0.2"))
    assert name.server.endpoint is None
    assert name.refresh() == 7.0
    assert name.server.endpoint == Address("10.0.0.1", 5432)


def test_the_last_good_answer_is_kept() -> None:
    """A failed lookup changes nothing and is repeated sooner."""
    name = follow(("10.0.0.1",), ())
    name.refresh()
    assert name.refresh() == RETRY_S
    assert name.server.endpoint == Address("10.0.0.1", 5432)
    assert name.server.unresolved == "name or service not known"


def test_changes_and_failures_are_logged_at_the_transition(caplog: pytest.LogCaptureFixture) -> None:
    """One line when the address changes, one when the name stops resolving, one when it resolves again."""
    name = follow(("10.0.0.1",), ("10.0.0.1",), ("10.0.0.2",), (), (), (), ("10.0.0.2",), ("10.0.0.2",))
    with caplog.at_level(logging.INFO, "deston.health"):
        for _ in range(8):
            name.refresh()
    assert caplog.messages == [
        "app/b db.example:5432 is at 10.0.0.2 now, no longer at 10.0.0.1",
        "app/b db.example:5432 does not resolve: name or service not known; 10.0.0.2 is kept",
        "app/b db.example:5432 resolves again, to 10.0.0.2",
    ]


def test_a_first_failure_has_nothing_to_keep(caplog: pytest.LogCaptureFixture) -> None:
    """A name that never resolved leaves the server without an endpoint."""
    name = follow(())
    name.refresh()
    assert name.server.endpoint is None
    assert caplog.messages == ["app/b db.example:5432 does not resolve: name or service not known"]


def test_a_failure_is_not_told_again_by_whoever_follows_next(caplog: pytest.LogCaptureFixture) -> None:
    """A process that begins to lead, or ceases to, follows its names anew: that is no news of them."""
    name = follow((), ())
    name.refresh()
    Name(name.pool, name.server, random.Random(1), lambda: None, Nameserver(())).refresh()
    assert len(caplog.messages) == 1


def test_one_process_of_a_command_tells(caplog: pytest.LogCaptureFixture) -> None:
    """The others know of it, and say so to whoever looks for a fault."""
    server = follow(()).server
    name = Name(builders.pool(server), server, random.Random(1), lambda: None, Nameserver(()), lambda: False)
    with caplog.at_level(logging.DEBUG, "deston.health"):
        name.refresh()
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    assert server.unresolved


def test_who_waits_is_woken_by_the_first_outcome() -> None:
    """``wait`` returns after the first lookup, even if it failed."""
    name = follow(())
    follower = gevent.spawn(name.follow)
    try:
        with gevent.Timeout(builders.DEADLINE_S):
            name.wait()
        assert name.server.unresolved
    finally:
        follower.kill()


def members(name: Name) -> list[tuple[str, str]]:
    """The servers of a name's pool, each with the host that it is dialed at."""
    return [(one.name, one.endpoint.host if one.endpoint else "") for one in name.pool.servers]


def test_each_further_address_is_a_server() -> None:
    """They come and go with the answers; those that stay are the same, and the last good answer is kept."""
    changes: list[int] = []
    name = follow(("10.0.0.1", "10.0.0.2", "10.0.0.3"), ("10.0.0.3", "10.0.0.1"), (), ("10.0.0.3",))
    name._on_members = lambda: changes.append(1)
    name.refresh()
    assert members(name) == [("b", "10.0.0.1"), ("b@10.0.0.2", "10.0.0.2"), ("b@10.0.0.3", "10.0.0.3")]
    third = name.pool.servers[2]
    third.health = Health.DOWN
    name.refresh()
    name.refresh()
    assert members(name) == [("b", "10.0.0.1"), ("b@10.0.0.3", "10.0.0.3")]
    assert name.pool.servers[1] is third
    assert third.named == ASKED
    name.refresh()
    assert members(name) == [("b", "10.0.0.3")]
    assert len(changes) == 3


def test_localhost_is_one_server() -> None:
    """That it has an address of IPv6, too, does not make it two."""
    server = builders.server("b", Address("localhost", 1))
    answer = Answer([Member(Address("::1", 1)), Member(Address("127.0.0.1", 1))], 7.0)
    name = Name(builders.pool(server), server, random.Random(1), lambda: None, lambda address: answer)
    name.refresh()
    assert members(name) == [("b", "127.0.0.1")]


def service(*answers: list[Member], **changes: Any) -> Name:
    """A service in a pool, not looked up yet."""
    server = builders.server("b", Address("app.test", service="_http._tcp"), **changes)
    rows = iter(answers)
    return Name(builders.pool(server), server, random.Random(1), lambda: None, lambda address: Answer(next(rows), 7.0))


def member(port: int, weight: int = 1, backup: bool = False) -> Member:
    return Member(Address("10.0.0.1", port), weight, backup)


def shares(name: Name) -> list[tuple[str, int, bool]]:
    return [(one.name, one.weight, one.backup) for one in name.pool.servers]


def test_each_server_of_a_service_has_its_share() -> None:
    """Ports tell servers of one host apart; weights and priorities are the service's, and change with it."""
    name = service([member(1, 5), member(2, 3), member(3, 1, True)], [member(1, 5), member(2, 9), member(3, 1, True)])
    name.refresh()
    assert shares(name) == [("b", 5, False), ("b@10.0.0.1:2", 3, False), ("b@10.0.0.1:3", 1, True)]
    assert {name.pool.pick(str(key)).name for key in range(20)} == {"b", "b@10.0.0.1:2"}
    name.refresh()
    assert shares(name)[1] == ("b@10.0.0.1:2", 9, False)


def test_a_service_of_weight_0_has_no_new_clients() -> None:
    name = service([member(1, 5), member(2, 3)], weight=0)
    name.refresh()
    assert [weight for _, weight, _ in shares(name)] == [0, 0]
