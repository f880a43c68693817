"""Durations and sizes as text and as numbers.

What lives here: ``30s`` to seconds, ``10m`` to bytes, and back.
What must not: limits; the schema has them.
Invariant: a duration without a unit is refused, because it is read differently by everyone; only 0 needs none.
"""

from __future__ import annotations

import re

_NUMBER_AND_UNIT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([a-zA-Z]*)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class UnitError(ValueError):
    """A text that is no duration or size; its message says what is wrong in one clause."""


def parse_duration(text: str) -> float:
    """Seconds of a text such as ``500ms``, ``2s``, ``1.5m``, ``1h`` or ``0``. Raises ``UnitError``."""
    found = _NUMBER_AND_UNIT.fullmatch(text)
    if not found:
        raise UnitError(f"{text!r} is not a duration (a number with ms, s, m or h)")
    number, unit = found.groups()
    if float(number) == 0 and not unit:
        return 0.0
    if not unit:
        raise UnitError(f"{text!r} has no unit (write {number}ms, {number}s, {number}m or {number}h)")
    if unit not in _SECONDS:
        raise UnitError(f"unknown unit {unit!r} in {text!r} (ms, s, m and h are known)")
    return float(number) * _SECONDS[unit]


def parse_size(text: str) -> int:
    """Bytes of a text such as ``512``, ``64k``, ``10m`` or ``1g``, in powers of 1024. Raises ``UnitError``."""
    found = _NUMBER_AND_UNIT.fullmatch(text)
    if not found:
        raise UnitError(f"{text!r} is not a size (a number of bytes, or one with k, m or g)")
    number, unit = found.groups()
    if unit.lower() not in _BYTES:
        raise UnitError(f"unknown unit {unit!r} in {text!r} (k, m and g are known)")
    if "." in number:
        raise UnitError(f"{text!r} is not a whole number")
    return int(number) * _BYTES[unit.lower()]
