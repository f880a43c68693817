"""Servers under watch: flips, reloads, and trouble."""

from __future__ import annotations

import logging
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from deston.address import Address
from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Health, Server
from deston.config.model import AdminState, CheckType
from deston.errors import OutOfDescriptors
from deston.health.monitor import Monitor
from tests.unit.health import builders, peers
from tests.unit.health.builders import wait_for
from tests.unit.health.scripted import Script

Start = Callable[..., Monitor]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a monitor over these pools, and stops it at the end of the test."""
    running = []

    def begin(*pools: Pool, script: Script | None = None) -> Monitor:
        registry = Registry(pools)
        monitor = Monitor(registry, random.Random(1), factory=script) if script else Monitor(registry)
        running.append(monitor)
        monitor.start()
        return monitor

    yield begin
    for monitor in running:
        monitor.stop()


def reload(monitor: Monitor, *pools: Pool) -> None:
    """Put these pools in the place of the monitor's, as a reload does."""
    monitor.registry.replace(pools)
    monitor.sync()


def health_of(*servers: Server) -> str:
    return " ".join(server.health.value for server in servers)


def checked_again(script: Script, server: Server, times: int = 5) -> None:
    """Wait for so many further checks of a server."""
    before = script.asked[server.name]
    wait_for(lambda: script.asked[server.name] >= before + times, f"{times} checks of {server.name}")


