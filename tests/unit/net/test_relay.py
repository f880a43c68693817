"""The relay: what arrives is what was sent, and each way of ending is passed on as what it was."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deston.net import hub as hubs
from deston.net.relay import LARGEST_READ, Ending, Limits, Relay
from deston.net.stream import Stream
from tests.peers import DEADLINE_S, READ_SIZE, reset, wait_until
from tests.wires import SMALL_BUFFER, fill, in_good_time, read_all, read_exactly, tcp_pair, unix_pair

NEVER = 3600.0
SOON = 0.1
MIB = 1 << 20


class Line:
    """A client and a server with a relay between them; ``client`` and ``server`` are the far ends."""

    def __init__(self, client: Any, server: Any, relay: Relay) -> None:
        self.client = client
        self.server = server
        self.relay = relay
        self.running = gevent.spawn(self._run)

    def _run(self) -> Ending:
        """As whoever runs a relay does: run it and close both streams."""
        try:
            return self.relay.run()
        finally:
            self.relay.client.close()
            self.relay.server.close()

    def ending(self) -> Ending:
        """How the relay ended, waiting for it."""
        ending = self.running.get(timeout=DEADLINE_S)
        assert isinstance(ending, Ending)
        return ending

    @property
    def counts(self) -> tuple[int, int]:
        return self.relay.from_client.count, self.relay.from_server.count

    def stop_the_clock(self) -> float:
        """Take the relay from the sweeper, so that the test sweeps it; the time of the first sweep."""
        hubs.sweeper().watched.discard(self.relay)
        now = time.monotonic()
        self.relay.sweep(now)
        return now

    @property
    def ends(self) -> list[tuple[Any, Any]]:
        """Both ways: who sends, who receives."""
        return [(self.client, self.server), (self.server, self.client)]


@contextlib.contextmanager
def relayed(
    idle_timeout: float = NEVER,
    half_close_timeout: float = NEVER,
    *more: float,
    buffer: int | tuple[int, int] = 0,
    pair: Callable[[], AbstractContextManager[tuple[Any, Any]]] | None = None,
) -> Iterator[Line]:
    """A line; ``buffer`` sets the kernel's buffers of its four sockets, or of the client's two and the server's two."""
    buffers = buffer if isinstance(buffer, tuple) else (buffer, buffer)
    pairs = [pair() if pair else tcp_pair(one) for one in buffers]
    with pairs[0] as (near_client, client), pairs[1] as (near_server, server), in_good_time():
        limits = Limits(idle_timeout, half_close_timeout, *more)
        line = Line(client, server, Relay(Stream(near_client), Stream(near_server), limits))
        try:
            yield line
        finally:
            line.running.kill()


def converse(line: Line) -> None:
    """One message each way, so that the relay is surely at work."""
    for sender, receiver in line.ends:
        sender.sendall(b"hello")
        assert read_exactly(receiver, 5) == b"hello"


# By the way whose source ended first.
HALF_CLOSED = (Ending.CLIENT_HALF_CLOSED, Ending.SERVER_HALF_CLOSED)


def ways() -> pytest.MarkDecorator:
    """Run a test in both directions: which end acts, and which one sees it."""
    return pytest.mark.parametrize("way", [0, 1], ids=["client acts", "server acts"])


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
def test_bytes_go_both_ways(pair: Callable[[], AbstractContextManager[tuple[Any, Any]]]) -> None:
    """What one side sends arrives at the other, on TCP and on unix sockets, and is counted."""
    with relayed(pair=pair) as line:
        line.client.sendall(b"question")
        assert read_exactly(line.server, 8) == b"question"
        line.server.sendall(b"an answer")
        assert read_exactly(line.client, 9) == b"an answer"
        line.client.close()
        line.server.close()
        assert line.ending() is Ending.CLOSED
        assert line.counts == (8, 9)


@ways()
def test_a_half_close_is_passed_on(way: int) -> None:
    """A side that ends what it sends is seen to, and still gets what the other one sends."""
    with relayed() as line:
        ender, other = line.ends[way]
        ender.sendall(b"all of it")
        ender.shutdown(socket.SHUT_WR)
        assert read_all(other) == b"all of it"
        for part in (b"the ", b"answer"):
            other.sendall(part)
            assert read_exactly(ender, len(part)) == part
        other.shutdown(socket.SHUT_WR)
        assert read_all(ender) == b""
        assert line.ending() is Ending.CLOSED


def test_a_call_for_nothing_does_no_harm() -> None:
    """The system may say that there is something to be read where there is nothing."""
    with relayed() as line:
        converse(line)
        line.relay.from_client.on_readable()
        converse(line)


