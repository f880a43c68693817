"""The routes of the API, one a line.

What lives here: for each its method, path, role, body, handler and what it is for.
What must not: the work (``looking``, ``changing``), and how it is served (``application``).
Invariant: the OpenAPI document and the application are both made of this table, so that neither has what the other
lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from deston.admin.api import answers, changing, looking, shapes
from deston.admin.api.call import Answer, Call
from deston.admin.api.guard import Role

V1 = "/api/v1"
_SERVER = V1 + "/pools/{pool}/servers/{server}"


class Route(NamedTuple):
    """One thing that can be asked for.

    ``answer`` is the schema of what comes back, or the media type of what is no JSON. ``body`` is None where there is
    none, and ``query`` where that of the target is not looked at. ``may_save`` is whether the change can be written
    into the file, with ``?save=true``.
    """

    method: str
    path: str
    name: str
    role: Role
    handler: Callable[[Call], Answer]
    summary: str
    status: int
    answer: dict[str, Any] | str
    body: dict[str, Any] | None = None
    may_save: bool = False
    query: dict[str, Any] | None = None

    @property
    def parameters(self) -> list[str]:
        """The names in the path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    @property
    def rule(self) -> str:
        """The path as Flask writes it."""
        return self.path.replace("{", "<").replace("}", ">")


ROUTES = (
    Route("GET", "/healthz", "health", Role.NOBODY, looking.health,
          "Say that the admin process serves.", 200, answers.HEALTHY),
    Route("GET", "/metrics", "metrics", Role.READ, looking.metrics,
          "Tell Prometheus.", 200, "text/plain"),
    Route("GET", f"{V1}/status", "status", Role.READ, looking.status,
          "What runs, as `deston status --json` has it.", 200, answers.STATUS),
    Route("GET", f"{V1}/config", "config", Role.READ, looking.config,
          "The effective configuration, and what of it was changed at run time.", 200, answers.CONFIG),
    Route("GET", f"{V1}/pools", "pools", Role.READ, looking.pools,
          "The pools, how they pick, and their servers by name.", 200, answers.POOLS),
    Route("GET", V1 + "/pools/{pool}", "pool", Role.READ, looking.pool,
          "The status of one pool.", 200, answers.STATUS),
    Route("GET", f"{V1}/sessions", "sessions", Role.READ, looking.sessions,
          "What is under way in every process, as `deston sessions --json` has it.", 200, answers.SESSIONS,
          query=shapes.SESSIONS),
    Route("DELETE", V1 + "/sessions/{session}", "end_session", Role.WRITE, changing.end_session,
          "End a session: its client and its server are cut off.", 200, answers.ENDED),
    Route("POST", f"{V1}/explain", "explain", Role.READ, looking.explain,
          "What would become of a request.", 200, answers.EXPLAINED, shapes.EXPLAIN),
    Route("POST", f"{V1}/check", "check", Role.READ, looking.check,
          "What is wrong with a configuration.", 200, answers.CHECKED, shapes.CHECK),
    Route("POST", f"{V1}/reload", "reload", Role.WRITE, changing.reload,
          "Have every process read the configuration again.", 202, answers.DONE, shapes.NOTHING),
    Route("PATCH", V1 + "/pools/{pool}", "change_pool", Role.WRITE, changing.change_pool,
          "Have a pool pick in another way.", 200, answers.DONE, shapes.CHANGE_POOL),
    Route("POST", V1 + "/pools/{pool}/reset", "reset_pool", Role.WRITE, changing.reset,
          "Drop what was changed of a pool: the file counts again.", 200, answers.DONE, shapes.NOTHING),
    Route("POST", V1 + "/pools/{pool}/servers", "add_server", Role.WRITE, changing.add_server,
          "Add a server.", 201, answers.DONE, shapes.ADD_SERVER, may_save=True),
    Route("PATCH", _SERVER, "change_server", Role.WRITE, changing.change_server,
          "Drain, ready, take out or weigh a server.", 200, answers.DONE, shapes.CHANGE_SERVER,
          may_save=True),
    Route("DELETE", _SERVER, "remove_server", Role.WRITE, changing.remove_server,
          "Take a server out; what it has under way ends by itself.", 200, answers.DONE, may_save=True),
    Route("POST", f"{_SERVER}/reset", "reset_server", Role.WRITE, changing.reset,
          "Drop what was changed of a server: the file counts again.", 200, answers.DONE, shapes.NOTHING),
)  # fmt: skip