def test_the_first_check_decides_at_once(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """After one check of each, real servers are up or down, and the pool picks only those that are up."""
    with peers.NeverAnswers() as good, peers.RefusesConnections() as bad:
        a, b = builders.server("a", good.address), builders.server("b", bad.address)
        pool = builders.pool(a, b, checked=builders.health(interval=60))
        start(pool)
        wait_for(lambda: Health.UNCHECKED not in (a.health, b.health), "the first checks")
    assert health_of(a, b) == "up down"
    assert (a.check_reason, b.check_reason) == ("connected", "connection refused")
    assert {pool.pick("") for _ in range(4)} == {a}
    assert caplog.messages == [f"app/b {bad.address} is down: connection refused (1 of 2 servers usable)"]


def test_flips_follow_a_server_that_falls_and_rises(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """A real HTTP server that begins to answer 503 goes down and comes back, each told in one line with its reason."""
    with peers.AnswersWith(200) as peer, caplog.at_level(logging.INFO, "deston.health"):
        server = builders.server("a", peer.address)
        start(builders.pool(server, checked=builders.health(type=CheckType.HTTP)))
        wait_for(lambda: server.health is Health.UP, "the first check")
        peer.status = 503
        wait_for(lambda: server.health is Health.DOWN, "the fall")
        peer.status = 200
        wait_for(lambda: server.health is Health.UP, "the rise")
    assert [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "deston.health"] == [
        ("WARNING", f"app/a {peer.address} is down: status 503, expected 200-399 (0 of 1 servers usable)"),
        ("INFO", f"app/a {peer.address} is up: status 200 (1 of 1 servers usable)"),
    ]


def test_a_server_that_was_killed_and_restarted(start: Start) -> None:
    """A TCP server whose process ends goes down by refused connections, and up when it listens again."""
    with peers.NeverAnswers() as first:
        server = builders.server("a", first.address)
        start(builders.pool(server))
        wait_for(lambda: server.health is Health.UP, "the first check")
        first.stop()
        wait_for(lambda: server.health is Health.DOWN, "the fall")
        with peers.AnswersWith(port=first.address.port):
            wait_for(lambda: server.health is Health.UP, "the rise")


def test_fall_checks_in_a_row_take_a_server_down(start: Start) -> None:
    """It takes as many failed checks as ``fall`` says, and the reason is up to date in the meantime."""
    script = Script()
    server = builders.server()
    start(builders.pool(server, checked=builders.health(fall=4)), script=script)
    wait_for(lambda: server.health is Health.UP, "the first check")
    before = script.asked["a"]
    reasons = []
    script.before = lambda _: reasons.append(server.check_reason)
    script.down.add("a")
    wait_for(lambda: server.health is Health.DOWN, "the fall")
    assert script.asked["a"] == before + 4
    assert reasons == ["answers", "is silent", "is silent", "is silent"]


def test_maint_is_not_checked(start: Start) -> None:
    """A server in maint is unchecked from the next turn on, and its first check afterwards decides at once."""
    script = Script()
    server, other = builders.servers(2)
    monitor = start(builders.pool(server, other), script=script)
    wait_for(lambda: server.health is Health.UP, "the first check")
    server.admin = AdminState.MAINT
    wait_for(lambda: server.health is Health.UNCHECKED, "the rest")
    asked = script.asked["a"]
    monitor.sync()
    script.down.add("a")
    checked_again(script, other)
    assert script.asked["a"] == asked
    assert server.check_reason == ""
    server.admin = AdminState.READY
    monitor.sync()
    wait_for(lambda: server.health is Health.DOWN, "the first check after maint")
    assert script.asked["a"] == asked + 1


def test_drain_is_checked(start: Start) -> None:
    """A server that drains is still asked how it is."""
    script = Script("a")
    server = builders.server(state=AdminState.DRAIN)
    start(builders.pool(server), script=script)
    wait_for(lambda: server.health is Health.DOWN, "the first check")


def test_type_none_leaves_servers_unchecked(start: Start) -> None:
    """Without checks a server is unchecked, which is usable; also after a reload that turned them off."""
    script = Script("a")
    server = builders.server()
    monitor = start(builders.pool(server), script=script)
    wait_for(lambda: server.health is Health.DOWN, "the first check")
    pool = builders.pool(server, checked=builders.health(type=CheckType.NONE))
    reload(monitor, pool)
    assert server.health is Health.UNCHECKED
    assert pool.pick("") is server
    assert server.check_reason == ""


def test_sync_watches_who_came_and_leaves_who_went(start: Start) -> None:
    """After a reload new servers are checked at once, those that went never again, the rest as before."""
    script = Script("b")
    a, b, c = builders.servers(3)
    monitor = start(builders.pool(a, b), script=script)
    wait_for(lambda: Health.UNCHECKED not in (a.health, b.health), "the first checks")
    pool = builders.pool(b, c, slow_start=0.0)
    reload(monitor, pool)
    asked = script.asked["a"]
    wait_for(lambda: c.health is Health.UP, "the check of c")
    script.down.clear()
    wait_for(lambda: b.health is Health.UP, "the rise of b")
    assert {pool.pick("") for _ in range(4)} == {b, c}
    assert script.asked["a"] == asked
    assert script.settings == [builders.HEALTH, builders.HEALTH]


def test_sync_does_not_disturb_what_did_not_change(start: Start) -> None:
    """However often a file is reloaded, a server is checked at its interval, not at each reload."""
    script = Script()
    server, other = builders.servers(2)
    rarely = builders.health(interval=60)
    monitor = start(builders.pool(server, checked=rarely), script=script)
    wait_for(lambda: server.health is Health.UP, "the first check")
    for _ in range(5):
        reload(monitor, builders.pool(server, checked=rarely), builders.pool(other, name="other"))
        checked_again(script, other)
    assert script.asked["a"] == 1


def test_changed_settings_are_used_and_health_is_kept(start: Start) -> None:
    """A reload with other checks begins anew with them, and takes ``fall`` failures to bring a server down."""
    script = Script()
    server = builders.server()
    monitor = start(builders.pool(server, checked=builders.health(interval=60)), script=script)
    wait_for(lambda: server.health is Health.UP, "the first check")
    script.down.add("a")
    reload(monitor, builders.pool(server))
    assert server.health is Health.UP
    wait_for(lambda: server.health is Health.DOWN, "the fall")
    assert script.asked["a"] == 1 + 3


def test_what_was_known_before_a_start_holds_until_the_first_check(start: Start) -> None:
    """As after a restart; a change of the settings later on makes nobody forget what the checks have found."""
    script = Script("b")
    a, b = builders.server("a"), builders.server("b")
    a.health, b.health = Health.DOWN, Health.UP
    monitor = start(builders.pool(a, b, checked=builders.health(rise=10**6, fall=10**6)), script=script)
    assert health_of(a, b) == "down up"
    wait_for(lambda: health_of(a, b) == "up down", "the first checks")
    script.down = {"a"}
    reload(monitor, builders.pool(a, b, checked=builders.health(rise=10**6 + 1, fall=10**6 + 1)))
    checked_again(script, a)
    checked_again(script, b)
    assert health_of(a, b) == "up down"


def test_what_another_process_has_found_holds_until_the_first_check(start: Start) -> None:
    """As where the one that checked for all is gone."""
    script = Script()
    server = builders.server("a")
    monitor = start(builders.pool(server, checked=builders.health(rise=10**6)), script=script)
    wait_for(lambda: server.health is Health.UP, "the first check")
    monitor.lead(False)
    server.health = Health.DOWN
    monitor.lead(True)
    wait_for(lambda: server.health is Health.UP, "the first check anew")


def test_a_flip_reaches_the_pool_that_a_reload_made(start: Start) -> None:
    """Between the new registry and ``sync`` a flip goes to the old pool; the new one learns of it all the same."""
    script = Script()
    a, b = builders.servers(2)
    monitor = start(builders.pool(a, b), script=script)
    wait_for(lambda: (a.health, b.health) == (Health.UP, Health.UP), "the first checks")
    pool = builders.pool(a, b)
    script.down.add("a")
    wait_for(lambda: a.health is Health.DOWN, "the fall")
    assert {pool.pick("") for _ in range(4)} == {a, b}
    reload(monitor, pool)
    assert {pool.pick("") for _ in range(4)} == {b}


def test_an_error_in_a_check_does_not_end_it(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours is logged once, with its traceback, and the checks go on and recover."""
    script = Script()
    server = builders.server()

    def fail(_: Server) -> None:
        raise KeyError("some fault")

    script.before = fail
    start(builders.pool(server), script=script)
    checked_again(script, server)
    assert server.health is Health.UNCHECKED
    assert server.check_reason == "not checked: a fault of Deston (KeyError)"
    script.before = lambda _: None
    wait_for(lambda: server.health is Health.UP, "the first good check")
    assert caplog.messages == ["app/a 127.0.0.1:1 is not checked: a fault of Deston (KeyError)"]
    assert caplog.records[0].exc_info


def test_no_descriptor_leaves_health_alone(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """When this process is out of descriptors no server goes down for it."""
    script = Script()
    server = builders.server()
    start(builders.pool(server), script=script)
    wait_for(lambda: server.health is Health.UP, "the first check")

    def fail(_: Server) -> None:
        raise OutOfDescriptors("too many open files")

    script.before = fail
    checked_again(script, server)
    assert server.health is Health.UP
    assert server.check_reason == "not checked: too many open files"
    assert caplog.messages == ["app/a 127.0.0.1:1 is not checked: too many open files"]


def test_a_name_is_resolved_before_the_first_check(start: Start) -> None:
    """A named server is checked at the address that its name stands for."""
    with peers.NeverAnswers() as peer:
        server = builders.server("a", Address("localhost", peer.address.port))
        start(builders.pool(server))
        wait_for(lambda: server.health is not Health.UNCHECKED, "the first check")
    assert server.endpoint == peer.address
    assert server.check_reason == "connected"


def test_a_name_is_resolved_without_checks(start: Start) -> None:
    """Where nobody asked for checks, a named server gets its endpoint all the same."""
    server = builders.server("a", Address("localhost", 80))
    start(builders.pool(server, checked=builders.health(type=CheckType.NONE)))
    wait_for(lambda: server.endpoint, "the endpoint")
    assert server.health is Health.UNCHECKED


def test_a_name_that_does_not_resolve_is_down(start: Start) -> None:
    """Without an address there is nothing to check, and the reason says so."""
    server = builders.server("a", Address("a" * 64 + ".invalid", 80))
    start(builders.pool(server))
    wait_for(lambda: server.health is Health.DOWN, "the first check")
    assert server.check_reason.startswith("name does not resolve: ")


def test_a_rise_by_checks_ends_a_mark(start: Start) -> None:
    """A server that was marked for failed dials is let in as soon as its checks say that it is up again."""
    script = Script()
    a, b = builders.servers(2)
    pool = builders.pool(a, b, slow_start=0.0)
    monitor = start(pool, script=script)
    wait_for(lambda: (a.health, b.health) == (Health.UP, Health.UP), "the first checks")
    for _ in range(3):
        monitor.marks.observe(pool, a, False)
    assert a.marked
    assert monitor.marks.reason(a) == "out for 10s: 3 failed dials in 10s"
    script.down.add("a")
    wait_for(lambda: a.health is Health.DOWN, "the fall")
    script.down.clear()
    wait_for(lambda: a.health is Health.UP, "the rise")
    assert not a.marked
    assert {pool.pick("") for _ in range(4)} == {a, b}


def test_marks_end_while_the_monitor_runs(caplog: pytest.LogCaptureFixture) -> None:
    """The monitor lifts a mark when its time is over; here its clock is ten seconds ahead at once."""
    a, b = builders.servers(2)
    pool = builders.pool(a, b, checked=builders.health(type=CheckType.NONE))
    hour = [0.0]
    monitor = Monitor(Registry([pool]), clock=lambda: hour[0])
    monitor.start()
    try:
        for _ in range(3):
            monitor.marks.observe(pool, a, False)
        assert a.marked
        hour[0] = 10.0
        wait_for(lambda: not a.marked, "the end of the mark")
    finally:
        monitor.stop()


def test_nothing_changes_after_stop() -> None:
    """A check that is under way when the monitor stops has no say any more; stopping twice is once."""
    script = Script("a")
    gate = Event()
    script.before = lambda _: gate.wait()
    server = builders.server()
    monitor = Monitor(Registry([builders.pool(server)]), factory=script)
    monitor.start()
    monitor.start()
    wait_for(lambda: script.asked["a"], "the check")
    monitor.stop()
    monitor.stop()
    gate.set()
    monitor.sync()
    gevent.sleep(0)
    assert server.health is Health.UNCHECKED
    assert script.asked["a"] == 1


def test_a_check_under_way_has_no_say_after_a_reload(start: Start) -> None:
    """The result of a check by old settings is not taken, even if it arrives in the same turn of the loop."""
    script = Script("a")
    gate = Event()
    script.before = lambda server: gate.wait() if server.name == "a" else None
    server, other = builders.servers(2)
    monitor = start(builders.pool(server), script=script)
    wait_for(lambda: script.asked["a"], "the check")
    gate.set()
    off = builders.pool(server, checked=builders.health(type=CheckType.NONE))
    reload(monitor, off, builders.pool(other, name="other"))
    checked_again(script, other)
    assert server.health is Health.UNCHECKED


def test_servers_are_not_checked_in_step(start: Start) -> None:
    """Jitter spreads the checks of many servers over the interval."""
    script = Script()
    order: list[str] = []
    script.before = lambda server: order.append(server.name)
    start(builders.pool(*builders.servers(5)), script=script)
    wait_for(lambda: len(order) >= 60, "sixty checks")
    rounds = {"".join(order[index : index + 5]) for index in range(0, 60, 5)}
    assert len(rounds) > 1


@pytest.mark.parametrize("patched", [True, False], ids=["patched", "not patched"])
def test_in_a_process_of_its_own(patched: bool) -> None:
    """With gevent's patches and without: checks work, a hanging one is cut, and the process ends by itself."""
    script = Path(__file__).with_name("monitored_process.py")
    command = [sys.executable, str(script), "patched" if patched else "plain"]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=50)
    assert done.stdout.splitlines() == ["good: up, status 200", "silent: down, timed out after 0.3s"], done.stderr
    assert done.returncode == 0


def test_each_address_of_a_name_is_watched(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with two addresses has a health for each; one that leaves the answer is watched no more."""
    answers = [["127.0.0.1", "127.0.0.2"]]
    row = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    monkeypatch.setattr(
        "gevent.socket.getaddrinfo", lambda host, port, **_: [(*row, (one, port)) for one in answers[-1]]
    )
    with peers.NeverAnswers() as good:
        named = builders.server("a", Address("app.test", good.address.port))
        pool = builders.pool(named, checked=builders.health(fall=1))
        monitor = start(pool)
        wait_for(lambda: len(pool.servers) == 2, "the second address")
        other = pool.servers[1]
        wait_for(lambda: Health.UNCHECKED not in (named.health, other.health), "the first checks")
        assert (named.health, other.health, other.name) == (Health.UP, Health.DOWN, "a@127.0.0.2")
        answers.append(["127.0.0.1"])
        watch = monitor._watches[named]
        assert watch.name is not None
        watch.name.refresh()
        assert pool.servers == (named,)
        assert set(monitor._watches) == {named}
