"""What every test of sockets needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.leaks import nothing_left_behind
from tests.tls_peers import Certificate, make_certificate


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Every socket is closed on every path."""
    with nothing_left_behind():
        yield


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for ``server.test`` and 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))
