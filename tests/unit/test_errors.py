from __future__ import annotations

from collections.abc import Iterator

import pytest

from deston import errors
from deston.address import AddressError
from deston.errors import ConfigError, DestonError, Problem, Retry, StartError

# What an HTTP client gets, and when another server may be tried: RFC 9110 and the retry rules of design section 7.
DECISIONS: dict[type[DestonError], tuple[int, Retry]] = {
    errors.DestonError: (500, Retry.NEVER),
    errors.ConfigError: (500, Retry.NEVER),
    errors.StartError: (500, Retry.NEVER),
    errors.StoreError: (500, Retry.NEVER),
    errors.ChangeRefused: (500, Retry.NEVER),
    errors.NoSuchSession: (500, Retry.NEVER),
    errors.AdminRefusal: (400, Retry.NEVER),
    errors.CannotSimulate: (500, Retry.NEVER),
    errors.NoServerAvailable: (503, Retry.NEVER),
    errors.AllServersFull: (503, Retry.NEVER),
    errors.QueueFull: (503, Retry.NEVER),
    errors.QueueTimeout: (503, Retry.NEVER),
    errors.Denied: (403, Retry.NEVER),
    errors.TooManyRequests: (429, Retry.NEVER),
    errors.NoRoute: (404, Retry.NEVER),
    errors.UnknownPool: (503, Retry.NEVER),
    errors.StreamError: (502, Retry.IF_REPLAYABLE),
    errors.ConnectError: (503, Retry.ALWAYS),
    errors.ConnectTimeout: (503, Retry.ALWAYS),
    errors.OutOfDescriptors: (503, Retry.NEVER),
    errors.OutOfPorts: (503, Retry.ALWAYS),
    errors.ReadTimeout: (504, Retry.NEVER),
    errors.WriteTimeout: (504, Retry.NEVER),
    errors.StreamReset: (502, Retry.IF_REPLAYABLE),
    errors.StreamEnded: (502, Retry.IF_REPLAYABLE),
    errors.ClientGone: (400, Retry.NEVER),
    errors.ProtocolError: (500, Retry.NEVER),
    errors.BadProxyHeader: (400, Retry.NEVER),
    errors.BadClientHello: (400, Retry.NEVER),
    errors.PrefaceTimeout: (408, Retry.NEVER),
    errors.BadRequest: (400, Retry.NEVER),
    errors.RequestTimeout: (408, Retry.NEVER),
    errors.UriTooLong: (414, Retry.NEVER),
    errors.HeadTooLarge: (431, Retry.NEVER),
    errors.VersionNotSupported: (505, Retry.NEVER),
    errors.LengthRequired: (411, Retry.NEVER),
    errors.RequestTooLarge: (413, Retry.NEVER),
    errors.ApplicationError: (500, Retry.NEVER),
    errors.BadResponse: (502, Retry.NEVER),
    AddressError: (500, Retry.NEVER),
}


def all_errors() -> Iterator[type[BaseException]]:
    return (one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, BaseException))


@pytest.mark.parametrize("error", DECISIONS, ids=lambda error: error.__name__)
def test_an_error_knows_its_status_and_whether_to_try_again(error: type[DestonError]) -> None:
    """Nobody who catches an error has to know which one it is to answer the client or to try another server."""
    assert (error.http_status, error.retry) == DECISIONS[error]


def test_every_error_is_decided_here() -> None:
    """A new error is entered in the table above, so that nobody inherits a decision by chance."""
    assert set(all_errors()) <= set(DECISIONS)


def test_there_is_one_tree() -> None:
    """Everything that Deston raises on purpose can be caught by its root."""
    assert all(issubclass(error, DestonError) for error in all_errors())
    assert issubclass(AddressError, DestonError)


@pytest.mark.parametrize(
    ("error", "phase"),
    [
        (errors.ConnectTimeout, errors.ConnectError),
        (errors.OutOfDescriptors, errors.ConnectError),
        (errors.ConnectError, errors.StreamError),
        (errors.ReadTimeout, errors.StreamError),
        (errors.WriteTimeout, errors.StreamError),
        (errors.StreamReset, errors.StreamError),
        (errors.StreamEnded, errors.StreamError),
        (errors.BadRequest, errors.ProtocolError),
        (errors.BadResponse, errors.ProtocolError),
    ],
)
def test_an_error_is_caught_by_its_phase(error: type[DestonError], phase: type[DestonError]) -> None:
    """Who dials catches what dialling can raise, who relays what a stream can, who parses what a parser can."""
    assert issubclass(error, phase)


@pytest.mark.parametrize("error", [errors.StreamError, errors.ProtocolError, errors.ClientGone])
def test_only_a_dial_is_tried_again_always(error: type[DestonError]) -> None:
    """Once bytes may have reached a server nothing is repeated blindly."""
    assert error.retry is not Retry.ALWAYS


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (
            Problem("deston.conf", 14, "pools.app.algorithm", "unknown policy"),
            "deston.conf:14: pools.app.algorithm: unknown policy",
        ),
        (Problem("deston.conf", 0, "pools.app", "has no server"), "deston.conf: pools.app: has no server"),
        (Problem("deston.conf", 3, "", "is not UTF-8"), "deston.conf:3: is not UTF-8"),
        (Problem("deston.conf", 0, "", "is a directory"), "deston.conf: is a directory"),
    ],
)
def test_a_problem_is_one_line_that_an_editor_can_follow(problem: Problem, text: str) -> None:
    """File and line come first, then the key, then what is wrong; what does not apply is left out."""
    assert str(problem) == text


def test_a_config_error_lists_all_its_problems_in_the_order_of_the_file() -> None:
    """Whoever found them in which order, the user reads them from top to bottom, one a line."""
    last = Problem("deston.conf", 20, "b", "later")
    first = Problem("deston.conf", 3, "z", "sooner")
    error = ConfigError([last, first])
    assert error.problems == [first, last]
    assert str(error) == "deston.conf:3: z: sooner\ndeston.conf:20: b: later"


def test_the_two_errors_that_end_a_command_know_its_exit_status() -> None:
    """A wrong configuration is 2, a reason outside of it 1 (design section 10)."""
    assert ConfigError([]).exit_status == 2
    assert StartError("the port is in use").exit_status == 1
    assert str(StartError("the port is in use")) == "the port is in use"
