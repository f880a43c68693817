"""The one direction of imports: who may know whom, and what must not come along.

What lives here: design section 3 as a table, and the tests that hold the source to it.
What must not: tests of what any module does.
Invariant: a module outside the table fails the test, so that a new layer is placed on purpose.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Which layers a layer may import, besides itself; a layer is a module or a package below deston/, and a dotted entry
# allows that module alone. The root of the package (its version) is open to all and imports nothing.
COMMAND = {
    "errors", "address", "networks", "limits", "loading", "logs", "config", "balancer", "net", "access", "build",
    "waiting", "clock", "compiled", "figures", "repeats", "sessions", "store", "tables", "traffic",
}  # fmt: skip
MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "clock": set(),
    "compiled": set(),
    "errors": set(),
    "address": {"errors"},
    "networks": set(),
    "tables": set(),
    "limits": {"networks", "tables"},
    "loading": {"errors"},
    "waiting": {"errors", "balancer"},
    "logs": set(),
    "repeats": set(),
    "arbiter_log": {"logs"},
    "config": {"errors", "address", "networks"},
    "balancer": {"errors", "address", "config.model", "config.algorithms", "limits", "loading", "repeats"},
    "net": {"errors", "address", "clock", "config.model"},
    "access": {"errors", "address", "config.model"},
    "health": {"errors", "address", "balancer", "config.model", "net"},
    "store": {"errors", "address", "config", "tables"},
    "sessions": {"errors", "config.model", "net", "repeats", "store"},
    "figures": {"balancer"},
    "traffic": {"figures"},
    "leading": {"errors", "store"},
    "publishing": {"errors", "balancer", "health", "store"},
    "sharing": {"errors", "balancer", "config", "figures", "health", "leading", "publishing", "store"},
    "build": {
        "errors",
        "address",
        "logs",
        "config",
        "balancer",
        "net",
        "figures",
        "health",
        "sessions",
        "sharing",
        "store",
    },
    "l4": COMMAND,
    "l7": COMMAND,
    "client": {
        "errors",
        "balancer",
        "config",
        "build",
        "l7.hashing",
        "l7.fields",
        "l7.http1",
        "l7.retry",
    },
    "completion": {"errors", "config", "store"},
    "simulate": {"errors", "address", "balancer", "completion", "config", "health.passive", "l7.retry"},
    "admin": {
        "compiled",
        "errors",
        "address",
        "logs",
        "config",
        "balancer",
        "completion",
        "health",
        "build",
        "l7.answers",
        "l7.fields",
        "l7.http1",
        "l7.rewriting",
        "l7.routing",
        "net.listen",
        "sessions",
        "simulate",
        "store",
    },
}

# What decides without input or output, and so imports none of the modules that do any.
PURE = (
    "errors",
    "address",
    "balancer",
    "config.load",
    "limits",
    "tables",
    "health.record",
    "l7.headers",
    "l7.fields",
    "l7.http1",
    "l7.routing",
    "l7.rewriting",
    "l7.terms",
    "sessions.entry",
    "sessions.wire",
    "simulate",
)
IMPURE = {"_socket", "gevent", "gunicorn", "requests", "select", "selectors", "socket", "ssl", "urllib3"}

# Importing the package must leave the process as it was, whatever WSGI server it is mounted in.
QUIET = ("l7", "admin")
OPENS_OR_STARTS = {"socket.__new__", "socket.bind", "socket.connect", "_thread.start_new_thread"}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of deston/: its name below the package, and its file."""
    for path in sorted((ROOT / "deston").rglob("*.py")):
        parts = path.relative_to(ROOT / "deston").with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(module: str, is_package: bool, source: str) -> Iterator[str]:
    """The modules of deston that a source imports anywhere in it, by their names below the package."""
    package = ("deston." + module).rstrip(".").split(".")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + is_package] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{origin}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("deston").lstrip(".") for name in names if name.split(".")[0] == "deston")


