from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from deston.errors import CannotSimulate
from deston.simulate import parameters
from deston.simulate.parameters import (
    parse_algorithm,
    parse_concurrency,
    parse_factor,
    parse_plot,
    parse_rate,
    parse_seconds,
    parse_skew,
    parse_wait,
    parse_weights,
)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_rate, "800", 800.0),
        (parse_rate, "0.5/s", 0.5),
        (parse_skew, "1.1", 1.1),
        (parse_skew, "0", 0.0),
        (parse_algorithm, "RoundRobin", "round_robin"),
        (parse_algorithm, "my.module:factory", "my.module:factory"),
        (parse_weights, "1, 0,65535", (1, 0, 65535)),
        (parse_concurrency, "4", (4,)),
        (parse_concurrency, "4, 2", (4, 2)),
        (parse_seconds, "2m", 120.0),
        (parse_wait, "250ms", 0.25),
        (parse_factor, "0", 0),
        (parse_factor, "150", 150),
    ],
)
def test_what_is_typed_is_read(parse: Callable[[str], Any], text: str, value: Any) -> None:
    """Each option in its own way."""
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "why"),
    [
        *((parse_rate, text, "is not a rate") for text in ("0", "-1", "nan", "inf", "many", "1e99", "")),
        *((parse_skew, text, "is not an exponent") for text in ("-1", "nan", "11", "x")),
        (parse_algorithm, "roundrobbin", "unknown policy 'roundrobbin' (did you mean 'round_robin'?)"),
        (parse_algorithm, "zzz", "unknown policy 'zzz' (known: round_robin, "),
        *((parse_weights, text, "are not weights") for text in ("", "1,,2", "-1", "65536", "1.5", "²", "9" * 5000)),
        (parse_weights, "1," * 65536 + "1", "at most 65536 servers"),
        *((parse_concurrency, text, "at once") for text in ("", "0", "4,", "-1", "x", "9" * 5000)),
        (parse_seconds, "0", "no time at all"),
        *((parse_wait, text, "is not from 1ms to 1000h") for text in ("0", "0.5ms", "1001h")),
        *((parse_factor, text, "at least 100") for text in ("99", "x", "-1", "9" * 5000)),
        (parse_plot, "x.png", "does not end in .svg"),
        (parse_plot, "/nonexistent/x.svg", "cannot be written"),
    ],
)
def test_what_cannot_be_read_is_refused(parse: Callable[[str], Any], text: str, why: str) -> None:
    """With the reason."""
    with pytest.raises(CannotSimulate) as caught:
        parse(text)
    assert why in str(caught.value)


def test_a_plot_needs_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is seen before the simulation, which may take minutes."""
    monkeypatch.chdir(tmp_path)
    assert parse_plot("x.SVG") == "x.SVG"
    (tmp_path / "y.svg").mkdir()
    with pytest.raises(CannotSimulate, match="cannot be written"):
        parse_plot("y.svg")


@pytest.mark.parametrize(
    ("kind", "text"), [(parameters.KILL, "a"), (parameters.SLOW, "a@5s"), (parameters.DURATION, "5")]
)
def test_a_refusal_is_one_of_clicks(kind: parameters.Parsed, text: str) -> None:
    """So that it is told with the option's name, and the exit status is 2."""
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    assert caught.value.exit_code == 2


def test_a_value_stays_what_it_is() -> None:
    """Defaults may be values already."""
    assert parameters.SECONDS.convert(5.0, None, None) == 5.0
    assert parameters.RECOVER.convert("a@5s", None, None).at == 5.0
