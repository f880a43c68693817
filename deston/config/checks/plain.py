"""Types that any program could have: texts, numbers, durations, and names out of a list.

What lives here: those types of ``spec.ini``.
What must not: addresses, and what HTTP knows.
Invariant: see ``base.py``.
"""

from __future__ import annotations

import re
import warnings
from typing import NamedTuple

from configobj.validate import ValidateError

from deston.config.algorithms import ALGORITHMS, canonical_algorithm
from deston.config.checks.base import CHECKS, nearest, of_list, of_one, read_member, read_word, short
from deston.config.log_words import LineFormat, LogLevel
from deston.config.model import ANY_NUMBER, AdminState, CheckType, LogFormat, OnLeaving, Protocol
from deston.config.templates import LOG_NAMES, unknown_names
from deston.config.units import parse_duration, parse_size

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_YES_NO = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
_WORD = re.compile(r"[!-~]{1,255}")
# A policy of the user's own, as entry points are written.
_FACTORY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_.]*")
_STORES = ("memory", "sqlite", "redis://…")


# An escape of a payload, or a backslash that begins none.
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.?))")
_ESCAPES = r"its escapes are \r, \n, \t, \\ and \xHH"
_ESCAPED = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}


class FileName(str):
    """A path that is relative to the folder of the configuration, until ``make_absolute`` has seen it."""


@of_one
def check_text(text: str) -> str:
    if not text.isprintable():
        raise ValidateError("it holds characters that cannot be printed")
    return text


@of_one
def check_file(text: str) -> FileName:
    return FileName(check_text(text))


@of_list
def check_files(texts: list[str]) -> tuple[FileName, ...]:
    return tuple(map(check_file, texts))


@of_list
def check_words(texts: list[str]) -> tuple[str, ...]:
    for text in texts:
        if not _WORD.fullmatch(text):
            raise ValidateError(f"{short(text)} is not a word")
    return tuple(texts)


@of_one
def check_whole(text: str, min: str, max: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValidateError(f"{short(text)} is not a whole number")
    if not int(min) <= int(text) <= int(max):
        raise ValidateError(f"it must be from {min} to {max}, not {int(text)}")
    return int(text)


@of_one
def check_yes_no(text: str) -> bool:
    if text.lower() not in _YES_NO:
        raise ValidateError(f"{short(text)} is neither yes nor no")
    return _YES_NO[text.lower()]


@of_one
def check_duration(text: str, min: str = "1ms", max: str = "1000h") -> float:
    seconds = read_word(parse_duration, text)
    if not parse_duration(min) <= seconds <= parse_duration(max):
        raise ValidateError(f"it must be from {min} to {max}, not {text}")
    return float(seconds)


@of_one
def check_size(text: str) -> int:
    return int(read_word(parse_size, text))


@of_one
def check_protocol(text: str) -> Protocol:
    return read_member(text, Protocol, "protocol")


@of_one
def check_check_type(text: str) -> CheckType:
    return read_member(text, CheckType, "type of check")


@of_one
def check_state(text: str) -> AdminState:
    return read_member(text, AdminState, "state")


@of_one
def check_algorithm(text: str) -> str:
    name = canonical_algorithm(text)
    if _FACTORY.fullmatch(text):
        return text
    if name is None:
        raise ValidateError(f"unknown policy {short(text)}{nearest(text, ALGORITHMS)}")
    return name


@of_one
def check_responses(text: str) -> int:
    if text == "any":
        return ANY_NUMBER
    number: int = CHECKS["whole"](text, min="0", max="1000000000")
    return number


@of_one
def check_on_leaving(text: str) -> OnLeaving:
    return read_member(text, OnLeaving, "choice")


class LogForm(NamedTuple):
    """The form of the lines of an access log; a template where that is one's own."""

    format: LogFormat
    template: str = ""


@of_one
def check_log_format(text: str) -> LogForm:
    if "%(" not in text:
        if text.lower() == LogFormat.TEMPLATE.value:
            raise ValidateError("a line of one's own is written out, with %(…)s for its values")
        return LogForm(read_member(text, LogFormat, "format"))
    for name in unknown_names(text, LOG_NAMES):
        raise ValidateError(f"unknown value %({name})s{nearest(name, LOG_NAMES)}")
    return LogForm(LogFormat.TEMPLATE, str(check_text(text)))


@of_one
def check_line_format(text: str) -> LineFormat:
    return read_member(text, LineFormat, "format")


@of_one
def check_log_level(text: str) -> LogLevel:
    return read_member(text, LogLevel, "level")


@of_one
def check_payload(text: str) -> bytes:
    """Bytes, written as text with escapes, because a line of the file has no other way for a line feed."""
    try:
        return _ESCAPE.sub(_unescaped, text).encode("latin-1")
    except (KeyError, UnicodeEncodeError):
        raise ValidateError(f"{short(text)} is not a payload ({_ESCAPES})") from None


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _ESCAPED[found[2]]


@of_one
def check_store(text: str) -> str:
    if text in ("memory", "sqlite") or re.fullmatch(r"redis://[!-~]+", text):
        return text
    raise ValidateError(f"unknown store {short(text)}{nearest(text, _STORES)}")


@of_one
def check_pattern(text: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValidateError(f"{short(text)} is not a regular expression: {error}") from error
    return text
