from __future__ import annotations

import pytest

from deston.config.assemble import to_config
from deston.config.report import Report
from deston.config.schema import Schema, spec


def test_a_key_without_a_field_is_no_configuration() -> None:
    """Values go into fields of the same name, so that none can be lost on the way."""
    values = Schema(spec()).check({}, Report("x.conf"))
    assert to_config("x.conf", values).listeners == ()
    values["global"]["surprise"] = 1
    with pytest.raises(TypeError):
        to_config("x.conf", values)
