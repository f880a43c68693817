"""What the types of the schema have in common.

What lives here: the table of types, the two decorators that put functions into it, and the wording that they share.
What must not: any type.
Invariant: a check returns a value of the type that the model wants, or raises ``ValidateError`` with one clause that
says what is wrong with the text; it is quick, whatever the text.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

from configobj.validate import ValidateError

from deston.config.report import did_you_mean

#: Longer texts are no addresses, numbers or names: they are refused before anything slow is done with them.
LONGEST_TEXT = 4096
LONGEST_WORD = 300

AnyEnum = TypeVar("AnyEnum", bound=enum.Enum)
Check = Callable[..., Any]

#: The types by the names that the schema calls them: those of their functions, without ``check_``.
CHECKS: dict[str, Check] = {}


def of_one(check: Check) -> Check:
    """Register a check of a single text; it refuses lists and endless texts."""

    @wraps(check)
    def check_one(value: object, *arguments: str, **limits: str) -> Any:
        if isinstance(value, list):
            quotes = "put it in quotes if it has a comma"
            raise ValidateError(f"one value is expected, not a list of {len(value)} ({quotes})")
        return check(_text(value), *arguments, **limits)

    return _named(check, check_one)


def of_list(check: Check) -> Check:
    """Register a check of a list of texts; a single text is a list, too."""

    @wraps(check)
    def check_list(value: object) -> Any:
        return check([_text(item) for item in value] if isinstance(value, list) else [_text(value)])

    return _named(check, check_list)


def read_word(parse: Callable[..., Any], text: str, **arguments: Any) -> Any:
    """What ``parse`` makes of a short text; its ``ValueError`` becomes a ``ValidateError``."""
    if len(text) > LONGEST_WORD:
        raise ValidateError(f"{short(text)} is too long")
    try:
        return parse(text, **arguments)
    except ValueError as error:
        raise ValidateError(str(error)) from error


def read_member(text: str, kind: type[AnyEnum], what: str) -> AnyEnum:
    """The member of an enumeration with the value ``text``."""
    known = {str(member.value): member for member in kind}
    if text.lower() not in known:
        raise ValidateError(f"unknown {what} {short(text)}{nearest(text, known)}")
    return known[text.lower()]


def nearest(text: str, known: Iterable[str]) -> str:
    """The known name that was meant, or all that are known; in brackets."""
    known = list(known)
    return did_you_mean(text, known) or f" (known: {', '.join(known)})"


def short(text: str) -> str:
    """A text in quotes, as much of it as a line bears."""
    return repr(text if len(text) <= LONGEST_WORD else f"{text[:40]}…")


def _named(check: Check, wrapped: Check) -> Check:
    CHECKS[check.__name__.removeprefix("check_")] = wrapped
    return wrapped


def _text(value: object) -> str:
    """A value of a TOML file, which has types, as the text that it was written as."""
    try:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    except ValueError:  # A hexadecimal number of more digits than Python writes.
        text = ""
    if len(text) > LONGEST_TEXT or (not text and value != ""):
        raise ValidateError(f"it is longer than {LONGEST_TEXT} characters")
    return text
