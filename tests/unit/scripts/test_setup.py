"""What setup.py says where Deston cannot be compiled, or nobody knows whether it is to be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
pytest.importorskip("setuptools")


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build into a folder, without a compiler."""
    command = [sys.executable, "setup.py", "--quiet", "build", "--build-base", str(folder)]
    without = {**os.environ, "CC": str(folder / "no-compiler"), **environment}
    return subprocess.run(command, cwd=ROOT, env=without, capture_output=True, text=True)


def test_without_a_compiler_it_stays_python(tmp_path: Path) -> None:
    """That is said, and no fault."""
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "without a C compiler and Python's headers Deston stays Python" in done.stdout
    assert not list(tmp_path.rglob("*.so"))


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ("yes", "DESTON_COMPILE is yes, but there is no C compiler, or Python's headers are missing"),
        ("perhaps", "DESTON_COMPILE is 'perhaps'; it may be yes or no"),
    ],
)
def test_what_cannot_be_is_one_sentence(wish: str, said: str, tmp_path: Path) -> None:
    """And nothing is built."""
    done = build(tmp_path, DESTON_COMPILE=wish)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == said
    assert not list(tmp_path.iterdir())
