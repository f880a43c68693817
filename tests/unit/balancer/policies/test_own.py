"""A policy of the user's own, and whatever may be wrong with it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from deston.balancer.policies import make_policy
from deston.balancer.policies.own import GuardedPolicy, create_own_policy
from deston.errors import StartError
from tests.builders import make_pool_config, make_server_config, make_servers

SOURCE = """
class Last:
    def __init__(self):
        self.seen = []
    def prepare(self, candidates):
        self.seen.append(len(candidates))
    def observe(self, candidate, seconds):
        self.seen.append(seconds)
    def pick(self, candidates, key):
        return candidates[-1]

def last():
    return lambda candidates, key: candidates[-1]

def fails():
    raise RuntimeError("no")

def broken():
    return lambda candidates, key: 1 / 0

def stranger():
    return lambda candidates, key: "nobody"

class Grumpy(Last):
    def prepare(self, candidates):
        raise ValueError("prepare")
    def observe(self, candidate, seconds):
        raise ValueError("observe")

nothing = object
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module with policies in the current folder."""
    (tmp_path / "my_policies.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize("name", ["Last", "last"])
def test_a_class_or_a_function_is_a_policy(name: str) -> None:
    """Ten lines are enough: whatever picks is a policy."""
    config = make_pool_config(make_server_config(), algorithm=f"my_policies:{name}")
    policy = make_policy(config)
    servers = make_servers(1, 1, 1)
    policy.prepare(servers)
    policy.observe(servers[0], 0.5)
    assert policy.pick(servers, "key") is servers[2]


@pytest.mark.parametrize("name", ["broken", "stranger"])
def test_a_fault_fails_no_request(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Turns are taken instead, and the operator is told once with the traceback, not a thousand times."""
    policy = create_own_policy(f"my_policies:{name}")
    servers = make_servers(1, 1)
    policy.prepare(servers)
    with caplog.at_level(logging.ERROR):
        picked = [policy.pick(servers, "key").name for _ in range(1000)]
    assert picked.count("a") == picked.count("b") == 500
    assert len(caplog.records) == 1
    assert f"my_policies:{name} failed" in caplog.text
    assert isinstance(policy, GuardedPolicy)
    assert policy.failures == 1000


def test_faults_beside_the_pick_are_no_matter(caplog: pytest.LogCaptureFixture) -> None:
    policy = create_own_policy("my_policies:Grumpy")
    servers = make_servers(1, 1)
    policy.prepare(servers)
    policy.observe(servers[0], 1.0)
    assert policy.pick(servers, "") is servers[1]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module:x", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("my_policies:x", "AttributeError: module 'my_policies' has no attribute 'x'"),
        ("my_policies:fails", "RuntimeError: no"),
        ("my_policies:nothing", "TypeError: it is neither a policy nor a function"),
    ],
)
def test_what_cannot_be_made_is_said(name: str, why: str) -> None:
    with pytest.raises(StartError, match="cannot be loaded") as caught:
        create_own_policy(name)
    assert str(caught.value) == f"the policy {name} cannot be loaded: {why}"
