"""The clock of what runs with each request.

What lives here: the monotonic clock by a name that a compiler resolves once, and not with every call.
What must not: the time of day, and waiting.
Invariant: it never goes back.
"""

from __future__ import annotations

import time
from typing import Final

#: Seconds of the monotonic clock.
monotonic: Final = time.monotonic
