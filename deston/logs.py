"""Logging: one format for every process.

What lives here: the handler that the commands put on the ``deston`` loggers.
What must not: anything at import; inside somebody else's WSGI server the logging is theirs.
Invariant: configuring twice is configuring once.
"""

from __future__ import annotations

import logging
import sys

# gunicorn's own form, so that the lines of the arbiter, the workers and the balancer read as one log.
FORMAT = "[%(asctime)s] [%(process)d] [%(levelname)s] %(name)s: %(message)s"
DATE_FORMAT = "%Y-%m-%d %H:%M:%S %z"
LEVELS = ("debug", "info", "warning", "error", "critical")


def configure(level: str = "info") -> None:
    """Send what the ``deston`` loggers say to standard error, from ``level`` on."""
    logger = logging.getLogger("deston")
    logger.setLevel(level.upper())
    if logger.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT, DATE_FORMAT))
    logger.addHandler(handler)
    logger.propagate = False
