"""Streams on real sockets: reads, writes, waits, deadlines, ends."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deston.errors import ReadTimeout, StreamError, StreamReset, WriteTimeout
from deston.net import hub as hubs
from deston.net.byte_stream import ByteStream
from deston.net.stream import NEVER, Stream
from deston.net.tcp import reset_on_close
from tests.peers import READ_SIZE, reset, wait_until
from tests.wires import SMALL_BUFFER, fill, in_good_time, read_all, tcp_pair, unix_pair

SOON = 0.06
BULK = bytes(range(256)) * 8192

# Each kind of wait: what begins it, on a stream whose peer neither sends nor takes, and what its deadline raises.
WAITS = [
    pytest.param(lambda stream: stream.read(1), ReadTimeout, id="read"),
    pytest.param(lambda stream: stream.read_into(memoryview(bytearray(1))), ReadTimeout, id="read_into"),
    pytest.param(lambda stream: stream.write(BULK * 8), WriteTimeout, id="write"),
]
Wait = Callable[[Stream], object]


def watchers_at_work(stream: Stream) -> list[bool]:
    return [watcher is not None and watcher.active for watcher in (stream._reader, stream._writer)]


def test_it_is_a_byte_stream() -> None:
    """A stream can stand where a protocol wants a connection."""
    with tcp_pair() as (near, _):
        stream: ByteStream = Stream(near)
        stream.close()


def test_a_read_returns_what_is_there() -> None:
    """A read returns up to its limit of what has come, and empty bytes at the end."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        far.sendall(b"abcde")
        assert stream.read(3) == b"abc"
        buffer = bytearray(8)
        assert stream.read_into(memoryview(buffer)) == 2
        assert buffer[:2] == b"de"
        far.close()
        assert stream.read(3) == b""
        assert stream.read_into(memoryview(buffer)) == 0
        stream.close()


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
def test_a_read_waits_for_what_comes_later(pair: Callable[[], object]) -> None:
    """A read on a silent connection lets other greenlets run, and returns once something has come."""
    with pair() as (near, far), in_good_time():  # type: ignore[attr-defined]
        stream = Stream(near)
        into = bytearray(5)
        gevent.spawn_later(0.01, far.sendall, b"first")
        assert stream.read(100) == b"first"
        gevent.spawn_later(0.01, far.sendall, b"later")
        assert stream.read_into(memoryview(into)) == 5
        assert into == b"later"
        # It goes on for the wait that mostly follows, until something comes that nobody waits for.
        assert watchers_at_work(stream) == [True, False]
        assert stream.has_been_quiet
        far.sendall(b"unasked")
        wait_until(lambda: not stream.has_been_quiet, "the end of the watch", gevent.sleep)
        assert stream.read(100) == b"unasked"
        stream.close()


def test_a_write_sends_all_to_a_slow_reader() -> None:
    """A write that the kernel takes in parts goes on whenever the peer makes room, until all is sent."""
    with tcp_pair(SMALL_BUFFER) as (near, far), in_good_time():
        stream = Stream(near)
        writing = gevent.spawn(stream.write, BULK)
        received = b""
        while len(received) < len(BULK):
            received += far.recv(5000)
        writing.get()
        assert received == BULK
        assert watchers_at_work(stream) == [False, False]
        stream.close()


@given(pieces=st.lists(st.binary(min_size=1, max_size=20_000), max_size=8), limit=st.integers(1, 30_000))
@settings(max_examples=30, deadline=None)
def test_whatever_way_bytes_are_cut(pieces: list[bytes], limit: int) -> None:
    """However writes and reads cut them, the bytes that arrive are those that were written, in order."""
    with tcp_pair(SMALL_BUFFER) as (near, far), in_good_time():
        writer, reader = Stream(near), bytearray()

        def read() -> None:
            while data := far.recv(limit):
                reader.extend(data)

        reading = gevent.spawn(read)
        for piece in pieces:
            writer.write(piece)
        writer.close()
        reading.get()
        assert bytes(reader) == b"".join(pieces)


@pytest.mark.parametrize(("begin", "timeout"), WAITS)
def test_a_deadline_ends_a_wait(begin: Wait, timeout: type[StreamError]) -> None:
    """A wait that is not over at the deadline raises its timeout then, and not before."""
    with tcp_pair(SMALL_BUFFER) as (near, far), in_good_time():
        stream = Stream(near)
        stream.expire_after(SOON)
        started = time.monotonic()
        with pytest.raises(timeout, match="nothing (was received|could be sent) in time"):
            begin(stream)
        assert time.monotonic() - started >= SOON
        assert watchers_at_work(stream) == [False, False]
        stream.close()


