"""What several modules of these tests need."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from deston.l7.cache import ConnectionCache
from tests.leaks import a_while, nothing_left_behind
from tests.tls_peers import Certificate, make_certificate
from tests.unit.l7.builders import Sentences


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Every socket is closed on every path, and every stream before its socket: libev aborts the process otherwise."""
    with nothing_left_behind():
        yield


@pytest.fixture
def cache() -> Iterator[ConnectionCache]:
    """A connection cache of this test's own, which nobody sweeps afterwards."""
    with a_while(ConnectionCache()) as made:
        yield made


@pytest.fixture
def said() -> Iterator[Sentences]:
    """What ``deston.l7`` logs, whatever becomes of it otherwise."""
    handler = Sentences()
    logger = logging.getLogger("deston.l7")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))
