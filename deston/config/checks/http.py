"""Types that HTTP knows: paths, methods, statuses, fields.

What lives here: those types of ``spec.ini``.
What must not: the reading of requests; that is ``deston.l7``'s.
Invariant: see ``base.py``. No value can end a line or a field of a head that it is written into.
"""

from __future__ import annotations

import re

from configobj.validate import ValidateError

from deston.config.checks.base import of_list, of_one, read_member, short
from deston.config.model import Forwarded, RetryCause, RetryOn

_PATH = re.compile(r"/[!-~]*")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2.
_HOST_FIELD = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_FIRST_ERROR = 400
_RETRY_STATUS = re.compile(r"[45][0-9][0-9]")
_STATUS_RANGE = re.compile(r"([1-5][0-9][0-9])(?: *- *([1-5][0-9][0-9]))?")


@of_one
def check_method(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValidateError(f"{short(text)} is not a method")
    return text


@of_one
def check_request_path(text: str) -> str:
    if not _PATH.fullmatch(text) or "#" in text:
        raise ValidateError(f"{short(text)} is not a path (it begins with '/' and has no spaces)")
    return text


@of_one
def check_path(text: str) -> str:
    """The path of a route: it is compared with what stands before a ``?``. Empty is unset."""
    if text and "?" in check_request_path(text):
        raise ValidateError(f"{short(text)} has a query: a route is found by its path alone")
    return text


@of_one
def check_host_header(text: str) -> str:
    if text and not _HOST_FIELD.fullmatch(text):
        raise ValidateError(f"{short(text)} is not a host")
    return text


@of_list
def check_forwarded(texts: list[str]) -> frozenset[Forwarded]:
    if texts == ["off"]:
        return frozenset()
    if "off" in texts:
        raise ValidateError("'off' stands alone")
    return frozenset(read_member(text, Forwarded, "field") for text in texts)


@of_list
def check_retry_on(texts: list[str]) -> RetryOn:
    if texts == ["off"]:
        return RetryOn(frozenset(), frozenset())
    if "off" in texts:
        raise ValidateError("'off' stands alone")
    statuses = [text for text in texts if text.isdecimal()]
    unfit = [text for text in statuses if not _RETRY_STATUS.fullmatch(text)]
    if unfit:
        raise ValidateError(f"{short(unfit[0])} is not the status of an error (400 to 599)")
    causes = [read_member(text, RetryCause, "cause") for text in texts if text not in statuses]
    return RetryOn(frozenset(causes), frozenset(map(int, statuses)))


@of_list
def check_statuses(texts: list[str]) -> tuple[tuple[int, int], ...]:
    if not texts:
        raise ValidateError("at least one status is needed")
    return tuple(map(_status_range, texts))


@of_list
def check_bad_statuses(texts: list[str]) -> frozenset[int]:
    if texts == ["off"]:
        return frozenset()
    if "off" in texts:
        raise ValidateError("'off' stands alone")
    ranges = list(map(_status_range, texts))
    if any(lowest < _FIRST_ERROR for lowest, _ in ranges):
        raise ValidateError("only the statuses of errors can be held against a server (400 to 599)")
    return frozenset(status for lowest, highest in ranges for status in range(lowest, highest + 1))


def _status_range(text: str) -> tuple[int, int]:
    found = _STATUS_RANGE.fullmatch(text)
    if not found:
        raise ValidateError(f"{short(text)} is not a status or a range of statuses (200, 200-399)")
    lowest, highest = int(found[1]), int(found[2] or found[1])
    if lowest > highest:
        raise ValidateError(f"{short(text)} is a range from high to low")
    return lowest, highest
