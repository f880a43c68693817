"""Tests for deston.l7.fields."""

from __future__ import annotations

from deston.l7.fields import Fields, by_name

FIELDS = [(b"Accept", b"a"), (b"X", b"1"), (b"accept", b"b")]


def test_fields_are_a_list_known_by_name() -> None:
    """In their order and their own case, and by the name in lower case."""
    fields = Fields(FIELDS)
    assert fields == FIELDS
    assert fields.named == by_name(FIELDS) == {b"accept": [b"a", b"b"], b"x": [b"1"]}


def test_what_follows_from_them_is_kept() -> None:
    """By each for itself."""
    first, second = Fields(FIELDS), Fields(FIELDS)
    first.kept["answer"] = 42
    assert (first.kept, second.kept) == ({"answer": 42}, {})
