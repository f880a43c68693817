from __future__ import annotations

from pathlib import Path

import pytest

from deston.config.consistency import require_listeners
from deston.config.model import Protocol
from deston.errors import ConfigError
from tests.unit.config.texts import GOOD, GOOD_RUST, changed, load_text


@pytest.mark.parametrize("protocol", [Protocol.HTTP, Protocol.TCP])
def test_a_file_with_both_protocols_is_for_both_commands(protocol: Protocol, tmp_path: Path) -> None:
    """A command needs one listener of its own, and leaves the others alone."""
    require_listeners(load_text(tmp_path, GOOD), protocol)


@pytest.mark.parametrize("protocol", Protocol)
def test_an_open_layer_is_for_both_commands(protocol: Protocol, tmp_path: Path) -> None:
    """A file that leaves its layer open lacks no listener."""
    require_listeners(load_text(tmp_path, changed(GOOD_RUST, 'layer = "L7"\n', ""), "x.toml"), protocol)


@pytest.mark.parametrize(
    ("layer", "wanted", "sentence"),
    [
        (
            "L7",
            Protocol.TCP,
            "its listeners are HTTP: run them with "
            "`DESTON_CONFIG={file} gunicorn -c python:deston.l7.gunicorn_conf deston.l7:app`",
        ),
        ("L4", Protocol.HTTP, "its listeners are TCP or UDP: run them with `deston-l4 --config {file}`"),
    ],
)
def test_the_wrong_command_is_told_the_right_one(layer: str, wanted: Protocol, sentence: str, tmp_path: Path) -> None:
    """A file whose listeners are all for the other command says how to run them."""
    config = load_text(tmp_path, changed(GOOD_RUST, '"L7"', f'"{layer}"'), "x.toml")
    with pytest.raises(ConfigError) as caught:
        require_listeners(config, wanted)
    assert str(caught.value) == f"{config.file}: {sentence.format(file=config.file)}"