def test_both_sides_may_end_at_once() -> None:
    """Two half-closes that cross end the relay, and each side sees an end."""
    with relayed() as line:
        line.client.shutdown(socket.SHUT_WR)
        line.server.shutdown(socket.SHUT_WR)
        assert read_all(line.client) == read_all(line.server) == b""
        assert line.ending() is Ending.CLOSED
        assert line.counts == (0, 0)


@ways()
def test_a_reset_is_passed_on(way: int) -> None:
    """A side that resets ends the relay, and the other side sees a reset, not an end that looks whole."""
    with relayed() as line:
        converse(line)
        resetter, other = line.ends[way]
        reset(resetter)
        with pytest.raises(ConnectionResetError):
            other.recv(1)
        assert line.ending() is (Ending.CLIENT_RESET, Ending.SERVER_RESET)[way]


@ways()
def test_what_came_before_a_reset_arrives(way: int) -> None:
    """Bytes that were passed on already can be read before the reset is seen."""
    with relayed() as line:
        resetter, other = line.ends[way]
        resetter.sendall(b"last words")
        assert read_exactly(other, 10) == b"last words"
        reset(resetter)
        with pytest.raises(ConnectionResetError):
            other.recv(1)


@ways()
def test_a_reset_that_a_write_finds_is_passed_on(way: int) -> None:
    """A side that resets while it is read no more, and is found out by a write, has reset all the same."""
    with relayed(buffer=SMALL_BUFFER) as line:
        converse(line)
        resetter, other = line.ends[way]
        fill(resetter)
        reset(resetter)
        other.sendall(b"are you there?")
        answering = (line.relay.from_server, line.relay.from_client)[way]
        wait_until(lambda: answering.ended, "the write", gevent.sleep)
        with pytest.raises(ConnectionResetError):
            read_all(other)
        assert line.ending() is (Ending.CLIENT_RESET, Ending.SERVER_RESET)[way]


@ways()
def test_a_side_that_takes_nothing_more(way: int) -> None:
    """A side that has said all and closed is not written to any more; what it said arrives, and its end."""
    with relayed() as line:
        closer, other = line.ends[way]
        closer.sendall(b"all of it")
        closer.close()
        assert read_exactly(other, 9) == b"all of it"
        assert read_all(other) == b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while not line.running.ready():
                other.sendall(b"more")
                gevent.sleep(0.001)
        assert line.ending() is Ending.CLOSED


@pytest.mark.parametrize("buffer", [0, SMALL_BUFFER, (0, SMALL_BUFFER), (SMALL_BUFFER, 0)])
def test_much_both_ways_at_once(buffer: int | tuple[int, int]) -> None:
    """Bulk both ways at once arrives whole and in order, however small the kernel's buffers are."""
    size = 20 * MIB if buffer == 0 else 2 * MIB
    block = bytes(range(251)) * (size // 251 + 1)
    sent = [block[:size], block[7 : size + 7]]
    with relayed(buffer=buffer) as line:
        senders = [gevent.spawn(send_and_end, one, data) for (one, _), data in zip(line.ends, sent, strict=True)]
        receivers = [gevent.spawn(read_all, one) for _, one in line.ends]
        join(senders)
        join(receivers)
        assert [one.value == data for one, data in zip(receivers, sent, strict=True)] == [True, True]
        assert line.ending() is Ending.CLOSED
        assert line.counts == (size, size)


def join(greenlets: Iterable[Any]) -> None:
    for one in greenlets:
        one.get()


def send_and_end(far: Any, data: bytes) -> None:
    far.sendall(data)
    far.shutdown(socket.SHUT_WR)


@given(
    pieces=st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=30_000)), max_size=10),
    reads=st.lists(st.integers(1, 20_000), min_size=1, max_size=5),
)
@settings(max_examples=40, deadline=None)
def test_whatever_way_bytes_are_cut(pieces: list[tuple[bool, bytes]], reads: list[int]) -> None:
    """However both sides cut what they send and read, each gets what the other one sent, and nothing else."""
    with relayed(buffer=SMALL_BUFFER) as line:
        receivers = [gevent.spawn(read_in_pieces, one, reads) for _, one in line.ends]
        senders = [
            gevent.spawn(send_pieces, one, [data for by_client, data in pieces if by_client is (one is line.client)])
            for one, _ in line.ends
        ]
        join(senders)
        join(receivers)
        for receiver, is_client in zip(receivers, (True, False), strict=True):
            assert receiver.value == b"".join(data for by_client, data in pieces if by_client is is_client)
        assert line.ending() is Ending.CLOSED


def send_pieces(far: Any, pieces: list[bytes]) -> None:
    for piece in pieces:
        far.sendall(piece)
        gevent.sleep(0)
    far.shutdown(socket.SHUT_WR)


