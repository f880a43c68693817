"""What was answered, as figures."""

from __future__ import annotations

from deston.l7.tally import figures, refusals_of, statuses_of


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


def test_refusals_are_told_by_reason() -> None:
    """An error's name in words is one, and so are words."""
    refusals_of("refusing")["TooManyRequests"] += 2
    refusals_of("refusing")["connection rate of the client"] += 1
    told = {name: value for name, value in figures() if "refusing" in name}
    assert told == {
        "+listener_refused|refusing|too many requests": 2,
        "+listener_refused|refusing|connection rate of the client": 1,
    }
