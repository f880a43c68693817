"""One state over all processes: both commands, several workers, and the operator's commands."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deston.address import Address
from deston.config.load import load
from deston.store.changes import Change, What
from deston.store.places import open_store
from tests.integration.client import Load, ask
from tests.integration.commands import L4, L7, Command, start
from tests.integration.configs import QUICK_CHECKS, http, pool, tcp, write_config
from tests.integration.echo import EchoServer
from tests.integration.processes import BIN, Finished, Processes, run, wait_until
from tests.integration.wire import connect


@dataclass(frozen=True)
class Site:
    """Both commands with two workers each on one file, and the servers behind them."""

    file: Path
    l7: Command
    l4: Command
    servers: dict[str, EchoServer]
    spare: Address

    def deston(self, *words: str) -> Finished:
        return run([f"{BIN}/deston", *words, "--config", str(self.file)])

    def done(self, *words: str) -> str:
        done = self.deston(*words)
        assert done.status == 0, done
        return done.out

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.done("status", "--json"))
        return told

    def pool_servers(self) -> dict[str, Any]:
        """All of the pool at one time."""
        found: dict[str, Any] = self.status()["pools"]["app"]["servers"]
        return found

    def server(self, name: str, pool: str = "app") -> dict[str, Any]:
        found: dict[str, Any] = self.status()["pools"][pool]["servers"][name]
        return found

    def served(self, command: Command | None = None, times: int = 12) -> set[str]:
        """Who answers, over connections of their own, so that each worker is asked."""
        address = (command or self.l7).address
        return {json.loads(ask(address).body)["server"] for _ in range(times)}

    def wait_for(self, *names: str) -> None:
        """Wait until these servers answer for both commands, and no others."""
        wait_until(lambda: self.served() == self.served(self.l4) == set(names), f"only {names}")


def start_site(processes: Processes, folder: Path, servers: dict[str, EchoServer]) -> Site:
    a, b, c = servers.values()
    pools = {"app": pool({"a": a.address, "b": b.address}, QUICK_CHECKS)}
    file = write_config(folder, {"web": http(), "raw": tcp()}, pools=pools, global_={"workers": 2})
    l4, l7 = start(L4, processes, file), start(L7, processes, file)
    site = Site(file, l7, l4, servers, c.address)
    wait_until(lambda: len(site.status()["workers"]) == 4, "four workers")
    return site


@pytest.fixture(scope="module")
def lasting(module_processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests that leave it as it was."""
    with EchoServer("a") as a, EchoServer("b") as b, EchoServer("c") as c:
        yield start_site(module_processes, tmp_path_factory.mktemp("sharing"), {"a": a, "b": b, "c": c})


@pytest.fixture
def site(lasting: Site) -> Iterator[Site]:
    """As the file of the beginning says, with four workers."""
    text = lasting.file.read_text()
    wait_until(lambda: len(lasting.status()["workers"]) == 4, "four workers")
    yield lasting
    if lasting.status()["changes"]:
        lasting.done("server", "reset", "app")
    if lasting.file.read_text() != text:
        lasting.file.write_text(text)
        lasting.done("reload")
    lasting.wait_for("a", "b")


@pytest.fixture
def mortal(processes: Processes, tmp_path: Path) -> Iterator[Site]:
    """One whose servers may be stopped."""
    with EchoServer("a") as a, EchoServer("b") as b, EchoServer("c") as c:
        yield start_site(processes, tmp_path, {"a": a, "b": b, "c": c})


def test_the_operators_changes_count_everywhere(site: Site) -> None:
    """Drain, ready, weigh, add and remove, in both commands and every worker, without a failed request."""
    site.wait_for("a", "b")
    with Load(site.l7.address, keeping=2, opening=1) as load:
        assert site.done("server", "drain", "app", "a", "--wait", "10") == "app/a drains, and is empty\n"
        assert site.served() == {"b"}
        site.wait_for("b")
        assert site.server("a")["admin"] == "drain"
        site.done("server", "ready", "app", "a")
        site.wait_for("a", "b")
        site.done("server", "add", "app", "c", str(site.spare), "--weight", "2")
        site.wait_for("a", "b", "c")
        assert (site.server("c")["weight"], site.server("c")["changed"]) == (2, True)
        site.done("server", "remove", "app", "a")
        site.wait_for("b", "c")
        site.done("server", "weight", "app", "b", "0")
        site.wait_for("c")
        site.done("server", "reset", "app")
        site.wait_for("a", "b")
        load.wait_for(20)
    assert load.failures() == []


