"""Checks that say what a test wants, for servers that do not exist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from deston.balancer.server import Server
from deston.config.model import CheckType, HealthConfig, TlsConfig
from deston.health.probes import CheckResult


class Script:
    """What the checks find: ``down`` names the servers that are, ``asked`` counts the checks of each.

    ``before`` is called in each check, before its result is made: it may raise or switch greenlets.
    """

    def __init__(self, *down: str) -> None:
        self.down = set(down)
        self.asked: Counter[str] = Counter()
        self.settings: list[HealthConfig] = []
        self.before: Callable[[Server], object] = lambda server: None

    def __call__(self, health: HealthConfig, tls: TlsConfig) -> Callable[[Server], CheckResult] | None:
        """Make a check, as the monitor's factory does."""
        self.settings.append(health)
        return None if health.type is CheckType.NONE else self._check

    def _check(self, server: Server) -> CheckResult:
        self.asked[server.name] += 1
        ok = server.name not in self.down
        self.before(server)
        return CheckResult(ok, "answers" if ok else "is silent", 0.0)
