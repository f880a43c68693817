"""WebSockets through Deston as directly: the `websockets` library on both ends, under our own worker and gevent's.

What a conversation brings directly is what it has to bring through the balancer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve

from deston.address import Address
from tests.integration.commands import L7, start
from tests.integration.configs import http, pool, write_config
from tests.integration.processes import DEADLINE_S, Processes

LARGEST = 16 << 20
Conversation = Callable[[ClientConnection], object]


def _echo(connection: ServerConnection) -> None:
    """Send back what comes, in the same fragments; a text of two words closes with that code and reason."""
    for message in connection:
        words = message.split(" ") if isinstance(message, str) else []
        if len(words) == 3 and words[0] == "close":
            connection.close(int(words[1]), words[2])
            return
        connection.send(message)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(_echo, "127.0.0.1", 0, max_size=LARGEST) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join(DEADLINE_S)


@pytest.fixture(scope="module")
def direct(server: Server) -> Address:
    host, port = server.socket.getsockname()[:2]
    return Address(host, port)


@pytest.fixture(scope="module", params=["deston.l7.worker.ProxyWorker", "gevent"], ids=["own", "gevent"])
def front(
    request: pytest.FixtureRequest,
    module_processes: Processes,
    direct: Address,
    tmp_path_factory: pytest.TempPathFactory,
) -> Address:
    file = write_config(tmp_path_factory.mktemp("websocket"), {"web": http()}, pools={"app": pool({"a": direct})})
    return start(L7, module_processes, file, options=["-k", request.param]).address


def _say(*messages: str | bytes) -> Conversation:
    def converse(connection: ClientConnection) -> object:
        found = []
        for message in messages:
            connection.send(message)
            found.append(connection.recv(DEADLINE_S))
        return found

    return converse


def _fragments(connection: ClientConnection) -> object:
    connection.send(iter(["one ", "two ", "three"]))
    connection.send(iter([b"1", b"", b"3" * 70_000]))
    return connection.recv(DEADLINE_S), connection.recv(DEADLINE_S)


def _pings(connection: ClientConnection) -> object:
    answered = [connection.ping(payload).wait(DEADLINE_S) for payload in ("", "x" * 125)]
    connection.send("still there")
    return answered, connection.recv(DEADLINE_S)


def _many(connection: ClientConnection) -> object:
    for number in range(500):
        connection.send(f"message {number}")
    return [connection.recv(DEADLINE_S) for _ in range(500)]


def _closed_by_server(connection: ClientConnection) -> object:
    connection.send("close 4321 because")
    with pytest.raises(ConnectionClosed):
        connection.recv(DEADLINE_S)
    return connection.close_code, connection.close_reason


def _closed_by_client(connection: ClientConnection) -> object:
    connection.close(4000, "enough")
    return connection.close_code, connection.close_reason


CONVERSATIONS: dict[str, Conversation] = {
    "texts": _say("", "hello", "ä" * 1000, "x" * 125, "x" * 126, "x" * 65535, "x" * 65536),
    "binary": _say(b"", b"\x00\xff" * 33000),
    "the largest": _say(b"0123456789abcdef" * (LARGEST // 16)),
    "fragments": _fragments,
    "pings": _pings,
    "many at once": _many,
    "closed by the server": _closed_by_server,
    "closed by the client": _closed_by_client,
}


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_conversation(front: Address, direct: Address, conversation: Conversation, compression: str | None) -> None:
    """It ends through Deston as it ends without."""
    found = []
    for address in (direct, front):
        url = f"ws://{address}/chat"
        with connect(url, compression=compression, max_size=LARGEST, open_timeout=DEADLINE_S) as connection:
            found.append(conversation(connection))
    assert found[0] == found[1]
