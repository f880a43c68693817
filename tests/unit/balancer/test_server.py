from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from deston.address import Address
from deston.balancer.server import LATENCY_SHARE, Health, Server
from deston.config.model import AdminState
from deston.errors import ConnectError
from tests.builders import make_server_config


@pytest.mark.parametrize("health", Health)
@pytest.mark.parametrize("admin", AdminState)
@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("weight", [0, 1])
def test_usable_is_up_or_unchecked_and_ready_and_not_marked_and_weighty(
    health: Health, admin: AdminState, marked: bool, weight: int
) -> None:
    """Each of the four can take a server out by itself, and nothing else can."""
    server = Server(make_server_config(state=admin, weight=weight))
    server.health, server.marked = health, marked
    expected = (health, admin, marked, weight) in product(
        (Health.UP, Health.UNCHECKED), (AdminState.READY,), (False,), (1,)
    )
    assert server.usable is expected
    assert server.available is expected


@pytest.mark.parametrize(
    ("limit", "active", "full"),
    [(0, 0, False), (0, 1_000_000, False), (1, 0, False), (1, 1, True), (5, 4, False), (5, 5, True), (5, 6, True)],
)
def test_full_is_as_many_leases_as_allowed(limit: int, active: int, full: bool) -> None:
    """A limit of 0 is none; a limit that was lowered below what is open counts as reached."""
    server = Server(make_server_config(max_connections=limit))
    server.active = active
    assert server.full is full
    assert server.available is not full
    assert server.usable


def test_a_new_server_is_unchecked_and_has_counted_nothing() -> None:
    """Before its first check a server may be used, and its counters start at zero."""
    server = Server(make_server_config())
    assert server.health is Health.UNCHECKED
    assert (server.active, server.total, server.failures, server.bytes_in, server.bytes_out) == (0, 0, 0, 0, 0)
    assert server.latency == 0.0
    assert server.check_reason == ""


@pytest.mark.parametrize(
    "address", [Address("127.0.0.1", 80), Address("::1", 80), Address(path="/run/app.sock")], ids=str
)
def test_what_needs_no_resolver_is_its_own_endpoint(address: Address) -> None:
    """Literals and unix sockets are dialled as they are."""
    server = Server(make_server_config(address=address))
    assert server.endpoint == address
    assert server.endpoint_or_fail() == address


def test_a_name_has_no_endpoint_until_it_is_resolved() -> None:
    """Dialling a name that nobody has resolved yet fails as a dial does, so that another server is tried."""
    server = Server(make_server_config(host="app.test", port=80))
    assert server.endpoint is None
    with pytest.raises(ConnectError, match=r"app\.test:80: the name has not been resolved"):
        server.endpoint_or_fail()
    server.endpoint = Address("127.0.0.1", 80)
    assert server.endpoint_or_fail() == Address("127.0.0.1", 80)
    assert server.address == Address("app.test", 80)


def test_configure_takes_over_what_a_file_may_change_and_keeps_what_was_learnt() -> None:
    """A reload changes name, weight, limit, backup and admin state; health and counters live on."""
    server = Server(make_server_config())
    server.health, server.active, server.total, server.latency = Health.UP, 3, 9, 0.25
    server.configure(make_server_config("b", weight=7, max_connections=5, backup=True, state=AdminState.DRAIN))
    assert (server.name, server.weight, server.max_connections) == ("b", 7, 5)
    assert server.backup
    assert server.admin is AdminState.DRAIN
    assert (server.health, server.active, server.total, server.latency) == (Health.UP, 3, 9, 0.25)


def test_the_first_latency_counts_whole_and_later_ones_by_their_share() -> None:
    """The mean starts at the first sample and moves an eighth of the way to each next one."""
    server = Server(make_server_config())
    server.observe_latency(0.8)
    assert server.latency == 0.8
    server.observe_latency(1.6)
    assert server.latency == pytest.approx(0.8 + 0.8 * LATENCY_SHARE)


def test_the_latency_follows_a_server_that_changes() -> None:
    """After some thirty samples the past counts for two in a hundred."""
    server = Server(make_server_config())
    server.observe_latency(5.0)
    for _ in range(30):
        server.observe_latency(1.0)
    assert server.latency == pytest.approx(1.0, abs=0.1)


def test_repr_is_the_status_line() -> None:
    """Name, address, health, admin state and what is active, on one line."""
    server = Server(make_server_config())
    assert repr(server) == "<Server a 127.0.0.1:3000 unchecked ready active=0>"
    server.health, server.marked, server.active, server.admin = Health.UP, True, 5, AdminState.MAINT
    assert repr(server) == "<Server a 127.0.0.1:3000 up marked maint active=5>"


def test_what_a_name_says_stays_until_the_configuration_says_something_else() -> None:
    """Weight and backup by themselves; a reload or an operator's change of anything else leaves them."""
    config = make_server_config(weight=1)
    server = Server(config)
    server.base_weight, server.backup = 30, True
    server.configure(replace(config, state=AdminState.DRAIN))
    assert (server.base_weight, server.backup, server.admin) == (30, True, AdminState.DRAIN)
    server.configure(replace(config, weight=0))
    assert (server.base_weight, server.weight, server.backup) == (0, 0, True)
    server.configure(replace(config, weight=2, backup=True))
    assert (server.base_weight, server.backup) == (2, True)
    server.configure(replace(config, weight=2))
    assert (server.base_weight, server.backup) == (2, False)
