"""What clients tell, and how it is read."""

from __future__ import annotations

import io

import pytest

from scripts.soak.client import Failed, WrongAnswer, kind_of
from scripts.soak.model import BROKEN, HTTP, LOST, REFUSED, TIMEOUT, WRONG
from scripts.soak.telling import Teller, Told


def test_what_is_told_is_read_again() -> None:
    """Failures one by one, counts as sums that a later line replaces."""
    lines = io.StringIO()
    teller = Teller(HTTP, lines)
    teller.answered("a", leases=1)
    teller.tell()
    teller.answered("a", leases=0)
    teller.failed(BROKEN, 1.0, "gone")
    teller.tell()
    told = Told()
    for line in lines.getvalue().splitlines():
        told.read(line)
    assert (told.answers, told.leases) == ({"http a": 2}, {"http a": 1})
    (failure,) = told.failures
    assert (failure.name, failure.began, failure.detail) == ("http broken", 1.0, "gone")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(), REFUSED),
        (ConnectionResetError(), BROKEN),
        (EOFError(), WRONG),
        (TimeoutError(), TIMEOUT),
        (Failed(LOST), LOST),
        (WrongAnswer("other bytes"), WRONG),
        (ValueError("no number"), WRONG),
    ],
)
def test_every_exception_is_a_failure(error: Exception, kind: str) -> None:
    """What nobody has thought of counts as wrong, which nothing excuses."""
    assert kind_of(error) == kind
