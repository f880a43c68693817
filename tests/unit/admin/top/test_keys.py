"""Bytes to keys."""

from __future__ import annotations

import pytest

from deston.admin.top.keys import Keys


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"jq?", ["j", "q", "?"]), (b"\x1b[A\x1bOB", ["up", "down"]), (b"\x1b[5~\x1b[6~", ["page up", "page down"]),
        (b"\x1b[H\x1b[4~", ["home", "end"]), (b"\r\n\x7f\x15", ["enter", "enter", "backspace", "clear"]),
        ("é".encode(), ["é"]), (b"\x1b[1;5Dx\x01\x1bOPy", ["x", "y"]), (b"\x1bd", ["escape", "d"]),
    ],
)  # fmt: skip
def test_keys_have_names(data: bytes, keys: list[str]) -> None:
    """Characters are themselves, and a sequence that is not known is none, whatever letters it has."""
    assert Keys().feed(data) == keys


def test_what_arrives_in_pieces_is_one_key() -> None:
    """A sequence that is cut anywhere, and a character of several bytes; a lone escape is one, too."""
    keys = Keys()
    assert keys.feed(b"\x1b") == []
    assert keys.is_open
    assert keys.feed(b"[") == []
    assert keys.feed(b"5") == []
    assert keys.feed(b"~j\xc3") == ["page up", "j"]
    assert not keys.is_open
    assert keys.feed(b"\xa9\x1b") == ["é"]
    assert keys.flush() == ["escape"]
    assert not keys.is_open
