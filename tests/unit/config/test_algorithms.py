from __future__ import annotations

import pytest

from deston.balancer.policies import known_policies
from deston.balancer.policies.base import canonical_name
from deston.config.algorithms import ALGORITHMS, canonical_algorithm


def test_the_table_names_what_is_registered() -> None:
    """The configuration accepts exactly the policies that there are."""
    assert sorted(ALGORITHMS) == known_policies()


@pytest.mark.parametrize(("name", "spellings"), ALGORITHMS.items())
def test_each_spelling_finds_its_policy(name: str, spellings: tuple[str, ...]) -> None:
    """Whatever the configuration accepts for a policy, the policies accept for the same one."""
    for spelling in (name, *spellings):
        assert canonical_algorithm(spelling) == canonical_name(spelling) == name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("RoundRobin", "round_robin"),
        ("WEIGHTEDROUNDROBIN", "weighted_round_robin"),
        ("weighted-round-robin", "weighted_round_robin"),
        ("IpHashing", "ip_hash"),
        ("LeastConnections", "least_connections"),
        ("TwoChoices", "two_choices"),
        ("Random", "random"),
        ("RoundRobbin", None),
        ("", None),
    ],
)
def test_rust_spellings_are_known_in_any_case(spelling: str, name: str | None) -> None:
    """Case, underscores and hyphens make no difference; anything else does."""
    assert canonical_algorithm(spelling) == name
