"""Whether this installation is compiled.

What lives here: the one question, for whoever reads a version or a report of a fault.
What must not: choosing between forms, which is Python's doing when it imports.
Invariant: what is compiled behaves as what is not.
"""

from __future__ import annotations

import importlib.util
from importlib.machinery import EXTENSION_SUFFIXES

# All are compiled together, or none.
_ONE_OF_THEM = "deston.net.stream"


def is_compiled() -> bool:
    """Whether the modules that each request passes through are compiled."""
    found = importlib.util.find_spec(_ONE_OF_THEM)
    return found is not None and (found.origin or "").endswith(tuple(EXTENSION_SUFFIXES))


def form() -> str:
    """What it is, in a word."""
    return "compiled" if is_compiled() else "Python"
