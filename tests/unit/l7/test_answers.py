"""Answers of our own: their pages, and the form in which a client wants them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deston.config.http_rules import FixedResponse
from deston.errors import ConnectError, Denied, QueueTimeout, StartError, TooManyRequests
from deston.l7.answers import LARGEST_PAGE, Fixed, Pages, redirect, refusal
from deston.l7.fields import Named, by_name

HTML = b"<h1>down</h1>"


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    (tmp_path / "down.html").write_bytes(HTML)
    (tmp_path / "other.json").write_bytes(b"{}")
    return Pages([("503", f"{tmp_path}/down.html"), ("4xx", f"{tmp_path}/other.json")])


def accept(*values: bytes) -> Named:
    return by_name((b"Accept", value) for value in values)


def test_a_page_by_status_or_class(pages: Pages) -> None:
    """The page of the status, else that of its class, else a line; a length and no caching with each."""
    found = refusal(ConnectError("x"), pages)
    assert (found.status, found.whole) == (503, HTML)
    assert found.fields == [
        (b"Content-Type", b"text/html; charset=utf-8"),
        (b"Content-Length", b"13"),
        (b"Cache-Control", b"no-cache"),
    ]
    assert refusal(Denied("x"), pages).whole == b"{}"
    assert refusal(Denied("x")).whole == b"403 Forbidden\n"


@pytest.mark.parametrize(
    ("accepted", "kind"),
    [
        ((), b"text/plain; charset=utf-8"),
        ((b"*/*",), b"text/plain; charset=utf-8"),
        ((b"application/json",), b"application/json"),
        ((b"application/json, text/plain, */*",), b"text/plain; charset=utf-8"),
        ((b"application/json, text/plain;q=0.9",), b"application/json"),
        ((b"application/problem+json",), b"application/problem+json"),
        ((b"text/html,application/xhtml+xml", b"application/json;q=0.5"), b"text/plain; charset=utf-8"),
        ((b"text/html;q=0.4, application/json;q=0.5",), b"application/json"),
        ((b"application/json;q=0",), b"text/plain; charset=utf-8"),
        ((b"application/json;q=x",), b"text/plain; charset=utf-8"),
    ],
)
def test_json_where_the_client_prefers_it(accepted: tuple[bytes, ...], kind: bytes) -> None:
    found = refusal(ConnectError("x"), named=accept(*accepted))
    assert found.fields[0] == (b"Content-Type", kind)
    if b"json" in kind:
        said = json.loads(bytes(found.whole or b""))
        assert said == {"type": "about:blank", "title": "Service Unavailable", "status": 503}


def test_a_page_gives_way_to_json(pages: Pages) -> None:
    """A listener's page of HTML is not for a client that wants JSON; one of JSON is."""
    assert (
        json.loads(bytes(refusal(ConnectError("x"), pages, accept(b"application/json")).whole or b""))["status"] == 503
    )
    assert refusal(Denied("x"), pages, accept(b"application/json")).whole == b"{}"


def test_what_a_client_is_told_of_a_limit() -> None:
    told = (b"Retry-After", b"7")
    assert told in refusal(TooManyRequests("x", (told,))).fields
    assert (b"Retry-After", b"5") in refusal(QueueTimeout("x")).fields


def test_a_redirect_and_a_fixed_response(tmp_path: Path) -> None:
    found = redirect(308, b"https://a.test/")
    assert (found.status, found.reason) == (308, b"Permanent Redirect")
    assert (b"Location", b"https://a.test/") in found.fields
    (tmp_path / "x.html").write_bytes(HTML)
    fixed = Fixed(FixedResponse(200, f"{tmp_path}/x.html")).answer(Pages(), {})
    assert (fixed.status, fixed.whole, fixed.fields[0][1]) == (200, HTML, b"text/html; charset=utf-8")
    typed = Fixed(FixedResponse(200, f"{tmp_path}/x.html", "text/x-own")).answer(Pages(), {})
    assert typed.fields[0][1] == b"text/x-own; charset=utf-8"
    assert Fixed(FixedResponse(503)).answer(Pages(), {}).whole == b"503 Service Unavailable\n"
    empty = Fixed(FixedResponse(204)).answer(Pages(), {})
    assert (empty.whole, empty.fields) == (b"", [])


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"missing\.html: it cannot be read: No such file"):
        Pages([("503", f"{tmp_path}/missing.html")])
    (tmp_path / "large").write_bytes(b"x" * (LARGEST_PAGE + 1))
    with pytest.raises(StartError, match="a page is at most"):
        Fixed(FixedResponse(200, f"{tmp_path}/large"))
    with pytest.raises(StartError, match="respond = 599: this status has no meaning"):
        Fixed(FixedResponse(599))
