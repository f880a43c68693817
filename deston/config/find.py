"""Which file is the configuration.

What lives here: the places that are looked at, in their order.
What must not: reading the file.
Invariant: a file that was named is never replaced by another.
"""

from __future__ import annotations

import os

from deston.errors import ConfigError, Problem

VARIABLE = "DESTON_CONFIG"
PLACES = ("conf/deston.conf", "deston.conf", "/etc/deston/deston.conf")


def find_config(given: str | None = None) -> str:
    """The configuration file: ``given``, else ``$DESTON_CONFIG``, else the first of ``PLACES`` that exists.

    Raises ``ConfigError`` if none of the places has one; a named file is not looked at here.
    """
    named = given or os.environ.get(VARIABLE)
    if named:
        return named
    found = next((place for place in PLACES if os.path.exists(place)), None)
    if found is None:
        first, *others = PLACES
        nor = "".join(f", nor {other}" for other in others)
        raise ConfigError([Problem(first, 0, "", f"there is no such file{nor}, and ${VARIABLE} is not set")])
    return found
