"""Objects of the user's own, by name: ``package.module:name``.

What lives here: importing the module and finding the object in it.
What must not: what it is for.
Invariant: whatever the user's code does, what comes out is the object, or a ``StartError`` with one sentence.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from deston.errors import StartError


def load_object(name: str, what: str, make: Callable[[Any], Any] = lambda found: found) -> Any:
    """What ``make`` makes of the object ``package.module:name``, called ``what`` where that fails.

    Modules are found where Python looks, and in the current folder. Raises ``StartError``.
    """
    module, _, path = name.partition(":")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
        return make(found)
    except (Exception, SystemExit) as error:  # It is the user's code: anything may come out of it.
        raise StartError(f"the {what} {name} cannot be loaded: {type(error).__name__}: {error}") from error
