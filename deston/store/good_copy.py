"""A copy of the file that is in force, for commands that find the file itself broken.

What lives here: keeping it, and reading it in the file's place.
What must not: whether processes go by it (they go by what they have).
Invariant: the copy is replaced as a whole, and only by a file that a process has taken up.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace

from deston.config.load import load_copy
from deston.config.model import Config
from deston.errors import ConfigError, StoreError
from deston.store.places import file_name, place

_ENDING = "good"
# As spec.ini has it.
_DEFAULT_RUN_DIR = "run"
_RUN_DIR = re.compile(rb"^\s*run_dir\s*=\s*[\"']?([^\"'#\n]*[^\"'#\s])", re.MULTILINE)


def keep_copy(config: Config) -> None:
    """Keep the file with which a process runs. Raises ``StoreError``."""
    copy = place(config, _ENDING)
    new = f"{copy}.{os.getpid()}"
    try:
        with open(config.file, "rb") as stream:
            text = stream.read()
        if _read(copy) == text:
            return
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
        os.replace(new, copy)
    except OSError as error:
        raise StoreError(f"{copy}: it cannot be written: {error.strerror}") from error


def last_good(file: str) -> Config | None:
    """The configuration with which processes run, where the file is broken by now; None where there is none."""
    folder = os.path.dirname(os.path.abspath(file))
    named = _RUN_DIR.search(_read(file))
    run_dir = os.path.join(folder, named[1].decode("utf-8", "replace") if named else _DEFAULT_RUN_DIR)
    try:
        config = load_copy(os.path.join(run_dir, file_name(file, _ENDING)), file)
    except ConfigError:
        return None
    return replace(config, global_=replace(config.global_, run_dir=run_dir))


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except OSError:
        return b""
