"""What may be tried again, and how often."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston import errors
from deston.config.model import RetryCause
from deston.l7.retry import BUDGET_FLOOR, BUDGET_SHARE, BUDGET_WINDOW, SAFE_METHODS, RetryBudget, may_retry
from tests.properties import unhurried

REFUSED = errors.ConnectError("refused")
RESET = errors.StreamReset("reset")


def test_what_may_be_sent_twice() -> None:
    """The safe methods of RFC 9110 that have an effect of their own on nothing (TRACE is of no use here)."""
    assert {b"GET", b"HEAD", b"OPTIONS"} == SAFE_METHODS


# Each failure, whether a request that can be replayed may go to another server after it, and any other request.
RULES = [
    (errors.ConnectError, True, True),
    (errors.ConnectTimeout, True, True),
    (errors.OutOfDescriptors, False, False),
    (errors.StreamReset, True, False),
    (errors.StreamEnded, True, False),
    (errors.StreamError, True, False),
    (errors.ReadTimeout, False, False),
    (errors.WriteTimeout, False, False),
    (errors.BadResponse, False, False),
    (errors.BadRequest, False, False),
    (errors.ClientGone, False, False),
    (errors.RequestTooLarge, False, False),
    (errors.NoServerAvailable, False, False),
]


@pytest.mark.parametrize(("error", "replayable", "otherwise"), RULES)
def test_which_failures_are_tried_again(error: type[errors.DestonError], replayable: bool, otherwise: bool) -> None:
    """A failed dial always, a connection that broke for what can be replayed, and nothing else."""
    assert may_retry(error("x"), True, 1, 2, RetryBudget(), 0.0) is replayable
    assert may_retry(error("x"), False, 1, 2, RetryBudget(), 0.0) is otherwise


@pytest.mark.parametrize("error", [REFUSED, RESET])
@pytest.mark.parametrize(("retries", "tries"), [(0, 0), (1, 1), (2, 2)])
def test_the_number_of_tries_is_bounded(error: errors.DestonError, retries: int, tries: int) -> None:
    """So many tries beyond the first, whatever the failure."""
    budget = RetryBudget()
    allowed = [may_retry(error, True, made, retries, budget, 0.0) for made in range(1, 5)]
    assert allowed == [True] * tries + [False] * (4 - tries)


def test_a_failed_dial_draws_nothing_from_the_budget() -> None:
    """It reached no server, so that trying another one multiplies no work."""
    budget = RetryBudget()
    assert all(may_retry(REFUSED, True, 1, 2, budget, 0.0) for _ in range(100))
    assert taken(budget, 0.0) == BUDGET_FLOOR


def test_what_is_not_tried_again_draws_nothing_from_the_budget() -> None:
    """Nor does a failure after which no try follows."""
    budget = RetryBudget()
    for _ in range(100):
        may_retry(RESET, False, 1, 2, budget, 0.0)
        may_retry(RESET, True, 3, 2, budget, 0.0)
    assert taken(budget, 0.0) == BUDGET_FLOOR


def taken(budget: RetryBudget, now: float) -> int:
    """How many retries the budget allows now, one after the other."""
    return sum(iter(lambda: budget.take(now), False))


@pytest.mark.parametrize(("requests", "expected"), [(0, 3), (1, 3), (15, 3), (16, 4), (20, 4), (100, 20), (1000, 200)])
def test_the_budget_is_a_share_of_the_requests(requests: int, expected: int) -> None:
    """A fifth of the recent requests, and three in any case."""
    budget = RetryBudget()
    for _ in range(requests):
        budget.request(1.0)
    assert taken(budget, 1.0) == expected


def test_the_budget_forgets() -> None:
    """Requests and retries count for the length of the window, and no longer than that."""
    budget = RetryBudget()
    for _ in range(100):
        budget.request(100.0)
    assert taken(budget, 100.0) == 20
    assert taken(budget, 104.9) == 0
    assert taken(budget, 106.0) == 0, "what was taken still counts"
    assert taken(budget, 100.0 + 2 * BUDGET_WINDOW) == BUDGET_FLOOR


def test_the_budget_remembers_over_the_half_of_its_window() -> None:
    """Requests of some seconds ago still allow retries, as those of this moment do."""
    budget = RetryBudget()
    for _ in range(50):
        budget.request(100.0)
    for _ in range(50):
        budget.request(106.0)
    assert taken(budget, 106.0) == 20


@unhurried
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2)), max_size=300))
def test_retries_never_outgrow_their_share(events: list[tuple[bool, float]]) -> None:
    """Whatever comes when, in no window are there more retries than the share of its requests, or the floor."""
    budget, now = RetryBudget(), 1000.0
    requests: list[float] = []
    retries: list[float] = []
    for is_request, pause in events:
        now += pause
        if is_request:
            budget.request(now)
            requests.append(now)
        elif budget.take(now):
            retries.append(now)
            # The halves of the window cover between a half and a whole of it.
            covered = sum(one >= now - BUDGET_WINDOW for one in requests)
            recent = sum(one > now - BUDGET_WINDOW / 2 for one in retries)
            assert recent <= max(BUDGET_FLOOR, covered * BUDGET_SHARE + 1)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (errors.StreamReset, RetryCause.RESET),
        (errors.StreamEnded, RetryCause.RESET),
        (errors.ReadTimeout, RetryCause.TIMEOUT),
        (errors.WriteTimeout, RetryCause.TIMEOUT),
        (errors.BadResponse, RetryCause.MALFORMED),
    ],
)
def test_what_a_pool_asks_for(error: type[errors.DestonError], cause: RetryCause) -> None:
    """Each failure has the cause by which ``retry_on`` calls it, and no other one."""
    for asked in RetryCause:
        allowed = may_retry(error("x"), True, 1, 2, RetryBudget(), 0.0, frozenset({asked}))
        assert allowed is (asked is cause)
    assert not may_retry(error("x"), True, 1, 2, RetryBudget(), 0.0, frozenset())
