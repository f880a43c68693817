from __future__ import annotations

from pathlib import Path

import pytest

from deston.config import find
from deston.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with the last place in it, and without the variable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(find.VARIABLE, raising=False)
    monkeypatch.setattr(find, "PLACES", ("conf/deston.conf", "deston.conf", "etc/deston.conf"))
    for name in ("conf", "etc"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_a_named_file_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command is given wins over the variable, and the variable over every place."""
    (folder / "deston.conf").touch()
    monkeypatch.setenv(find.VARIABLE, "variable.conf")
    assert find.find_config("given.conf") == "given.conf"
    assert find.find_config(None) == "variable.conf"


def test_the_places_are_looked_at_in_their_order(folder: Path) -> None:
    """Without a name it is the first of the places that exists."""
    for place in reversed(find.PLACES):
        (folder / place).touch()
        assert find.find_config(None) == place


def test_an_empty_variable_names_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set to nothing counts as unset."""
    (folder / "deston.conf").touch()
    monkeypatch.setenv(find.VARIABLE, "")
    assert find.find_config() == "deston.conf"


def test_nothing_found_says_where_it_was_looked_for(folder: Path) -> None:
    """Without any file the sentence names every place, and the variable."""
    with pytest.raises(ConfigError) as caught:
        find.find_config(None)
    assert str(caught.value) == (
        "conf/deston.conf: there is no such file, nor deston.conf, nor etc/deston.conf, and $DESTON_CONFIG is not set"
    )
