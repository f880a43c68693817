from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from deston.balancer.policies import Policy, base, create_policy, known_policies, policy
from deston.balancer.policies.base import AnyCandidate, canonical_name
from tests.builders import make_servers


class Last(Policy):
    """A user's own policy: the last candidate, and nothing prepared."""

    def pick(self, candidates: Sequence[AnyCandidate], key: str) -> AnyCandidate:
        return candidates[-1]


@pytest.fixture(autouse=True)
def _table_as_before() -> Iterator[None]:
    """Forget what a test registers."""
    before = dict(base._factories)
    yield
    base._factories.clear()
    base._factories.update(before)


def test_the_policies_of_the_design_are_registered() -> None:
    """Importing the package registers all that Deston ships."""
    shipped = {"round_robin", "weighted_round_robin", "ip_hash", "least_connections", "two_choices", "random"}
    assert shipped <= set(known_policies())
    assert known_policies() == sorted(known_policies())


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("round_robin", "round_robin"),
        ("RoundRobin", "round_robin"),
        ("ROUND-ROBIN", "round_robin"),
        ("roundrobin", "round_robin"),
        ("WeightedRoundRobin", "weighted_round_robin"),
        ("wrr", "weighted_round_robin"),
        ("IpHashing", "ip_hash"),
        ("ip_hash", "ip_hash"),
        ("LeastConnections", "least_connections"),
        ("least_conn", "least_connections"),
        ("TwoChoices", "two_choices"),
        ("P2C", "two_choices"),
        ("Random", "random"),
    ],
)
def test_a_policy_is_found_by_any_spelling(spelling: str, name: str) -> None:
    """Case, underscores and hyphens make no difference, and the Rust form's names are known."""
    assert canonical_name(spelling) == name
    assert type(create_policy(spelling)) is type(create_policy(name))


@pytest.mark.parametrize("name", ["", "roundrobbin", "round robin", "round_robin "])
def test_an_unknown_name_is_nobodys(name: str) -> None:
    """What is no spelling of a registered name has no canonical name, and cannot be created."""
    assert canonical_name(name) is None
    with pytest.raises(KeyError):
        create_policy(name)


def test_a_policy_of_the_users_own_is_registered_by_its_decorator() -> None:
    """The decorator returns the class as it was, and enters it under all its names."""
    assert policy("last", "the_end")(Last) is Last
    assert canonical_name("TheEnd") == "last"
    assert "last" in known_policies()
    servers = make_servers(1, 1)
    assert create_policy("last").pick(servers, "10.0.0.1") is servers[1]


def test_arguments_reach_the_class() -> None:
    """What a policy's class takes can be given when it is created."""
    policy("last")(Last)
    rng = create_policy("random").rng
    assert create_policy("last", rng=rng).rng is rng


@pytest.mark.parametrize("names", [("round_robin",), ("last", "RoundRobin"), ("last", "least", "Random")])
def test_a_taken_name_is_refused_and_nothing_registered(names: tuple[str, ...]) -> None:
    """Two policies cannot share a name, and a refused one leaves no half of its names behind."""
    with pytest.raises(ValueError, match=r"there is a policy \w+ already"):
        policy(*names)(Last)
    assert canonical_name("last") is None
    assert canonical_name("least") is None
