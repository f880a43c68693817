"""Fields with underscores: dropped, refused or kept."""

from __future__ import annotations

import logging

import pytest

from deston.config.http_rules import UnderscoreHeaders
from deston.errors import BadRequest
from deston.l7 import terms
from deston.l7.http1 import parse_request_head
from deston.l7.terms import terms_of, underscores

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX_User: 1\r\nX_Legacy: 2\r\nX-User: 3\r\n\r\n"


def passed_on(choice: UnderscoreHeaders, *kept: str) -> list[bytes]:
    head = parse_request_head(HEAD, 8190, 100)
    return [name for name, _ in terms_of(head, underscores(choice, kept)).passed_on]


def test_each_rule_by_itself() -> None:
    """The same head, which is remembered, under one rule after the other."""
    assert passed_on(UnderscoreHeaders.DROP) == [b"Host", b"X-User"]
    assert passed_on(UnderscoreHeaders.DROP, "x_legacy") == [b"Host", b"X_Legacy", b"X-User"]
    assert passed_on(UnderscoreHeaders.KEEP) == [b"Host", b"X_User", b"X_Legacy", b"X-User"]
    with pytest.raises(BadRequest, match="underscore"):
        passed_on(UnderscoreHeaders.REFUSE)
    assert passed_on(UnderscoreHeaders.REFUSE, "X_User", "X_Legacy") == [b"Host", b"X_User", b"X_Legacy", b"X-User"]


@pytest.mark.interpreted
def test_a_name_is_told_of_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms, "_told", set())
    with caplog.at_level(logging.INFO):
        for number in range(200):
            head = b"GET / HTTP/1.1\r\nHost: a\r\nX_A: 1\r\nX_%d: 1\r\n\r\n" % number
            terms_of(parse_request_head(head, 8190, 100))
    assert sum("X_A was" in message for message in caplog.messages) == 1
    assert len(caplog.messages) == 100, "a client does not fill the log"
