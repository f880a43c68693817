from __future__ import annotations

import pytest

from deston.config.units import UnitError, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("2s", 2), ("1.5m", 90), ("1h", 3600), ("30 s", 30), ("0", 0), ("0s", 0), ("0.25s", 0.25)],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    """A number with ms, s, m or h is so many seconds; 0 needs no unit."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["30", "1d", "5S", "s", "", "-1s", "1s 2s", "1e3s", "1,5s", "٣s", "9" * 5000 + "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without its unit is refused like any other text that could be read in two ways."""
    with pytest.raises(UnitError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("512", 512), ("64k", 65536), ("64K", 65536), ("10m", 10 * 1024**2), ("1g", 1024**3)]
)
def test_a_size_is_bytes(text: str, size: int) -> None:
    """A number is bytes; k, m and g are powers of 1024, in either case."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "10mb", "1.5g", "-1", "1t", "ten"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A part of a byte, an unknown unit or no number at all is refused."""
    with pytest.raises(UnitError):
        parse_size(text)