def test_counts_are_of_the_host(site: Site) -> None:
    """What every worker of both commands carries is one sum, and is back at nothing afterwards."""
    threads = [
        threading.Thread(target=ask, args=(command.address, "/?sleep=4"))
        for command in (site.l7, site.l4)
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: sum(one["active"] for one in site.pool_servers().values()) >= 6, "six under way")
    for thread in threads:
        thread.join()
    wait_until(lambda: sum(site.server(name)["active"] for name in "ab") == 0, "nothing under way")
    assert sum(site.server(name)["total"] for name in "ab") >= 6


def leader(site: Site) -> int:
    return next((one["process"] for one in site.status()["workers"] if one["checks"]), 0)


def test_each_server_is_checked_once(mortal: Site) -> None:
    """One process checks for all; when it is killed another one does, and finds out what goes down."""
    site = mortal
    wait_until(lambda: leader(site), "a leader")
    first = leader(site)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: leader(site) not in (0, first), "another leader")
    wait_until(lambda: len(site.status()["workers"]) == 4, "four workers again")
    site.servers["a"].stop()
    wait_until(lambda: site.server("a")["health"] == "down", "the check")
    site.wait_for("b")
    assert site.server("a")["check"]["reason"]


def test_a_leader_that_was_stopped_leads_no_more(mortal: Site) -> None:
    """Nobody waits for its checks; when it goes on it follows, and its late checks change nothing."""
    wait_until(lambda: leader(mortal), "a leader")
    wait_until(lambda: mortal.server("b")["health"] == "up", "the first checks")
    first, flips = leader(mortal), mortal.server("b")["check"]["flips"]
    os.kill(first, signal.SIGSTOP)
    try:
        mortal.servers["a"].stop()
        wait_until(lambda: mortal.server("a")["health"] == "down", "the check of another")
        second = leader(mortal)
        assert second not in (0, first)
    finally:
        os.kill(first, signal.SIGCONT)
    mortal.wait_for("b")
    assert leader(mortal) == second
    assert mortal.server("b")["check"]["flips"] == flips
    wait_until(lambda: not any("(deleted)" in lock for lock in locks(mortal)), "one lock")
    assert len(locks(mortal)) == 1


def test_a_killed_worker_leaves_no_count(site: Site) -> None:
    """What it had under way is gone with it."""
    thread = threading.Thread(target=_ask_in_vain, args=(site.l7.address,))
    thread.start()
    wait_until(lambda: sum(site.server(name)["active"] for name in "ab") == 1, "one under way")
    for worker in site.l7.workers:
        os.kill(worker, signal.SIGKILL)
    thread.join()
    wait_until(lambda: sum(site.server(name)["active"] for name in "ab") == 0, "nothing under way")


def _ask_in_vain(address: Address) -> None:
    with contextlib.suppress(OSError):
        ask(address, "/?sleep=3")


def test_what_was_changed_survives_a_restart(site: Site, processes: Processes) -> None:
    site.done("server", "drain", "app", "a")
    site.wait_for("b")
    again = start(L7, processes, site.file)
    assert {json.loads(ask(again.address).body)["server"] for _ in range(6)} == {"b"}


def test_a_reload_within_the_workers(site: Site) -> None:
    """The file is read again, without new workers; the operator's changes stay; a broken one changes nothing."""
    before = site.l7.workers | site.l4.workers
    site.done("server", "drain", "app", "a")
    text = site.file.read_text()
    site.file.write_text(text.replace("[[[servers]]]", f"[[[servers]]]\nc = {site.spare}"))
    assert "is good, and is being read again" in site.done("reload")
    site.wait_for("b", "c")
    site.file.write_text("[pools\n")
    broken = site.deston("reload")
    assert broken.status == 2
    assert "brackets" in broken.err
    site.file.write_text(text)
    assert site.served() == {"b", "c"}
    site.done("reload")
    site.wait_for("b")
    assert site.l7.workers | site.l4.workers == before


def reloads(command: Command) -> int:
    return sum(" was reloaded" in line for line in command.running.lines)


