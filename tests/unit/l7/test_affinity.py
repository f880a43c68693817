"""Affinity: the cookie, its secret, and whose client it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from deston.config.http_rules import SameSite
from deston.config.model import GlobalConfig
from deston.errors import StartError
from deston.l7.affinity import Affinity, read_secret
from deston.l7.fields import Named, by_name
from tests.builders import make_pool, make_pool_config, make_server_configs

SECRET = b"x" * 32


def make(secret: bytes = SECRET, **changes: Any) -> Affinity:
    return Affinity(make_pool_config(**{"affinity_cookie": "S", **changes}), secret)


def sent(*values: bytes) -> Named:
    return by_name((b"Cookie", value) for value in values)


def value_of(field: tuple[bytes, bytes]) -> bytes:
    return field[1].partition(b"=")[2].partition(b";")[0]


def test_a_client_comes_back_to_its_server() -> None:
    """The cookie that a server's client was given names that server, among others of the client."""
    pool = make_pool(*make_server_configs(1, 1, 1))
    affinity = make()
    for server in pool.servers:
        value = value_of(affinity.set_cookie(server, False))
        assert affinity.server(pool, sent(b"a=b; S=" + value)) is server
        assert affinity.server(pool, sent(b"a=b", b"S=" + value)) is server


def test_nobody_else_makes_or_reads_one() -> None:
    """A value tells nothing of the address; another secret, pool or character is none at all."""
    pool = make_pool(*make_server_configs(1, 1))
    affinity = make()
    value = value_of(affinity.set_cookie(pool.servers[0], False))
    assert b"127.0.0.1" not in value
    assert b"3000" not in value
    others = [make(b"y" * 32), make(name="other")]
    assert all(value_of(one.set_cookie(pool.servers[0], False)) != value for one in others)
    for tampered in (value[:-1], value + b"x", value.swapcase(), b"", b"a", b"\xff"):
        assert affinity.server(pool, sent(b"S=" + tampered)) is None
    assert affinity.server(pool, {}) is None
    assert affinity.server(pool, sent(b"T=" + value)) is None


def test_servers_that_come_later_are_known() -> None:
    pool = make_pool(*make_server_configs(1))
    affinity = make()
    assert affinity.server(pool, sent(b"S=x")) is None
    more = make_pool(*make_server_configs(1, 1))
    pool.servers = more.servers
    assert affinity.server(pool, sent(b"S=" + value_of(affinity.set_cookie(more.servers[1], False)))) is more.servers[1]


@pytest.mark.parametrize(
    ("changes", "secured", "ending"),
    [
        ({}, False, b"; Path=/; HttpOnly; SameSite=Lax"),
        ({}, True, b"; Path=/; HttpOnly; SameSite=Lax; Secure"),
        ({"affinity_same_site": SameSite.NONE}, False, b"; Path=/; HttpOnly; SameSite=None; Secure"),
        ({"affinity_lifetime": 3600.0}, False, b"; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600"),
    ],
)
def test_attributes(changes: dict[str, Any], secured: bool, ending: bytes) -> None:
    name, value = make(**changes).set_cookie(make_pool(*make_server_configs(1)).servers[0], secured)
    assert name == b"Set-Cookie"
    assert value.startswith(b"S=")
    assert value.endswith(ending)


def test_servers_do_not_see_the_cookie() -> None:
    fields = [(b"Cookie", b"a=1; S=x; b=2"), (b"X", b"S=1"), (b"cookie", b"S=y"), (b"Cookie", b"c=3")]
    assert make().without(fields) == [(b"Cookie", b"a=1; b=2"), (b"X", b"S=1"), (b"Cookie", b"c=3")]


def config(folder: Path, secret_file: str = "") -> GlobalConfig:
    return GlobalConfig(str(folder / "run"), 1, "memory", 30.0, 0, secret_file, 5.0)


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    """It is made in run_dir for this user alone, and is the same for whoever comes later."""
    secret = read_secret(config(tmp_path))
    assert len(secret) >= 32
    assert read_secret(config(tmp_path)) == secret
    file = tmp_path / "run" / "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "run") == ["secret"]


def test_a_secret_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "own"
    file.write_bytes(b"a secret of some length\n")
    assert read_secret(config(tmp_path, str(file))) == b"a secret of some length"
    file.write_bytes(b"short")
    with pytest.raises(StartError, match="at least 16 bytes"):
        read_secret(config(tmp_path, str(file)))
    with pytest.raises(StartError, match="cannot be read or made: No such file"):
        read_secret(config(tmp_path, str(tmp_path / "missing")))
    (tmp_path / "run").write_text("")
    with pytest.raises(StartError, match="secret_file names another"):
        read_secret(config(tmp_path))
