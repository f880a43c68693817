"""Logging: one format for every process.

What lives here: the two forms of a line, and the handler that the commands put on the ``deston`` loggers.
What must not: anything at import; inside somebody else's WSGI server the logging is theirs.
Invariant: configuring twice is configuring once. An event is a line, whatever is in its message: in the text form the
further lines of a traceback are indented, so that nothing from outside can look like an event.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time

TEXT, JSON = "text", "json"
# What would move the cursor of a terminal, or end a line in some program's eyes; a line feed is dealt with by itself.
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class LineFormatter(logging.Formatter):
    """The lines of one command: ``TIME LEVEL COMMAND[PID] LOGGER: MESSAGE``, or the same as a JSON object."""

    def __init__(self, command: str, form: str) -> None:
        super().__init__()
        self.command = command
        self.form = form

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        return self._json(record) if self.form == JSON else self._text(record)

    def _text(self, record: logging.LogRecord) -> str:
        said = record.getMessage()
        for more in (self._exception(record), record.stack_info):
            said += f"\n{more}" if more else ""
        begin = f"{_time(record)} {record.levelname:<7} {self.command}[{record.process}] {record.name}"
        return f"{begin}: {_CONTROLS.sub(_escaped, said)}".replace("\n", "\n    ")

    def _json(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "command": self.command,
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        exception = self._exception(record)
        if exception:
            fields["exception"] = exception
        return json.dumps(fields)

    def _exception(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""

    def __repr__(self) -> str:
        return f"<LineFormatter {self.form} of {self.command}>"


def _time(record: logging.LogRecord) -> str:
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{second}.{int(record.msecs):03}Z"


def _escaped(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"


#: What all handlers of this process have in common, so that a reload changes it at one place.
formatter = LineFormatter("deston", TEXT)
_logger = logging.getLogger("deston")
# A level that was asked for by an option counts more than the file's.
_chosen: list[str] = []


def configure(command: str, level: str | None = None) -> None:
    """Send what the ``deston`` loggers say to standard error, as a command of that name.

    ``level`` is that of an option, if any; without one it is INFO until ``follow`` says otherwise.
    """
    formatter.command = command
    _chosen[:] = [level] if level else []
    _logger.setLevel((level or "info").upper())
    if _logger.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    _logger.addHandler(handler)
    _logger.propagate = False


def follow(form: str, level: str) -> None:
    """Write as a configuration says, from its level on; where the logging is somebody else's, this does nothing."""
    formatter.form = form
    if any(handler.formatter is formatter for handler in _logger.handlers) and not _chosen:
        _logger.setLevel(level.upper())