def test_hup_to_one_command_reloads_both(mortal: Site) -> None:
    """Each process reads the file once, whoever of them checks the servers; the commands are not told in circles."""
    site = mortal
    text, first = site.file.read_text(), site.l7.workers
    site.file.write_text(text.replace("[[[servers]]]", f"[[[servers]]]\nc = {site.spare}"))
    site.l4.running.send(signal.SIGHUP)
    site.wait_for("a", "b", "c")
    wait_until(lambda: site.server("c")["health"] == "up", "a check of the new one")
    in_force(site)
    assert (reloads(site.l4), reloads(site.l7), site.l7.workers) == (2, 2, first)
    site.file.write_text(text)
    site.l7.running.send(signal.SIGHUP)
    site.wait_for("a", "b")
    wait_until(lambda: len(site.l7.workers - first) == 2 and not site.l7.workers & first, "new workers")
    in_force(site)
    assert reloads(site.l4) == 4


def test_a_worker_that_comes_after_a_reload_has_the_new_file(mortal: Site) -> None:
    """The arbiter's may be older: ``deston reload`` is heard by workers."""
    site = mortal
    site.file.write_text(site.file.read_text().replace("[[[servers]]]", f"[[[servers]]]\nc = {site.spare}"))
    site.done("reload")
    site.wait_for("a", "b", "c")
    first = site.l7.workers | site.l4.workers
    for worker in first:
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: len((site.l7.workers | site.l4.workers) - first) == 4, "four new workers")
    wait_until(lambda: len(site.status()["workers"]) == 4, "their board")
    site.wait_for("a", "b", "c")


def in_force(site: Site) -> None:
    """Wait until every process has applied what was stored last."""
    wait_until(
        lambda: {one["revision"] for one in site.status()["workers"]} == {site.status()["revision"]}, "the last change"
    )


def test_a_change_is_saved_with_its_comments(site: Site) -> None:
    text = site.file.read_text()
    site.file.write_text(text.replace("[pools]", "# the pools\n[pools]"))
    site.done("server", "add", "app", "c", str(site.spare), "--save")
    site.wait_for("a", "b", "c")
    site.done("server", "weight", "app", "b", "4", "--save")
    site.done("server", "drain", "app", "a", "--save")
    site.wait_for("b", "c")
    saved = site.file.read_text()
    assert "# the pools" in saved
    assert f"c = {site.spare}" in saved
    assert site.status()["changes"] == []
    site.done("server", "remove", "app", "a", "--save")
    assert "state=drain" not in site.file.read_text()


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["server", "drain", "ap", "a"], 1, "there is no pool 'ap' (did you mean 'app'?)"),
        (["server", "drain", "app", "x"], 1, "pool app has no server 'x'"),
        (["server", "add", "app", "c", "nowhere"], 1, "'nowhere' has no port"),
        (["server", "weight", "app", "a", "heavy"], 2, "'heavy' is not a valid integer"),
        (["pool", "algorithm", "app", "nomod:fact"], 1, "nomod"),
        (["pool", "algorithm", "app", "roundrobbin"], 1, "unknown policy 'roundrobbin' (did you mean 'round_robin'?)"),
        (["pool", "algorithm", "app", "header_hash"], 1, "header_hash needs a hash_key"),
        (["explain", "GET", "http://x/", "--from", "here"], 2, "'here' is not an address"),
        (["explain", "GET", "http:///x"], 1, "is not an URL"),
    ],
)
def test_what_is_wrong_is_told(words: list[str], status: int, told: str, tmp_path: Path) -> None:
    """Nothing has to run for that; and no traceback is ever shown."""
    file = write_config(tmp_path, {"web": http()}, pools={"app": pool({"a": "127.0.0.1:1", "b": "127.0.0.1:2"})})
    done = run([f"{BIN}/deston", *words, "--config", str(file)])
    assert done.status == status, done
    assert told in done.err
    assert "Traceback" not in done.err


def test_looking_at_what_does_not_run(tmp_path: Path) -> None:
    file = write_config(tmp_path, {"web": http()}, pools={"app": pool({"a": "127.0.0.1:1", "b": "127.0.0.1:2"})})
    words = [f"{BIN}/deston"]
    shown = run([*words, "status", "--config", str(file)])
    assert shown.status == 0
    assert "workers: 0, health is checked by: none" in shown.out
    assert all(len(line) <= 100 for line in shown.out.splitlines())
    assert json.loads(run([*words, "pool", "show", "app", "--json", "--config", str(file)]).out)["pools"].keys() == {
        "app"
    }
    told = json.loads(run([*words, "explain", "GET", "http://a.test/x", "--json", "--config", str(file)]).out)
    assert told["pools"]["app"]["servers"]["a"]["may_be_picked"] == "yes"
    dumped = json.loads(run([*words, "config", "dump", "--json", "--config", str(file)]).out)["values"]
    assert dumped["pools.app.algorithm"] == {"value": "round_robin", "origin": "default"}
    assert dumped["pools.app.servers.a.address"]["origin"].startswith(f"{file}:")
    alone = write_config(tmp_path, {"web": http()}, pools={"app": pool({"a": "x:1"})}, global_={"store": "memory"})
    done = run([*words, "status", "--config", str(alone)])
    assert (done.status, "store = sqlite shares it" in done.err) == (1, True)


