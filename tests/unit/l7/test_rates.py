"""Rates: whose requests count together, and what a client is told."""

from __future__ import annotations

import pytest

from deston.config.http_rules import RateKey, RateLimit
from deston.errors import TooManyRequests
from deston.l7.fields import Field, by_name
from deston.l7.rates import Rate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(requests: int = 2, seconds: float = 1.0, burst: int = 2, **changes: object) -> tuple[Rate, Clock]:
    clock = Clock()
    return Rate("web", RateLimit(requests, seconds, burst, **changes), clock), clock  # type: ignore[arg-type]


def test_what_a_client_is_told() -> None:
    """The limit and what is left with every response; when to come again with a refusal."""
    rate, clock = make(requests=6, seconds=60.0, burst=2)
    policy = (b"RateLimit-Policy", b'"web";q=6;w=60')
    assert rate.take("10.0.0.1", {}) == [policy, (b"RateLimit", b'"web";r=1;t=10')]
    assert rate.take("10.0.0.1", {}) == [policy, (b"RateLimit", b'"web";r=0;t=20')]
    with pytest.raises(TooManyRequests) as caught:
        rate.take("10.0.0.1", {})
    assert caught.value.fields == (policy, (b"RateLimit", b'"web";r=0;t=10'), (b"Retry-After", b"10"))
    clock.now = 10.0
    assert rate.take("10.0.0.1", {})


def test_each_client_by_itself() -> None:
    """Addresses count apart, those of one IPv6 network together; a unix socket's clients are one."""
    rate, _ = make(burst=1)
    for client in ("10.0.0.1", "10.0.0.2", "2001:db8::1", ""):
        rate.take(client, {})
    for client in ("10.0.0.1", "2001:db8::2", ""):
        with pytest.raises(TooManyRequests):
            rate.take(client, {})


def key(value: bytes) -> dict[bytes, list[bytes]]:
    fields: list[Field] = [(b"X-Key", value)]
    return by_name(fields)


def test_by_a_field() -> None:
    """Each value by itself, whoever sends it; without the field it is the client's address, which no value can be."""
    rate, _ = make(burst=1, by=RateKey.HEADER, header="x-key")
    rate.take("10.0.0.1", key(b"a"))
    with pytest.raises(TooManyRequests):
        rate.take("10.0.0.2", key(b"a"))
    rate.take("10.0.0.2", key(b"10.0.0.1"))
    rate.take("10.0.0.1", {})


def test_all_of_a_route() -> None:
    rate, _ = make(burst=1, by=RateKey.ROUTE)
    rate.take("10.0.0.1", {})
    with pytest.raises(TooManyRequests):
        rate.take("10.0.0.2", {})
