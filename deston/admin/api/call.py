"""What a handler gets and gives.

What lives here: a request as far as handlers need it, and an answer.
What must not: Flask; a handler is tested without it.
Invariant: the body of a call fits the schema of its route.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from deston.admin.api.site import Site


class Call(NamedTuple):
    """A request that may be served: ``path`` has the values of the names in its route's path.

    ``saves`` is whether a change is to be written into the file. ``query`` has what the route knows of the target's
    query, and fits what it says of each.
    """

    site: Site
    path: Mapping[str, str]
    body: Mapping[str, Any]
    saves: bool = False
    query: Mapping[str, Any] = MappingProxyType({})


#: JSON, or bytes with their content type.
Answer = dict[str, Any] | tuple[bytes, str]
