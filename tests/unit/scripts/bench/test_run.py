"""What the benchmark plans to do, and with whom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.bench import run
from scripts.bench.model import LAYERS, BenchError, Run
from scripts.bench.peers import PEERS, PLACE, TEMPLATES, Peer, fill
from scripts.bench.picks import create_pool, policies, time_picks
from scripts.bench.servers import MANY, PORTS, template_values
from scripts.bench.workloads import CASES, select

CASE = {case.key: case for case in CASES}


@pytest.mark.parametrize("peer", PEERS.values(), ids=lambda peer: peer.name)
def test_every_name_in_a_template_has_a_value(peer: Peer) -> None:
    """No template of a peer has a place that nothing is put into."""
    values = template_values(Path("/folder"), dict.fromkeys(PORTS, 1), needs_many=True)
    values |= dict.fromkeys([*LAYERS, "here", "web", "load_stream", "app_servers"], "1")
    for form in peer.forms:
        for name in form.templates:
            text = fill((TEMPLATES / name).read_text(encoding="utf-8"), values)
            assert not PLACE.search(text)


def test_a_name_without_a_value_is_noticed() -> None:
    """It is a mistake of the template and not an empty place."""
    with pytest.raises(KeyError):
        fill("listen @nothing@;", {})


def test_all_layers_of_a_peer_are_known() -> None:
    """A misspelt layer would never be measured."""
    assert {layer for peer in PEERS.values() for layer in peer.layers} == set(LAYERS)


def test_only_what_was_asked_for_is_selected() -> None:
    """Workloads by number; the quick ones where nothing is said but quick."""
    assert [case.key for case in select([1, 6], False)] == ["l4-keep", "l7-keep", "l7-stock"]
    assert select([], False) == list(CASES)
    assert {case.key for case in select([], True)} == {case.key for case in CASES if case.is_quick}
    assert [case.key for case in select([5], True)] == ["udp-dns", "udp-dns-once"]


def test_deston_is_always_measured() -> None:
    """Whatever peers are named; and an unknown one is refused."""
    chosen, left_out = run.choose_peers("nginx")
    ours = {"deston-l4", "deston-l7", "deston-l7-stock"}
    assert ours <= {*chosen, *left_out} <= {*ours, "nginx"}
    with pytest.raises(BenchError, match="no peer is called apache"):
        run.choose_peers("nginx,apache")


def test_each_case_has_its_targets() -> None:
    """The direct run where there can be one, then those that serve the layer."""
    everyone = list(PEERS)
    assert run.targets_of(CASE["l4-keep"], everyone) == ["direct", "deston-l4", "haproxy", "nginx", "envoy", "traefik"]
    assert run.targets_of(CASE["l7-stock"], everyone) == ["direct", "deston-l7-stock"]
    assert run.targets_of(CASE["l7-many"], everyone) == ["deston-l7", "haproxy"]
    assert run.targets_of(CASE["l7-idle"], ["nginx"]) == ["nginx"]
    assert run.targets_of(CASE["l4-growth-512"], everyone) == ["direct", "deston-l4", "haproxy", "nginx"]
    assert run.targets_of(CASE["udp-dns"], everyone) == ["direct", "deston-l4", "nginx", "traefik"]
    assert run.targets_of(CASE["pick"], everyone) == policies()


def test_wrong_answers_spoil_all_rounds() -> None:
    """Those of their target, and a target that was never measured is shown with its trouble."""
    runs = [Run("l4-keep", "nginx", 1, 9.0), Run("l4-keep", "haproxy", 1, 8.0)]
    spoilt = run.spread_troubles(CASE["l4-keep"], runs, {"nginx": "status 502", "envoy": "refused"})
    assert {one.peer: one.errors for one in spoilt} == {"nginx": ["status 502"], "haproxy": [], "envoy": ["refused"]}
    assert not next(one for one in spoilt if one.peer == "envoy").is_good


def test_numbers_are_numbers() -> None:
    """A workload that is none, or that does not exist, ends in a sentence."""
    for text, said in (("one", "numbers with commas"), ("99", "no such workload")):
        with pytest.raises(BenchError, match=said):
            run.create_plan(run.parse_arguments(["--workloads", text]), [])


@pytest.mark.parametrize("policy", policies())
def test_a_pick_can_be_timed(policy: str, tmp_path: Path) -> None:
    """Each policy picks among all of the many servers, and what was leased in the end is what stays open."""
    pool = create_pool(policy, tmp_path)
    assert len(pool.servers) == MANY
    assert time_picks(pool, 0.0001) > 0


def test_the_tools_are_those_that_make_installs() -> None:
    """What is named as missing is what `make bench-deps` installs."""
    script = (TEMPLATES.parent / "deps").read_text(encoding="utf-8")
    listed = re.search(r'^packages="(.*)"$', script, re.MULTILINE)
    assert listed
    needed = {name for case in CASES for name in run.programs_of(case)}
    assert needed <= set(listed[1].split())
