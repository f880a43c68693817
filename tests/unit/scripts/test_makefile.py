"""The Makefile: it documents itself, and each chore says in a sentence what it lacks."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TARGETS = {"help", "run", "test", "check", "lint", "type", "fmt", "clean", "docs", "venv", "bench", "bench-deps"}
TARGETS |= {"compiled", "test-compiled", "coverage", "soak", "install", "uninstall", "deploy", "reload", "status"}


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make, apart from a make that may be running the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**clean, **environment}, capture_output=True, text=True)


def test_help_names_every_target() -> None:
    """`make help` prints each target with what it is for, and leaves none out."""
    lines = make("help").stdout.splitlines()
    described = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}
    assert set(described) == TARGETS


def test_make_alone_is_help() -> None:
    """Without a target nothing is done but saying what could be."""
    assert make().stdout == make("help").stdout


def test_every_chore_is_phony() -> None:
    """A file that has the name of a chore does not keep it from being done."""
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == TARGETS


def test_deploy_asks_for_the_machine() -> None:
    """Without HOST, deploy does nothing, says what it needs, and fails with status 2."""
    done = make("deploy")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0].startswith("Name the machine to install on: make deploy HOST=")


def test_a_dry_run_of_deploy_only_prints(tmp_path: Path) -> None:
    """With DRY_RUN=1, deploy prints the commands in their order and runs none: no ssh is needed for it."""
    for name in ("ssh", "scp"):
        (tmp_path / name).write_text("#!/bin/sh\ntouch called\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    done = make("deploy", "HOST=me@there", "DRY_RUN=1", "PREFIX=/srv/deston", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (ROOT / "called").exists()
    steps = [
        "pip wheel",
        "scp -qr",
        "env PREFIX=/srv/deston",
        "deston check",
        "systemctl try-restart deston-l4 deston-l7 deston-admin",
    ]
    places = [done.stdout.index(step) for step in steps]
    assert places == sorted(places)


@pytest.mark.parametrize("target", ["status", "reload"])
def test_nothing_that_runs_is_status_3(target: str, tmp_path: Path) -> None:
    """Where no process of Deston runs, status and reload say so, also beside the pid file of another program."""
    (tmp_path / "deston-l4.pid").write_text(str(os.getppid()), encoding="utf-8")
    (tmp_path / "deston-l7.pid").write_text("999999999", encoding="utf-8")
    done = make(target, f"RUN_DIR={tmp_path}")
    assert done.returncode == 2  # make's own; the script's stands in what make says.
    assert "Nothing of Deston runs here." in done.stdout + done.stderr
    assert "Error 3" in done.stderr


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import sys; sys.version_info = (3, 9, 2, 'final', 0)", "Deston needs Python 3.10 or newer"),
        ("import sys; sys.modules['ensurepip'] = None", "install its venv package"),
    ],
)
def test_a_python_that_cannot_do_it_is_named(module: str, said: str, tmp_path: Path) -> None:
    """Too old a Python, or one that cannot make environments, ends in one sentence with what to install."""
    (tmp_path / "sitecustomize.py").write_text(module, encoding="utf-8")
    done = make("venv", f"VENV={tmp_path}/venv", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[0]


def test_no_python_is_named() -> None:
    """Where there is no Python by that name, make says which package has one."""
    done = make("venv", "VENV=/nowhere/venv", "PYTHON=python-of-the-future")
    assert "There is no python-of-the-future here" in done.stderr.splitlines()[0]
