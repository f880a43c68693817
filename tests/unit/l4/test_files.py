"""What a configuration names outside of itself is looked at before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from deston.config.model import Protocol
from deston.l4.files import require_files
from tests.unit import named_files


@pytest.mark.parametrize(("wrong", "told"), named_files.WRONG)
def test_each_is_looked_at(tmp_path: Path, wrong: dict[str, str], told: str) -> None:
    """Those of listeners, those of pools, logs and policies; the sentence names what is wrong."""
    named_files.judge(tmp_path, Protocol.TCP, wrong, told, require_files)