def test_a_folder_that_cannot_be_used(processes: Processes, tmp_path: Path, abc: dict[str, Address]) -> None:
    """It is said, and requests are served all the same."""
    (tmp_path / "run").write_text("no folder")
    file = write_config(tmp_path, {"web": http()}, pools={"app": pool({"a": abc["a"]}, QUICK_CHECKS)})
    command = start(L7, processes, file)
    command.running.wait_for("nothing is shared with other processes: ")
    assert ask(command.address).server == "a"


def test_drain_waits_for_what_is_under_way(site: Site) -> None:
    """Exit status 3 when the time is up, 0 when it is empty."""
    threads = [threading.Thread(target=ask, args=(site.l7.address, "/?sleep=2")) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: site.server("a")["active"] > 0, "one under way")
    done = site.deston("server", "drain", "app", "a", "--wait", "0.2")
    assert done.status == 3
    assert "under way" in done.out
    assert site.deston("server", "drain", "app", "a", "--wait", "20").status == 0
    for thread in threads:
        thread.join()


def test_least_connections_sees_other_processes(site: Site) -> None:
    """While deston-l4 keeps one server busy, the requests of gunicorn's workers go to the other one."""
    site.done("pool", "algorithm", "app", "least_connections")
    wait_until(lambda: site.status()["pools"]["app"]["algorithm"] == "least_connections", "the change")
    site.done("server", "drain", "app", "b")
    site.wait_for("a")
    with contextlib.ExitStack() as connections:
        for _ in range(8):
            connections.enter_context(connect(site.l4.address))
        wait_until(lambda: site.server("a")["active"] == 8, "eight under way")
        site.done("server", "ready", "app", "b")
        # Once both workers have heard that it is back, nobody is sent to the busy one.
        wait_until(lambda: site.served() == {"b"}, "the idle one")
        assert site.served() == {"b"}
    wait_until(lambda: site.server("a")["active"] == 0, "nothing under way")


def test_a_board_that_was_taken_away_is_begun_anew(site: Site) -> None:
    """And a worker that was stopped for a while takes part again."""
    (board,) = (site.file.parent / "run").glob("*.board")
    board.unlink()
    wait_until(lambda: len(site.status()["workers"]) == 4, "four workers on a new board")
    site.done("server", "drain", "app", "a")
    site.wait_for("b")


def test_a_process_that_is_stopped_for_a_while(site: Site) -> None:
    """Nobody waits for it; when it goes on it hears of what it has missed."""
    wait_until(lambda: leader(site), "a leader")
    stopped = leader(site)
    os.kill(stopped, signal.SIGSTOP)
    site.done("server", "drain", "app", "a")
    behind = {one["process"] for one in site.status()["workers"] if one["revision"] < site.status()["revision"]}
    os.kill(stopped, signal.SIGCONT)
    assert stopped in behind
    site.wait_for("b")


def test_a_folder_that_was_taken_away(mortal: Site) -> None:
    """All processes meet again in the new one, under one leader, and hear of changes."""
    mortal.wait_for("a", "b")
    known = leader(mortal)
    assert known
    # Not file by file: the processes make new ones meanwhile.
    os.rename(mortal.file.parent / "run", mortal.file.parent / "gone")
    shutil.rmtree(mortal.file.parent / "gone")
    wait_until(lambda: len(mortal.status()["workers"]) == 4 and leader(mortal), "four workers and a leader")
    mortal.done("server", "drain", "app", "a")
    mortal.wait_for("b")
    assert len(locks(mortal)) == 1
    assert "(deleted)" not in locks(mortal).pop()


def locks(site: Site) -> set[str]:
    """Those by which the workers of a site lead."""
    return {one for one in open_files(site) if one.startswith(str(site.file.parent)) and "monitor.lock" in one}


