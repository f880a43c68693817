"""What holds for every test."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from deston.compiled import is_compiled
from deston.repeats import repeats

# No time limit proves anything on a machine that others use, too.
settings.register_profile("deston", deadline=None)
settings.load_profile("deston")

# What a developer's shell says must not reach the tests.
os.environ.pop("DESTON_CONFIG", None)


@pytest.fixture(autouse=True)
def _nothing_was_said() -> None:
    """A line that another test brought about is said again."""
    repeats.forget()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what a compiled Deston cannot be tested by."""
    if is_compiled():
        for item in items:
            if item.get_closest_marker("interpreted"):
                item.add_marker(pytest.mark.skip(reason="it changes what is compiled from outside"))