def test_a_stream_can_be_used_on_after_a_timeout() -> None:
    """A timeout says that nothing came in time; with a new deadline the stream goes on where it was."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        stream.expire_after(SOON)
        with pytest.raises(ReadTimeout):
            stream.read(1)
        stream.expire_after(60)
        gevent.spawn_later(0.01, far.sendall, b"late")
        assert stream.read(10) == b"late"
        stream.close()


def test_a_deadline_counts_from_the_time_that_was_told() -> None:
    """Whoever has just looked at the clock hands the time in, however late it is by now."""
    with tcp_pair() as (near, _), in_good_time():
        stream = Stream(near)
        stream.expire_after(60, time.monotonic() - 60)
        with pytest.raises(ReadTimeout):
            stream.read(1)
        stream.close()


def test_no_deadline_waits_on() -> None:
    """A deadline that was lifted ends nothing, though the sweeper still looks at the stream."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        stream.expire_after(SOON)
        stream.expire_after(NEVER)
        gevent.spawn_later(SOON * 3, far.sendall, b"in the end")
        assert stream.read(100) == b"in the end"
        stream.close()


def test_a_deadline_that_passes_while_nobody_waits_ends_the_next_wait() -> None:
    """A deadline counts from when it was set, not from when the wait began."""
    with tcp_pair() as (near, _), in_good_time():
        stream = Stream(near)
        stream.expire_after(SOON)
        gevent.sleep(SOON * 2)
        with pytest.raises(ReadTimeout):
            stream.read(1)
        stream.close()


@pytest.mark.parametrize(("begin", "_timeout"), WAITS)
def test_a_kill_ends_a_wait_and_leaves_no_watcher(begin: Wait, _timeout: object) -> None:
    """A greenlet that is killed while it waits is not called back later."""
    with tcp_pair(SMALL_BUFFER) as (near, far), in_good_time():
        stream = Stream(near)
        stream.expire_after(60)
        waiting = gevent.spawn(begin, stream)
        wait_until(lambda: any(watchers_at_work(stream)), "the wait", gevent.sleep)
        waiting.kill()
        assert watchers_at_work(stream) == [False, False]
        far.sendall(b"nobody cares")
        stream.sweep(time.monotonic() + 120)
        gevent.sleep(0)
        stream.close()


def test_a_second_close_does_nothing() -> None:
    """A stream may be closed by whoever finds it in the way, as often as that happens, even if it was used."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        stream.expire_after(60)
        assert stream in hubs.sweeper().watched
        assert watchers_at_work(stream) == [False, False]
        stream.close()
        assert stream not in hubs.sweeper().watched
        stream.close()
        stream.abort()
        assert far.recv(1) == b""
        assert repr(stream) == "<Stream -1>"


def test_a_closed_stream_neither_reads_nor_writes() -> None:
    """What is asked of a closed stream fails with an error of ours, and waits for nothing."""
    with tcp_pair() as (near, _):
        stream = Stream(near)
        stream.close()
        with pytest.raises(StreamReset, match="Bad file descriptor"):
            stream.read(1)
        with pytest.raises(StreamReset, match="Bad file descriptor"):
            stream.write(b"a")
        with pytest.raises(StreamReset, match="Bad file descriptor"):
            stream.shutdown_write()
        assert stream.send_at_once(b"a") == 0
        assert not stream.is_quiet()


def test_sending_at_once_waits_for_nobody() -> None:
    """What is sent at once is as much as the socket takes now, be it nothing."""
    with tcp_pair(SMALL_BUFFER) as (near, far), in_good_time():
        stream = Stream(near)
        assert stream.send_at_once(b"hello") == 5
        assert far.recv(5) == b"hello"
        while stream.send_at_once(BULK):
            pass
        assert stream.send_at_once(b"more") == 0
        stream.close()


@pytest.mark.parametrize(
    "use",
    [
        lambda stream: stream.read(1),
        lambda stream: stream.read_into(memoryview(bytearray(1))),
        lambda stream: stream.write(b"a"),
    ],
)
def test_a_reset_by_the_peer(use: Wait) -> None:
    """A connection that the peer has reset fails in reads and in writes with an error that says so."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        reset(far)
        with pytest.raises(StreamReset, match="Connection reset by peer"):
            use(stream)
        stream.close()


def test_an_abort_resets() -> None:
    """An abort lets the peer see a reset, not an end."""
    with tcp_pair() as (near, far), in_good_time():
        Stream(near).abort()
        with pytest.raises(ConnectionResetError):
            far.recv(1)


def test_an_abort_of_a_unix_socket_closes_it() -> None:
    """Unix sockets know no reset; they are closed."""
    with unix_pair() as (near, far), in_good_time():
        Stream(near).abort()
        assert far.recv(1) == b""


