"""What the integration tests share: processes that end with the tests that need them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deston.address import Address
from tests.integration.processes import Processes
from tests.integration.servers import Certificate, Nginx, make_certificate, start_named, start_nginx
from tests.integration.wire import reserved_port


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Processes of one test."""
    with Processes() as processes:
        yield processes


@pytest.fixture(scope="module")
def module_processes() -> Iterator[Processes]:
    """Processes of all tests of a module."""
    with Processes() as processes:
        yield processes


@pytest.fixture(scope="session")
def session_processes() -> Iterator[Processes]:
    """Processes of all tests."""
    with Processes() as processes:
        yield processes


@pytest.fixture(scope="session")
def abc(session_processes: Processes) -> dict[str, Address]:
    """Three named servers that nobody stops."""
    return start_named(session_processes, {"a": 0, "b": 0, "c": 0})[1]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A server's certificate, signed by an authority of our own."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def nginx(
    session_processes: Processes, tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[Nginx]:
    """An nginx that nobody stops."""
    with reserved_port() as http, reserved_port() as https:
        yield start_nginx(session_processes, tmp_path_factory.mktemp("nginx"), http, https, certificate)


@pytest.fixture
def dead() -> Iterator[Address]:
    """An address that refuses every connection."""
    with reserved_port() as address:
        yield address