def open_files(site: Site) -> set[str]:
    """What the workers of a site have open."""
    found = set()
    for worker in site.status()["workers"]:
        for one in Path(f"/proc/{worker['process']}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(one))
    return found


def test_a_store_that_was_moved_away(site: Site) -> None:
    """What a new one says is heard, though it begins anew."""
    site.done("server", "drain", "app", "b")
    site.wait_for("a")
    for one in (site.file.parent / "run").glob("*.db*"):
        one.unlink()
    site.done("server", "drain", "app", "a")
    site.wait_for("b")


def test_a_command_that_died_before_it_told(site: Site) -> None:
    """What it has stored is found all the same."""
    change = Change("app", "a", What.STATE, "drain")
    open_store(load(str(site.file))).update(lambda now: (*now, change))
    site.wait_for("b")


def test_a_server_that_cannot_be_shared_harms_no_other(site: Site) -> None:
    """One whose name has no place on the board is served, and the others are shared as ever."""
    change = Change("app", "x" * 300, What.ADDED, str(site.spare))
    store = open_store(load(str(site.file)))
    store.update(lambda now: (*now, change))
    site.wait_for("a", "b", "c")
    site.done("server", "drain", "app", "a")
    site.wait_for("b", "c")
    site.done("server", "reset", "app")
    site.wait_for("a", "b")


def test_saving_leaves_other_changes_alone(site: Site) -> None:
    """What was changed at run time and not saved stays in force, and a change that is refused has not happened."""
    site.done("server", "drain", "app", "a")
    site.done("server", "weight", "app", "a", "3", "--save")
    assert [(one["server"], one["what"]) for one in site.status()["changes"]] == [("a", "state")]
    site.wait_for("b")
    site.done("server", "add", "app", "c", str(site.spare))
    refused = site.deston("server", "drain", "app", "c", "--save")
    assert refused.status == 1
    assert "c was added at run time: deston server add app c ADDRESS --save" in refused.err
    assert site.server("c")["admin"] == "ready"
    site.done("server", "add", "app", "c", str(site.spare), "--save")
    assert f"c = {site.spare}" in site.file.read_text()
    site.done("server", "remove", "app", "c")
    site.done("server", "remove", "app", "c", "--save")
    assert f"c = {site.spare}" not in site.file.read_text()


def test_two_that_save_at_once(site: Site) -> None:
    """Both changes land in the file."""
    for turn in range(3):
        state = ("drain", "ready")[turn % 2]
        threads = [
            threading.Thread(target=site.done, args=words)
            for words in (
                ("server", state, "app", "a", "--save"),
                ("server", "weight", "app", "b", str(turn + 2), "--save"),
            )
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ("state=drain" in site.file.read_text()) is (state == "drain")
        assert f"weight={turn + 2}" in site.file.read_text()


def test_a_broken_file_shows_and_changes_nothing(site: Site) -> None:
    """Status and the operator's commands go by what runs; a reload is refused with what is wrong."""
    text = site.file.read_text()
    site.file.write_text(text + "\n[pools\n")
    told = site.deston("status", "--json")
    assert told.status == 0
    (problem,) = json.loads(told.out)["problems"]
    assert "brackets" in problem
    assert "the file is broken: this goes by what runs" in told.err
    assert site.deston("server", "drain", "app", "a").status == 0
    site.wait_for("b")
    assert site.deston("reload").status == 2
    assert site.deston("server", "weight", "app", "b", "3", "--save").status == 2
    site.file.write_text(text)
    assert site.status()["problems"] == []


def test_a_reload_with_a_certificate_that_is_not_there(processes: Processes, tmp_path: Path) -> None:
    """Both commands say so, and their workers serve on as before."""
    with EchoServer("a") as a:
        pools = {"app": pool({"a": a.address}, QUICK_CHECKS)}
        file = write_config(tmp_path, {"web": http(), "raw": tcp()}, pools=pools)
        commands = [start(L4, processes, file), start(L7, processes, file)]
        for command in commands:
            command.wait_for_workers(1)
            ask(command.address)
        before = [one.workers for one in commands]
        secured = {"tls": "terminate", "tls_certificate": "/nowhere.pem", "tls_key": "/nowhere.key"}
        write_config(tmp_path, {"web": http(**secured), "raw": tcp(**secured)}, pools=pools)
        run([f"{BIN}/deston", "reload", "--config", str(file)])
        for command in commands:
            command.running.wait_for("/nowhere.pem: the certificate cannot be read")
            assert json.loads(ask(command.address).body)["server"] == "a"
        assert [one.workers for one in commands] == before
