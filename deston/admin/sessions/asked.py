"""What every process of a configuration has under way, and the end of it: for the command and the API.

What lives here: who is asked, what is made of the answers, and the sentences about what was ended.
What must not: sockets (``deston.sessions``), arguments and output (``command``, ``admin.api``).
Invariant: a process that does not answer is named, so that nobody takes what was found for all that there is.
"""

from __future__ import annotations

from typing import Any

from deston.config.model import Config
from deston.config.report import did_you_mean
from deston.errors import ChangeRefused, NoSuchSession, StoreError
from deston.sessions.asking import Answer, ask
from deston.sessions.entry import SORTS, Wanted, plain_name, read_id
from deston.sessions.sockets import clear_stale, places
from deston.sessions.wire import Question
from deston.store.board import Board
from deston.store.changes import find_pool, find_server

#: How many are told of where nobody says, and at most.
LIMIT, LARGEST_LIMIT = 100, 10_000
_NO_SOCKET = "it has no socket for commands; its log says why"


def listed(config: Config, board: Board | None, wanted: Wanted, sort: str, limit: int) -> dict[str, Any]:
    """What is under way, the foremost ``limit`` of it, as ``deston sessions --json`` prints it.

    ``config`` is the effective one. Raises ``ChangeRefused`` where nothing was found, and nothing is called that.
    """
    answer = _ask_all(config, board, Question(False, wanted), sort, limit)
    if not answer.found.total:
        _require_names(config, wanted)
    return {
        "total": answer.found.total,
        "sessions": [entry._asdict() for entry in answer.found.in_order()],
        "unanswered": _told(answer),
    }


def ended(config: Config, board: Board | None, wanted: Wanted) -> dict[str, Any]:
    """End all that is wanted; what was done. Raises ``ChangeRefused`` where there is none, or none can be ended."""
    answer = _ask_all(config, board, Question(True, wanted), next(iter(SORTS)), LARGEST_LIMIT)
    count = answer.found.total
    if not count:
        _require_names(config, wanted)
        if answer.troubles or answer.left or answer.refused:
            raise _not_done(answer)
        raise NoSuchSession(f"nothing is under way with {wanted}")
    sentence = f"{count} {'session was' if count == 1 else 'sessions were'} ended"
    if answer.left:
        sentence += f", {answer.left} more were told to end"
    if answer.refused:
        sentence += f"; others were not: {answer.refused}"
    return {"done": sentence, "ended": count, "left": answer.left, "unanswered": _told(answer)}


def ended_by_id(config: Config, id: str) -> dict[str, Any]:
    """End one; what was done.

    Raises ``NoSuchSession`` where there is none any more, ``ChangeRefused`` where it cannot be ended, ``StoreError``
    where its process does not answer.
    """
    read = read_id(id)
    if read is None:
        raise NoSuchSession(f"{id!r} is no id of a session: `deston sessions` tells them, such as 4711-k3f9a")
    process, number = read
    clear_stale(config)
    those = [one for one in places(config) if one.process == process]
    answer = ask(those, Question(True, number=number), next(iter(SORTS)), 1)
    for one in answer.found.in_order():
        return {"done": f"{one} was ended", **one._asdict()}
    if answer.troubles or answer.left or answer.refused:
        raise _not_done(answer)
    why = f"there is no process {process}" if not those else "it has ended"
    raise NoSuchSession(f"there is no session {id} any more: {why}")


def _ask_all(config: Config, board: Board | None, question: Question, sort: str, limit: int) -> Answer:
    clear_stale(config)
    those = places(config)
    answer = ask(those, question, sort, limit)
    reached = {one.process for one in those}
    for worker in board.living() if board is not None else ():
        if worker.process not in reached:
            answer.troubles[worker.process] = _NO_SOCKET
    return answer


def _told(answer: Answer) -> list[dict[str, Any]]:
    return [{"process": process, "reason": why} for process, why in sorted(answer.troubles.items())]


def _not_done(answer: Answer) -> ChangeRefused | StoreError:
    if answer.refused:
        return ChangeRefused(answer.refused)
    if answer.left:
        return StoreError("it was told to end, and is not over yet")
    process, why = next(iter(answer.troubles.items()))
    return StoreError(f"process {process}: {why}, so nothing was ended there")


def _require_names(config: Config, wanted: Wanted) -> None:
    """Raise ``ChangeRefused`` with the nearest name, where there is nothing of a name that was asked for."""
    if wanted.pool:
        find_pool(config, wanted.pool)
    if wanted.pool and wanted.server:
        find_server(config, wanted.pool, plain_name(wanted.server))
    servers = {server.name for pool in config.pools for server in pool.servers}
    listeners = [one.name for one in config.listeners]
    if not wanted.pool and wanted.server and plain_name(wanted.server) not in servers:
        raise ChangeRefused(f"there is no server {wanted.server!r}{did_you_mean(wanted.server, sorted(servers))}")
    if wanted.listener and wanted.listener not in listeners:
        raise ChangeRefused(f"there is no listener {wanted.listener!r}{did_you_mean(wanted.listener, listeners)}")
