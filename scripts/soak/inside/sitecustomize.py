"""What the soak puts into Deston's processes: a signal that has them count their greenlets.

What lives here: the handler, which writes the count to SOAK_CENSUS/PID.
What must not: anything that changes how they work.
Invariant: until the signal comes nothing is done but to wait for it.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import Any

_FOLDER = os.environ.get("SOAK_CENSUS", "")


def _count(number: int, frame: Any) -> None:
    greenlet = sys.modules.get("greenlet")
    gc.collect()
    # What was frozen when the worker began is not among the objects otherwise; its watches are greenlets, too.
    gc.unfreeze()
    count = 0 if greenlet is None else sum(isinstance(one, greenlet.greenlet) for one in gc.get_objects())
    # First under another name: whoever reads it finds all of it.
    file = os.path.join(_FOLDER, str(os.getpid()))
    with open(f"{file}.new", "w", encoding="utf-8") as opened:
        opened.write(str(count))
    os.replace(f"{file}.new", file)


if _FOLDER:
    signal.signal(signal.SIGRTMIN + 1, _count)
