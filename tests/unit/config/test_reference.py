from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from deston.config.schema import spec

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The script that writes the reference, as a module that was run under another name than main."""
    return runpy.run_path(str(ROOT / "scripts" / "configuration_reference.py"))


def test_the_committed_reference_is_current(script: dict[str, Any]) -> None:
    """Whoever changes the schema runs `make docs`."""
    assert script["PAGE"].read_text(encoding="utf-8") == script["render"]()


def test_every_section_has_its_keys_in_the_reference(script: dict[str, Any]) -> None:
    """The page has a row for each key with its type, default, meaning and an example that a test loads."""
    rows = [line for line in script["render"]().split("\n") if line.startswith("| `")]
    assert len(rows) >= len(spec()["pools"]["__many__"].scalars)
    assert all(len(row.split(" | ")) == 5 for row in rows)
    assert [row for row in rows if row.endswith(("|  |", "| |"))] == [], "every key has an example"
    assert "| `weight` | whole number, 0 to 65535 | `1` |" in script["render"]()
    assert "| `bind` | address | required |" in script["render"]()
