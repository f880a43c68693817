from __future__ import annotations

from deston.simulate.station import Job, Station
from tests.builders import make_servers


def test_a_station_begins_alive_and_idle() -> None:
    """Nothing is slow, dead or waiting before it was made so."""
    [server] = make_servers(1)
    station = Station(server, 0, 4)
    assert (station.busy, station.factor, station.is_dead, len(station.line)) == (0, 1.0, False, 0)
    assert repr(station) == "<Station a 0/4, 0 in line>"


def test_a_job_begins_without_a_server() -> None:
    """Nobody works on it, and it has failed nowhere."""
    job = Job(1.5, 7, 0.02)
    assert (job.lease, job.due, job.tried) == (None, -1, ())
    assert repr(job) == "<Job of client 7, 20 ms>"