def read_in_pieces(far: Any, sizes: list[int]) -> bytes:
    received, turn = b"", 0
    while data := far.recv(sizes[turn % len(sizes)]):
        received += data
        turn += 1
    return received


@ways()
def test_what_is_not_read_is_not_taken_in(way: int) -> None:
    """While one side does not read, the relay stops reading the other one: it holds one read at most."""
    with relayed(buffer=SMALL_BUFFER) as line:
        sender, receiver = line.ends[way]
        direction = (line.relay.from_client, line.relay.from_server)[way]
        sent = fill(sender)
        assert direction.is_blocked
        assert sent - direction.count <= LARGEST_READ
        assert not direction.source.reader.active
        assert fill(sender) < READ_SIZE
        # The other way is not held up by it.
        receiver.sendall(b"meanwhile")
        assert read_exactly(sender, 9) == b"meanwhile"
        sender.shutdown(socket.SHUT_WR)
        assert len(read_all(receiver)) >= sent
        assert not direction.is_blocked


@ways()
def test_a_side_that_dies_while_it_is_waited_for(way: int) -> None:
    """A side that is reset with bytes pending for it ends the relay; they are not counted as sent."""
    with relayed(buffer=SMALL_BUFFER) as line:
        sender, receiver = line.ends[way]
        sent = fill(sender)
        reset(receiver)
        with contextlib.suppress(BrokenPipeError), pytest.raises(ConnectionResetError):
            read_all(sender)
        assert line.ending() is (Ending.SERVER_RESET, Ending.CLIENT_RESET)[way]
        assert line.counts[way] < sent


