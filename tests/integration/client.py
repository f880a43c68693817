"""HTTP clients of tests.

What lives here: one request with its answer, a connection that is kept, and constant load.
What must not: connections by hand (``wire``).
Invariant: an answer is whole, or an exception of ``FAILURES`` says that it is not.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType

from deston.address import Address
from tests.integration.processes import DEADLINE_S, wait_until

FAILURES = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    status: int
    fields: http.client.HTTPMessage
    body: bytes

    @property
    def server(self) -> str:
        """The name of the named server that answered; empty if none did."""
        return self.fields.get("X-Server", "")


class Client:
    """A client that keeps its connection as long as the other side does."""

    def __init__(self, address: Address, source: str = "") -> None:
        origin = (source, 0) if source else None
        self._connection = http.client.HTTPConnection(address.host, address.port, DEADLINE_S, origin)

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        fields: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """One request and its whole answer."""
        self._connection.request(method, path, body, fields or {})
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def begin(self, path: str = "/") -> http.client.HTTPResponse:
        """One GET, and its answer as it comes."""
        self._connection.request("GET", path)
        return self._connection.getresponse()

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def ask(
    address: Address,
    path: str = "/",
    method: str = "GET",
    fields: Mapping[str, str] | None = None,
    body: bytes | Iterable[bytes] | None = None,
    source: str = "",
) -> Answer:
    """One request over a connection of its own."""
    with Client(address, source) as client:
        return client.ask(path, method, {"Connection": "close", **(fields or {})}, body)


@dataclass(frozen=True)
class Attempt:
    """One request under load: when it began (monotonic seconds), and who served it or what went wrong."""

    began: float
    server: str
    failure: str = ""


class Load:
    """Clients that ask without a pause, each in a thread of its own, until they are stopped.

    ``keeping`` clients keep their connections, ``opening`` clients open one for each request, of this ``method``.
    """

    def __init__(self, address: Address, keeping: int = 0, opening: int = 0, method: str = "GET") -> None:
        self.attempts: list[Attempt] = []
        self._address = address
        self._method = method
        self._stopping = threading.Event()
        kinds = [True] * keeping + [False] * opening
        self._threads = [threading.Thread(target=self._ask_on, args=(keep,), daemon=True) for keep in kinds]

    def _ask_on(self, keep: bool) -> None:
        client = Client(self._address)
        fields = {} if keep else {"Connection": "close"}
        while not self._stopping.is_set():
            self.attempts.append(self._attempt(client, fields))
            if not keep or self.attempts[-1].failure:
                client.close()
        client.close()

    def _attempt(self, client: Client, fields: Mapping[str, str]) -> Attempt:
        began = time.monotonic()
        try:
            answer = client.ask(method=self._method, fields=fields)
        except FAILURES as error:
            return Attempt(began, "", repr(error))
        return Attempt(began, answer.server, "" if answer.status == 200 else f"status {answer.status}")

    def wait_for(self, more: int) -> None:
        """Wait until so many more requests were made."""
        count = len(self.attempts) + more
        wait_until(lambda: len(self.attempts) >= count, f"{more} more requests")

    def failures(self, since: float = 0.0) -> list[Attempt]:
        """What failed of the requests that began at ``since`` or later."""
        return [one for one in list(self.attempts) if one.failure and one.began >= since]

    def served(self, since: float = 0.0) -> Counter[str]:
        """How many of the requests that began at ``since`` or later each server answered."""
        return Counter(one.server for one in list(self.attempts) if one.server and one.began >= since)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), "a client under load hangs"
