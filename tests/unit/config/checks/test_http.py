from __future__ import annotations

import pytest
from configobj.validate import ValidateError

from deston.config.checks.base import CHECKS
from deston.config.model import Forwarded, RetryCause, RetryOn


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("method", "GET", "GET"),
        ("request_path", "/x?y=z", "/x?y=z"),
        ("path", "/v1/", "/v1/"),
        ("path", "", ""),
        ("host_header", "preserve", "preserve"),
        ("host_header", "[::1]:8080", "[::1]:8080"),
        ("host_header", "", ""),
        ("forwarded", "X-Forwarded", frozenset({Forwarded.X_FORWARDED})),
        ("forwarded", ["x-forwarded", "rfc7239"], frozenset(Forwarded)),
        ("forwarded", "off", frozenset()),
        ("retry_on", "off", RetryOn(frozenset(), frozenset())),
        ("retry_on", ["Timeout", "503"], RetryOn(frozenset({RetryCause.TIMEOUT}), frozenset({503}))),
        ("statuses", "200", ((200, 200),)),
        ("statuses", ["200-299", "304 - 304"], ((200, 299), (304, 304))),
    ],
)
def test_a_good_text_is_its_value(name: str, value: object, expected: object) -> None:
    """A check returns what the text means."""
    assert CHECKS[name](value) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", ""),
        ("method", "GET /"),
        ("method", "GET\n"),
        ("request_path", ""),
        ("request_path", "x"),
        ("request_path", "/a b"),
        ("request_path", "/a#b"),
        ("request_path", "/a\n"),
        ("request_path", "/é"),
        ("path", "/a?b"),
        ("host_header", "a b"),
        ("host_header", "a\r\nX: y"),
        ("host_header", "a\n"),
        ("forwarded", ["off", "x-forwarded"]),
        ("forwarded", "forwarded-for"),
        ("retry_on", ["off", "reset"]),
        ("retry_on", "200"),
        ("retry_on", "error"),
        ("statuses", []),
        ("statuses", "99"),
        ("statuses", "600"),
        ("statuses", "300-200"),
        ("statuses", "2xx"),
        ("statuses", "200\n"),
    ],
)
def test_a_bad_text_is_refused(name: str, value: object) -> None:
    """A check refuses what its type does not cover; nothing can end a line of a head."""
    with pytest.raises(ValidateError):
        CHECKS[name](value)
