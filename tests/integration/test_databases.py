"""Databases behind a TCP listener, with their own clients."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deston.address import Address
from tests.integration.commands import L4, Command, start
from tests.integration.configs import pool, tcp, write_config
from tests.integration.processes import Finished, Processes, run
from tests.integration.servers import find_postgres, find_program, start_postgres, start_redis
from tests.integration.wire import reserved_port


@pytest.fixture(scope="module")
def redis(module_processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """``deston-l4`` in front of a Redis."""
    folder = tmp_path_factory.mktemp("redis")
    find_program("redis-cli")
    with reserved_port() as address:
        start_redis(module_processes, folder, address)
        yield start_front(module_processes, folder, address)


@pytest.fixture(scope="module")
def postgres(module_processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """``deston-l4`` in front of a PostgreSQL."""
    with reserved_port() as address, tempfile.TemporaryDirectory() as folder:
        start_postgres(module_processes, Path(folder), address)
        yield start_front(module_processes, tmp_path_factory.mktemp("postgres"), address)


def start_front(processes: Processes, folder: Path, server: Address) -> Command:
    """``deston-l4`` in front of one server, with health checks as they are unless told otherwise."""
    file = write_config(folder, {"tcp": tcp()}, pools={"app": pool({"database": server}, {"type": "tcp"})})
    return start(L4, processes, file)


def use(front: Command, program: str, *arguments: str) -> Finished:
    """Run a client of Redis or PostgreSQL through ``deston-l4``."""
    place = ["-h", front.address.host, "-p", str(front.address.port)]
    done = run([find_postgres(program), *place, *arguments], {"PGUSER": "tester", "PGDATABASE": "postgres"})
    assert done.status == 0, done.err
    return done


def test_redis_answers(redis: Command) -> None:
    """What is set through the listener is read through it, over other connections."""
    assert use(redis, "redis-cli", "set", "key", "value").out == "OK\n"
    assert use(redis, "redis-cli", "get", "key").out == "value\n"


def test_redis_under_load(redis: Command) -> None:
    """redis-benchmark makes its two thousand requests with fifty clients, one by one and in pipelines."""
    common = ["-n", "2000", "-c", "50", "-q", "-t", "set,get"]
    for more in ([], ["-P", "16"], ["-d", "20000"]):
        done = use(redis, "redis-benchmark", *common, *more)
        assert "GET:" in done.out
        assert "Error" not in done.out + done.err


def test_postgres_answers(postgres: Command) -> None:
    """A query's large answer arrives whole."""
    query = "select count(*), sum(length(line)) from (select repeat('x', 1000) as line from generate_series(1, 5000)) t"
    assert use(postgres, "psql", "-Atc", query).out == "5000|5000000\n"
    rows = use(postgres, "psql", "-Atc", "select repeat('x', 1000) from generate_series(1, 5000)").out
    assert rows == ("x" * 1000 + "\n") * 5000


def test_postgres_under_load(postgres: Command) -> None:
    """pgbench runs its transactions with four clients, over lasting connections and over new ones."""
    use(postgres, "pgbench", "-i", "-q", "-s", "1")
    for more in ([], ["-C"]):
        done = use(postgres, "pgbench", "-n", "-c", "4", "-t", "25", *more)
        assert "number of transactions actually processed: 100/100" in done.out
        assert "number of failed transactions: 0 " in done.out
