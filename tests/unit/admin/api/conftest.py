"""An application on a file of its own, without a socket."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from deston.admin.api.application import make_app
from deston.admin.api.site import Site
from tests.unit.config.texts import GOOD


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The good configuration."""
    path = tmp_path / "x.conf"
    path.write_text(GOOD, encoding="utf-8")
    return path


@pytest.fixture
def client(file: Path) -> FlaskClient:
    """A client of the application without a token."""
    return make_app(Site(str(file))).test_client()