@ways()
def test_a_side_that_dies_while_both_ways_are_blocked(way: int) -> None:
    """A reset that the writing finds is passed on after the bytes that came before it."""
    with relayed(buffer=SMALL_BUFFER) as line:
        survivor, dying = line.ends[way]
        fill(survivor)
        sent = fill(dying)
        reset(dying)
        to_dying = (line.relay.from_client, line.relay.from_server)[way]
        wait_until(lambda: to_dying.ended, "the reset", gevent.sleep)
        assert not to_dying.is_blocked
        assert len(read_exactly(survivor, sent // 2)) > 0
        with pytest.raises(ConnectionResetError):
            read_all(survivor)
        assert line.ending() is (Ending.SERVER_RESET, Ending.CLIENT_RESET)[way]


def test_an_idle_line_is_ended() -> None:
    """A line on which nothing moves for the idle timeout is closed on both sides, and not before."""
    with relayed(idle_timeout=SOON) as line:
        converse(line)
        started = time.monotonic()
        assert read_all(line.client) == read_all(line.server) == b""
        assert time.monotonic() - started >= SOON / 2  # It moved just before, seen at a tick.
        assert line.ending() is Ending.IDLE


@ways()
def test_a_line_that_moves_is_not_idle(way: int) -> None:
    """Bytes in one direction keep the line, however long it lasts."""
    with relayed(idle_timeout=60) as line:
        sender, receiver = line.ends[way]
        converse(line)
        now = line.stop_the_clock()
        for _ in range(10):
            sender.sendall(b".")
            assert receiver.recv(1) == b"."
            now += 59
            line.relay.sweep(now)
        line.relay.sweep(now + 59)
        assert not line.running.ready()
        line.relay.sweep(now + 61)
        assert line.ending() is Ending.IDLE


@ways()
def test_an_idle_end_with_bytes_pending_is_a_reset(way: int) -> None:
    """A side that did not take all in time cannot take what it got for all that there was."""
    with relayed(idle_timeout=SOON, buffer=SMALL_BUFFER) as line:
        sender, receiver = line.ends[way]
        fill(sender)
        assert line.ending() is Ending.IDLE
        with pytest.raises(ConnectionResetError):
            read_all(receiver)


@ways()
def test_a_line_that_stays_half_closed_is_ended(way: int) -> None:
    """Once one side has ended, the other one has the half-close timeout for its next bytes."""
    with relayed(half_close_timeout=SOON) as line:
        ender, other = line.ends[way]
        converse(line)
        ender.shutdown(socket.SHUT_WR)
        assert read_all(other) == b""
        assert read_all(ender) == b""
        assert line.ending() is HALF_CLOSED[way]


@ways()
def test_the_half_close_timeout_begins_with_the_half_close(way: int) -> None:
    """A line that was idle for longer than the half-close timeout still has all of it once a side ends."""
    with relayed(half_close_timeout=30) as line:
        ender, other = line.ends[way]
        converse(line)
        now = line.stop_the_clock()
        line.relay.sweep(now + 1000)
        ender.shutdown(socket.SHUT_WR)
        assert read_all(other) == b""
        line.relay.sweep(now + 1010)
        line.relay.sweep(now + 1039)
        other.sendall(b"still there")
        assert read_exactly(ender, 11) == b"still there"
        assert not line.running.ready()


@ways()
def test_a_half_closed_line_that_moves_is_kept(way: int) -> None:
    """The side that has not ended may take its time, as long as bytes come."""
    with relayed(half_close_timeout=30) as line:
        ender, other = line.ends[way]
        ender.shutdown(socket.SHUT_WR)
        assert read_all(other) == b""
        now = line.stop_the_clock()
        for _ in range(10):
            other.sendall(b".")
            assert ender.recv(1) == b"."
            now += 29
            line.relay.sweep(now)
        assert not line.running.ready()
        line.relay.sweep(now + 31)
        assert line.ending() is HALF_CLOSED[way]


@ways()
def test_each_side_may_have_a_limit_of_its_own(way: int) -> None:
    """A side that sends nothing for its own timeout ends the relay, however much the other one sends."""
    more = (30.0, NEVER) if way == 0 else (NEVER, 30.0)
    with relayed(NEVER, NEVER, *more) as line:
        silent, busy = line.ends[way]
        converse(line)
        now = line.stop_the_clock()
        for _ in range(2):
            busy.sendall(b".")
            assert silent.recv(1) == b"."
            now += 16
            line.relay.sweep(now)
        assert line.ending() is (Ending.CLIENT_IDLE, Ending.SERVER_IDLE)[way]


def test_a_side_that_has_ended_is_not_idle() -> None:
    """The limit on a side's silence is over with its end; then the half-close timeout holds."""
    with relayed(NEVER, 3600.0, 30.0) as line:
        converse(line)
        line.client.shutdown(socket.SHUT_WR)
        assert read_all(line.server) == b""
        now = line.stop_the_clock()
        line.relay.sweep(now + 31)
        assert not line.running.ready()


def test_a_relay_may_become_so_old() -> None:
    """At the end of its life a busy relay is cut with a reset, so that nobody takes what came for all."""
    with relayed(NEVER, NEVER, NEVER, NEVER, 100.0) as line:
        converse(line)
        now = line.stop_the_clock()
        line.client.sendall(b".")
        assert line.server.recv(1) == b"."
        line.relay.sweep(now + 99)
        assert not line.running.ready()
        line.relay.sweep(now + 101)
        assert line.ending() is Ending.LIFETIME
        with pytest.raises(ConnectionResetError):
            line.client.recv(1)


@pytest.mark.parametrize("blocked", [False, True], ids=["quiet", "with bytes pending"])
def test_a_kill_leaves_no_watcher(blocked: bool) -> None:
    """A relay whose greenlet is killed calls nobody back and is swept no more; the streams are the caller's."""
    with tcp_pair(SMALL_BUFFER) as (near_client, client), tcp_pair(SMALL_BUFFER) as (near_server, server):
        relay = Relay(Stream(near_client), Stream(near_server), Limits(NEVER, NEVER))
        running = gevent.spawn(relay.run)
        gevent.sleep(0)
        assert relay in hubs.sweeper().watched
        if blocked:
            fill(client)
        running.kill()
        assert relay not in hubs.sweeper().watched
        watchers = [getattr(one, kind) for one in (relay.client, relay.server) for kind in ("reader", "writer")]
        assert [watcher.active for watcher in watchers] == [False] * 4
        server.sendall(b"nobody cares")
        gevent.sleep(0.01)
        relay.client.close()
        relay.server.close()


def test_an_end_and_a_kill_at_once() -> None:
    """A relay that is killed in the moment in which it ends by itself ends once."""
    with relayed() as line:
        converse(line)
        line.running.kill(block=False)
        line.relay.reset_by(line.relay.client)
        line.running.join(DEADLINE_S)
        assert isinstance(line.running.value, gevent.GreenletExit)
        gevent.sleep(0)


def test_the_first_ending_stays() -> None:
    """What is found out about a relay that has ended already changes nothing."""
    with relayed() as line:
        converse(line)
        line.relay.reset_by(line.relay.server)
        line.relay.reset_by(line.relay.client)
        assert line.ending() is Ending.SERVER_RESET


def test_its_state_can_be_read() -> None:
    """The representation says what was passed on, and what each direction is doing."""
    with relayed(buffer=SMALL_BUFFER) as line:
        converse(line)
        assert repr(line.relay) == "<Relay client open 5, server open 5>"
        line.client.shutdown(socket.SHUT_WR)
        assert read_all(line.server) == b""
        assert repr(line.relay) == "<Relay client ended 5, server open 5>"
        fill(line.server)
        assert repr(line.relay).startswith("<Relay client ended 5, server blocked ")
