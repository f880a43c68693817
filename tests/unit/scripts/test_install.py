"""`make install` and `make uninstall` in a scratch folder: what they put and take away, and what they leave alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CONFIGURATION = "etc/deston/deston.conf"
UNIT = "etc/systemd/system/deston-l4.service"
INFO = "deston-0.dist-info"
# As little of a wheel as pip takes, so that no test needs a package registry.
WHEEL = {
    "deston_stand_in.py": "def main():\n    print('stand-in')\n",
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: deston\nVersion: 0\nProvides-Extra: fast\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/entry_points.txt": "[console_scripts]\ndeston = deston_stand_in:main\n",
    f"{INFO}/RECORD": "",
}


# A Python whose environments are ready at once and hold nothing, where the test is about other files.
QUICK_PYTHON = """#!/bin/sh
case "$*" in
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && touch "$3/pyvenv.cfg" ;;
*base_prefix*) echo /usr ;;
esac
"""


@dataclass(frozen=True)
class Machine:
    """A folder that stands for the root of a machine, and a wheel to install there."""

    root: Path
    wheel: Path
    source: Path = ROOT
    python: Path = Path(sys.executable)

    def run(self, script: str, prefix: str = "/opt/deston") -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "DESTDIR": str(self.root),
            "PREFIX": prefix,
            "SYSCONFDIR": "/etc",
            "UNITDIR": "/etc/systemd/system",
            "PYTHON": str(self.python),
            "PACKAGE": str(self.wheel),
        }
        command = [str(self.source / "scripts" / script)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=self.root)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*")}


def write_wheel(path: Path, files: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with some files of its own."""
    wheel = tmp_path / "deston-0-py3-none-any.whl"
    write_wheel(wheel, WHEEL)
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "hostname").write_text("machine\n", encoding="utf-8")
    return Machine(root, wheel)


@pytest.fixture
def newer(machine: Machine, tmp_path: Path) -> Machine:
    """The same machine, with a later Deston whose configuration and units have changed."""
    source = tmp_path / "newer"
    for folder in ("conf", "scripts"):
        (source / folder).mkdir(parents=True)
        for path in (ROOT / folder).iterdir():
            if path.is_file():
                (source / folder / path.name).write_bytes(path.read_bytes())
                (source / folder / path.name).chmod(path.stat().st_mode)
    for path in (source / "conf").iterdir():
        path.write_text(path.read_text(encoding="utf-8") + "# newer\n", encoding="utf-8")
    return replace(machine, source=source)


@pytest.fixture
def quick_python(tmp_path: Path) -> Path:
    """The path of a ``QUICK_PYTHON``."""
    path = tmp_path / "python"
    path.write_text(QUICK_PYTHON, encoding="utf-8")
    path.chmod(0o755)
    return path


def test_what_is_installed_works_and_is_taken_away(machine: Machine) -> None:
    """Installing puts command, configuration and units in place, and newer code again; uninstalling undoes it."""
    before = machine.files()
    done = machine.run("install")
    assert done.returncode == 0, done.stderr
    assert "systemctl enable --now deston-l4 deston-l7" in done.stdout

    command = (machine.root / "opt/deston/bin/deston").read_text(encoding="utf-8")
    assert command.startswith("#!/opt/deston/bin/python")
    units = {path.name for path in (machine.root / UNIT).parent.iterdir()}
    assert units == {path.name for path in (ROOT / "conf").glob("*.service")}
    unit = (machine.root / UNIT).read_text(encoding="utf-8")
    assert "ExecStart=/opt/deston/bin/deston-l4 --config /etc/deston/deston.conf" in unit
    assert "@" not in unit.replace("@system-service", "")
    assert "run_dir = /var/lib/deston" in (machine.root / CONFIGURATION).read_text(encoding="utf-8")
    python = str(machine.root / "opt/deston/bin/python")
    code = "import deston_stand_in; deston_stand_in.main()"
    assert subprocess.check_output([python, "-c", code], text=True) == "stand-in\n"

    write_wheel(machine.wheel, {**WHEEL, "deston_stand_in.py": "def main():\n    print('newer')\n"})
    assert machine.run("install").returncode == 0
    assert subprocess.check_output([python, "-c", code], text=True) == "newer\n"

    done = machine.run("uninstall")
    assert done.returncode == 0, done.stderr
    assert machine.files() == before


UNITS = sorted((ROOT / "conf").glob("*.service"))


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_is_as_closed_as_the_others(path: Path) -> None:
    """What one of them is kept from, all are; none may be read by others, or become more than it is."""
    lines = [set(one.read_text(encoding="utf-8").splitlines()) for one in UNITS]
    names = r"(Protect|Restrict|Private|NoNew|Lock|SystemCall)"
    closing = {line for line in set.union(*lines) if re.match(names, line)}
    own = set(path.read_text(encoding="utf-8").splitlines())
    assert closing | {"StateDirectoryMode=0700", "UMask=0027", "User=deston"} <= own


def test_an_edited_configuration_survives(machine: Machine, newer: Machine, quick_python: Path) -> None:
    """A later version comes beside an edited file and in place of one that was not, and uninstall leaves edits."""
    machine, newer = replace(machine, python=quick_python), replace(newer, python=quick_python)
    machine.run("install")
    configuration = machine.root / CONFIGURATION
    configuration.write_text("# mine\n", encoding="utf-8")

    again = machine.run("install")
    assert not configuration.with_name("deston.conf.new").exists()
    assert configuration.read_text(encoding="utf-8") == "# mine\n"

    upgraded = newer.run("install")
    assert "/etc/deston/deston.conf was edited and stays" in upgraded.stdout
    assert "was edited" not in again.stdout
    assert configuration.read_text(encoding="utf-8") == "# mine\n"
    assert configuration.with_name("deston.conf.new").read_text(encoding="utf-8").endswith("# newer\n")
    assert (machine.root / UNIT).read_text(encoding="utf-8").endswith("# newer\n")

    gone = machine.run("uninstall")
    assert "/etc/deston/deston.conf was edited and stays." in gone.stdout
    assert {path for path in machine.files() if "deston" in path} == {"etc/deston", CONFIGURATION}


def test_a_folder_of_somebody_else_is_not_taken(machine: Machine) -> None:
    """A prefix that holds other files is refused by install and by uninstall, and stays as it was."""
    (machine.root / "opt/other").mkdir(parents=True)
    (machine.root / "opt/other/file").touch()
    before = machine.files()
    for script, said in (("install", "is not empty and holds no Deston"), ("uninstall", "holds no Deston")):
        done = machine.run(script, prefix="/opt/other")
        assert done.returncode == 1
        assert said in done.stderr
    assert machine.files() == before


@pytest.mark.parametrize("prefix", ["opt/deston", "/opt/des ton", "/opt/des|ton", "/"])
def test_a_prefix_that_units_could_not_name_is_refused(machine: Machine, prefix: str) -> None:
    """A relative path, or one with characters that units and scripts read otherwise, is refused with a sentence."""
    before = machine.files()
    done = machine.run("install", prefix=prefix)
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert machine.files() == before
