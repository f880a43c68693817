from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deston.admin.cli import main

SMALL = ("--rate", "50", "--duration", "10s", "--servers", "3")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["simulate", *arguments])


def told(*arguments: str) -> Any:
    """What the command prints as JSON."""
    result = run(*SMALL, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_policies_are_compared_in_a_table() -> None:
    """A headline, a line for each policy, and the servers of each."""
    result = run(*SMALL, "--algorithm", "p2c", "--algorithm", "random")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "3 servers, 1 at once, load 33.3%; Poisson arrivals at 50/s, service time exp:20ms"
    assert [line.split()[0] for line in lines if line][2:5] == ["policy", "two_choices", "random"]
    assert "random:" in lines
    assert result.stderr == ""


def test_the_same_options_print_the_same() -> None:
    """Another seed prints something else."""
    one, same, other = (run(*SMALL, "--seed", seed).stdout for seed in ("7", "7", "8"))
    assert one == same != other


def test_json_has_all_policies_with_their_servers() -> None:
    """For programs."""
    output = told("--algorithm", "random", "--algorithm", "first", "--weights", "1,2,3")
    assert [one["algorithm"] for one in output["policies"]] == ["random", "first"]
    assert [one["weight"] for one in output["policies"][0]["servers"].values()] == [1, 2, 3]
    assert output["load"] == pytest.approx(1 / 3, abs=1e-4)
    requests = {one["requests"] for one in output["policies"]}
    assert len(requests) == 1


def test_servers_die_come_back_and_get_slow(caplog: pytest.LogCaptureFixture) -> None:
    """What happened stands in the headline; marks say nothing in the log, where their times would mean nothing."""
    events = ("--kill", "a@2s", "--recover", "a@6s", "--slow", "b@3s=5x", "--detect", "2s")
    output = told("--algorithm", "round_robin", *events)
    assert output["simulated"].endswith("; kill a@2s; recover a@6s; slow b@3s=5x")
    assert output["policies"][0]["servers"]["a"]["failures"] == 3
    assert caplog.records == []
    assert not logging.getLogger("deston.health").disabled


def test_a_plot_is_written(tmp_path: Path) -> None:
    """Besides what is printed."""
    file = tmp_path / "x.svg"
    result = run(*SMALL, "--algorithm", "random", "--plot", str(file))
    assert result.exit_code == 0
    assert file.read_text(encoding="utf-8").startswith("<svg ")


def test_a_plot_that_cannot_be_written_is_told() -> None:
    """A disk may be full by then."""
    result = run(*SMALL, "--algorithm", "random", "--plot", "/dev/full/x.svg")
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_load_that_is_too_high_is_told() -> None:
    """Its figures say more about how long it went on than about the policy."""
    assert "the longer requests wait" in run("--rate", "200", "--servers", "1", "--duration", "1s").stdout
    assert "the longer requests wait" not in run(*SMALL).stdout


@pytest.mark.parametrize(
    ("arguments", "option", "why"),
    [
        ((), "--rate", "say how many requests come a second, or give --log"),
        (("--rate", "0"), "--rate", "'0' is not a rate"),
        (("--rate", "5", "--algorithm", "round_robbin"), "--algorithm", "(did you mean 'round_robin'?)"),
        (("--rate", "5", "--kill", "x9@5s"), "--kill", "there is no server 'x9'"),
        (("--rate", "5", "--kill", "a@5"), "--kill", "has no unit"),
        (("--rate", "5", "--kill", "a@3m"), "--kill", "requests come for 120s only"),
        (("--rate", "5", "--service-time", "quick"), "--service-time", "is not a duration"),
        (("--log", "/nonexistent"), "--log", "/nonexistent cannot be read: No such file or directory"),
        (("--rate", "5", "--servers", "0"), "--servers", "not in the range"),
        (("--rate", "5", "--clients", "0"), "--clients", "not in the range"),
        (("--rate", "5", "--plot", "x.png"), "--plot", "does not end in .svg"),
    ],
)
def test_wrong_input_is_told_with_its_option(arguments: tuple[str, ...], option: str, why: str) -> None:
    """The exit status is 2, and there is no traceback."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Invalid value for '{option}'" in result.stderr
    assert why in result.stderr


def test_problems_of_the_configuration_are_told_as_by_check() -> None:
    """With exit status 2, too."""
    result = run("--rate", "5", "--config", "/nonexistent.conf")
    assert (result.exit_code, result.stderr) == (2, "/nonexistent.conf: there is no such file\n")


def test_a_policy_of_ones_own_that_cannot_be_loaded_is_told() -> None:
    """As when a command starts with it."""
    result = run("--rate", "5", "--algorithm", "no_such_module:thing")
    assert result.exit_code == 1
    assert "cannot be loaded" in result.stderr
