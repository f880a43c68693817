"""What a configuration may say of how processes log.

What lives here: the forms of a line, and the levels.
What must not: logging (``deston.logs``), access logs.
Invariant: a word of the file is the value of a member.
"""

from __future__ import annotations

import enum


class LineFormat(enum.Enum):
    """The form of what processes log."""

    TEXT = "text"
    JSON = "json"


class LogLevel(enum.Enum):
    """From which level on processes log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


LOG_LEVELS = tuple(one.value for one in LogLevel)
