"""What of a request is hashed."""

from __future__ import annotations

import pytest

from deston.l7.fields import by_name
from deston.l7.hashing import hash_keys
from tests.builders import make_pool_config

NAMED = by_name([(b"X-User", b"ann"), (b"X-User", b"bob"), (b"Cookie", b"id=7; x=y")])


@pytest.mark.parametrize(
    ("algorithm", "hash_key", "expected"),
    [
        ("header_hash", "X-User", "ann,bob"),
        ("header_hash", "X-None", ""),
        ("cookie_hash", "id", "7"),
        ("cookie_hash", "none", ""),
        ("uri_hash", "", "/a?b"),
        ("uri_hash", "uri", "/a?b"),
        ("uri_hash", "path", "/a"),
    ],
)
def test_keys(algorithm: str, hash_key: str, expected: str) -> None:
    keys = hash_keys([make_pool_config(algorithm=algorithm, hash_key=hash_key), make_pool_config(name="plain")])
    assert list(keys) == ["app"]
    assert keys["app"](NAMED, b"/a?b") == expected
