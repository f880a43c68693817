"""`deston simulate` as a process: what users type, and an access log that Deston itself has written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deston.address import Address
from tests.integration.commands import L4, L7, start
from tests.integration.configs import ANY_PORT, http, pool, tcp, write_config
from tests.integration.processes import BIN, TRACEBACK, Finished, Processes, run, wait_until

REQUESTS = 5


def simulate(*arguments: str) -> Finished:
    """Run the command to its end."""
    done = run([f"{BIN}/deston", "simulate", *arguments], {"DESTON_CONFIG": ""})
    assert TRACEBACK not in done.out + done.err
    return done


def test_policies_are_compared_and_drawn(tmp_path: Path) -> None:
    """A table on standard output, a plot in the file, nothing on standard error."""
    file = tmp_path / "policies.svg"
    done = simulate("--rate", "200", "--duration", "20s", "--kill", "a@10s", "--recover", "a@15s", "--plot", str(file))
    assert (done.status, done.err) == (0, "")
    for algorithm in ("round_robin", "random", "two_choices", "least_connections", "least_latency", "ip_hash"):
        assert f"\n{algorithm}:\n" in done.out
    assert file.read_text(encoding="utf-8").endswith("</svg>\n")


def test_the_pool_of_a_configuration_is_simulated(tmp_path: Path) -> None:
    """With its servers, weights and limits."""
    servers = {"big": "10.0.0.1:80, weight=3", "small": "10.0.0.2:80, max_connections=1"}
    file = write_config(
        tmp_path,
        listeners={"web": http()},
        pools={"app": pool(servers, algorithm="weighted_round_robin", queue=0)},
    )
    done = simulate("--config", str(file), "--pool", "app", "--rate", "100", "--requests", "1000", "--json")
    assert done.status == 0, done.err
    [result] = json.loads(done.out)["policies"]
    assert result["algorithm"] == "weighted_round_robin"
    assert result["servers"]["big"]["weight"] == 3
    assert result["servers"]["small"]["peak"] == 1
    assert simulate("--config", str(file), "--pool", "apq", "--rate", "1").err.endswith("(did you mean 'app'?)\n")


def test_wrong_input_is_a_sentence() -> None:
    """With exit status 2."""
    done = simulate("--rate", "5", "--algorithm", "leastconections")
    assert (done.status, done.out) == (2, "")
    assert "'--algorithm': unknown policy 'leastconections' (did you mean" in done.err


@pytest.mark.parametrize("command", [L4, L7])
def test_a_log_of_deston_is_replayed(
    command: str, tmp_path: Path, processes: Processes, abc: dict[str, Address]
) -> None:
    """Its requests or connections come again, from the same clients."""
    log = tmp_path / "access.jsonl"
    listener: Any = (tcp if command == L4 else http)(bind=ANY_PORT, access_log=str(log), access_log_format="json")
    file = write_config(tmp_path, listeners={"only": listener}, pools={"app": pool(abc)})
    running = start(command, processes, file)
    for _ in range(REQUESTS):
        running.ask()
    wait_until(lambda: log.exists() and log.read_text().count("\n") == REQUESTS, "the lines of the log")
    done = simulate("--log", str(log), "--algorithm", "random", "--json")
    assert done.status == 0, done.err
    [result] = json.loads(done.out)["policies"]
    assert (result["requests"], result["clients"]) == (REQUESTS, 1)
