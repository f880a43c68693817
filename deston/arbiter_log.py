"""gunicorn's own messages in the format of all processes.

What lives here: gunicorn's logger with our lines in its error log, which is where ours go, too.
What must not: the format (``logs``), access logs.
Invariant: who has configured gunicorn's logging keeps what was configured.
"""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger

from deston import logs


class ArbiterLog(Logger):  # type: ignore[misc]
    """The ``logger_class`` of both commands."""

    def setup(self, cfg: Any) -> None:
        """Take up gunicorn's settings, at the start and at a reload."""
        super().setup(cfg)
        if cfg.logconfig or cfg.logconfig_dict or cfg.logconfig_json:
            return
        for handler in self.error_log.handlers:
            handler.setFormatter(logs.formatter)
        if cfg.errorlog != "-":  # A file, which is to have all of it.
            logging.getLogger("deston").handlers[:] = self.error_log.handlers
