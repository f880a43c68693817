"""Queries and cookies by name."""

from __future__ import annotations

from deston.l7.query import MOST_PARAMETERS, cookie, parameters, without_cookie


def test_parameters() -> None:
    """Decoded as applications do it; those that are too many are not read."""
    assert parameters("a=1&b=%20x+y&a=2&c") == {"a": ["1", "2"], "b": [" x y"], "c": [""]}
    assert parameters("") == {}
    assert parameters("b=2&" + "&".join("a=1" for _ in range(MOST_PARAMETERS + 1)))["b"] == ["2"]
    assert len(parameters("&".join("a=1" for _ in range(MOST_PARAMETERS + 1)))["a"]) == MOST_PARAMETERS
    assert parameters("%ff=%zz") == {"\ufffd": ["%zz"]}


def test_cookies() -> None:
    """The first of a name, in any of the lines."""
    lines = [b"a=1; b = 2;c", b"b=3; d=x=y"]
    assert [cookie(lines, name) for name in (b"a", b"b", b"c", b"d", b"e")] == [b"1", b"2", b"", b"x=y", b""]
    assert without_cookie(b"a=1; b=2; a=3", b"a") == b"b=2"
    assert without_cookie(b"a=1", b"a") == b""
