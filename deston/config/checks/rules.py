"""Types of what http listeners and routes do with requests.

What lives here: those types of ``spec.ini``: a first value, and options behind it.
What must not: what any of it does (``deston.l7``).
Invariant: see ``base.py``. No value can end a line or a field of a head that it is written into.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from configobj.validate import ValidateError

from deston.config.checks.base import CHECKS, nearest, of_list, of_one, read_member, read_word, short
from deston.config.checks.http import check_method
from deston.config.checks.plain import FileName, check_file, check_pattern
from deston.config.http_rules import (
    Condition,
    FixedResponse,
    MapBack,
    Mirror,
    PoolShare,
    RateKey,
    RateLimit,
    Redirect,
    SameSite,
    UnderscoreHeaders,
)
from deston.config.templates import REQUEST_NAMES, RESPONSE_NAMES, unknown_names
from deston.config.units import parse_duration, parse_size

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110 section 5.6.2.
_VALUE = re.compile(r"[\t -~]*")
_PARAMETER = re.compile(r"[!-<>-~]{1,200}")
_HEADER_VALUE = re.compile(r"([^:\s]+): ?(.*)")
_RATE = re.compile(r"([0-9]{1,9}) */ *([0-9.]*[a-z]+)")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")
_PAGE = re.compile(r"([1-5](?:[0-9][0-9]|xx)) *= *(\S.*)")
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?: *; *[A-Za-z0-9-]+=[A-Za-z0-9._-]+)*")
_REDIRECTS = (301, 302, 307, 308)
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")
# Framing and the connection are the proxy's, whatever a rule says.
_NOT_BY_RULE = frozenset({
    "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
LARGEST_MIRRORED = 64 * 1024
_SHARE_OF_ALL = 100


@of_one
def check_word(text: str) -> str:
    if text and not _TOKEN.fullmatch(text):
        raise ValidateError(f"{short(text)} is not a name of letters, digits and '-'")
    return text


@of_one
def check_field_name(text: str) -> str:
    """The name of a field that Deston writes; ``off`` is none."""
    if text == "off":
        return ""
    name = str(check_word(text))
    _require_ours(name)
    return name


@of_list
def check_field_names(texts: list[str]) -> tuple[str, ...]:
    for text in texts:
        if not _TOKEN.fullmatch(text):
            raise ValidateError(f"{short(text)} is not the name of a field")
        _require_ours(text)
    return tuple(texts)


def _require_ours(name: str) -> None:
    if name.lower() in _NOT_BY_RULE:
        raise ValidateError(f"{name} is the proxy's own business, and not for a rule")


@of_list
def check_header_values(texts: list[str]) -> tuple[tuple[str, str], ...]:
    return tuple(_header_value(text, REQUEST_NAMES) for text in texts)


@of_list
def check_response_header_values(texts: list[str]) -> tuple[tuple[str, str], ...]:
    return tuple(_header_value(text, RESPONSE_NAMES) for text in texts)


def _header_value(text: str, names: Sequence[str]) -> tuple[str, str]:
    found = _HEADER_VALUE.fullmatch(text)
    if found is None or not _TOKEN.fullmatch(found[1]):
        raise ValidateError(f"{short(text)} is not of the form 'Name: value'")
    _require_ours(found[1])
    if not _VALUE.fullmatch(found[2]):
        raise ValidateError(f"{short(text)} holds characters that no field may have")
    _require_known_names(found[2], names)
    return found[1], found[2].strip()


def _require_known_names(template: str, known: Sequence[str]) -> None:
    for name in unknown_names(template, known):
        raise ValidateError(f"unknown value %({name})s{nearest(name, known)}")


@of_list
def check_methods(texts: list[str]) -> tuple[str, ...]:
    return tuple(map(check_method, texts))


@of_list
def check_header_conditions(texts: list[str]) -> tuple[Condition, ...]:
    return tuple(_condition(text, ":", _TOKEN, "a field") for text in texts)


@of_list
def check_query_conditions(texts: list[str]) -> tuple[Condition, ...]:
    return tuple(_condition(text, "=", _PARAMETER, "a parameter") for text in texts)


def _condition(text: str, separator: str, name_form: re.Pattern[str], what: str) -> Condition:
    name, there, value = (part.strip() for part in text.partition(separator))
    if not name_form.fullmatch(name):
        raise ValidateError(f"{short(text)} does not begin with the name of {what}")
    name = name.lower() if separator == ":" else name
    if not there:
        return Condition(name)
    if value.startswith("~"):
        return Condition(name, str(check_pattern(value[1:].strip())), True)
    return Condition(name, value)


@of_list
def check_pools(texts: list[str]) -> tuple[PoolShare, ...]:
    return tuple(_share(text) for text in texts if text)


def _share(text: str) -> PoolShare:
    name, there, weight = (part.strip() for part in text.partition("="))
    if not name:
        raise ValidateError(f"{short(text)} names no pool")
    if not there:
        return PoolShare(name)
    if not re.fullmatch(r"[0-9]{1,6}", weight):
        raise ValidateError(f"{short(text)}: the weight of a pool is a whole number")
    return PoolShare(name, int(weight))


@of_list
def check_map_back(texts: list[str]) -> frozenset[MapBack]:
    if texts == ["off"]:
        return frozenset()
    if "off" in texts:
        raise ValidateError("'off' stands alone")
    return frozenset(read_member(text, MapBack, "part of a response") for text in texts)


@of_list
def check_redirect(texts: list[str]) -> Redirect | None:
    if not texts:
        return None
    options = _options(texts, ("scheme", "host", "path", "status"))
    status = options.get("status", "302")
    if status not in map(str, _REDIRECTS):
        raise ValidateError(f"{short(status)} is not the status of a redirect{nearest(status, map(str, _REDIRECTS))}")
    scheme, host, path = (options.get(name, "") for name in ("scheme", "host", "path"))
    if scheme not in ("", "http", "https"):
        raise ValidateError(f"unknown scheme {short(scheme)} (http and https are known)")
    if host and not _HOST.fullmatch(host):
        raise ValidateError(f"{short(host)} is not a host")
    if path and not re.fullmatch(r"(?:/|%\(path\)s)[!-~]*", path):
        raise ValidateError(f"{short(path)} is not a path (it begins with '/' and has no spaces)")
    _require_known_names(path, REQUEST_NAMES)
    if not (scheme or host or path):
        raise ValidateError("a redirect changes scheme, host or path: else it would lead to itself")
    return Redirect(int(status), scheme, host, path)


@of_list
def check_respond(texts: list[str]) -> FixedResponse | None:
    if not texts:
        return None
    options = _options(texts[1:], ("file", "type"))
    if not re.fullmatch(r"[2-5][0-9][0-9]", texts[0]):
        raise ValidateError(f"{short(texts[0])} is not a status from 200 to 599")
    kind = options.get("type", "")
    if kind and not _TYPE.fullmatch(kind):
        raise ValidateError(f"{short(kind)} is not a type such as text/html")
    return FixedResponse(int(texts[0]), FileName(options.get("file", "")), kind)


@of_list
def check_mirror(texts: list[str]) -> Mirror | None:
    if not texts:
        return None
    options = _options(texts[1:], ("share", "max_body"))
    percent = _PERCENT.fullmatch(options.get("share", "100%"))
    if percent is None or not 0 < float(percent[1]) <= _SHARE_OF_ALL:
        raise ValidateError(f"{short(options['share'])} is not a share such as 10%")
    most = int(read_word(parse_size, options.get("max_body", "64k")))
    if most > LARGEST_MIRRORED:
        raise ValidateError("max_body is at most 64k: what is copied is kept in memory")
    return Mirror(texts[0], float(percent[1]) / _SHARE_OF_ALL, most)


@of_list
def check_rate_limit(texts: list[str]) -> RateLimit | None:
    if not texts:
        return None
    found = _RATE.fullmatch(texts[0])
    if found is None:
        raise ValidateError(f"{short(texts[0])} is not a rate such as 10/s or 100/1m")
    options = _options(texts[1:], ("burst", "by"))
    unit = found[2] if found[2][0].isdigit() else f"1{found[2]}"
    requests, seconds = int(found[1]), float(read_word(parse_duration, unit))
    if not requests or not seconds:
        raise ValidateError("a rate is at least one request in some time")
    burst = int(CHECKS["whole"](options.get("burst", found[1]), min="1", max="1000000000"))
    kind, colon, name = options.get("by", "client").partition(":")
    by = read_member(kind, RateKey, "way to count")
    if (by is RateKey.HEADER) != bool(colon) or (colon and not _TOKEN.fullmatch(name)):
        raise ValidateError(f"{short(options['by'])} is not client, route or header:Name")
    return RateLimit(requests, seconds, burst, by, name.lower())


@of_one
def check_underscore_headers(text: str) -> UnderscoreHeaders:
    return read_member(text, UnderscoreHeaders, "choice")


@of_one
def check_same_site(text: str) -> SameSite:
    return read_member(text, SameSite, "choice")


@of_list
def check_error_pages(texts: list[str]) -> tuple[tuple[str, FileName], ...]:
    pages = []
    for text in texts:
        found = _PAGE.fullmatch(text)
        if found is None:
            raise ValidateError(f"{short(text)} is not of the form 503=file or 5xx=file")
        pages.append((found[1], check_file(found[2])))
    return tuple(pages)


def _options(texts: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """The options behind a first value."""
    options: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise ValidateError(f"{short(text)} is not of the form option=value")
        if name not in known:
            raise ValidateError(f"unknown option {short(name)}{nearest(name, known)}")
        if name in options:
            raise ValidateError(f"{name!r} stands twice")
        options[name] = value
    return options
