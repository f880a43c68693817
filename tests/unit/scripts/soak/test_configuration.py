"""The configuration of the soak."""

from __future__ import annotations

from pathlib import Path

from deston.config.load import load
from scripts.soak.configuration import HOSTS, LISTENERS, SERVERS, render, replace
from scripts.soak.model import PROTOCOLS


def test_deston_takes_it(tmp_path: Path) -> None:
    """Every pool has all servers, at their own addresses, with the weights that were asked for."""
    ports = {name: dict.fromkeys(PROTOCOLS, 1000) for name in HOSTS}
    file = tmp_path / "deston.conf"
    replace(file, render({name: 2000 + number for number, name in enumerate(LISTENERS)}, ports, {"b": 3}))
    config = load(str(file))
    assert [pool.name for pool in config.pools] == list(PROTOCOLS)
    for pool in config.pools:
        assert [server.name for server in pool.servers] == list(SERVERS)
        assert [server.weight for server in pool.servers] == [1, 3, 1, 1]
        assert (pool.health.interval, len({str(server.address) for server in pool.servers})) == (0.5, 4)
    assert list(tmp_path.iterdir()) == [file]
