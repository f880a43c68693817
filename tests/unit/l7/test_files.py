"""What a configuration names outside of itself is looked at before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from deston.config.model import Protocol
from deston.l7.files import require_files
from tests.unit import named_files


@pytest.mark.parametrize(("wrong", "told"), named_files.WRONG)
def test_each_is_looked_at(tmp_path: Path, wrong: dict[str, str], told: str) -> None:
    """Those of listeners, those of pools, logs and policies; the sentence names what is wrong."""
    named_files.judge(tmp_path, Protocol.HTTP, wrong, told, require_files)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_page(tmp_path: Path, is_there: bool) -> None:
    """Those of error pages are looked at, too."""
    if is_there:
        (tmp_path / "page.html").write_text("sorry", encoding="utf-8")
    wrong = {"rule": "error_pages = 503=page.html"}
    named_files.judge(tmp_path, Protocol.HTTP, wrong, "" if is_there else "page.html", require_files)
