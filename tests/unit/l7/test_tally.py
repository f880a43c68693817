"""What was answered, as figures."""

from __future__ import annotations

from deston.l7.tally import figures, statuses_of


def test_responses_are_told_by_class() -> None:
    """Whatever statuses servers make up, there is one figure for each hundred."""
    statuses = statuses_of("tallied")
    for status in (200, 204, 299, 404, 999):
        statuses[status] += 1
    assert statuses_of("tallied") is statuses
    told = {name: value for name, value in figures() if "tallied" in name}
    assert told == {
        "+listener_responses|tallied|2xx": 3,
        "+listener_responses|tallied|4xx": 1,
        "+listener_responses|tallied|9xx": 1,
    }
