"""A change into the configuration file: ``--save``.

What lives here: writing a server's line, through ConfigObj, which keeps comments.
What must not: what the processes do; they are told to read the file again.
Invariant: the file is replaced as a whole, and only by one that has been found to be good.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

from configobj import ConfigObj

from deston.config.load import load
from deston.config.rust import is_rust_form
from deston.errors import ChangeRefused, ConfigError

Servers = dict[str, Any]


def save(file: str, pool: str, change: Callable[[Servers], None]) -> None:
    """Change the servers of a pool in a file.

    Raises ``ChangeRefused`` where that cannot be, and changes nothing then.
    """
    file = os.path.realpath(file)  # A link stays one.
    if is_rust_form(file):
        raise ChangeRefused(f"{file}: --save writes Deston's own form only")
    try:
        tree = ConfigObj(file, encoding="utf-8", interpolation=False, write_empty_values=True)
        change(tree["pools"][pool]["servers"])
        _replace(file, tree)
    except OSError as error:
        raise ChangeRefused(f"{file}: it cannot be written: {error.strerror}") from error


def _replace(file: str, tree: ConfigObj) -> None:
    folder = os.path.dirname(os.path.abspath(file))
    # In the same folder, because what a file names is relative to it, and of the same ending.
    descriptor, new = tempfile.mkstemp(suffix=os.path.splitext(file)[1], prefix=".deston-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            tree.write(stream)
        load(new)
        os.chmod(new, os.stat(file).st_mode & 0o777)
        os.replace(new, file)
    except ConfigError as error:
        why = error.problems[0].message
        raise ChangeRefused(f"{file} is left as it is, because it would not be good: {why}") from error
    finally:
        if os.path.exists(new):
            os.unlink(new)


def with_option(line: Any, name: str, value: str) -> list[str] | str:
    """A server's line with an option set; one that says the default is left out."""
    parts = [line] if isinstance(line, str) else list(line)
    kept = [part for part in parts if part.partition("=")[0].strip() != name]
    if (name, value) not in (("state", "ready"), ("weight", "1")):
        kept.append(f"{name}={value}")
    return kept[0] if len(kept) == 1 else kept
