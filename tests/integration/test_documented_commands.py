"""Each command that the documentation shows is run, or at least read, as whoever copies it would have it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from deston.admin.cli import main as deston
from tests.integration.commands import L4, L7, start
from tests.integration.configs import QUICK_CHECKS, http, pool, tcp, write_config
from tests.integration.documented import ROOT, Command, commands, in_sentences, languages
from tests.integration.echo import EchoServer
from tests.integration.processes import BIN, Processes
from tests.integration.wire import reserved_port

#: What is only read, and why; what it names is made sure of elsewhere.
NOT_RUN = {
    ".": "what the shell knows by then is what the test gives it",
    "compare": "tests/unit/scripts/bench",
    "env": "it is for fish",
    "eval": "tests/integration/test_completion.py",
    "git": "it is how one comes here",
    "kill": "tests/integration/test_handover.py",
    "nstat": "of the system",
    "pip": "scripts/compiled and scripts/venv install by it",
    "python": "scripts.confirm_simulation takes five minutes",
    "python3": "tests/integration/test_scripts.py installs",
    "ss": "of the system",
    "sudo": "of the system",
    "sudoedit": "of the system",
    "systemctl": "of the system",
    "waitress-serve": "tests/integration/test_examples.py",
}
#: Lines of `deston` that wait for somebody, or take minutes: their options are read.
READ = re.compile(r"^deston (simulate|top|admin)\b|--watch\b")
#: Lines of `curl` for what `make run` and other pages start.
OF_OTHERS = re.compile(r"localhost:80[08]0|https?://(127\.0\.0\.1:|git\.)")
#: What has to be so before, and the status where that is not success: there is nothing to be ended.
BEFORE = {
    "deston server remove app c": "deston server add app c 127.0.0.7:3000",
    "deston server reset app a": "deston server drain app a",
}
STATUSES = {"deston sessions end 4711-k3f9a": 1, "deston sessions end --pool app --server a": 1}
WHAT_RUNS = {"deston-l4": "deston-l4 .* runs", "gunicorn": "Booting worker"}

ALL = commands()


def as_installed(text: str) -> str:
    """A line in the terms of the test: programs by name, the file of a machine as ``my.conf``, and loopback alone."""
    text = re.sub(r"(?:\.venv|/opt/deston(?:-\w+)?)/bin/", "", text)
    return text.replace("/etc/deston/deston.conf", "my.conf").replace("10.0.0.", "127.0.0.")


def lines_of(*programs: str) -> list[str]:
    """The different lines of these programs."""
    return list(dict.fromkeys(as_installed(one.text) for one in ALL if one.program in programs))


@dataclass(frozen=True)
class Desk:
    """Where somebody sits who follows the documentation."""

    folder: Path
    api: str

    @property
    def environment(self) -> Mapping[str, str]:
        own = {"PATH": f"{BIN}:{os.environ['PATH']}", "DESTON_CONFIG": str(self.folder / "deston.conf")}
        return {**os.environ, **own, "API": self.api, "GUNICORN_CMD_ARGS": "", "PYTHONPATH": str(ROOT)}

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def desk(module_processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """With both commands and the admin process running, and the files that the documentation names."""
    folder = tmp_path_factory.mktemp("desk")
    with EchoServer("a") as a, EchoServer("b") as b:
        pools = {"app": pool({"a": a.address, "b": b.address}, QUICK_CHECKS)}
        listeners = {"web": http(), "db": tcp()}
        write_config(folder, listeners, pools=pools, admin={"bind": "127.0.0.1:0"}).rename(folder / "my.conf")
        file = write_config(folder, listeners, pools=pools, admin={"bind": "127.0.0.1:0"})
        start(L4, module_processes, file)
        start(L7, module_processes, file)
        admin = module_processes.start("admin", [f"{BIN}/deston", "admin", "--config", str(file)])
        yield Desk(folder, admin.wait_for(r"the API are at (\S+)/")[1] + "/api/v1")


@pytest.mark.parametrize("line", [one for one in lines_of("deston") if not READ.search(one)])
def test_a_command_of_deston(line: str, desk: Desk) -> None:
    """It does something, and says so by its status."""
    (desk.folder / "config.toml").write_text((ROOT / "conf" / "config.toml").read_text("utf-8"), encoding="utf-8")
    before = (desk.folder / "deston.conf").read_text("utf-8")
    desk.type(BEFORE.get(line, "true"))
    done = desk.type(line)
    assert done.returncode == STATUSES.get(line, 0), done.stderr
    assert "Traceback" not in done.stderr
    (desk.folder / "deston.conf").write_text(before, encoding="utf-8")
    desk.type("deston server reset app")


@pytest.mark.parametrize("line", [one for one in lines_of("deston") if READ.search(one)])
def test_the_options_of_a_command_that_waits(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in it is unknown."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "access.jsonl").touch()
    (tmp_path / "docs" / "policies").mkdir(parents=True)
    command, words = resolved(line)
    command.make_context("deston", words)


def resolved(line: str) -> tuple[click.Command, list[str]]:
    """The command of ``deston`` that a line names, and the words that it gets."""
    command: click.Command = deston
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, found, words = command.resolve_command(click.Context(command), words)
        assert found is not None, name
        command = found
    return command, words


@pytest.mark.parametrize("line", sorted({one.text for one in in_sentences()}))
def test_a_command_in_a_sentence(line: str) -> None:
    """There is such a command, and each option that it is given; the rest may stand for something."""
    command, words = resolved(line)
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} - {"--help"} <= known


@pytest.mark.parametrize("line", [one for one in lines_of("deston-l4", "gunicorn") if "examples." not in one])
def test_a_command_that_serves(line: str, desk: Desk, processes: Processes) -> None:
    """It comes up, and leaves in good order when it is told to."""
    rust = (ROOT / "conf" / "config.toml").read_text("utf-8")
    program = next(word for word in WHAT_RUNS if re.search(rf"(?:^| ){word} ", line))
    if program == "gunicorn":
        rust = rust.replace("[load_balancer]", '[load_balancer]\nlayer = "L7"')
    with reserved_port() as address:
        rust = rust.replace("port = 8082", f"port = {address.port}")
        (desk.folder / "config.toml").write_text(rust, encoding="utf-8")
        typed = f"cd {desk.folder} && exec env {line}"
        running = processes.start(program, ["bash", "-c", typed], desk.environment)
        running.wait_for(WHAT_RUNS[program])
        running.send(signal.SIGTERM)
        assert running.wait() == 0


@pytest.mark.parametrize("line", [one for one in lines_of("curl") if not OF_OTHERS.search(one)])
def test_a_request_to_the_api(line: str, desk: Desk) -> None:
    line = line.replace("http://127.0.0.2:9900", desk.api.removesuffix("/api/v1"))
    done = desk.type(line.replace("curl", "curl --silent --show-error --fail-with-body", 1))
    assert done.returncode == 0, done.stdout
    desk.type("deston server reset app")


@pytest.mark.parametrize("line", lines_of("make"))
def test_a_goal_of_make(line: str) -> None:
    """There is such a goal, and each variable that it is given."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for word in shlex.split(line)[1:]:
        name, is_variable, _ = word.partition("=")
        wanted = rf"\$\({name}\)" if is_variable else rf"^{name}:"
        assert re.search(wanted, makefile, re.MULTILINE), word


def test_every_command_is_dealt_with() -> None:
    """One of a program that no test here knows has to be put into a table, with the reason."""
    known = {*NOT_RUN, "deston", "deston-l4", "gunicorn", "curl", "make"}
    unknown = [one for one in ALL if one.program not in known and not is_assignment(one)]
    assert unknown == []
    assert NOT_RUN.keys() <= {one.program for one in ALL}


def test_commands_have_one_language() -> None:
    """A block of ``bash`` or ``console`` would be overlooked."""
    assert languages() <= {"sh", "ini", "json", "make", "python", "text", "toml", "yaml"}


def is_assignment(command: Command) -> bool:
    return re.fullmatch(r"[A-Z]+=\S+", command.text) is not None
