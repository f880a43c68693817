"""The preface: read within a deadline and a bound, and nothing of it is lost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.errors import BadProxyHeader, ClientGone, PrefaceTimeout, ProtocolError, ReadTimeout
from deston.net.fake import FakeStream
from deston.net.preface import Preface
from deston.net.proxy_protocol import LONGEST_HEADER, ProxyHeader, parse_proxy_header, proxy_header_v1

PAIR = ("10.0.0.1", 1), ("10.0.0.2", 2)


@given(st.binary(max_size=50), st.lists(st.integers(1, 20), max_size=10))
def test_whatever_way_it_is_cut(rest: bytes, sizes: list[int]) -> None:
    """The header is consumed, and what follows it is there for the server, however the bytes come."""
    data = proxy_header_v1(*PAIR) + rest
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    stream = FakeStream([*pieces, data])
    preface = Preface(stream, 5)
    assert preface.take(parse_proxy_header, LONGEST_HEADER) == ProxyHeader(*PAIR)
    unread = b"".join(iter(lambda: stream.read(100), b""))
    assert preface.rest + unread == rest
    assert stream.deadline_s == 5
    preface.end()
    assert stream.deadline_s == math.inf


def test_the_time_is_for_all_of_it() -> None:
    """It begins with the first read and is not given anew with the next; without any read, the stream is left alone."""
    stream = FakeStream([b"a", b"b"])
    preface = Preface(stream, 5)
    preface.end()
    assert stream.deadline_s is None
    preface.look(lambda data: data or None, 10)
    stream.expire_after(3)
    preface.look(lambda data: data if len(data) > 1 else None, 10)
    assert stream.deadline_s == 3


def test_looking_consumes_nothing() -> None:
    """What was only looked at is still there."""
    preface = Preface(FakeStream([b"ab", b"cd"]), 5)
    assert preface.look(lambda data: data[:3] if len(data) >= 3 else None, 10) == b"abc"
    assert preface.rest == b"abcd"
    assert repr(preface) == "<Preface 4 bytes ahead>"


@pytest.mark.parametrize(
    ("reads", "error"),
    [
        ([b"PROXY TCP4"], ClientGone),
        ([b"PROXY TCP4", ReadTimeout("late")], PrefaceTimeout),
        ([b"GET / HTTP/1.1\r\n"], BadProxyHeader),
    ],
)
def test_what_goes_wrong(reads: list[bytes | BaseException], error: type[BaseException]) -> None:
    """A client that leaves, is late, or sends something else has its own error each."""
    with pytest.raises(error):
        Preface(FakeStream(reads), 5).take(parse_proxy_header, LONGEST_HEADER)


def test_it_is_bounded() -> None:
    """A message that never ends is refused at its bound, and no more is read."""
    stream = FakeStream([b"x" * 100] * 10)
    preface = Preface(stream, 5)
    with pytest.raises(ProtocolError, match="longer than 250 bytes"):
        preface.look(lambda data: None, 250)
    assert len(preface.rest) == 250