def test_a_half_close_leaves_reading_open() -> None:
    """After a half-close the peer sees the end, and what it then sends still arrives."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        stream.write(b"question")
        stream.shutdown_write()
        assert read_all(far) == b"question"
        far.sendall(b"answer")
        assert stream.read(100) == b"answer"
        stream.close()


def test_a_half_close_of_what_is_reset_fails() -> None:
    """A peer that is gone cannot be told of the end."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        reset(far)
        with pytest.raises(StreamReset):
            stream.read(1)
        with pytest.raises(StreamReset, match="not connected"):
            stream.shutdown_write()
        stream.close()


def test_quiet_means_silent_and_open() -> None:
    """A connection is fit for another use while its peer has neither sent anything, nor closed, nor reset."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        assert stream.is_quiet()
        assert not stream.has_input()
        far.sendall(b"unasked")
        wait_until(stream.has_input, "input", gevent.sleep)
        assert not stream.is_quiet()
        assert stream.read(100) == b"unasked"
        assert stream.is_quiet()
        far.shutdown(socket.SHUT_WR)
        wait_until(lambda: not stream.is_quiet(), "the end", gevent.sleep)
        stream.close()
    with tcp_pair() as (near, far):
        stream = Stream(near)
        reset(far)
        wait_until(lambda: not stream.is_quiet(), "the reset", gevent.sleep)
        stream.close()


def test_a_wait_takes_the_place_of_who_is_told() -> None:
    """One is called back while nobody waits; a read takes its place, and afterwards nobody is called."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        told: list[bytes] = []
        stream.watch(lambda: told.append(stream.read(100)))
        far.sendall(b"told")
        wait_until(lambda: told == [b"told"], "the call", gevent.sleep)
        assert stream.has_been_quiet
        gevent.spawn_later(0.01, far.sendall, b"read")
        assert stream.read(100) == b"read"
        far.sendall(b"unasked")
        wait_until(lambda: not stream.has_been_quiet, "the end of the watch", gevent.sleep)
        assert told == [b"told"]
        stream.close()


def test_a_wait_after_somebody_else_had_the_watcher() -> None:
    """Whoever waits by callbacks of their own takes the watcher over, and a later read takes it back."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        gevent.spawn_later(0.01, far.sendall, b"first")
        assert stream.read(100) == b"first"
        called: list[int] = []
        stream.reader.start(called.append, 1)
        assert not stream.has_been_quiet
        far.sendall(b"second")
        wait_until(lambda: called != [], "the call", gevent.sleep)
        stream.reader.stop()
        assert stream.read(100) == b"second"
        gevent.spawn_later(0.01, far.sendall, b"third")
        assert stream.read(100) == b"third"
        assert stream.has_been_quiet
        stream.close()


def test_a_wait_watches_again_what_was_stopped() -> None:
    """After what came unasked, and after a timeout, the watcher goes on from the next wait as from the first."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        for number in range(3):
            gevent.spawn_later(0.01, far.sendall, b"asked")
            assert stream.read(5) == b"asked"
            assert stream.has_been_quiet, number
            far.sendall(b"unasked")
            wait_until(lambda: not stream.has_been_quiet, "the end of the watch", gevent.sleep)
            assert stream.read(7) == b"unasked"
            stream.expire_after(SOON)
            with pytest.raises(ReadTimeout):
                stream.read(1)
            assert not stream.has_been_quiet
            stream.expire_after(NEVER)
        stream.close()


def test_who_lets_go_leaves_the_socket_open() -> None:
    """Nobody is told any more, and whoever has the socket goes on with it."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        stream.expire_after(60)
        called: list[int] = []
        stream.watch(lambda: called.append(1))
        stream.let_go()
        stream.let_go()
        far.sendall(b"a")
        wait_until(lambda: bool(select.select([near], [], [], 0)[0]), "what was sent", gevent.sleep)
        assert called == []
        assert near.recv(10) == b"a"
        assert stream not in stream.home.sweeper.watched


def test_nobody_is_called_back_after_stop_watching() -> None:
    """Both watchers can be stopped at once, whether they were ever made or not."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        stream.stop_watching()
        called: list[int] = []
        stream.reader.start(called.append, 1)
        stream.writer.start(called.append, 2)
        far.sendall(b"a")
        stream.stop_watching()
        gevent.sleep(0.01)
        assert called == []
        stream.close()


def test_reset_on_close_of_what_is_closed() -> None:
    """A socket that is closed already is left alone."""
    with tcp_pair() as (near, far), in_good_time():
        near.close()
        reset_on_close(near)
        assert far.recv(1) == b""


def test_filling_a_stream_that_is_not_read() -> None:
    """What is not read stays in the kernel: a peer can send no more than the buffers hold."""
    with tcp_pair(SMALL_BUFFER) as (near, far), in_good_time():
        stream = Stream(near)
        sent = fill(far)
        assert 0 < sent < len(BULK)
        far.shutdown(socket.SHUT_WR)
        received = b""
        while data := stream.read(READ_SIZE):
            received += data
        assert len(received) == sent
        stream.close()