def is_allowed(layer: str, target: str) -> bool:
    """Whether a layer may import a target, which may be a name inside a module."""
    first = target.partition(".")[0]
    if first == layer or first not in MAY_IMPORT:
        return True  # Its own package, or a name of the package root, such as the version.
    return any(target == one or target.startswith(f"{one}.") for one in MAY_IMPORT[layer])


def wrong_arrows(module: str, is_package: bool, source: str) -> list[str]:
    """What a source imports against the table, one sentence each."""
    layer = module.partition(".")[0]
    if layer not in MAY_IMPORT:
        return [f"deston.{module}: its layer stands nowhere in the table"]
    targets = sorted(set(imported(module, is_package, source)))
    return [f"deston.{module} imports deston.{target}" for target in targets if not is_allowed(layer, target)]


def loaded_by(module: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after importing a module of deston."""
    code = f"import sys, deston.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(run_python(code).split())


def run_python(code: str) -> str:
    """What a fresh interpreter prints; it is not measured for coverage, which brings gevent along."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_import_points_back() -> None:
    """Every import inside deston/ follows the arrow of the table."""
    wrong = [
        arrow
        for module, path in modules()
        for arrow in wrong_arrows(module, path.name == "__init__.py", path.read_text(encoding="utf-8"))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("balancer.pool", "from deston.net.dial import dial"),
        ("balancer.pool", "import deston.config.load"),
        ("balancer.pool", "from deston.config import load"),
        ("balancer.policies.base", "from ...net import dial"),
        ("l4.tcp", "from deston.l7 import routing"),
        ("l7.app", "def late():\n    from deston import l4"),
        ("l7.app", "from .. import l4"),
        ("admin.cli", "from deston.l7.wsgi import app"),
        ("errors", "import deston.address"),
        ("surprise", ""),
    ],
)
def test_a_wrong_arrow_is_found(module: str, source: str) -> None:
    """An import against the table is found however it is spelled, and so is a module that the table lacks."""
    assert len(wrong_arrows(module, False, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("balancer.pool", "from deston.config.model import PoolConfig"),
        ("balancer.pool", "from deston.config import model"),
        ("balancer.pool", "from .server import Server\nfrom . import server"),
        ("l4.cli", "from deston import __version__, logs"),
        ("l7.wsgi", "import deston.build\nimport gevent"),
    ],
)
def test_a_right_arrow_is_let_through(module: str, source: str) -> None:
    """What the table allows is no finding, be it a module or a name in one."""
    assert wrong_arrows(module, False, source) == []


@pytest.mark.parametrize("module", PURE)
def test_decisions_import_no_input_or_output(module: str) -> None:
    """A pure module's own source names no module that opens, sends or waits."""
    for name, path in modules():
        if name != module and not name.startswith(f"{module}."):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        origins = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        origins |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
        assert not {origin.partition(".")[0] for origin in origins} & IMPURE, name


@pytest.mark.parametrize("module", PURE)
def test_decisions_bring_no_gevent(module: str) -> None:
    """Importing a pure module brings neither gevent nor an HTTP client into a fresh interpreter."""
    assert not loaded_by(module) & {"gevent", "gunicorn", "requests", "urllib3"}


@pytest.mark.parametrize("module", QUIET)
def test_importing_the_application_does_nothing(module: str) -> None:
    """Importing it, and naming its `app`, opens no socket, starts no thread or greenlet and patches nothing."""
    code = f"""
import gc, sys, threading
events = []
sys.addaudithook(lambda event, arguments: events.append(event))
from deston.{module} import app
assert not {OPENS_OR_STARTS!r} & set(events), set(events)
assert threading.active_count() == 1
assert not {{"requests", "urllib3"}} & set(sys.modules)
if "gevent" in sys.modules:
    import gevent, gevent._hub_local, gevent.monkey
    assert gevent._hub_local.get_hub_if_exists() is None
    assert not gevent.monkey.saved
    assert not [one for one in gc.get_objects() if isinstance(one, gevent.Greenlet)]
print("quiet")
"""
    assert run_python(code) == "quiet\n"
