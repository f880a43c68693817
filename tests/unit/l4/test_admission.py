"""Admission: access lists, connections of a client, and its rate; the tables are bounded."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from deston.l4.admission import Admission
from deston.l4.refusals import Refusal, Refusals, Refused
from deston.limits import client_of
from tests.unit.l4.builders import make_listener


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(**listener: Any) -> tuple[Admission, Clock]:
    clock = Clock()
    for key in ("allow", "deny"):
        if key in listener:
            listener[key] = tuple(map(ipaddress.ip_network, listener[key]))
    return Admission(make_listener(**listener), clock), clock


def test_without_rules_nobody_need_ask() -> None:
    """An ordinary listener has no rule; one with any has."""
    assert make()[0].is_trivial
    for rule in ({"deny": ["::/0"]}, {"allow": ["::/0"]}, {"max_connections_per_client": 1}, {"connection_rate": 1}):
        assert not make(**rule)[0].is_trivial


@pytest.mark.parametrize(
    ("host", "refusal"),
    [
        ("10.1.2.3", None),
        ("10.9.2.3", Refusal.DENIED),
        ("192.0.2.1", Refusal.DENIED),
        ("2001:db8::1", None),
        ("2001:db9::1", Refusal.DENIED),
        ("", None),
    ],
)
def test_access_lists(host: str, refusal: Refusal | None) -> None:
    """Whoever is allowed and not denied is let in; a unix socket's clients always are."""
    rules, _ = make(allow=["10.0.0.0/8", "2001:db8::/32"], deny=["10.9.0.0/16"])
    assert rules.admit(host) is refusal


def test_connections_of_one_client() -> None:
    """A client may have so many at one time, others are not its matter, and a reload keeps the count."""
    rules, _ = make(max_connections_per_client=2)
    assert [rules.admit("10.0.0.1") for _ in range(3)] == [None, None, Refusal.CLIENT_CONNECTIONS]
    assert rules.admit("10.0.0.2") is None
    rules.configure(make_listener(max_connections_per_client=3))
    assert [rules.admit("10.0.0.1") for _ in range(2)] == [None, Refusal.CLIENT_CONNECTIONS]
    assert repr(rules) == "<Admission 2 clients>"
    for _ in range(3):
        rules.leave("10.0.0.1")
    rules.leave("10.0.0.2")
    assert repr(rules) == "<Admission 0 clients>"


def test_an_ipv6_client_has_its_network() -> None:
    """All addresses of one /64 are one client, because whoever has one has all."""
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff:1%eth0") != client_of("2001:db8:0:1::1")
    rules, _ = make(max_connections_per_client=1)
    assert rules.admit("2001:db8::1") is None
    assert rules.admit("2001:db8::2") is Refusal.CLIENT_CONNECTIONS


def test_the_rate_of_a_client() -> None:
    """A burst of twice the rate is let in, then one connection for each part of a second."""
    rules, clock = make(connection_rate=5)
    assert [rules.admit("10.0.0.1") for _ in range(11)] == [None] * 10 + [Refusal.CONNECTION_RATE]
    assert rules.admit("10.0.0.2") is None
    clock.now = 0.19
    assert rules.admit("10.0.0.1") is Refusal.CONNECTION_RATE
    clock.now = 0.21
    assert rules.admit("10.0.0.1") is None
    clock.now = 100
    assert [rules.admit("10.0.0.1") for _ in range(11)] == [None] * 10 + [Refusal.CONNECTION_RATE]


def test_refusals_are_counted_by_reason() -> None:
    """The counter says how often each reason was one."""
    refusals = Refusals()
    assert repr(refusals) == "<Refusals none>"
    for reason in (Refusal.DENIED, Refusal.NO_SERVER, Refusal.DENIED):
        refusals.add(reason)
    assert (refusals[Refusal.DENIED], refusals[Refusal.TLS], refusals.total) == (2, 0, 3)
    assert str(refusals) == "denied 2, no server 1"
    assert str(Refused(Refusal.DENIED)) == "denied"
    assert str(Refused(Refusal.DENIED, "why")) == "why"


def test_a_rate_outlives_a_reload_that_leaves_it() -> None:
    """Another rate begins anew."""
    rules, _ = make(connection_rate=1)
    assert [rules.admit("10.0.0.1") for _ in range(2)] == [None, None]
    rules.configure(make_listener(connection_rate=1, max_connections_per_client=9))
    assert rules.admit("10.0.0.1") is Refusal.CONNECTION_RATE
    rules.configure(make_listener(connection_rate=2))
    assert rules.admit("10.0.0.1") is None
