from __future__ import annotations

import pytest

from deston.address import Address
from deston.config.checks.addresses import ServerAddress
from deston.config.checks.plain import FileName
from deston.config.values import make_absolute, named_sections, server_addresses


@pytest.mark.parametrize(
    ("value", "absolute"),
    [
        (FileName("run"), "/etc/deston/run"),
        (FileName("../run"), "/etc/run"),
        (FileName("/run"), "/run"),
        (FileName(""), ""),
        ("run", "run"),
        (Address(path="x.sock"), Address(path="/etc/deston/x.sock")),
        (Address("x", 1), Address("x", 1)),
        (ServerAddress(Address(path="x.sock"), True), ServerAddress(Address(path="/etc/deston/x.sock"), True)),
        ({"a": {"b": FileName("run"), "c": None}}, {"a": {"b": "/etc/deston/run", "c": None}}),
    ],
)
def test_files_and_sockets_are_relative_to_the_folder(value: object, absolute: object) -> None:
    """File names and unix sockets become absolute wherever they stand; everything else stays as it is."""
    assert make_absolute(value, "/etc/deston") == absolute


def test_what_could_not_be_read_is_passed_over() -> None:
    """Rules see neither sections nor addresses that are None."""
    address = ServerAddress(Address("x", 1), False)
    pool = {"servers": {"a": None, "b": {"address": None}, "c": {"address": address}}}
    assert named_sections({"pools": {"app": pool, "bad": None}, "routes": None}, "pools") == [("app", pool)]
    assert named_sections({"pools": {}, "routes": None}, "routes") == []
    assert list(server_addresses(pool)) == [("c", address)]
    assert list(server_addresses({})) == []
