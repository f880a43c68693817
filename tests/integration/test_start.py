"""What keeps the commands from starting: sentences and an exit status, never a traceback."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import gunicorn
import pytest

from tests.integration.commands import BOTH, L4, L7, argv_of
from tests.integration.configs import ANY_PORT, Tree, http, pool, tcp, write_config
from tests.integration.processes import BIN, ROOT, TRACEBACK, Finished, run
from tests.integration.servers import as_user
from tests.integration.wire import ScriptedServer

POOLS = {"app": pool({"a": "127.0.0.1:1"})}
PRIVILEGED_PORT = 80
FIRST_UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def run_command(command: str, file: Path | str, prefix: list[str] | None = None) -> Finished:
    """Run a command that cannot start to its end."""
    words, environment = argv_of(command, file)
    done = run([*(prefix or []), *words], environment)
    assert TRACEBACK not in done.out + done.err
    # gunicorn logs that it starts before anybody can tell it that it cannot.
    sentences = [
        line for line in done.err.splitlines() if not line.endswith("Starting gunicorn " + gunicorn.__version__)
    ]
    return Finished(done.status, done.out, "".join(f"{line}\n" for line in sentences))


def only(command: str, bind: object = ANY_PORT) -> Tree:
    """The one listener of a file for ``command``."""
    return {"only": (tcp if command == L4 else http)(bind=bind)}


@pytest.mark.parametrize("command", BOTH)
def test_a_port_in_use(tmp_path: Path, command: str) -> None:
    """A port that another process has is named in one sentence."""
    with ScriptedServer() as taken:
        file = write_config(tmp_path, only(command, bind=taken.address), pools=POOLS)
        done = run_command(command, file)
    assert (done.status, done.err) == (1, f"{taken.address} is in use by another process\n")


@pytest.mark.parametrize("command", BOTH)
def test_an_address_of_another_machine(tmp_path: Path, command: str) -> None:
    """An address that is not of this machine is named in one sentence."""
    file = write_config(tmp_path, only(command, bind="192.0.2.1:8080"), pools=POOLS)
    done = run_command(command, file)
    assert (done.status, done.err) == (1, "192.0.2.1:8080 is not an address of this machine\n")


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can read; those of pytest belong to its user alone."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def as_nobody() -> list[str]:
    """The words to put before a command so that it runs without privileges."""
    words = as_user("nobody") if os.geteuid() == 0 else []
    if run([*words, f"{BIN}/python", "-c", "import deston.net.listen"]).status:
        pytest.skip("the user nobody cannot read this checkout or its environment")
    return words


@pytest.mark.parametrize("command", BOTH)
def test_no_permission_for_a_port(public_folder: Path, as_nobody: list[str], command: str) -> None:
    """A port below 1024 needs a privilege, which the sentence names."""
    if int(FIRST_UNPRIVILEGED.read_text()) <= PRIVILEGED_PORT:
        pytest.skip(f"every user may listen on port {PRIVILEGED_PORT} here")
    bind = f"127.0.0.1:{PRIVILEGED_PORT}"
    file = write_config(public_folder, only(command, bind=bind), pools=POOLS)
    done = run_command(command, file, as_nobody)
    sentence = f"no permission to listen on {bind} (ports below 1024 need CAP_NET_BIND_SERVICE)\n"
    assert (done.status, done.err) == (1, sentence)


@pytest.mark.parametrize("command", BOTH)
def test_all_problems_of_a_file(tmp_path: Path, command: str) -> None:
    """Each problem has a line with its place in the file; the exit status is 2, as of ``deston check``."""
    file = tmp_path / "broken.conf"
    file.write_text(
        "[listeners]\n[[web]]\nbind = 127.0.0.1:99999\nprotocol = tcp\npool = ap\n"
        "[pools]\n[[app]]\nalgorithm = roundrobbin\n[[[servers]]]\na = 127.0.0.1:3000\n",
        encoding="utf-8",
    )
    done = run_command(command, file)
    checked = run([f"{BIN}/deston", "check", str(file)])
    assert done.status == checked.status == 2
    assert done.err == checked.err
    places = [line.removeprefix(f"{file}:").split(" ")[:2] for line in done.err.splitlines()]
    assert places == [["3:", "listeners.web.bind:"], ["5:", "listeners.web.pool:"], ["8:", "pools.app.algorithm:"]]
    assert "did you mean 'round_robin'?" in done.err


@pytest.mark.parametrize("command", BOTH)
def test_a_file_that_is_missing(tmp_path: Path, command: str) -> None:
    """A file that does not exist is a problem of the configuration."""
    done = run_command(command, tmp_path / "absent.conf")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(f"{tmp_path}/absent.conf: ")


def test_the_file_is_for_the_other_command(tmp_path: Path) -> None:
    """A file whose only listener speaks the other protocol says which command runs it."""
    (tmp_path / "http").mkdir()
    (tmp_path / "tcp").mkdir()
    for_l7 = write_config(tmp_path / "http", only(L7), pools=POOLS)
    for_l4 = write_config(tmp_path / "tcp", only(L4), pools=POOLS)
    wrong = run_command(L4, for_l7)
    assert wrong.status == 2
    assert f"DESTON_CONFIG={for_l7} gunicorn " in wrong.err
    wrong = run_command(L7, for_l4)
    assert wrong.status == 2
    assert f"deston-l4 --config {for_l4}" in wrong.err


@pytest.mark.parametrize("content", [None, "no certificate\n"], ids=["missing", "no certificate"])
def test_a_certificate_that_cannot_be_used(tmp_path: Path, content: str | None) -> None:
    """A file of certificates that is missing or holds none is named in one sentence."""
    authority = tmp_path / "authority.pem"
    if content is not None:
        authority.write_text(content, encoding="ascii")
    app = pool({"a": "https://127.0.0.1:1"}, tls_ca=authority)
    done = run_command(L7, write_config(tmp_path, {"web": http()}, pools={"app": app}))
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert str(authority) in done.err


def test_a_certificate_that_may_not_be_read(public_folder: Path, as_nobody: list[str]) -> None:
    """A file of certificates that belongs to somebody else is named in one sentence."""
    if os.geteuid() != 0:
        pytest.skip("a file of another user needs root to make it")
    authority = public_folder / "authority.pem"
    authority.touch(mode=0o600)
    app = pool({"a": "https://127.0.0.1:1"}, tls_ca=authority)
    done = run_command(L7, write_config(public_folder, {"web": http()}, pools={"app": app}), as_nobody)
    assert (done.status, done.err) == (1, f"{authority}: the certificate cannot be read: Permission denied\n")


def test_a_checkout_serves_its_own_file() -> None:
    """The gunicorn.conf.py of a checkout is found without being named, and reads conf/deston.conf."""
    environment = {"DESTON_CONFIG": "", "GUNICORN_CMD_ARGS": ""}
    done = run([f"{BIN}/gunicorn", "--print-config", "deston.l7:app"], environment)
    assert done.status == 0, done.err
    settings = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
    settings = {key.strip(): value.strip() for key, value in settings.items()}
    assert settings["bind"] == "['127.0.0.1:8080']"
    assert settings["worker_class"] == "deston.l7.worker.ProxyWorker"
    assert (ROOT / "gunicorn.conf.py").is_file()
