"""What every test of L4 needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.leaks import nothing_left_behind


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Every socket is closed on every path."""
    with nothing_left_behind():
        yield
