from __future__ import annotations

import pytest
from configobj.validate import ValidateError

from deston.config.checks import plain
from deston.config.checks.base import CHECKS, LONGEST_TEXT
from deston.config.model import AdminState, CheckType, Protocol


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("text", "any thing", "any thing"),
        ("yes_no", "Yes", True),
        ("yes_no", "off", False),
        ("duration", "1m", 60.0),
        ("size", "1k", 1024),
        ("protocol", "TCP", Protocol.TCP),
        ("check_type", "none", CheckType.NONE),
        ("state", "maint", AdminState.MAINT),
        ("algorithm", "IpHashing", "ip_hash"),
        ("store", "redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("store", "sqlite", "sqlite"),
        ("pattern", "a{2}|b", "a{2}|b"),
    ],
)
def test_a_good_text_is_its_value(name: str, text: str, value: object) -> None:
    """A check returns what the text means."""
    assert CHECKS[name](text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("text", "a\nb"),
        ("file", "a\0b"),
        ("yes_no", "y"),
        ("store", "redis://a b"),
        ("store", ""),
        ("pattern", "("),
        ("pattern", "a{99999999999}"),
        ("pattern", "(" * 2000 + ")" * 2000),
        ("size", "9" * 400),
        ("size", "9" * 5000),
        ("algorithm", "x" * LONGEST_TEXT),
        ("protocol", "x" * (LONGEST_TEXT + 1)),
        ("text", ["a", "b"]),
    ],
)
def test_a_bad_text_is_refused(name: str, text: object) -> None:
    """A check refuses what its type does not cover with a sentence that a line has room for."""
    with pytest.raises(ValidateError) as caught:
        CHECKS[name](text)
    assert 0 < len(str(caught.value)) < 500


@pytest.mark.parametrize(("value", "number"), [("7", 7), (7, 7), ("-1", -1)])
def test_a_number_may_be_one_already(value: object, number: int) -> None:
    """Numbers come as texts from Deston's own form, and as numbers from TOML."""
    assert plain.check_whole(value, min="-5", max="9") == number


@pytest.mark.parametrize("value", ["10", "-6", "1.5", "", "٣", True, 1.5, ["1"], "1" * 30])
def test_what_is_no_number_in_range_is_refused(value: object) -> None:
    """A number outside of its range, a part of one, or another type is refused."""
    with pytest.raises(ValidateError):
        plain.check_whole(value, min="-5", max="9")


def test_a_number_of_endless_digits_is_refused() -> None:
    """TOML has numbers that Python reads and will not write (its limit is 4300 digits)."""
    with pytest.raises(ValidateError):
        plain.check_whole(16**5000, min="-5", max="9")


def test_a_pattern_that_python_warns_of_is_one() -> None:
    """Warnings about a pattern stay between Python and itself."""
    assert plain.check_pattern("[[a]") == "[[a]"
