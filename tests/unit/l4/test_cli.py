"""The command ``deston-l4`` up to the point where it would run: what is wrong ends in sentences and a status."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deston import __version__
from deston.address import Address
from deston.compiled import form
from deston.l4.cli import main
from tests.peers import EchoServer

CONFIG = """
[listeners]
    [[db]]
    bind = {bind}
    protocol = {protocol}
    pool = app
[pools]
    [[app]]
        [[[servers]]]
        a = 127.0.0.1:3000
"""


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """The command sets up logging for its process, which here is the tests'."""
    logger = logging.getLogger("deston")
    level, handlers, propagate = logger.level, list(logger.handlers), logger.propagate
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers
    logger.propagate = propagate


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration is lying about."""
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    """The command's end; an exception that escapes it fails the test."""
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def written(bind: str = "127.0.0.1:0", protocol: str = "tcp") -> str:
    """The name of a file with one listener."""
    Path("deston.conf").write_text(CONFIG.format(bind=bind, protocol=protocol))
    return "deston.conf"


def test_the_version() -> None:
    """The command says which version it is of."""
    assert run("--version").output == f"deston-l4, version {__version__} ({form()})\n"


def test_help() -> None:
    """Every option says what it is for."""
    result = run("--help")
    assert result.exit_code == 0
    for option in ("--config FILE", "--workers", "--pid FILE", "--log-level"):
        assert option in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--workers", "0"), "0 is not in the range x>=1"),
        (("--workers", "many"), "'many' is not a valid integer"),
        (("--log-level", "loud"), "'loud' is not one of"),
        (("--colour",), "No such option"),
        (("deston.conf",), "unexpected extra argument"),
    ],
)
def test_wrong_options(arguments: tuple[str, ...], said: str) -> None:
    """A wrong option is named, with status 2."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_no_configuration() -> None:
    """Where no file was named and none is in the usual places, all of them are named."""
    if os.path.exists("/etc/deston/deston.conf"):
        pytest.skip("this machine has a configuration of its own")
    result = run()
    assert result.exit_code == 2
    assert result.stderr.startswith("conf/deston.conf: there is no such file, nor deston.conf")


def test_a_missing_file() -> None:
    """A file that was named and is not there is a problem of the configuration."""
    result = run("--config", "no.conf")
    assert result.exit_code == 2
    assert result.stderr.startswith("no.conf: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_every_problem_of_the_file() -> None:
    """A file with several mistakes has them all told, one a line, and status 2."""
    Path("deston.conf").write_text(CONFIG.format(bind="127.0.0.1:99999", protocol="telnet"))
    result = run("--config", "deston.conf")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("deston.conf:4: listeners.db.bind: ")
    assert lines[1].startswith("deston.conf:5: listeners.db.protocol: ")


def test_a_file_for_the_other_command() -> None:
    """A file that has HTTP listeners only says which command runs it."""
    result = run("--config", written(protocol="http"))
    assert result.exit_code == 2
    assert "deston.l7:app" in result.stderr


def test_a_used_port() -> None:
    """A port that is taken is named, with status 1."""
    with EchoServer() as server:
        result = run("--config", written(f"127.0.0.1:{server.port}"))
    assert (result.exit_code, result.stderr) == (1, f"127.0.0.1:{server.port} is in use by another process\n")


def test_a_used_unix_socket(tmp_path: Path) -> None:
    """A unix socket that is taken is named like a port."""
    address = Address(path=str(tmp_path / "db.sock"))
    with EchoServer(address):
        result = run("--config", written(str(address)))
    assert (result.exit_code, result.stderr) == (1, f"{address} is in use by another process\n")


def test_an_address_of_another_machine() -> None:
    """An address that this machine does not have is named, with status 1."""
    result = run("--config", written("192.0.2.1:8000"))
    assert (result.exit_code, result.stderr) == (1, "192.0.2.1:8000 is not an address of this machine\n")


def test_a_pid_file_of_a_process_that_runs() -> None:
    """A pid file that belongs to a running process keeps a second one from starting, with status 1."""
    Path("deston.pid").write_text(str(os.getppid()))
    result = run("--config", written(), "--pid", "deston.pid")
    assert result.exit_code == 1
    assert result.stderr.startswith("deston-l4: ")
    assert "Already running on PID" in result.stderr


def test_a_pid_file_that_cannot_be_written() -> None:
    """A pid file in a folder that is not there is told, with status 1."""
    result = run("--config", written(), "--pid", "no/such/folder/deston.pid")
    assert result.exit_code == 1
    assert result.stderr.startswith("deston-l4: ")
    assert "no/such/folder" in result.stderr
