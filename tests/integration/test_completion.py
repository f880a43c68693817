"""Completion as bash asks for it: with the script that ``deston`` prints, and no names but what a shell knows."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.configs import http, pool, tcp, write_config
from tests.integration.documented import ROOT
from tests.integration.processes import BIN

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")

#: What bash does when the key is pressed: it calls the function of the command with the words of the line.
ASK = """
eval "$(_DESTON_COMPLETE=bash_source deston)"
compopt() { echo "files"; }
COMP_WORDS=(%s) COMP_CWORD=%d
_deston_completion deston
printf '%%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    servers = pool({"one": "127.0.0.1:3000", "two": "127.0.0.1:3001"})
    return write_config(tmp_path, {"web": http(), "db": tcp()}, pools={"app": servers})


def offered(folder: Path, *words: str) -> list[str]:
    """What bash would show after these words, of which the last is being typed; nothing may be said beside it."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    environment.pop("DESTON_CONFIG", None)
    asked = ASK % (shlex.join(("deston", *words)), len(words))
    done = subprocess.run(
        ["bash", "--norc", "-c", asked], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("server", "dr"), ["drain"]),
        (("server", "drain", ""), ["app"]),
        (("server", "drain", "app", ""), ["one", "two"]),
        (("server", "drain", "app", "t"), ["two"]),
        (("server", "drain", "--config", "=", "deston.conf", "app", "t"), ["two"]),
        (("pool", "algorithm", "app", "least_l"), ["least_latency"]),
        (("sessions", "--listener", ""), ["web", "db"]),
        (("status", "--config", "des"), ["files"]),
    ],
)
def test_bash_is_offered_names(words: tuple[str, ...], names: list[str], file: Path) -> None:
    assert offered(file.parent, *words) == names


def test_a_broken_file_is_no_matter(file: Path) -> None:
    """Names of the file are not offered, those of commands are, and nothing is said."""
    file.write_text("[pools\n", encoding="utf-8")
    assert offered(file.parent, "server", "drain", "") == []
    assert offered(file.parent, "server", "dr") == ["drain"]
